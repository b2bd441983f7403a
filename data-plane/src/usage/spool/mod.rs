//! The spool: usage events of a managed node on disk, until the control plane has them and for a day longer (design §8).
//!
//! Segments are files of encrypted frames, one frame for what was written together. Three parties: the recorder's
//! thread writes (`write`), the keeper's thread syncs, removes and folds (`keep`), and the one who sends reads (`read`).
//! They share an index of the segments and of what the control plane has (`index`). Nothing is sent before it is on
//! the disk for good, nothing is folded that may have been sent.

mod files;
mod index;
mod keep;
mod read;
mod record;
mod recover;
mod sums;
mod write;

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;

use bulkhead_model::{Clock, UnixMillis};
use bulkhead_proto::UsageBatch;
use bulkhead_proto::usage_batch::What;
use bulkhead_sealed::{Damage, StateKeys};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

use files::Dir;
use index::{Index, Segment, Step};
use read::Reading;
pub(super) use write::{Batch, SpoolWriter};

/// How long a segment becomes, where the cap has room for many of them.
const SEGMENT: u64 = 4 << 20;
const SMALLEST_SEGMENT: u64 = 16 << 10;

/// A start of this node's process: events are numbered within it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Incarnation([u8; 16]);

impl Incarnation {
    /// A new one.
    pub(crate) fn random() -> io::Result<Self> {
        let mut bytes = [0; 16];
        aws_lc_rs::rand::fill(&mut bytes).map_err(io::Error::other)?;
        Ok(Self(bytes))
    }

    pub(crate) fn encode(self) -> Bytes {
        Bytes::copy_from_slice(&self.0)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    fn hex(self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.0))
    }

    fn from_hex(text: &str) -> Option<Self> {
        let digits = text.len() == 32 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        let number = u128::from_str_radix(text, 16).ok().filter(|_| digits)?;
        Some(Self(number.to_be_bytes()))
    }
}

/// What the control plane has not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Lag {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
    /// When the oldest of them was written.
    pub(crate) oldest: Option<UnixMillis>,
}

/// What becomes of events that there is no room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Full {
    /// The oldest are summed up: money is kept, detail is not.
    Fold,
    /// Requests are refused until the control plane has some.
    Block,
}

/// What the operator says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    /// Bytes on disk.
    pub(crate) cap: u64,
    pub(crate) full: Full,
}

/// What happened since the start.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Events that are only in sums any more.
    pub(crate) folded: AtomicU64,
    /// Segments that could not be read, or not to their end.
    pub(crate) damaged: AtomicU64,
}

/// The spool.
pub(crate) struct Spool {
    dir: Dir,
    keys: StateKeys,
    options: Options,
    current: Incarnation,
    clock: Clock,
    /// The number of the newest segment.
    newest: AtomicU64,
    index: Mutex<Index>,
    /// Locked before the index.
    reading: Mutex<Reading>,
    appended: watch::Sender<u64>,
    counts: Counts,
    /// There is more than the cap has room for.
    over: AtomicBool,
    /// The disk fails, which was said.
    trouble: AtomicBool,
    /// There is work for the keeper.
    dirty: AtomicBool,
    closing: AtomicBool,
    keeper: OnceLock<Thread>,
}

/// What a start found: the bounds of what a former process left under way, by key id, in nano-dollars.
pub(super) type Begun = HashMap<String, i64>;

impl Spool {
    /// Opens or makes the spool in a directory.
    pub(super) fn open(
        dir: PathBuf,
        keys: StateKeys,
        options: Options,
        clock: Clock,
    ) -> io::Result<(SpoolWriter, Begun)> {
        let dir = Dir::open(dir)?;
        let current = Incarnation::random()?;
        let found = recover::recover(&dir, &keys, current, clock.now())?;
        let sent = dir.sent(found.newest)?;
        dir.sync()?;
        let spool = Arc::new(Self {
            dir,
            keys,
            options,
            current,
            clock,
            newest: AtomicU64::new(found.newest),
            index: Mutex::new(found.index),
            reading: Mutex::new(Reading::new(sent)),
            appended: watch::Sender::new(0),
            counts: Counts { damaged: AtomicU64::new(found.damaged), ..Counts::default() },
            over: AtomicBool::new(false),
            trouble: AtomicBool::new(false),
            dirty: AtomicBool::new(true),
            closing: AtomicBool::new(false),
            keeper: OnceLock::new(),
        });
        Ok((SpoolWriter::new(spool), found.begun))
    }

    /// Those of which there are events on disk, oldest first, the current one last.
    pub(crate) fn incarnations(&self) -> Vec<Incarnation> {
        self.index.lock().incarnations()
    }

    /// What the control plane has of these incarnations: reading goes on behind it, be it further on or further back.
    pub(crate) fn resume(&self, marks: &[(Incarnation, u64)]) {
        let mut reading = self.reading.lock();
        for (incarnation, through) in marks {
            reading.handed_out.insert(*incarnation, *through);
            self.mark(*incarnation, *through);
        }
        drop(reading);
        self.wake();
    }

    /// The control plane has all numbers of the incarnation up to this one.
    pub(crate) fn acked(&self, incarnation: Incarnation, through: u64) {
        if through > self.index.lock().mark(incarnation) {
            self.mark(incarnation, through);
            self.wake();
        }
    }

    fn mark(&self, incarnation: Incarnation, through: u64) {
        let whole = self.index.lock().set_mark(incarnation, through, self.clock.now());
        whole.iter().for_each(|name| self.touch(name));
    }

    /// The next batch to send, about as large as `max_bytes`; `None` where everything was handed out. Reads the disk.
    pub(crate) fn next(&self, max_bytes: usize) -> io::Result<Option<UsageBatch>> {
        let reading = &mut *self.reading.lock();
        loop {
            let step = self.index.lock().plan(&reading.handed_out);
            let (incarnation, batch) = match step {
                None => return Ok(None),
                Some(Step::Lost { incarnation, first, last }) => {
                    (incarnation, read::batch(incarnation, first, last, What::Lost, Vec::new()))
                }
                Some(Step::Read { name, from, ready }) => {
                    reading.note_sent(name.number)?;
                    let read = reading.batch(&self.dir, &self.keys, (name, from), ready, max_bytes);
                    match read {
                        Ok(Some(batch)) => (name.incarnation, batch),
                        Ok(None) => {
                            self.ends_before(name.number, from, &Damage::Torn);
                            continue;
                        }
                        Err(damage) => {
                            let damage = reading.is_lost(name.number, damage)?;
                            self.ends_before(name.number, from, &damage);
                            continue;
                        }
                    }
                }
            };
            reading.handed_out.insert(incarnation, batch.last);
            return Ok(Some(batch));
        }
    }

    /// A segment cannot be read from this event on.
    fn ends_before(&self, number: u64, from: u64, damage: &Damage) {
        let mut index = self.index.lock();
        let Some(segment) = index.segments.get_mut(&number) else { return };
        let (name, known) = (segment.name, segment.damaged.replace(from));
        drop(index);
        if known.is_none() {
            self.damaged(&name, damage);
        }
    }

    /// Moves when there is more to send.
    pub(crate) fn appended(&self) -> watch::Receiver<u64> {
        self.appended.subscribe()
    }

    pub(crate) fn lag(&self) -> Lag {
        self.index.lock().lag()
    }

    /// Everything was acknowledged.
    pub(crate) fn is_empty(&self) -> bool {
        self.lag().events == 0
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Requests are to be refused: the spool is over its cap, and that is what the operator wants then.
    pub(crate) fn blocks(&self) -> bool {
        self.options.full == Full::Block && self.over.load(Ordering::Relaxed)
    }

    /// Nothing more is taken: what could be folded was folded.
    fn is_full(&self) -> bool {
        self.options.full == Full::Fold && self.over.load(Ordering::Relaxed)
    }

    fn next_number(&self) -> u64 {
        self.newest.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn segment_bytes(&self) -> u64 {
        (self.options.cap / 8).clamp(SMALLEST_SEGMENT, SEGMENT)
    }

    /// A new segment is written to, and no other one.
    fn begin(&self, segment: Segment) {
        let now = self.clock.now();
        let mut index = self.index.lock();
        let mark = index.mark(self.current);
        let mut whole = Vec::new();
        for former in index.segments.values_mut().filter(|former| former.active) {
            former.active = false;
            if former.last <= mark {
                former.acked = Some(now);
                whole.push(former.name);
            }
        }
        index.segments.insert(segment.name.number, segment);
        drop(index);
        whole.iter().for_each(|name| self.touch(name));
    }

    /// More is in the segment that is written to.
    fn grown(&self, number: u64, last: u64, len: u64, file: &Arc<File>) {
        let now = self.clock.now();
        if let Some(segment) = self.index.lock().segments.get_mut(&number) {
            segment.grow(last, len, file.clone(), now);
        }
        self.wake();
    }
}

#[cfg(test)]
mod tests;
