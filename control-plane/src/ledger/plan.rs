//! What is to be written of some pieces, where the marks are known.

use std::collections::{BTreeMap, HashSet};

use sqlx::types::Uuid;

use super::batch::{Piece, Verdict, What};
use super::event::Event;
use super::rollup::Rollup;
use crate::store::usage::{Days, Mark, Reject, Stored};

/// What happens to numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) stored: u64,
    pub(crate) summed: u64,
    pub(crate) late: u64,
    pub(crate) rejected: u64,
    pub(crate) lost: u64,
    pub(crate) duplicate: u64,
}

/// One transaction.
pub(super) struct Plan<'b> {
    pub(super) events: Vec<Stored<'b>>,
    pub(super) late: Vec<Stored<'b>>,
    pub(super) rejects: Vec<Reject<'b>>,
    pub(super) rollup: Rollup<'b>,
    /// Those that move.
    pub(super) marks: BTreeMap<Uuid, Mark>,
    pub(super) tally: Tally,
}

/// What is there already.
pub(super) struct Found<'f> {
    pub(super) marks: &'f BTreeMap<Uuid, Mark>,
    pub(super) days: &'f Days,
    /// Numbers behind their marks that are there nevertheless.
    pub(super) stored: &'f HashSet<(Uuid, i64)>,
}

impl<'b> Plan<'b> {
    pub(super) fn new(pieces: &[Piece<'b>], found: &Found<'_>, now: i64) -> Self {
        let mut plan = Self {
            events: Vec::new(),
            late: Vec::new(),
            rejects: Vec::new(),
            rollup: Rollup::new(now),
            marks: BTreeMap::new(),
            tally: Tally::default(),
        };
        for piece in pieces {
            plan.take(piece, found);
        }
        plan
    }

    fn take(&mut self, piece: &Piece<'b>, found: &Found<'_>) {
        let &Piece { batch, from, to, ref verdict } = piece;
        let mark = self.marks.get(&batch.incarnation).or_else(|| found.marks.get(&batch.incarnation));
        let mark = mark.copied().unwrap_or_default();
        if to <= mark.through {
            self.tally.duplicate += count(from - 1, to);
            return;
        }
        if from > mark.through + 1 {
            // What is before it is missing: the mark is the answer.
            return;
        }
        self.tally.duplicate += count(from - 1, mark.through);
        let mut lost = 0;
        match (&batch.what, verdict) {
            (What::Lost, _) | (_, Verdict::Abandon) => lost = to - mark.through,
            (What::Sums(sums), _) if from <= mark.through => self.set_aside(piece, sums, found),
            (What::Sums(sums), _) => {
                self.tally.summed += count(mark.through, to);
                for event in sums {
                    self.place(piece, event, found);
                }
            }
            (What::Events(events), _) => {
                let is_new = |event: &&Event| event.seq > mark.through && (from..=to).contains(&event.seq);
                for event in events.iter().filter(is_new) {
                    match self.place(piece, event, found) {
                        Place::Stored => self.tally.stored += 1,
                        Place::Late => self.tally.late += 1,
                        Place::Rejected => self.tally.rejected += 1,
                        Place::Known => self.tally.duplicate += 1,
                    }
                }
            }
        }
        self.tally.lost += lost.unsigned_abs();
        self.marks.insert(batch.incarnation, Mark { through: to, lost: mark.lost.saturating_add(lost) });
    }

    /// Puts an event where it belongs, and counts its money.
    fn place(&mut self, piece: &Piece<'b>, event: &'b Event, found: &Found<'_>) -> Place {
        let batch = piece.batch;
        if found.stored.contains(&(batch.incarnation, event.seq)) {
            return Place::Known;
        }
        self.rollup.add(&event.said);
        let reason = match (&piece.verdict, event.fault) {
            (Verdict::Reject(reason), _) => Some(reason.to_string()),
            (_, fault) => fault.map(str::to_owned),
        };
        if let Some(reason) = reason {
            self.reject(piece, event, reason);
            return Place::Rejected;
        }
        let row =
            Stored { incarnation: batch.incarnation, seq: event.seq, node: &batch.node, said: &event.said };
        match found.days.contains(event.day()) {
            true => {
                self.events.push(row);
                Place::Stored
            }
            false => {
                self.late.push(row);
                Place::Late
            }
        }
    }

    /// Sums of which a part was taken: nobody knows how much of their money counts already. It is kept for a look, and
    /// not counted.
    fn set_aside(&mut self, piece: &Piece<'b>, sums: &'b [Event], found: &Found<'_>) {
        tracing::error!(
            node = &*piece.batch.node,
            incarnation = %piece.batch.incarnation,
            first = piece.from,
            last = piece.to,
            "sums of events of which some were taken before: kept in usage_rejects, not counted"
        );
        let is_new = |event: &&Event| !found.stored.contains(&(piece.batch.incarnation, event.seq));
        for event in sums.iter().filter(is_new) {
            self.reject(
                piece,
                event,
                "a sum of events of which some were taken before: not counted".to_owned(),
            );
        }
        self.tally.rejected += sums.len() as u64;
    }

    fn reject(&mut self, piece: &Piece<'b>, event: &'b Event, reason: String) {
        let batch = piece.batch;
        let (cost, sent) = (event.said.cost, &event.sent);
        let reject =
            Reject { incarnation: batch.incarnation, seq: event.seq, node: &batch.node, reason, cost, sent };
        self.rejects.push(reject);
    }
}

/// Where an event went.
enum Place {
    Stored,
    Late,
    Rejected,
    Known,
}

/// The numbers after one and up to another.
fn count(after: i64, to: i64) -> u64 {
    u64::try_from(to - after).unwrap_or(0)
}
