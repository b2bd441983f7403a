//! Batches as nodes send them, and the pieces of them that are tried together.

use std::sync::Arc;

use bulkhead_model::UnixMillis;
use bulkhead_proto::UsageBatch;
use bulkhead_proto::usage_batch::What as Said;
use sqlx::types::Uuid;

use super::event::Event;

/// Events of one batch. Nodes send fewer; without a bound, many that are empty would weigh nothing as they are sent and
/// gigabytes as they are read.
const EVENTS: i64 = 32_768;

/// Consecutive numbers of one incarnation.
pub(crate) struct Batch {
    pub(crate) node: Arc<str>,
    pub(crate) incarnation: Uuid,
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) what: What,
    /// As it was sent.
    pub(crate) bytes: usize,
}

/// What the numbers stand for.
pub(crate) enum What {
    Events(Vec<Event>),
    /// At most one per number, counted from the first.
    Sums(Vec<Event>),
    Lost,
}

/// What is wrong with a batch that no node would send.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(&'static str);

impl Batch {
    /// Reads what a node sent.
    pub(crate) fn read(node: Arc<str>, sent: UsageBatch, now: UnixMillis) -> Result<Self, Malformed> {
        let UsageBatch { incarnation, first, last, what, events } = sent;
        let incarnation =
            Uuid::from_slice(&incarnation).map_err(|_| Malformed("an incarnation has 16 bytes"))?;
        let number = |number: u64| i64::try_from(number).ok().filter(|number| (1..i64::MAX).contains(number));
        let (first, last) =
            number(first).zip(number(last)).ok_or(Malformed("numbers start at 1, and have an end"))?;
        let numbers =
            last.checked_sub(first).filter(|more| *more >= 0).ok_or(Malformed("it ends before it begins"))?;
        let count = i64::try_from(events.len()).unwrap_or(i64::MAX);
        if count > EVENTS {
            return Err(Malformed("it has too many events"));
        }
        let what = Said::try_from(what).map_err(|_| Malformed("it is of a kind that is not known"))?;
        let fits = match what {
            Said::Events => count - 1 == numbers,
            Said::Sums => (1..=numbers.saturating_add(1)).contains(&count),
            Said::Lost => count == 0,
        };
        if !fits {
            return Err(Malformed("it has not as many events as numbers"));
        }
        let bytes = events.iter().map(|event| event.len()).sum();
        let events = (first..).zip(events).map(|(seq, sent)| Event::read(seq, sent, now)).collect();
        let what = match what {
            Said::Events => What::Events(events),
            Said::Sums => What::Sums(events),
            Said::Lost => What::Lost,
        };
        Ok(Self { node, incarnation, first, last, what, bytes })
    }

    /// All of it.
    pub(crate) fn piece(&self) -> Piece<'_> {
        Piece { batch: self, from: self.first, to: self.last, verdict: Verdict::Good }
    }

    /// How many events it has.
    pub(crate) fn len(&self) -> usize {
        match &self.what {
            What::Events(events) | What::Sums(events) => events.len(),
            What::Lost => 0,
        }
    }
}

/// What was found out about a piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Good,
    /// The database refuses it: it goes to the rejects, and its money counts.
    Reject(Arc<str>),
    /// And refuses that, too: it is only counted as lost.
    Abandon,
}

/// A part of a batch.
#[derive(Clone)]
pub(crate) struct Piece<'b> {
    pub(crate) batch: &'b Batch,
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) verdict: Verdict,
}

/// What to try where some pieces were refused together: first the one, then the other.
///
/// Sums are not parted: what was taken of them has to be all, or nothing.
pub(crate) fn part<'b>(mut pieces: Vec<Piece<'b>>, reason: &str) -> (Vec<Piece<'b>>, Vec<Piece<'b>>) {
    if pieces.len() > 1 {
        let rest = pieces.split_off(pieces.len() / 2);
        return (pieces, rest);
    }
    let Some(piece) = pieces.pop() else { return (Vec::new(), Vec::new()) };
    match (&piece.batch.what, &piece.verdict) {
        (What::Events(_), Verdict::Good) if piece.from < piece.to => {
            let middle = piece.from + (piece.to - piece.from) / 2;
            let rest = Piece { from: middle + 1, ..piece.clone() };
            (vec![Piece { to: middle, ..piece }], vec![rest])
        }
        (_, Verdict::Good) => (vec![Piece { verdict: Verdict::Reject(reason.into()), ..piece }], Vec::new()),
        (_, Verdict::Reject(_) | Verdict::Abandon) => {
            (vec![Piece { verdict: Verdict::Abandon, ..piece }], Vec::new())
        }
    }
}
