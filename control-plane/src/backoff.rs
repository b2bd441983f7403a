//! How long to wait before the next try.

use std::time::Duration;

/// Full jitter: somewhere up to `first`, doubled for each failure, at most `longest`. Many who lost the same thing do
/// not come back as one.
pub(crate) fn jittered(failures: u32, first: Duration, longest: Duration) -> Duration {
    let most = longest.min(first.saturating_mul(1 << failures.min(16)));
    let most = u64::try_from(most.as_micros()).unwrap_or(u64::MAX).max(1);
    Duration::from_micros(random() % most)
}

/// A random number.
pub(crate) fn random() -> u64 {
    let mut bytes = [0; 8];
    // Without the system's randomness everybody waits for no time, which ends, too.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    u64::from_ne_bytes(bytes)
}
