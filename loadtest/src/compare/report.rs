//! Medians and spreads of a comparison, as a table and as JSON.

use std::fmt::Write;

use serde_json::{Value, json};

/// One contender's share of one round.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    pub(super) cpu_us: f64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    pub(super) resident: u64,
}

/// All rounds, in the order in which they were first seen.
#[derive(Debug, Default)]
pub(super) struct Samples(Vec<(&'static str, &'static str, Vec<Sample>)>);

impl Samples {
    pub(super) fn add(&mut self, traffic: &'static str, contender: &'static str, sample: Sample) {
        match self.0.iter_mut().find(|(of, by, _)| (*of, *by) == (traffic, contender)) {
            Some((_, _, samples)) => samples.push(sample),
            None => self.0.push((traffic, contender, vec![sample])),
        }
    }

    pub(super) fn table(&self, method: String) -> Table {
        let spread =
            |samples: &[Sample], of: fn(&Sample) -> f64| Spread::of(samples.iter().map(of).collect());
        let row = |(traffic, contender, samples): &(&'static str, &'static str, Vec<Sample>)| Row {
            traffic,
            contender,
            cpu_us: spread(samples, |sample| sample.cpu_us),
            p50_us: spread(samples, |sample| sample.p50_us),
            p99_us: spread(samples, |sample| sample.p99_us),
            resident_mib: spread(samples, |sample| sample.resident as f64 / f64::from(1 << 20)),
        };
        Table { method, rows: self.0.iter().map(row).collect() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Spread {
    median: f64,
    low: f64,
    high: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        let middle = values.len() / 2;
        let median = if values.len().is_multiple_of(2) {
            f64::midpoint(at(middle.wrapping_sub(1)), at(middle))
        } else {
            at(middle)
        };
        Self { median, low: at(0), high: at(values.len().saturating_sub(1)) }
    }

    fn json(self) -> Value {
        json!({"median": self.median, "low": self.low, "high": self.high})
    }
}

struct Row {
    traffic: &'static str,
    contender: &'static str,
    cpu_us: Spread,
    p50_us: Spread,
    p99_us: Spread,
    resident_mib: Spread,
}

/// What a comparison found.
pub struct Table {
    method: String,
    rows: Vec<Row>,
}

impl Table {
    /// As Markdown: a row for each kind of traffic and contender, and how it was measured.
    pub fn markdown(&self) -> String {
        let mut text = String::from(
            "| Traffic | Through | CPU a request, µs | beside HAProxy | added p50, µs | added p99, µs | memory, MiB |\n\
             |---|---|---|---|---|---|---|\n",
        );
        for row in self.rows.iter().filter(|row| row.contender != "direct") {
            let of = |contender: &str| {
                self.rows.iter().find(|other| other.traffic == row.traffic && other.contender == contender)
            };
            let base = of("HAProxy").map_or(f64::NAN, |haproxy| haproxy.cpu_us.median);
            let added = |value: fn(&Row) -> f64| value(row) - of("direct").map_or(f64::NAN, value);
            let Spread { median, low, high } = row.cpu_us;
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "| {} | {} | {median:.1} ({low:.1}–{high:.1}) | ×{:.2} | {:.0} | {:.0} | {:.0} |",
                row.traffic,
                row.contender,
                median / base,
                added(|row| row.p50_us.median),
                added(|row| row.p99_us.median),
                row.resident_mib.median,
            );
        }
        format!("{text}\n{}.\n", self.method)
    }

    /// As JSON, with the spread of every figure.
    pub fn json(&self) -> Value {
        let row = |row: &Row| {
            json!({
                "traffic": row.traffic,
                "through": row.contender,
                "cpu_us": row.cpu_us.json(),
                "p50_us": row.p50_us.json(),
                "p99_us": row.p99_us.json(),
                "resident_mib": row.resident_mib.json(),
            })
        };
        json!({"method": self.method, "rows": self.rows.iter().map(row).collect::<Vec<_>>()})
    }

    /// A document with the table between its two markers.
    pub fn put_into(&self, document: &str) -> Option<String> {
        const BEGIN: &str = "<!-- figures:begin -->\n";
        const END: &str = "<!-- figures:end -->";
        let (before, rest) = document.split_once(BEGIN)?;
        let (_, after) = rest.split_once(END)?;
        Some(format!("{before}{BEGIN}\n{}\n{END}{after}", self.markdown()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(cpu_us: f64) -> Sample {
        Sample { cpu_us, p50_us: 100.0 + cpu_us, p99_us: 200.0, resident: 3 << 20 }
    }

    #[test]
    fn medians_ratios_and_added_latencies_are_those_of_the_rounds() {
        let mut samples = Samples::default();
        for cpu in [10.0, 30.0, 20.0] {
            samples.add("plain", "HAProxy", sample(cpu));
            samples.add("plain", "Bulkhead", sample(cpu * 1.5));
            samples.add("plain", "direct", sample(0.0));
        }
        let table = samples.table("how".to_owned());
        let text = table.markdown();
        assert!(text.contains("| plain | HAProxy | 20.0 (10.0–30.0) | ×1.00 | 20 | 0 | 3 |\n"), "{text}");
        assert!(text.contains("| plain | Bulkhead | 30.0 (15.0–45.0) | ×1.50 | 30 | 0 | 3 |\n"), "{text}");
        assert!(!text.contains("direct") && text.ends_with("\n\nhow.\n"), "{text}");
        let document = "a\n<!-- figures:begin -->\nold\n<!-- figures:end -->\nz\n";
        let document = table.put_into(document).unwrap();
        assert!(document.starts_with("a\n<!-- figures:begin -->\n\n| Traffic"), "{document}");
        assert!(document.ends_with("how.\n\n<!-- figures:end -->\nz\n"), "{document}");
        assert_eq!(table.put_into("no markers"), None);
        assert_eq!(table.put_into(&document).unwrap(), document);
    }

    #[test]
    fn the_median_of_an_even_number_is_between_the_two_in_the_middle() {
        assert_eq!(Spread::of(vec![4.0, 1.0, 3.0, 2.0]), Spread { median: 2.5, low: 1.0, high: 4.0 });
    }
}
