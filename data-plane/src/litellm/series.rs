//! The counts of one set of labels.

use bulkhead_model::{Endpoint, ErrorKind, NanoUsd, Usage};
use std::time::Duration;

use crate::settle::LegTimes;
use crate::usage::UsageEvent;

/// LiteLLM's buckets, in seconds.
pub(crate) const BUCKETS: [f64; 35] = [
    0.005, 0.006_25, 0.012_5, 0.025, 0.05, 0.1, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0,
    6.5, 7.0, 7.5, 8.0, 8.5, 9.0, 9.5, 10.0, 15.0, 20.0, 25.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0,
];

/// Requests and what they used. What is about one exchange counts every leg, all else requests.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Series {
    pub(crate) requests: u64,
    pub(crate) spend: NanoUsd,
    pub(crate) input: u64,
    pub(crate) output: u64,
    pub(crate) cache_read: u64,
    pub(crate) cache_write: u64,
    pub(crate) input_audio: u64,
    pub(crate) output_audio: u64,
    pub(crate) reasoning: u64,
    /// Requests by route and how they ended.
    pub(crate) ended: Vec<Count<(Endpoint, Option<ErrorKind>)>>,
    pub(crate) answered_legs: u64,
    pub(crate) failed_legs: Vec<Count<Failure>>,
    /// Requests that came here because another group had failed like this, by whether that helped.
    pub(crate) fallbacks: Vec<Count<(ErrorKind, bool)>>,
    pub(crate) total: Histogram,
    pub(crate) provider: Histogram,
    pub(crate) first_token: Histogram,
    pub(crate) overhead: Histogram,
}

/// How an exchange failed, and what the provider said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: ErrorKind,
    pub(crate) status: u16,
}

/// How often something was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count<T> {
    pub(crate) what: T,
    pub(crate) count: u64,
}

/// Durations in LiteLLM's buckets.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Histogram {
    counts: [u64; BUCKETS.len() + 1],
    pub(crate) seconds: f64,
}

impl Series {
    pub(super) fn count(&mut self, event: &UsageEvent) {
        self.used(&event.usage, event.cost);
        match event.outcome {
            Ok(()) => self.answered_legs += 1,
            Err(kind) => {
                let status = event.status.unwrap_or(kind.status());
                add(&mut self.failed_legs, Failure { kind, status });
            }
        }
        if event.handed_on {
            return;
        }
        add(&mut self.ended, (event.exchange.endpoint, event.outcome.err()));
        if let Some((_, failure)) = &event.exchange.fell_back {
            add(&mut self.fallbacks, (*failure, event.outcome.is_ok()));
        }
        if event.outcome.is_ok() {
            self.requests += 1;
            self.took(&event.times);
        }
    }

    fn used(&mut self, usage: &Usage, cost: Option<NanoUsd>) {
        let counts = [
            (&mut self.input, usage.input),
            (&mut self.output, usage.output),
            (&mut self.cache_read, usage.cache_read),
            (&mut self.cache_write, usage.cache_write.saturating_add(usage.cache_write_1h)),
            (&mut self.input_audio, usage.input_audio),
            (&mut self.output_audio, usage.output_audio),
            (&mut self.reasoning, usage.reasoning),
        ];
        for (sum, more) in counts {
            *sum = sum.saturating_add(more);
        }
        self.spend = self.spend.plus(cost.unwrap_or_default());
    }

    /// LiteLLM counts from the call of the provider, but for the whole request.
    fn took(&mut self, leg: &LegTimes) {
        self.total.observe(leg.began + leg.total);
        self.provider.observe(leg.total.saturating_sub(leg.overhead));
        self.overhead.observe(leg.overhead);
        if let (Some(first), Some(asked)) = (leg.first_token, leg.asked) {
            self.first_token.observe(first.saturating_sub(asked));
        }
    }
}

fn add<T: PartialEq>(counts: &mut Vec<Count<T>>, what: T) {
    match counts.iter_mut().find(|known| known.what == what) {
        Some(known) => known.count += 1,
        None => counts.push(Count { what, count: 1 }),
    }
}

impl Histogram {
    fn observe(&mut self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        if let Some(count) = self.counts.get_mut(BUCKETS.partition_point(|bound| *bound < seconds)) {
            *count += 1;
        }
        self.seconds += seconds;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (sum, more) in self.counts.iter_mut().zip(other.counts) {
            *sum += more;
        }
        self.seconds += other.seconds;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.counts.iter().all(|count| *count == 0)
    }

    /// Upper bound and count of each bucket; the last bound is infinity.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (f64, u64)> {
        BUCKETS.into_iter().chain([f64::INFINITY]).zip(self.counts)
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [0; BUCKETS.len() + 1], seconds: 0.0 }
    }
}
