//! What was measured.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// The longest time that is told apart, in microseconds.
const LONGEST: u64 = 3_600_000_000;

/// Steps of the histogram in a report, in milliseconds.
const STEPS_MS: [f64; 11] = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 35.0, 50.0, 100.0];

/// Times, to three significant digits.
#[derive(Debug, Clone)]
pub struct Times(Option<Histogram<u64>>);

impl Default for Times {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1, LONGEST, 3).ok())
    }
}

impl Times {
    /// Adds one.
    pub fn record(&mut self, time: Duration) {
        if let Some(histogram) = &mut self.0 {
            histogram.saturating_record(u64::try_from(time.as_micros()).unwrap_or(LONGEST));
        }
    }

    fn merge(&mut self, other: &Self) {
        if let (Some(histogram), Some(other)) = (&mut self.0, &other.0) {
            // Both have the same bounds, so that adding cannot fail.
            let _ = histogram.add(other);
        }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, Histogram::len)
    }

    /// The time that a share of 0..=1 of them did not exceed.
    pub fn quantile(&self, share: f64) -> Duration {
        Duration::from_micros(self.0.as_ref().map_or(0, |histogram| histogram.value_at_quantile(share)))
    }

    /// The longest.
    pub fn max(&self) -> Duration {
        Duration::from_micros(self.0.as_ref().map_or(0, Histogram::max))
    }

    /// How many were longer than this.
    pub fn over(&self, time: Duration) -> u64 {
        let from = u64::try_from(time.as_micros()).unwrap_or(LONGEST).saturating_add(1);
        self.0.as_ref().map_or(0, |histogram| histogram.count_between(from, LONGEST))
    }

    /// How many were longer than one step and not longer than the next: `[milliseconds, count]`, the last step
    /// without an end. A delay that something adds (40 ms: a delayed acknowledgement) stands out.
    fn steps(&self) -> Value {
        let over = STEPS_MS.iter().map(|step| self.over(Duration::from_secs_f64(step / 1000.0)));
        let mut before = self.count();
        let mut steps = Vec::new();
        for (step, over) in STEPS_MS.iter().zip(over) {
            steps.push(json!([step, before.saturating_sub(over)]));
            before = over;
        }
        steps.push(json!([null, before]));
        Value::Array(steps)
    }

    /// Milliseconds; `null` where nothing was measured.
    fn json(&self) -> Value {
        if self.count() == 0 {
            return Value::Null;
        }
        let ms = |time: Duration| time.as_micros() as f64 / 1000.0;
        json!({
            "mean": self.0.as_ref().map_or(0.0, Histogram::mean) / 1000.0,
            "p50": ms(self.quantile(0.5)),
            "p90": ms(self.quantile(0.9)),
            "p99": ms(self.quantile(0.99)),
            "p999": ms(self.quantile(0.999)),
            "max": ms(self.max()),
        })
    }
}

/// The result of a run, warm-up left out.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Requests that were due in the measured time.
    pub sent: u64,
    /// Those that were answered as they should be.
    pub ok: u64,
    /// The others, by what went wrong.
    pub failed: BTreeMap<String, u64>,
    /// From when a request was due to the end of its answer (good ones only).
    pub latency: Times,
    /// From when it was due to the first bytes of the answer's body.
    pub first: Times,
    /// Between two pieces of a stream.
    pub gap: Times,
    /// From when a stamped piece was sent until it was here.
    pub delay: Times,
    /// How late the generator itself was in sending what had a free connection: its own imprecision, not part of the
    /// latency.
    pub lag: Times,
    /// Events of good streams.
    pub events: u64,
    /// The same with those of the warm-up: what a server's CPU time is to be divided by.
    pub events_ever: u64,
    /// Body bytes of good answers.
    pub bytes: u64,
    /// Connections made after the first of each.
    pub reconnects: u64,
    /// The time measured.
    pub seconds: f64,
    /// Requests a second that were asked for; 0 in a closed loop.
    pub offered_rate: f64,
}

impl Report {
    pub(crate) fn merge(&mut self, other: &Self) {
        self.sent += other.sent;
        self.ok += other.ok;
        for (class, count) in &other.failed {
            *self.failed.entry(class.clone()).or_default() += count;
        }
        self.latency.merge(&other.latency);
        self.first.merge(&other.first);
        self.gap.merge(&other.gap);
        self.delay.merge(&other.delay);
        self.lag.merge(&other.lag);
        self.events += other.events;
        self.events_ever += other.events_ever;
        self.bytes += other.bytes;
        self.reconnects += other.reconnects;
    }

    /// Good answers a second.
    pub fn achieved_rate(&self) -> f64 {
        if self.seconds > 0.0 { self.ok as f64 / self.seconds } else { 0.0 }
    }

    /// All failures together.
    pub fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    /// The report as JSON; times are in milliseconds.
    pub fn json(&self) -> Value {
        json!({
            "sent": self.sent,
            "ok": self.ok,
            "failed": self.failed,
            "failures": self.failures(),
            "offered_rate": self.offered_rate,
            "achieved_rate": self.achieved_rate(),
            "seconds": self.seconds,
            "latency_ms": self.latency.json(),
            "first_byte_ms": self.first.json(),
            "gap_ms": self.gap.json(),
            "delay_ms": self.delay.json(),
            "delay_steps": self.delay.steps(),
            "generator_lag_ms": self.lag.json(),
            "events": self.events,
            "bytes": self.bytes,
            "reconnects": self.reconnects,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_counted_by_steps() {
        let mut times = Times::default();
        for micros in [50, 100, 101, 40_000, 40_500, 7_000_000] {
            times.record(Duration::from_micros(micros));
        }
        assert_eq!((times.over(Duration::from_millis(35)), times.over(Duration::from_secs(8))), (3, 0));
        let steps = times.steps();
        let of =
            |step: f64| steps.as_array().unwrap().iter().find(|it| it[0] == json!(step)).unwrap()[1].clone();
        assert_eq!((of(0.1), of(0.2), of(35.0), of(50.0)), (json!(2), json!(1), json!(0), json!(2)));
        assert_eq!(steps.as_array().unwrap().last().unwrap(), &json!([null, 1]));
    }
}
