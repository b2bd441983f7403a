//! Reading segments: the next batch to send.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::time::Duration;

use bulkhead_proto::UsageBatch;
use bulkhead_proto::usage_batch::What;
use bulkhead_sealed::{Damage, Frames, StateKeys};
use bytes::Bytes;
use tokio::time::Instant;

use super::Incarnation;
use super::files::{Dir, Form, SegmentName, Sent};
use super::record::Frame;
use super::sums::Part;

/// A disk that fails to read a segment for this long has lost it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the one who sends is.
pub(super) struct Reading {
    /// What was handed out; of other incarnations, what is acknowledged.
    pub(super) handed_out: HashMap<Incarnation, u64>,
    pub(super) sent: Sent,
    reader: Option<Reader>,
    /// The segment that the disk does not give, and since when.
    trouble: Option<(u64, Instant)>,
}

impl Reading {
    pub(super) fn new(sent: Sent) -> Self {
        Self { handed_out: HashMap::new(), sent, reader: None, trouble: None }
    }

    /// Notes that something of this segment may be sent from now on: nothing of it is folded any more.
    pub(super) fn note_sent(&mut self, number: u64) -> io::Result<()> {
        if number > self.sent.through { self.sent.note(number) } else { Ok(()) }
    }

    /// The events from `from` on that are ready, about `max_bytes` of them. None: they are not there.
    pub(super) fn batch(
        &mut self,
        dir: &Dir,
        keys: &StateKeys,
        (name, from): (SegmentName, u64),
        ready: (u64, u64),
        max_bytes: usize,
    ) -> Result<Option<UsageBatch>, Damage> {
        if name.form == Form::Sums {
            let parts = Part::read_all(dir, keys, &name)?;
            let part = parts.into_iter().find(|part| part.first >= from);
            return Ok(part.map(|part| match part.first.saturating_sub(1) {
                // What could not be summed up.
                before if before >= from => batch(name.incarnation, from, before, What::Lost, Vec::new()),
                _ => part.batch(name.incarnation),
            }));
        }
        let kept = self.reader.take().filter(|reader| reader.name == name && reader.next <= from);
        let mut reader = match kept {
            Some(reader) => reader,
            None => Reader::open(dir, keys, name)?,
        };
        reader.frames.grow(ready.1);
        let (events, damage) = reader.events(from, ready.0, max_bytes);
        match damage {
            Some(damage) if events.is_empty() => return Err(damage),
            Some(_) => {}
            None => self.reader = Some(reader),
        }
        if events.is_empty() {
            return Ok(None);
        }
        self.trouble = None;
        let last = from.saturating_add(events.len() as u64).saturating_sub(1);
        Ok(Some(batch(name.incarnation, from, last, What::Events, events)))
    }

    /// Whether this is for good. A disk may only be busy with trouble of its own.
    pub(super) fn is_lost(&mut self, number: u64, damage: Damage) -> io::Result<Damage> {
        let Damage::Io(error) = damage else { return Ok(damage) };
        let since = match self.trouble {
            Some((of, since)) if of == number => since,
            _ => Instant::now(),
        };
        self.trouble = Some((number, since));
        if error.kind() == io::ErrorKind::NotFound || since.elapsed() > PATIENCE {
            return Ok(Damage::Io(error));
        }
        Err(error)
    }
}

pub(super) fn batch(
    incarnation: Incarnation,
    first: u64,
    last: u64,
    what: What,
    events: Vec<Bytes>,
) -> UsageBatch {
    UsageBatch { incarnation: incarnation.encode(), first, last, what: what.into(), events }
}

/// Reads the events of a segment, one after the other.
pub(super) struct Reader {
    name: SegmentName,
    frames: Frames,
    /// The number of the next event.
    next: u64,
    ahead: VecDeque<Bytes>,
}

impl Reader {
    pub(super) fn open(dir: &Dir, keys: &StateKeys, name: SegmentName) -> Result<Self, Damage> {
        let frames = Frames::open(name.sealed_as(), File::open(dir.path(&name))?, keys)?;
        Ok(Self { name, frames, next: name.first, ahead: VecDeque::new() })
    }

    /// As many as there are from `from` to `last`, about `max_bytes` of them, and what stopped it.
    pub(super) fn events(&mut self, from: u64, last: u64, max_bytes: usize) -> (Vec<Bytes>, Option<Damage>) {
        let (mut events, mut size) = (Vec::new(), 0usize);
        while self.next <= last && (events.is_empty() || size < max_bytes) {
            let event = match self.event() {
                Ok(Some(event)) => event,
                Ok(None) => break,
                Err(damage) => return (events, Some(damage)),
            };
            if self.next > from {
                size = size.saturating_add(event.len());
                events.push(event);
            }
        }
        (events, None)
    }

    /// All of them up to `last`, from the good part of the file.
    pub(super) fn all(&mut self, last: u64, good: u64) -> (Vec<Bytes>, Option<Damage>) {
        self.frames.end_at(good);
        self.events(self.next, last, usize::MAX)
    }

    fn event(&mut self) -> Result<Option<Bytes>, Damage> {
        loop {
            if let Some(event) = self.ahead.pop_front() {
                self.next = self.next.saturating_add(1);
                return Ok(Some(event));
            }
            let Some(content) = self.frames.read()? else { return Ok(None) };
            let frame = Frame::parse(content).ok_or(Damage::Foreign)?;
            if frame.first != self.next || frame.incarnation != self.name.incarnation {
                return Err(Damage::Changed);
            }
            self.ahead.extend(frame.events.into_iter().map(|(_, event)| event));
        }
    }
}
