//! Notices that files changed.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// Looking is cheaper than being told: it works on every file system and through every kind of symbolic link.
const LOOK: Duration = Duration::from_millis(500);

/// Tells one state of a file from another, as far as the file system does; `None` where there is no file.
///
/// The time of the last change is that of the inode: unlike the time of modification it cannot be set, so that a file
/// that was restored or copied with its times is noticed, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp(Option<[i64; 4]>);

impl Stamp {
    /// The state of a file now.
    pub fn of(file: &Path) -> Self {
        let numbers = |metadata: std::fs::Metadata| {
            let (inode, len) = (metadata.ino().cast_signed(), metadata.len().cast_signed());
            [inode, len, metadata.ctime(), metadata.ctime_nsec()]
        };
        Self(std::fs::metadata(file).ok().map(numbers))
    }
}

/// Reads files, and notes what they looked like just before.
#[derive(Debug, Default)]
pub struct Reader(Mutex<Vec<(PathBuf, Stamp)>>);

impl Reader {
    /// Notes a file that is about to be read.
    pub fn look(&self, file: &Path) {
        self.0.lock().push((file.to_owned(), Stamp::of(file)));
    }

    /// The text of a file.
    pub fn text(&self, file: &Path) -> io::Result<String> {
        self.look(file);
        std::fs::read_to_string(file)
    }

    /// What was read.
    pub fn finish(self) -> Vec<(PathBuf, Stamp)> {
        self.0.into_inner()
    }
}

/// The files that the last attempt read, good or bad, as they were just before: what is written meanwhile is a change.
#[derive(Debug, Default)]
pub struct LastRead(Mutex<Vec<(PathBuf, Stamp)>>);

impl LastRead {
    /// Notes what an attempt read.
    pub fn set(&self, files: Vec<(PathBuf, Stamp)>) {
        *self.0.lock() = files;
    }

    /// What the files look like now, where any of them has changed since.
    fn changed(&self) -> Option<Vec<Stamp>> {
        let read = self.0.lock();
        let now: Vec<_> = read.iter().map(|(file, _)| Stamp::of(file)).collect();
        let same = read.iter().zip(&now).all(|((_, then), now)| then == now);
        (!same).then_some(now)
    }
}

/// Waits for changes and for SIGHUP.
pub struct Watch {
    hangup: Signal,
    look: Interval,
    changed: Option<Vec<Stamp>>,
}

impl Watch {
    /// Hears SIGHUP from here on.
    pub fn new() -> std::io::Result<Self> {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self { hangup: signal(SignalKind::hangup())?, look, changed: None })
    }

    /// Returns when the files are to be read again.
    pub async fn changed(&mut self, read: &LastRead) {
        loop {
            tokio::select! {
                _ = self.hangup.recv() => {
                    tracing::info!("SIGHUP: reading the files again");
                    break;
                }
                _ = self.look.tick() => {
                    let before = std::mem::replace(&mut self.changed, read.changed());
                    // Unchanged for one look: whoever writes it is done.
                    if self.changed.is_some() && self.changed == before {
                        break;
                    }
                }
            }
        }
        self.changed = None;
    }
}
