//! The figures as tables: every suite, or the main lines.

use std::fmt::Write;

use serde_json::{Value, json};

use super::Suite;
use super::figures::{DIRECT, HAPROXY, Row, Samples, Spread};

/// A column of a suite's table.
pub(super) struct Column {
    pub(super) key: &'static str,
    pub(super) title: &'static str,
    /// What a contender adds to the direct way, rather than what was measured.
    pub(super) added: bool,
    /// With the ratio to HAProxy's.
    pub(super) beside: bool,
}

impl Column {
    /// As it was measured.
    pub(super) const fn plain(key: &'static str, title: &'static str) -> Self {
        Self { key, title, added: false, beside: false }
    }

    /// With the ratio to HAProxy's.
    pub(super) const fn beside(key: &'static str, title: &'static str) -> Self {
        Self { beside: true, ..Self::plain(key, title) }
    }

    /// The difference to the direct way.
    pub(super) const fn added(key: &'static str, title: &'static str) -> Self {
        Self { added: true, ..Self::plain(key, title) }
    }
}

/// A line of the short table: a figure of all contenders.
pub(super) struct Line {
    pub(super) title: &'static str,
    pub(super) case: &'static str,
    pub(super) column: Column,
}

/// What a comparison found.
pub struct Table {
    pub(super) method: String,
    pub(super) samples: Samples,
}

const BEGIN: &str = "<!-- figures:begin -->\n";
const END: &str = "<!-- figures:end -->";

impl Table {
    /// Every suite as Markdown: a row for each case and contender, and how it was measured.
    pub fn details(&self) -> String {
        let mut text = String::new();
        for suite in Suite::ALL {
            let rows: Vec<_> = self.samples.rows().iter().filter(|row| row.suite == suite).collect();
            if !rows.is_empty() {
                self.suite(&mut text, suite, &rows);
            }
        }
        format!("{text}{}; medians, and in brackets the lowest and the highest round.\n", self.method)
    }

    fn suite(&self, text: &mut String, suite: Suite, rows: &[&Row]) {
        let columns = suite.columns();
        let titles: Vec<_> = columns.iter().map(|column| column.title).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "### {}\n\n| | through | {} |", suite.title(), titles.join(" | "));
        let _ = writeln!(text, "|---|---|{}", "---|".repeat(columns.len()));
        for row in rows {
            let cells: Vec<_> = columns.iter().map(|column| self.cell(row, column)).collect();
            let _ = writeln!(text, "| {} | {} | {} |", row.case, row.contender, cells.join(" | "));
        }
        text.push('\n');
    }

    /// Median, spread and ratio.
    fn cell(&self, row: &Row, column: &Column) -> String {
        let direct = row.contender == DIRECT;
        let spread = self.samples.spread(row, column.key, column.added);
        let Some(Spread { median, low, high }) = spread.filter(|_| !(direct && column.added)) else {
            return String::new();
        };
        let mut text = number(median);
        if low < high {
            let _ = write!(text, " ({}–{})", number(low), number(high));
        }
        if let Some(ratio) = self.samples.beside(row, column.key, column.added)
            && column.beside
            && !direct
            && row.contender != HAPROXY
        {
            let _ = write!(text, " ×{ratio:.2}");
        }
        text
    }

    /// The main lines as Markdown, and how they were measured.
    pub fn summary(&self) -> String {
        const CONTENDERS: [&str; 4] = [HAPROXY, "HAProxy twin", "nginx", "Bulkhead"];
        let mut text =
            format!("| | {} | beside HAProxy |\n|---|---|---|---|---|---|\n", CONTENDERS.join(" | "));
        for (suite, line) in
            Suite::ALL.iter().flat_map(|suite| suite.lines().iter().map(move |line| (*suite, line)))
        {
            let row = |contender: &str| self.samples.find(suite, line.case, contender);
            let Some(ours) = row("Bulkhead") else { continue };
            let Column { key, added, beside, .. } = line.column;
            let median =
                |contender: &str| self.samples.spread(row(contender)?, key, added).map(|it| it.median);
            let cells = CONTENDERS.map(|contender| median(contender).map(number).unwrap_or_default());
            let ratio = self.samples.beside(ours, key, added).filter(|_| beside);
            let ratio = ratio.map(|ratio| format!("×{ratio:.2}")).unwrap_or_default();
            let _ = writeln!(text, "| {} | {} | {ratio} |", line.title, cells.join(" | "));
        }
        format!("{text}\n{}; medians.\n", self.method)
    }

    /// As JSON, with every round of every figure.
    pub fn json(&self) -> Value {
        json!({"method": self.method, "rows": self.samples.json()})
    }
}

/// A document with a text between its two markers.
pub fn put_into(document: &str, text: &str) -> Option<String> {
    let (before, rest) = document.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{text}\n{END}{after}"))
}

/// Three digits, or all before the point.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 || size == 0.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    if text.trim_start_matches(['-', '0', '.']).is_empty() { "0".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut samples = Samples::default();
        for cpu in [10.0, 30.0, 20.0] {
            for (contender, factor) in [(HAPROXY, 1.0), ("Bulkhead", 1.5), (DIRECT, 0.0)] {
                let figures = vec![("cpu_us", cpu * factor), ("p50_us", 100.0 + cpu * factor)];
                samples.add(Suite::Requests, "plain", contender, figures);
            }
        }
        Table { method: "how".to_owned(), samples }
    }

    #[test]
    fn medians_spreads_and_ratios_are_in_the_details() {
        let text = table().details();
        assert!(text.starts_with("### Requests"), "{text}");
        assert!(text.contains("\n| plain | HAProxy | 20.0 (10.0–30.0) | 20.0 (10.0–30.0) |"), "{text}");
        let ours = "\n| plain | Bulkhead | 30.0 (15.0–45.0) ×1.50 | 30.0 (15.0–45.0) |  |";
        assert!(text.contains(ours), "{text}");
        assert!(
            text.contains("\n| plain | direct | 0 |  |")
                && text.contains("\n\nhow; medians, and in brackets"),
            "{text}"
        );
    }

    #[test]
    fn main_lines_are_those_that_were_measured() {
        let text = table().summary();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 5, "{text}");
        assert_eq!(lines[2], "| CPU a request, µs | 20.0 |  |  | 30.0 | ×1.50 |");
        assert_eq!(lines[4], "how; medians.");
    }

    #[test]
    fn a_text_is_put_between_the_markers() {
        let document = "a\n<!-- figures:begin -->\nold\n<!-- figures:end -->\nz\n";
        let document = put_into(document, "new\n").unwrap();
        assert_eq!(document, "a\n<!-- figures:begin -->\n\nnew\n\n<!-- figures:end -->\nz\n");
        assert_eq!(put_into(&document, "new\n").unwrap(), document);
        assert_eq!(put_into("no markers", "new"), None);
    }

    #[test]
    fn numbers_have_three_digits() {
        for (value, text) in
            [(1234.5, "1234"), (12.34, "12.3"), (0.234, "0.23"), (-0.001, "0"), (-3.0, "-3.00")]
        {
            assert_eq!(number(value), text);
        }
    }
}
