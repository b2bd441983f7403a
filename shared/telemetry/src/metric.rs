//! Counters that cost an uncontended atomic addition. Every worker has its own; a scrape adds them up.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Only goes up.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to the count.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// The count.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Raises the value.
    pub fn add(&self, more: i64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// Lowers the value.
    pub fn sub(&self, less: i64) {
        self.0.fetch_sub(less, Ordering::Relaxed);
    }

    /// The value.
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Upper bounds of a histogram's buckets, in seconds; one more bucket has none.
pub type Bounds = [f64; 18];

/// What providers and whole requests take: up to ten minutes.
pub const LATENCY: Bounds = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0,
    600.0,
];

/// What takes microseconds while all is well: up to ten seconds.
pub const FINE: Bounds = [
    0.000_02, 0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0,
    2.0, 5.0, 10.0,
];

const BUCKETS: usize = LATENCY.len() + 1;

/// Durations in buckets.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static Bounds,
    buckets: [AtomicU64; BUCKETS],
    micros: AtomicU64,
}

/// The sum of some histograms with the same bounds.
#[derive(Debug, Clone, PartialEq)]
pub struct HistogramSum {
    bounds: &'static Bounds,
    /// Observations per bucket, not cumulative.
    pub buckets: [u64; BUCKETS],
    /// The sum of all observations, in seconds.
    pub seconds: f64,
}

impl Histogram {
    /// A histogram with these bounds.
    pub fn new(bounds: &'static Bounds) -> Self {
        Self { bounds, buckets: Default::default(), micros: AtomicU64::new(0) }
    }

    /// Counts a duration.
    pub fn observe(&self, duration: std::time::Duration) {
        let seconds = duration.as_secs_f64();
        let index = self.bounds.partition_point(|bound| *bound < seconds);
        if let Some(bucket) = self.buckets.get(index) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Adds this histogram to a sum.
    pub fn add_to(&self, sum: &mut HistogramSum) {
        for (total, bucket) in sum.buckets.iter_mut().zip(&self.buckets) {
            *total += bucket.load(Ordering::Relaxed);
        }
        let micros = self.micros.load(Ordering::Relaxed);
        sum.seconds += std::time::Duration::from_micros(micros).as_secs_f64();
    }
}

impl HistogramSum {
    /// Nothing, to be added to.
    pub fn new(bounds: &'static Bounds) -> Self {
        Self { bounds, buckets: [0; BUCKETS], seconds: 0.0 }
    }

    /// How many observations there are.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Upper bound and count of each bucket, not cumulative; the last bound is infinity.
    pub fn pairs(&self) -> impl Iterator<Item = (f64, u64)> {
        self.bounds.iter().copied().chain([f64::INFINITY]).zip(self.buckets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_duration_falls_into_the_bucket_whose_bound_it_does_not_exceed() {
        let histogram = Histogram::new(&LATENCY);
        for millis in [0, 1, 2, 10, 700_000] {
            histogram.observe(Duration::from_millis(millis));
        }
        let mut sum = HistogramSum::new(&LATENCY);
        histogram.add_to(&mut sum);
        histogram.add_to(&mut sum);
        assert_eq!(sum.buckets.first_chunk(), Some(&[4, 2, 0, 2]));
        assert_eq!(sum.buckets.last(), Some(&2));
        assert_eq!(sum.count(), 10);
        assert!((sum.seconds - 1400.026).abs() < 1e-6, "{}", sum.seconds);
    }
}
