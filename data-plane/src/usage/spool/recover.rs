//! What a start finds on disk. Exchanges that a former process began and did not end become events (design §8).

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io;
use std::time::SystemTime;

use bulkhead_model::UnixMillis;
use bulkhead_proto::UsageEvent;
use bulkhead_sealed::{Damage, Frames, Seal, StateKeys, Writer};
use bytes::Bytes;
use prost::Message;

use super::Incarnation;
use super::files::{Dir, Form, SegmentName};
use super::index::{Index, Segment};
use super::record::{Content, Frame, SMALLEST};
use super::sums::Part;

/// What was found.
pub(super) struct Found {
    pub(super) index: Index,
    /// The number of the newest segment.
    pub(super) newest: u64,
    /// Segments that were damaged.
    pub(super) damaged: u64,
    /// The bounds of what was begun and not ended, by key id, in nano-dollars.
    pub(super) begun: HashMap<String, i64>,
}

/// Reads what is in the directory, and writes down what is missing of former incarnations. Doing so twice changes
/// nothing.
pub(super) fn recover(
    dir: &Dir,
    keys: &StateKeys,
    current: Incarnation,
    now: UnixMillis,
) -> io::Result<Found> {
    let names = dir.segments()?;
    let newest = names.last().map_or(0, |name| name.number);
    let mut found =
        Found { index: Index::new(current, dir.marks()), newest, damaged: 0, begun: HashMap::new() };
    let mut of: Vec<(Incarnation, Vec<SegmentName>)> = Vec::new();
    for name in names {
        match of.iter_mut().find(|(incarnation, _)| *incarnation == name.incarnation) {
            Some((_, names)) => names.push(name),
            None => of.push((name.incarnation, vec![name])),
        }
    }
    for (incarnation, names) in of {
        found.former(dir, keys, incarnation, names, now)?;
    }
    let there = found.index.incarnations();
    found.index.marks.retain(|incarnation, _| there.contains(incarnation));
    Ok(found)
}

impl Found {
    /// The segments of one former incarnation.
    fn former(
        &mut self,
        dir: &Dir,
        keys: &StateKeys,
        incarnation: Incarnation,
        names: Vec<SegmentName>,
        now: UnixMillis,
    ) -> io::Result<()> {
        let mut segments = self.sealed(dir, keys, names)?;
        let Some(end) = self.end(dir, keys, &mut segments)? else { return Ok(()) };
        if !end.begun.is_empty() {
            self.newest += 1;
            let first = end.last.saturating_add(1);
            let name = SegmentName { incarnation, number: self.newest, first, form: Form::Events };
            let len = write(dir, keys, &name, &end.begun)?;
            let last = end.last.saturating_add(end.begun.len() as u64);
            segments.push(Segment::sealed(name, last, len, now));
            tracing::warn!(
                exchanges = end.begun.len(),
                "the last process ended with exchanges under way: their usage is unknown"
            );
            for event in end.begun.values().filter_map(|event| UsageEvent::decode(event.clone()).ok()) {
                let bound = self.begun.entry(event.key_id).or_default();
                *bound = bound.saturating_add(event.bound.unwrap_or_default());
            }
        }
        let mark = self.index.mark(incarnation);
        for mut segment in segments {
            if segment.last <= mark {
                segment.acked = segment.written.front().map(|(_, at)| *at);
            }
            self.index.segments.insert(segment.name.number, segment);
        }
        Ok(())
    }

    /// All segments; each holds what there is up to the next one. The last one is looked at later.
    fn sealed(&mut self, dir: &Dir, keys: &StateKeys, names: Vec<SegmentName>) -> io::Result<Vec<Segment>> {
        let mut segments: Vec<Segment> = Vec::new();
        for name in names {
            if let Some(before) = segments.last_mut() {
                // Sums that were folded together have the place of the first; the process ended before the others went.
                if before.name.form == Form::Sums && before.last >= name.first {
                    dir.remove(&name)?;
                    continue;
                }
                before.end_at(name.first.saturating_sub(1));
            }
            let about = fs::metadata(dir.path(&name))?;
            let at = about.modified().map_or(UnixMillis(0), millis);
            let mut segment = Segment::sealed(name, name.first.saturating_sub(1), about.len(), at);
            if name.form == Form::Sums {
                let last = Part::read_last(dir, keys, &name).unwrap_or_else(|damage| {
                    self.damaged(dir, &name, &damage);
                    segment.damaged = Some(name.first);
                    name.first
                });
                segment.end_at(last);
            }
            segments.push(segment);
        }
        Ok(segments)
    }

    /// Reads the last segment: where the incarnation ends, and what was under way.
    fn end(&mut self, dir: &Dir, keys: &StateKeys, segments: &mut Vec<Segment>) -> io::Result<Option<End>> {
        while let Some(segment) = segments.last_mut() {
            if segment.name.form == Form::Sums {
                return Ok(Some(End { last: segment.last, ..End::default() }));
            }
            let mut end = End::read(dir, keys, &segment.name);
            // A torn end is what a crash leaves: nothing of it was sent. Unless the control plane has it.
            let mark = self.index.mark(segment.name.incarnation);
            if mark <= end.last && matches!(end.damage, Some(Damage::Torn)) {
                end.damage = None;
            }
            if end.frames == 0 && end.damage.is_none() {
                // The process ended when it had just begun this one.
                dir.remove(&segment.name)?;
                segments.pop();
                continue;
            }
            // Behind damage there may have been as many events as fit; none of their numbers may be given again.
            if let Some(damage) = end.damage.take() {
                self.damaged(dir, &segment.name, &damage);
                segment.damaged = Some(end.last.saturating_add(1));
                let most = 1 + segment.len.saturating_sub(end.good) / SMALLEST;
                end.last = end.last.saturating_add(most).max(mark);
            }
            // The process may have ended before it did this. Where it fails, the next power cut may cost something.
            File::open(dir.path(&segment.name)).and_then(|file| file.sync_all()).ok();
            segment.end_at(end.last);
            segment.ready.1 = end.good;
            return Ok(Some(end));
        }
        Ok(None)
    }

    fn damaged(&mut self, dir: &Dir, name: &SegmentName, damage: &Damage) {
        self.damaged += 1;
        tracing::error!(file = %dir.path(name).display(), "usage is lost: {damage}");
    }
}

/// The end of an incarnation.
#[derive(Default)]
struct End {
    frames: u64,
    /// The number of the last event.
    last: u64,
    /// Where the good frames end.
    good: u64,
    /// What was begun and not ended.
    begun: BTreeMap<u64, Bytes>,
    damage: Option<Damage>,
}

impl End {
    fn read(dir: &Dir, keys: &StateKeys, name: &SegmentName) -> Self {
        let mut end = Self { last: name.first.saturating_sub(1), ..Self::default() };
        end.damage = end.read_on(dir, keys, name).err();
        end
    }

    fn read_on(&mut self, dir: &Dir, keys: &StateKeys, name: &SegmentName) -> Result<(), Damage> {
        let mut frames = Frames::open(name.sealed_as(), File::open(dir.path(name))?, keys)?;
        while let Some(content) = frames.read()? {
            let frame = Frame::parse(content).ok_or(Damage::Foreign)?;
            if frame.first != self.last.saturating_add(1) || frame.incarnation != name.incarnation {
                return Err(Damage::Changed);
            }
            self.begun.extend(frame.opens);
            for (exchange, _) in &frame.events {
                self.begun.remove(exchange);
            }
            self.last = self.last.saturating_add(frame.events.len() as u64);
            self.frames += 1;
            self.good = frames.good;
        }
        Ok(())
    }
}

/// A segment of what was begun, whole or not at all: with it there, nothing is under way any more.
fn write(dir: &Dir, keys: &StateKeys, name: &SegmentName, begun: &BTreeMap<u64, Bytes>) -> io::Result<u64> {
    let mut content = Content::new(name.incarnation, name.first);
    begun.iter().for_each(|(exchange, event)| content.event(*exchange, event));
    let mut len = 0;
    dir.write_whole(name, |file| {
        let (seal, header) = Seal::fresh(name.sealed_as(), keys.current())?;
        let mut writer = Writer::new(file, seal, &header)?;
        writer.frame(content.into_bytes())?;
        len = writer.len;
        Ok(())
    })?;
    Ok(len)
}

fn millis(time: SystemTime) -> UnixMillis {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
