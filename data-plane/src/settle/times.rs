//! When a leg did what.

use tokio::time::{Duration, Instant};

use super::Exchange;
use crate::metrics::Took;

/// The clock of a leg. Clients wait from the first byte of the request; a leg is recorded from its own beginning.
pub(super) struct Times {
    arrived: Instant,
    began: Instant,
    /// In which earlier legs waited for their providers.
    waited: Duration,
    /// When the request went on to the provider.
    asked: Option<Instant>,
    /// When the head of the answer was there.
    head: Option<Instant>,
    first_byte: Option<Instant>,
    first_token: Option<Instant>,
    /// When the provider said its last so far.
    heard: Option<Instant>,
    /// When it was clear how the leg ends.
    over: Option<Instant>,
}

/// What is recorded of a leg, from its beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LegTimes {
    /// Since the first byte of the request.
    pub(crate) began: Duration,
    /// Until it ended; for one that another follows, until it had failed.
    pub(crate) total: Duration,
    /// Until the request went on to the provider.
    pub(crate) asked: Option<Duration>,
    pub(crate) first_byte: Option<Duration>,
    pub(crate) first_token: Option<Duration>,
    /// From sending the request to the head of the answer, or to the failure.
    pub(crate) upstream: Option<Duration>,
    /// The part of `total` in which the provider was not waited for.
    pub(crate) overhead: Duration,
}

impl Times {
    /// The first leg begins with its request.
    pub(super) fn begin(exchange: &Exchange) -> Self {
        let began = if exchange.progress.leg <= 1 { exchange.arrived } else { Instant::now() };
        Self {
            arrived: exchange.arrived,
            began,
            waited: exchange.progress.waited,
            asked: None,
            head: None,
            first_byte: None,
            first_token: None,
            heard: None,
            over: None,
        }
    }

    pub(super) fn asked(&mut self, now: Instant) {
        self.asked = Some(now);
    }

    pub(super) fn answered(&mut self) {
        self.head.get_or_insert_with(Instant::now);
    }

    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = Some(now);
        self.first_byte.get_or_insert(now);
    }

    /// False where there was one before.
    pub(super) fn first_token(&mut self, now: Instant) -> bool {
        let is_first = self.first_token.is_none();
        self.first_token.get_or_insert(now);
        is_first
    }

    pub(super) fn over(&mut self, now: Instant) {
        self.over.get_or_insert(now);
    }

    /// Since the first byte of the request, and the part of it in which providers were waited for: until this one was
    /// last heard, or until now.
    pub(super) fn spent_so_far(&self) -> (Duration, Duration) {
        let now = Instant::now();
        (now - self.arrived, self.waited + self.waited_by(self.over.unwrap_or(now)))
    }

    fn waited_by(&self, end: Instant) -> Duration {
        self.asked.map(|asked| self.heard.unwrap_or(end).saturating_duration_since(asked)).unwrap_or_default()
    }

    /// What a client waited, and how long the provider took to the head of its answer; then what is recorded of the leg.
    pub(super) fn ended(&self, handed_on: bool) -> (Took, LegTimes) {
        let now = Instant::now();
        let upstream = self.head.zip(self.asked).map(|(head, asked)| head - asked);
        let first_token = self.first_token.map(|at| at - self.arrived);
        let took = Took { total: now.saturating_duration_since(self.arrived), first_token, upstream };
        (took, self.of_leg(now, handed_on))
    }

    fn of_leg(&self, now: Instant, handed_on: bool) -> LegTimes {
        let end = self.over.filter(|_| handed_on).unwrap_or(now);
        let since = |at: Option<Instant>| at.map(|at| at.saturating_duration_since(self.began));
        let total = end.saturating_duration_since(self.began);
        let head = self.head.or(self.over);
        LegTimes {
            began: self.began.saturating_duration_since(self.arrived),
            total,
            asked: since(self.asked),
            first_byte: since(self.first_byte),
            first_token: since(self.first_token),
            upstream: head.zip(self.asked).map(|(head, asked)| head.saturating_duration_since(asked)),
            overhead: total.saturating_sub(self.waited_by(self.over.unwrap_or(end))),
        }
    }
}
