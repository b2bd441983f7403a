//! What a set of times comes to.

use std::fmt;
use std::time::Duration;

/// Some times, in order.
pub(crate) struct Figures(Vec<Duration>);

impl Figures {
    pub(crate) fn of(times: impl IntoIterator<Item = Duration>) -> Self {
        let mut times: Vec<_> = times.into_iter().collect();
        times.sort_unstable();
        Self(times)
    }

    /// The time that this share of all stays within.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let count = u32::try_from(self.0.len()).unwrap();
        let at = (f64::from(count) * share).ceil();
        let at = (1..=count).take_while(|&n| f64::from(n) < at).count();
        self.0.get(at).or(self.0.last()).copied().unwrap_or_default()
    }

    pub(crate) fn p99(&self) -> Duration {
        self.quantile(0.99)
    }

    pub(crate) fn max(&self) -> Duration {
        self.0.last().copied().unwrap_or_default()
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = |time: Duration| time.as_secs_f64() * 1000.0;
        let (p50, p99, max) = (millis(self.quantile(0.5)), millis(self.p99()), millis(self.max()));
        write!(f, "{} times, p50 {p50:.1} ms, p99 {p99:.1} ms, max {max:.1} ms", self.0.len())
    }
}
