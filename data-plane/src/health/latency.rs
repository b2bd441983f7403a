//! How fast answers come: a peak that decays.

use tokio::time::{Duration, Instant};

/// After this long without an answer an average is a third of what it was, so that who was slow is tried again.
const DECAY: Duration = Duration::from_secs(10);

/// An exponentially weighted average that follows a slow answer at once and quick ones slowly (peak EWMA).
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Latency {
    seconds: f64,
    at: Option<Instant>,
}

impl Latency {
    /// Seconds; zero where nothing is known.
    pub(super) fn now(&self, now: Instant) -> f64 {
        self.at.map_or(0.0, |at| self.seconds * weight(now.saturating_duration_since(at)))
    }

    pub(super) fn observe(&mut self, took: Duration, now: Instant) {
        let sample = took.as_secs_f64();
        let Some(at) = self.at.replace(now) else {
            self.seconds = sample;
            return;
        };
        let weight = weight(now.saturating_duration_since(at));
        let average = self.seconds * weight + sample * (1.0 - weight);
        self.seconds = average.max(sample);
    }

    /// An answer that failed says nothing about how fast good ones are, but nobody should be drawn to it.
    pub(super) fn punish(&mut self, now: Instant) {
        let twice = (self.now(now) * 2.0).clamp(1.0, 60.0);
        self.observe(Duration::from_secs_f64(twice), now);
    }
}

fn weight(passed: Duration) -> f64 {
    (-passed.as_secs_f64() / DECAY.as_secs_f64()).exp()
}
