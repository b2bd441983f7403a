//! The page that a scrape gets: OpenMetrics text.

use std::fmt::{Display, Write};

use crate::metric::HistogramSum;

/// What the page is.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the names of this house begin with.
const OURS: &str = "bulkhead_";

/// Whether a metric goes up only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Metrics, one after the other. A name comes once, and its prefix is put before it.
#[derive(Debug)]
pub struct Page {
    text: String,
    prefix: &'static str,
}

/// A metric whose samples follow.
pub struct Family<'p> {
    out: &'p mut String,
    prefix: &'static str,
    name: &'p str,
    kind: Kind,
}

/// Names and values, escaped. Values come from fixed sets or from the snapshot, never from a caller.
#[derive(Debug, Default, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Labels(String);

impl Default for Page {
    fn default() -> Self {
        Self { text: String::new(), prefix: OURS }
    }
}

impl Page {
    /// Names that follow begin with this.
    pub fn names_begin_with(&mut self, prefix: &'static str) {
        self.prefix = prefix;
    }

    /// A metric that goes up and down, without labels.
    pub fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.gauges(name, help).sample(&Labels::default(), value);
    }

    /// A metric that only goes up, without labels.
    pub fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.counters(name, help).sample(&Labels::default(), value);
    }

    /// A metric that goes up and down.
    pub fn gauges<'p>(&'p mut self, name: &'p str, help: &str) -> Family<'p> {
        self.family(Kind::Gauge, name, help)
    }

    /// A metric that only goes up.
    pub fn counters<'p>(&'p mut self, name: &'p str, help: &str) -> Family<'p> {
        self.family(Kind::Counter, name, help)
    }

    /// Durations.
    pub fn histograms<'p>(&'p mut self, name: &'p str, help: &str) -> Family<'p> {
        self.family(Kind::Histogram, name, help)
    }

    fn family<'p>(&'p mut self, kind: Kind, name: &'p str, help: &str) -> Family<'p> {
        let Self { text: out, prefix } = self;
        let prefix = *prefix;
        let word = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        // Writing into a `String` cannot fail.
        let _ = writeln!(out, "# HELP {prefix}{name} {help}\n# TYPE {prefix}{name} {word}");
        if let Some(unit) = ["seconds", "bytes"].iter().find(|unit| is_in(name, unit)) {
            let _ = writeln!(out, "# UNIT {prefix}{name} {unit}");
        }
        Family { out, prefix, name, kind }
    }

    /// The whole text.
    pub fn finish(mut self) -> String {
        self.text.push_str("# EOF\n");
        self.text
    }
}

fn is_in(name: &str, unit: &str) -> bool {
    name.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_'))
}

impl Family<'_> {
    /// One series.
    pub fn sample(&mut self, labels: &Labels, value: impl Display) {
        let suffix = if self.kind == Kind::Counter { "_total" } else { "" };
        self.line(suffix, labels, "", value);
    }

    /// The series of one histogram.
    pub fn histogram(&mut self, labels: &Labels, sum: &HistogramSum) {
        self.buckets(labels, sum.pairs(), sum.seconds);
    }

    /// The series of one histogram, by upper bound and count of each bucket, not cumulative; the last bound is infinity.
    pub fn buckets(&mut self, labels: &Labels, pairs: impl Iterator<Item = (f64, u64)>, sum: f64) {
        let mut below = 0;
        let mut bound = String::new();
        for (upper, count) in pairs {
            below += count;
            bound.clear();
            let _ = if upper.is_infinite() {
                write!(bound, "le=\"+Inf\"")
            } else if upper < 1.0 {
                write!(bound, "le=\"{upper}\"")
            } else {
                write!(bound, "le=\"{upper:.1}\"")
            };
            self.line("_bucket", labels, &bound, below);
        }
        self.line("_count", labels, "", below);
        self.line("_sum", labels, "", sum);
    }

    fn line(&mut self, suffix: &str, labels: &Labels, more: &str, value: impl Display) {
        let Self { out, prefix, name, .. } = self;
        out.push_str(prefix);
        out.push_str(name);
        out.push_str(suffix);
        if !(labels.0.is_empty() && more.is_empty()) {
            out.push('{');
            out.push_str(&labels.0);
            if !(labels.0.is_empty() || more.is_empty()) {
                out.push(',');
            }
            out.push_str(more);
            out.push('}');
        }
        let _ = writeln!(out, " {value}");
    }
}

impl Labels {
    /// Adds a label.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        self.0.push_str(name);
        self.0.push_str("=\"");
        for character in value.chars() {
            match character {
                '\\' => self.0.push_str("\\\\"),
                '"' => self.0.push_str("\\\""),
                '\n' => self.0.push_str("\\n"),
                character => self.0.push(character),
            }
        }
        self.0.push('"');
        self
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::metric::{FINE, Histogram};

    #[test]
    fn a_page_says_what_each_metric_is_and_ends() {
        let mut page = Page::default();
        page.gauge("in_flight", "Under way", -1);
        page.counter("spend_usd", "Spent", 0.25);
        page.gauge("body_memory_bytes", "Taken", 7_u64);
        let mut family = page.counters("refused", "Refused");
        family.sample(&Labels::default().with("kind", "a \"\\\nb").with("route", "/x"), 2);
        page.counters("nothing_yet", "Nothing");
        let text = "# HELP bulkhead_in_flight Under way\n# TYPE bulkhead_in_flight gauge\nbulkhead_in_flight -1\n\
            # HELP bulkhead_spend_usd Spent\n# TYPE bulkhead_spend_usd counter\nbulkhead_spend_usd_total 0.25\n\
            # HELP bulkhead_body_memory_bytes Taken\n# TYPE bulkhead_body_memory_bytes gauge\n\
            # UNIT bulkhead_body_memory_bytes bytes\nbulkhead_body_memory_bytes 7\n\
            # HELP bulkhead_refused Refused\n# TYPE bulkhead_refused counter\n\
            bulkhead_refused_total{kind=\"a \\\"\\\\\\nb\",route=\"/x\"} 2\n\
            # HELP bulkhead_nothing_yet Nothing\n# TYPE bulkhead_nothing_yet counter\n# EOF\n";
        assert_eq!(page.finish(), text);
    }

    #[test]
    fn buckets_hold_what_is_in_those_before() {
        let histogram = Histogram::new(&FINE);
        for micros in [10, 50, 51, 3_000_000, 30_000_000] {
            histogram.observe(Duration::from_micros(micros));
        }
        let mut sum = HistogramSum::new(&FINE);
        histogram.add_to(&mut sum);
        let mut page = Page::default();
        page.histograms("overhead_seconds", "Ours").histogram(&Labels::default(), &sum);
        let page = page.finish();
        for line in [
            "bulkhead_overhead_seconds_bucket{le=\"0.00002\"} 1\n",
            "bulkhead_overhead_seconds_bucket{le=\"0.00005\"} 2\n",
            "bulkhead_overhead_seconds_bucket{le=\"0.0001\"} 3\n",
            "bulkhead_overhead_seconds_bucket{le=\"2.0\"} 3\n",
            "bulkhead_overhead_seconds_bucket{le=\"5.0\"} 4\n",
            "bulkhead_overhead_seconds_bucket{le=\"+Inf\"} 5\n",
            "bulkhead_overhead_seconds_count 5\n",
            "bulkhead_overhead_seconds_sum 33.000111\n",
        ] {
            assert!(page.contains(line), "{line} in {page}");
        }
    }
}
