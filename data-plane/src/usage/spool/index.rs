//! What is known of the segments: which events are in them, and which of those the control plane has.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::File;
use std::sync::Arc;

use bulkhead_model::UnixMillis;

use super::files::{Form, SegmentName};
use super::{Incarnation, Lag};

/// Sums are folded together up to about this size.
const SUMS: u64 = 4 << 20;
/// Between two notes of when events were written.
const WRITTEN_EVERY: i64 = 1000;

/// A file of events or sums.
pub(super) struct Segment {
    pub(super) name: SegmentName,
    /// The number of its last event; one less than its first where it has none.
    pub(super) last: u64,
    /// How many bytes of it are good.
    pub(super) len: u64,
    /// What is on the disk for good: up to this event, in so many bytes. Nothing else is sent, so that no power cut lets
    /// a number be given twice.
    pub(super) ready: (u64, u64),
    /// The file, until all of it is on the disk for good.
    pub(super) unsynced: Option<Arc<File>>,
    /// It is written to.
    pub(super) active: bool,
    /// When the control plane had all of it.
    pub(super) acked: Option<UnixMillis>,
    /// It had all of it once, and was restored from a backup since.
    again: bool,
    /// When its events were written: up to which, and when the first of those.
    pub(super) written: VecDeque<(u64, UnixMillis)>,
    /// From this event on it cannot be read.
    pub(super) damaged: Option<u64>,
}

impl Segment {
    /// One that is written by somebody else, or not any more.
    pub(super) fn sealed(name: SegmentName, last: u64, len: u64, written: UnixMillis) -> Self {
        Self {
            name,
            last,
            len,
            ready: (last, len),
            unsynced: None,
            active: false,
            acked: None,
            again: false,
            written: VecDeque::from([(last, written)]),
            damaged: None,
        }
    }

    /// One that is begun.
    pub(super) fn active(name: SegmentName, file: Arc<File>, len: u64) -> Self {
        let last = name.first.saturating_sub(1);
        Self {
            name,
            last,
            len,
            ready: (last, 0),
            unsynced: Some(file),
            active: true,
            acked: None,
            again: false,
            written: VecDeque::new(),
            damaged: None,
        }
    }

    /// This is its last event.
    pub(super) fn end_at(&mut self, last: u64) {
        self.last = last;
        self.ready.0 = last;
        self.written.iter_mut().for_each(|(through, _)| *through = last);
    }

    /// More is in the file.
    pub(super) fn grow(&mut self, last: u64, len: u64, file: Arc<File>, now: UnixMillis) {
        self.len = len;
        self.unsynced = Some(file);
        if last > self.last {
            match self.written.back_mut() {
                Some((through, at)) if now.0.saturating_sub(at.0) < WRITTEN_EVERY => *through = last,
                _ => self.written.push_back((last, now)),
            }
            self.last = last;
        }
    }

    fn is_blank(&self) -> bool {
        self.last < self.name.first
    }

    /// Its events that are above a mark.
    fn above(&self, mark: u64) -> u64 {
        self.last.saturating_sub(mark.max(self.name.first.saturating_sub(1)))
    }
}

/// What is to be done for the next batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Read the segment from this event on, up to what is ready.
    Read { name: SegmentName, from: u64, ready: (u64, u64) },
    /// These cannot be read any more.
    Lost { incarnation: Incarnation, first: u64, last: u64 },
}

/// All segments.
pub(super) struct Index {
    pub(super) segments: BTreeMap<u64, Segment>,
    pub(super) marks: HashMap<Incarnation, u64>,
    /// The marks on disk are not these.
    pub(super) marks_moved: bool,
    current: Incarnation,
}

impl Index {
    pub(super) fn new(current: Incarnation, marks: HashMap<Incarnation, u64>) -> Self {
        Self { segments: BTreeMap::new(), marks, marks_moved: false, current }
    }

    /// Those with events on disk, oldest first, the current one last.
    pub(super) fn incarnations(&self) -> Vec<Incarnation> {
        let mut found = Vec::new();
        for segment in self.segments.values().filter(|segment| !segment.is_blank()) {
            let incarnation = segment.name.incarnation;
            if incarnation != self.current && !found.contains(&incarnation) {
                found.push(incarnation);
            }
        }
        found.push(self.current);
        found
    }

    fn of(&self, incarnation: Incarnation) -> impl Iterator<Item = &Segment> {
        self.segments.values().filter(move |segment| segment.name.incarnation == incarnation)
    }

    pub(super) fn mark(&self, incarnation: Incarnation) -> u64 {
        self.marks.get(&incarnation).copied().unwrap_or_default()
    }

    /// The control plane has this much, be it more or less than was known. Gives the segments that it has all of now.
    pub(super) fn set_mark(
        &mut self,
        incarnation: Incarnation,
        through: u64,
        now: UnixMillis,
    ) -> Vec<SegmentName> {
        let former = self.marks.insert(incarnation, through);
        self.marks_moved |= former != Some(through);
        let mut whole = Vec::new();
        let of = |segment: &&mut Segment| segment.name.incarnation == incarnation && !segment.active;
        for segment in self.segments.values_mut().filter(of) {
            if segment.last > through {
                segment.again |= segment.acked.take().is_some();
            } else if segment.acked.is_none() {
                segment.acked = Some(now);
                whole.push(segment.name);
            }
        }
        whole
    }

    /// What comes next behind what was handed out.
    pub(super) fn plan(&self, handed_out: &HashMap<Incarnation, u64>) -> Option<Step> {
        let through = |incarnation| match handed_out.get(&incarnation) {
            Some(through) => *through,
            None => self.mark(incarnation),
        };
        let of = |incarnation| {
            let through: u64 = through(incarnation);
            let segment =
                self.of(incarnation).find(|segment| !segment.is_blank() && segment.last > through)?;
            let is_ready = segment.ready.0 >= segment.name.first && segment.ready.0 > through;
            is_ready.then(|| step(segment, through.saturating_add(1)))
        };
        self.incarnations().into_iter().find_map(of)
    }

    pub(super) fn lag(&self) -> Lag {
        let mut lag = Lag::default();
        for segment in self.segments.values() {
            let mark = self.mark(segment.name.incarnation);
            let events = segment.above(mark);
            if events == 0 {
                continue;
            }
            lag.events += events;
            lag.bytes += segment.len;
            let oldest = segment.written.iter().find(|(through, _)| *through > mark).map(|(_, at)| *at);
            lag.oldest = lag.oldest.into_iter().chain(oldest).min();
        }
        lag
    }

    pub(super) fn bytes(&self) -> u64 {
        self.segments.values().map(|segment| segment.len).sum()
    }

    /// Segments without events, and those that the control plane had all of before this time.
    pub(super) fn outdated(&self, before: UnixMillis) -> Vec<SegmentName> {
        let old = |segment: &&Segment| {
            !segment.active && (segment.is_blank() || segment.acked.is_some_and(|at| at <= before))
        };
        self.segments.values().filter(old).map(|segment| segment.name).collect()
    }

    /// The oldest that the control plane has all of.
    pub(super) fn acknowledged(&self) -> Option<SegmentName> {
        self.segments.values().find(|segment| segment.acked.is_some()).map(|segment| segment.name)
    }

    /// The oldest that it had all of once.
    pub(super) fn acknowledged_once(&self) -> Option<SegmentName> {
        self.segments.values().find(|segment| segment.again).map(|segment| segment.name)
    }

    /// The oldest segment of events of which nothing can have been sent.
    pub(super) fn foldable(&self, sent: u64) -> Option<(SegmentName, u64)> {
        let fits = |segment: &&Segment| segment.name.form == Form::Events && self.was_kept(segment, sent);
        self.segments.values().find(fits).map(|segment| (segment.name, segment.last))
    }

    /// Sums of one incarnation, one after the other, of which nothing can have been sent.
    pub(super) fn mergeable(&self, sent: u64) -> Option<Vec<(SegmentName, u64)>> {
        let mut run: Vec<(SegmentName, u64)> = Vec::new();
        let mut size = 0u64;
        for segment in self.segments.values() {
            let joins = segment.name.form == Form::Sums && self.was_kept(segment, sent);
            let follows = run.last().is_some_and(|(name, last)| {
                name.incarnation == segment.name.incarnation && last.saturating_add(1) == segment.name.first
            });
            if !joins || !follows || size.saturating_add(segment.len) > SUMS {
                if run.len() > 1 {
                    return Some(run);
                }
                (run, size) = (Vec::new(), 0);
            }
            if joins {
                run.push((segment.name, segment.last));
                size = size.saturating_add(segment.len);
            }
        }
        (run.len() > 1).then_some(run)
    }

    /// Nothing of it was sent, and it is written to no more.
    fn was_kept(&self, segment: &Segment, sent: u64) -> bool {
        let name = &segment.name;
        !segment.active
            && !segment.is_blank()
            && segment.unsynced.is_none()
            && name.number > sent
            && self.mark(name.incarnation) < name.first
    }
}

fn step(segment: &Segment, from: u64) -> Step {
    let name = segment.name;
    let lost = |last| Step::Lost { incarnation: name.incarnation, first: from, last };
    if from < name.first {
        return lost(name.first.saturating_sub(1));
    }
    if segment.damaged.is_some_and(|damaged| damaged <= from) {
        return lost(segment.ready.0);
    }
    Step::Read { name, from, ready: segment.ready }
}
