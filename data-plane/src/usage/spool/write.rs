//! Writing events and what is begun into segments.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use bulkhead_sealed::Seal;
use bytes::Bytes;
use tokio::time::Instant;

use super::Spool;
use super::files::{Form, SegmentName};
use super::index::Segment;
use super::record::{Content, Of};

/// A segment to which nothing was written for this long is written to no more, nor is one that is so old.
const IDLE: Duration = Duration::from_secs(60);
const OLD: Duration = Duration::from_secs(600);
/// A frame is about this long at most.
const FRAME: usize = 1 << 20;

/// What is to be written together.
#[derive(Default)]
pub(in crate::usage) struct Batch {
    /// Exchanges that were begun, with the event that each is if nothing more is heard of it.
    pub(in crate::usage) opens: Vec<Of>,
    /// Events, each with the number of its exchange.
    pub(in crate::usage) events: Vec<Of>,
}

impl Batch {
    pub(in crate::usage) fn is_empty(&self) -> bool {
        self.opens.is_empty() && self.events.is_empty()
    }
}

/// The one who writes.
pub(in crate::usage) struct SpoolWriter {
    spool: Arc<Spool>,
    active: Option<Active>,
    /// The number of the next event.
    next: u64,
    /// What is begun and not ended, as it is on disk. A new segment begins with it, so that only the last one of an
    /// incarnation has to be read after a crash.
    begun: BTreeMap<u64, Bytes>,
}

/// The segment that is written to.
struct Active {
    number: u64,
    file: Arc<File>,
    seal: Seal,
    len: u64,
    /// How long it may become.
    most: u64,
    created: Instant,
    written: Instant,
}

impl SpoolWriter {
    pub(super) fn new(spool: Arc<Spool>) -> Self {
        Self { spool, active: None, next: 1, begun: BTreeMap::new() }
    }

    pub(in crate::usage) fn spool(&self) -> &Arc<Spool> {
        &self.spool
    }

    /// What an exchange is if nothing more is heard of it: it was begun, and what came of it did not get here.
    pub(in crate::usage) fn begun(&self, exchange: u64) -> Option<Bytes> {
        self.begun.get(&exchange).cloned()
    }

    /// The segment that is written to takes no more.
    #[cfg(test)]
    pub(super) fn retire(&mut self) {
        self.active.iter_mut().for_each(|active| active.most = 0);
    }

    /// Writes the batch, and takes out of it what was written: the number of events that were.
    pub(in crate::usage) fn write(&mut self, batch: &mut Batch) -> (u64, io::Result<()>) {
        let mut written = 0u64;
        while !batch.is_empty() {
            if let Err(error) = self.frame(batch, &mut written) {
                return (written, Err(error));
            }
        }
        (written, Ok(()))
    }

    /// Writes as much as one frame takes.
    fn frame(&mut self, batch: &mut Batch, written: &mut u64) -> io::Result<()> {
        if self.spool.is_full() {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "the spool is full (--spool-cap)"));
        }
        let (mut active, fresh) = match self.active.take().filter(Active::takes_more) {
            Some(active) => (active, false),
            None => (self.create()?, true),
        };
        let mut content = Content::new(self.spool.current, self.next);
        if fresh {
            self.begun.iter().for_each(|(exchange, event)| content.open(*exchange, event));
            active.most = active.most.saturating_add(content.len() as u64);
        }
        let room = content.len().saturating_add(FRAME);
        let opens = take(&mut content, room, &batch.opens, Content::open);
        let events = take(&mut content, room, &batch.events, Content::event);
        if let Err(error) = active.append(content) {
            // What the disk took of it would be in the way of the next frame. A segment with nothing in it is none.
            if fresh {
                self.spool.dir.remove(&self.name(active.number)).ok();
            } else if active.file.set_len(active.len).is_ok() {
                self.active = Some(active);
            }
            return Err(error);
        }
        self.begun.extend(batch.opens.drain(..opens));
        for (exchange, _) in batch.events.drain(..events) {
            self.begun.remove(&exchange);
        }
        if fresh {
            let segment = Segment::active(self.name(active.number), active.file.clone(), active.len);
            self.spool.begin(segment);
        }
        self.next = self.next.saturating_add(events as u64);
        *written = written.saturating_add(events as u64);
        self.spool.grown(active.number, self.next.saturating_sub(1), active.len, &active.file);
        self.active = Some(active);
        Ok(())
    }

    fn name(&self, number: u64) -> SegmentName {
        SegmentName { incarnation: self.spool.current, number, first: self.next, form: Form::Events }
    }

    fn create(&self) -> io::Result<Active> {
        let number = self.spool.next_number();
        let name = self.name(number);
        let (seal, header) = Seal::fresh(name.sealed_as(), self.spool.keys.current())?;
        let file = self.spool.dir.create(&name)?;
        let written = (&file).write_all(&header);
        written.inspect_err(|_| drop(self.spool.dir.remove(&name)))?;
        let now = Instant::now();
        let (len, most) = (header.len() as u64, self.spool.segment_bytes());
        Ok(Active { number, file: Arc::new(file), seal, len, most, created: now, written: now })
    }
}

/// Puts records into a frame up to this size; how many.
fn take(content: &mut Content, room: usize, records: &[Of], put: fn(&mut Content, u64, &[u8])) -> usize {
    let mut taken = 0;
    for (exchange, event) in records {
        if content.len() >= room {
            break;
        }
        put(content, *exchange, event);
        taken += 1;
    }
    taken
}

impl Active {
    fn takes_more(&self) -> bool {
        self.len < self.most && self.written.elapsed() < IDLE && self.created.elapsed() < OLD
    }

    fn append(&mut self, content: Content) -> io::Result<()> {
        let sealed = self.seal.seal(content.into_bytes())?;
        (&*self.file).write_all(&sealed.bytes)?;
        self.seal.accept(&sealed);
        self.len = self.len.saturating_add(sealed.bytes.len() as u64);
        self.written = Instant::now();
        Ok(())
    }
}
