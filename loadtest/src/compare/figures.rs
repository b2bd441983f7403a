//! What was measured, round by round, and what is read from it.

use serde_json::{Value, json};

use super::Suite;

/// A figure's name and its value.
pub(super) type Figure = (&'static str, f64);

/// One line of a suite: a case, through one contender.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) suite: Suite,
    pub(super) case: &'static str,
    pub(super) contender: &'static str,
    /// The figures of each round.
    rounds: Vec<Vec<Figure>>,
}

impl Row {
    /// One figure in all rounds, as it was measured.
    fn values(&self, key: &str) -> impl Iterator<Item = Option<f64>> {
        self.rounds
            .iter()
            .map(move |figures| figures.iter().find(|(of, _)| *of == key).map(|(_, value)| *value))
    }

    fn json(&self) -> Value {
        let mut keys: Vec<_> = self.rounds.iter().flatten().map(|(key, _)| *key).collect();
        keys.sort_unstable();
        keys.dedup();
        let figure = |key: &str| {
            let values: Vec<_> = self.values(key).collect();
            let spread = Spread::of(values.iter().copied().flatten().collect());
            json!({"median": spread.map(|it| it.median), "low": spread.map(|it| it.low),
                "high": spread.map(|it| it.high), "rounds": values})
        };
        let figures: serde_json::Map<_, _> =
            keys.into_iter().map(|key| (key.to_owned(), figure(key))).collect();
        json!({"suite": self.suite.name(), "case": self.case, "through": self.contender, "figures": figures})
    }
}

/// All rounds, in the order in which they were first seen.
#[derive(Debug, Default)]
pub(super) struct Samples(Vec<Row>);

impl Samples {
    /// Adds one contender's share of one round.
    pub(super) fn add(
        &mut self,
        suite: Suite,
        case: &'static str,
        contender: &'static str,
        figures: Vec<Figure>,
    ) {
        let known = self.0.iter_mut().find(|row| row.is(suite, case, contender));
        match known {
            Some(row) => row.rounds.push(figures),
            None => self.0.push(Row { suite, case, contender, rounds: vec![figures] }),
        }
    }

    /// Puts the contenders of each case in this order, whatever order the first round had.
    pub(super) fn sort(&mut self, contenders: &[&str]) {
        let mut cases: Vec<(Suite, &str)> = Vec::new();
        for row in &self.0 {
            if !cases.contains(&(row.suite, row.case)) {
                cases.push((row.suite, row.case));
            }
        }
        self.0.sort_by_key(|row| {
            let case = cases.iter().position(|case| *case == (row.suite, row.case));
            (case, contenders.iter().position(|name| *name == row.contender))
        });
    }

    pub(super) fn rows(&self) -> &[Row] {
        &self.0
    }

    /// A figure as it was measured, or what a contender adds to it: the difference to the direct way in the same round.
    pub(super) fn spread(&self, row: &Row, key: &str, added: bool) -> Option<Spread> {
        if !added {
            return Spread::of(row.values(key).flatten().collect());
        }
        let direct = self.find(row.suite, row.case, DIRECT)?;
        let pairs = row.values(key).zip(direct.values(key));
        Spread::of(pairs.filter_map(|(value, without)| Some(value? - without?)).collect())
    }

    pub(super) fn find(&self, suite: Suite, case: &str, contender: &str) -> Option<&Row> {
        self.0.iter().find(|row| row.is(suite, case, contender))
    }

    /// A contender's median beside HAProxy's.
    pub(super) fn beside(&self, row: &Row, key: &str, added: bool) -> Option<f64> {
        let base = self.find(row.suite, row.case, HAPROXY)?;
        let ratio = self.spread(row, key, added)?.median / self.spread(base, key, added)?.median;
        // Beside nothing, or less than nothing, a ratio says nothing.
        (ratio.is_finite() && ratio > 0.0).then_some(ratio)
    }

    pub(super) fn json(&self) -> Value {
        self.0.iter().map(Row::json).collect()
    }
}

/// The contender that the others are set beside.
pub(super) const HAPROXY: &str = "HAProxy";

/// No contender at all.
pub(super) const DIRECT: &str = "direct";

impl Row {
    fn is(&self, suite: Suite, case: &str, contender: &str) -> bool {
        (self.suite, self.case, self.contender) == (suite, case, contender)
    }
}

/// The middle and the ends of some values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let upper = *values.get(middle)?;
        let even = values.len().is_multiple_of(2);
        let lower = if even { *values.get(middle.checked_sub(1)?)? } else { upper };
        Some(Self { median: f64::midpoint(lower, upper), low: *values.first()?, high: *values.last()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUITE: Suite = Suite::Requests;

    pub(super) fn samples(rounds: &[(f64, f64, f64)]) -> Samples {
        let mut samples = Samples::default();
        for &(direct, haproxy, bulkhead) in rounds {
            samples.add(SUITE, "plain", HAPROXY, vec![("p50_us", haproxy)]);
            samples.add(SUITE, "plain", "Bulkhead", vec![("p50_us", bulkhead)]);
            samples.add(SUITE, "plain", DIRECT, vec![("p50_us", direct)]);
        }
        samples
    }

    #[test]
    fn what_is_added_is_the_difference_within_a_round() {
        // A machine that is slower in one round is so for all, and the differences stay.
        let samples = samples(&[(10.0, 30.0, 40.0), (110.0, 130.0, 140.0), (60.0, 81.0, 89.0)]);
        let row = samples.find(SUITE, "plain", "Bulkhead").unwrap();
        let added = samples.spread(row, "p50_us", true).unwrap();
        assert_eq!(added, Spread { median: 30.0, low: 29.0, high: 30.0 });
        assert_eq!(samples.spread(row, "p50_us", false).unwrap().median, 89.0);
        assert_eq!(samples.beside(row, "p50_us", true), Some(1.5));
        assert_eq!(samples.spread(row, "unknown", false), None);
    }

    #[test]
    fn a_ratio_beside_nothing_says_nothing() {
        for haproxy in [10.0, 9.0] {
            let samples = samples(&[(10.0, haproxy, 12.0)]);
            let row = samples.find(SUITE, "plain", "Bulkhead").unwrap();
            assert_eq!(samples.beside(row, "p50_us", true), None);
        }
    }

    #[test]
    fn the_median_of_an_even_number_is_between_the_two_in_the_middle() {
        let spread = Spread::of(vec![4.0, 1.0, 3.0, 2.0]);
        assert_eq!(spread, Some(Spread { median: 2.5, low: 1.0, high: 4.0 }));
        assert_eq!(Spread::of(Vec::new()), None);
    }

    #[test]
    fn json_has_every_round() {
        let samples = samples(&[(10.0, 30.0, 40.0), (20.0, 50.0, 60.0)]);
        let json = samples.json();
        assert_eq!(json[1]["through"], "Bulkhead");
        assert_eq!(
            json[1]["figures"]["p50_us"],
            json!({"median": 50.0, "low": 40.0, "high": 60.0, "rounds": [40.0, 60.0]})
        );
    }
}
