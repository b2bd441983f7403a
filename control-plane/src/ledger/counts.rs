//! What an operator may want to know of the usage that comes in.

use std::time::Duration;

use bulkhead_telemetry::metric::{Counter, Gauge};

use super::plan::Tally;

/// Counts of one replica.
#[derive(Default)]
pub(crate) struct Counts {
    /// What happened to numbers.
    pub(crate) stored: Counter,
    pub(crate) summed: Counter,
    pub(crate) late: Counter,
    pub(crate) rejected: Counter,
    pub(crate) lost: Counter,
    pub(crate) duplicate: Counter,
    /// Batches that were answered after a commit.
    pub(crate) batches: Counter,
    /// Transactions that were committed, and the microseconds that they took.
    pub(crate) transactions: Counter,
    pub(crate) transaction_micros: Counter,
    /// Transactions that have to be tried again.
    pub(crate) failures: Counter,
    /// Transactions that the database refused for what is in them.
    pub(crate) refusals: Counter,
    /// Events that wait to be written.
    pub(crate) waiting: Gauge,
    /// Nodes that send.
    pub(crate) senders: Gauge,
}

impl Counts {
    /// What happened to numbers, by the outcome.
    pub(crate) fn outcomes(&self) -> [(&'static str, u64); 6] {
        [
            ("stored", self.stored.get()),
            ("summed", self.summed.get()),
            ("late", self.late.get()),
            ("rejected", self.rejected.get()),
            ("lost", self.lost.get()),
            ("duplicate", self.duplicate.get()),
        ]
    }

    pub(super) fn committed(&self, tally: &Tally, took: Duration) {
        let Tally { stored, summed, late, rejected, lost, duplicate } = *tally;
        self.stored.add(stored);
        self.summed.add(summed);
        self.late.add(late);
        self.rejected.add(rejected);
        self.lost.add(lost);
        self.duplicate.add(duplicate);
        self.transactions.add(1);
        self.transaction_micros.add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }
}
