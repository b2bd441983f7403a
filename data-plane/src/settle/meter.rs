//! What a model group usually produces: the output estimate of a request that does not say.

use std::collections::HashMap;

use parking_lot::Mutex;

/// Output expected of a group that has produced nothing yet: LiteLLM's floor for token reservations.
const UNKNOWN: u64 = 1024;
/// Groups remembered; a wildcard group is one group, so callers cannot add to them.
const GROUPS: usize = 4096;

/// Moving averages of output tokens per model group, one table per worker.
#[derive(Debug, Default)]
pub(crate) struct Typical(Mutex<HashMap<Box<str>, u64, foldhash::fast::RandomState>>);

impl Typical {
    /// Twice the moving average, so that an ordinary answer fits its reservation.
    pub(crate) fn output(&self, group: &str) -> u64 {
        self.0.lock().get(group).map_or(UNKNOWN, |average| (average * 2).max(16))
    }

    /// Moves the average an eighth of the way.
    pub(crate) fn learn(&self, group: &str, output: u64) {
        let output = output.min(1 << 40);
        let mut averages = self.0.lock();
        if let Some(average) = averages.get_mut(group) {
            *average = (*average * 7 + output) / 8;
        } else if averages.len() < GROUPS {
            averages.insert(group.into(), output);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_group_gets_the_floor_and_a_known_one_its_average() {
        let typical = Typical::default();
        assert_eq!(typical.output("g"), UNKNOWN);
        typical.learn("g", 100);
        assert_eq!(typical.output("g"), 200);
        for _ in 0..100 {
            typical.learn("g", 500);
        }
        assert!((980..=1000).contains(&typical.output("g")), "{}", typical.output("g"));
    }
}
