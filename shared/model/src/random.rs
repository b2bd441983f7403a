//! Randomness where a guess does no harm: ids, shuffles, waits. Secrets are made elsewhere, and fail without it.

use std::time::Duration;

/// A random number.
pub fn number() -> u64 {
    let mut bytes = [0; 8];
    // Without the system's randomness it is zero: everybody has the same seed and waits for no time.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    u64::from_ne_bytes(bytes)
}

/// How long to wait before the next try. Full jitter: somewhere up to `first`, doubled for each failure, at most
/// `longest`, so that many who lost the same thing do not come back as one.
pub fn backoff(failures: u32, first: Duration, longest: Duration, random: u64) -> Duration {
    let most = longest.min(first.saturating_mul(1 << failures.min(16)));
    let most = u64::try_from(most.as_micros()).unwrap_or(u64::MAX).max(1);
    Duration::from_micros(random % most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let (first, longest) = (Duration::from_millis(200), Duration::from_secs(5));
        for (failures, below) in
            [(0, first), (1, first * 2), (4, first * 16), (5, longest), (u32::MAX, longest)]
        {
            let last = u64::try_from(below.as_micros()).unwrap() - 1;
            assert_eq!(backoff(failures, first, longest, last), below - Duration::from_micros(1));
            assert_eq!(backoff(failures, first, longest, last + 1), Duration::ZERO, "{failures}");
        }
        assert_eq!(backoff(0, Duration::ZERO, longest, 7), Duration::ZERO);
    }
}
