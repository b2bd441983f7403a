//! The provider's clock, where this machine's is not right: what it refuses for its time is signed once more by its own.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

/// AWS takes a signature for five minutes; where clocks differ by less than this, the time was not the reason.
const LEAST: i64 = 240;
/// A clock that is wrong by more has to be set by somebody, and no provider is believed so far from it.
const MOST: i64 = 24 * 60 * 60;

/// How far the provider's clock is ahead of this machine's, in seconds; behind it, less than zero.
#[derive(Debug, Default)]
pub struct Clock(AtomicI64);

impl Clock {
    /// What is to be added to this machine's time.
    pub fn ahead(&self) -> i64 {
        self.0.load(Relaxed)
    }

    /// The provider refused, for its time, what was signed with the clock `ahead` by so much, and said what time it is
    /// there. True where a signature by that time is another one.
    pub fn correct(&self, ahead: i64, theirs: SystemTime, ours: SystemTime) -> bool {
        let correct = seconds_between(ours, theirs);
        let is_usable = correct.abs() <= MOST && (correct - ahead).abs() >= LEAST;
        // Many requests may find it out at once.
        if is_usable && (self.0.swap(correct, Relaxed) - correct).abs() >= LEAST {
            tracing::warn!(
                seconds = correct,
                "AWS's clock is ahead of this machine's; signatures go by AWS's"
            );
        }
        is_usable
    }
}

/// The time by a clock that is `ahead` of this one.
pub fn shifted(time: SystemTime, ahead: i64) -> SystemTime {
    let by = Duration::from_secs(ahead.unsigned_abs());
    let shifted = if ahead < 0 { time.checked_sub(by) } else { time.checked_add(by) };
    shifted.unwrap_or(time)
}

fn seconds_between(from: SystemTime, to: SystemTime) -> i64 {
    let seconds = |length: Duration| i64::try_from(length.as_secs()).unwrap_or(i64::MAX);
    match to.duration_since(from) {
        Ok(ahead) => seconds(ahead),
        Err(behind) => -seconds(behind.duration()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_corrected_where_that_changes_a_signature() {
        let now = SystemTime::now();
        let clock = Clock::default();
        for (ahead, theirs, is_usable, after) in [
            (0, 60, false, 0),
            (0, 7200, true, 7200),
            // Of many that were under way each is signed again.
            (0, 7201, true, 7201),
            (7201, 7200, false, 7201),
            (7201, 0, true, 0),
            (0, -3600, true, -3600),
            (-3600, 100_000, false, -3600),
            (-3600, -100_000, false, -3600),
        ] {
            assert_eq!(clock.correct(ahead, shifted(now, theirs), now), is_usable, "{ahead} {theirs}");
            assert_eq!(clock.ahead(), after, "{ahead} {theirs}");
        }
    }
}
