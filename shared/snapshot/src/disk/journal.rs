//! Journals: deltas, one a frame.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use bulkhead_proto as proto;
use bulkhead_sealed::{Damage, Frames, HEADER, Kind, Name, Seal, StateKey, StateKeys};
use prost::Message;

use super::files::{Files, create};
use crate::Catalog;
use crate::version::Version;

/// A journal that deltas are written to.
pub(super) struct Journal {
    file: File,
    seal: Seal,
    len: u64,
    head: Version,
}

impl Journal {
    /// An empty one that goes on from `head`.
    pub(super) fn create(files: &Files, generation: u64, key: &StateKey, head: Version) -> io::Result<Self> {
        let (seal, header) = Seal::fresh(Name(Kind::Journal, generation), key)?;
        let mut file = create(&files.journal(generation))?;
        file.write_all(&header)?;
        file.sync_all()?;
        Ok(Self { file, seal, len: HEADER, head })
    }

    /// The point in history that it leads to.
    pub(super) fn head(&self) -> &Version {
        &self.head
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Writes a delta to the disk. After an error the file ends where it ended before, or at worst in a torn frame.
    pub(super) fn append(&mut self, delta: &proto::Delta) -> io::Result<()> {
        let from = Version::decode(delta.from.as_ref());
        let version = Version::decode(delta.version.as_ref());
        let Some(version) = version.filter(|_| from == Some(self.head)) else {
            return Err(io::Error::other(format!(
                "the journal ends at {}, the delta goes on elsewhere",
                self.head
            )));
        };
        let sealed = self.seal.seal(delta.encode_to_vec())?;
        let written = self.file.write_all(&sealed.bytes).and_then(|()| self.file.sync_data());
        if written.is_err() {
            self.file.set_len(self.len).ok();
            return written;
        }
        self.seal.accept(&sealed);
        self.len += sealed.bytes.len() as u64;
        self.head = version;
        Ok(())
    }
}

/// What came of replaying a journal.
pub(super) struct Replayed {
    /// The frames that were good, and applied; `None` where not even the header was.
    frames: Option<Frames>,
    /// Why it did not go on to its end.
    pub(super) stopped: Option<String>,
}

/// Applies the deltas of a journal as far as they are good and fit.
pub(super) fn replay(files: &Files, generation: u64, keys: &StateKeys, catalog: &mut Catalog) -> Replayed {
    let name = Name(Kind::Journal, generation);
    let opened = File::open(files.journal(generation)).map_err(Damage::from);
    let mut frames = match opened.and_then(|file| Frames::open(name, file, keys)) {
        Ok(frames) => frames,
        Err(damage) => return Replayed { frames: None, stopped: Some(damage.to_string()) },
    };
    loop {
        let stopped = match frames.read() {
            Ok(None) => return Replayed { frames: Some(frames), stopped: None },
            Ok(Some(content)) => match apply(&content, catalog) {
                Ok(()) => continue,
                // Good, but of no use here: nothing can be written after it.
                Err(reason) => return Replayed { frames: None, stopped: Some(reason) },
            },
            Err(damage) => damage.to_string(),
        };
        return Replayed { frames: Some(frames), stopped: Some(stopped) };
    }
}

fn apply(content: &[u8], catalog: &mut Catalog) -> Result<(), String> {
    let delta = proto::Delta::decode(content).map_err(|_| "a delta cannot be decoded")?;
    catalog.delta(delta).map_err(|refused| refused.0)
}

impl Replayed {
    /// To go on writing after the last good frame; what is behind it is cut off.
    pub(super) fn resume(self, path: &Path, head: Version) -> io::Result<Option<Journal>> {
        let Some(frames) = self.frames else { return Ok(None) };
        let len = frames.good;
        let file = OpenOptions::new().append(true).open(path)?;
        if self.stopped.is_some() {
            file.set_len(len)?;
            file.sync_all()?;
        }
        Ok(Some(Journal { file, seal: frames.into_seal(), len, head }))
    }

    pub(super) fn old_key(&self) -> bool {
        self.frames.as_ref().is_some_and(|frames| frames.old_key)
    }
}
