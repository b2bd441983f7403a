//! The OpenMetrics text format, read strictly: what this takes, every scraper takes.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::missing_panics_doc,
    reason = "what cannot be read fails the test"
)]

use std::collections::BTreeSet;

/// A page of metrics.
pub struct Exposition {
    /// In the order of the page.
    pub families: Vec<Family>,
}

type Labels = Vec<(String, String)>;

/// A metric.
#[derive(Debug, Default)]
pub struct Family {
    /// Without the suffix of a counter.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// What it is.
    pub help: String,
    unit: String,
    samples: Vec<Sample>,
}

#[derive(Debug)]
struct Sample {
    name: String,
    labels: Labels,
    value: f64,
}

impl Exposition {
    /// Reads a page, or fails the test.
    pub fn parse(page: &str) -> Self {
        let body = page.strip_suffix("# EOF\n").unwrap_or_else(|| panic!("no end: {page}"));
        let mut families: Vec<Family> = Vec::new();
        for line in body.lines() {
            if let Some(comment) = line.strip_prefix("# ") {
                let mut words = comment.splitn(3, ' ');
                let (word, name, text) =
                    (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
                if families.last().is_none_or(|family| family.name != name) {
                    assert!(families.iter().all(|family| family.name != name), "{name} comes in two places");
                    families.push(Family { name: name.to_owned(), ..Family::default() });
                }
                families.last_mut().unwrap().describe(word, text);
            } else {
                let sample = Sample::parse(line);
                families.last_mut().unwrap_or_else(|| panic!("no family before {line}")).samples.push(sample);
            }
        }
        families.iter().for_each(Family::check);
        let exposition = Self { families };
        let samples: usize = exposition.families.iter().map(|family| family.samples.len()).sum();
        assert_eq!(exposition.series().len(), samples, "a series comes twice: {page}");
        exposition
    }

    /// The sum of the samples of this name with these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let samples = self.families.iter().flat_map(|family| &family.samples);
        samples.filter(|it| it.name == name && it.has(labels)).map(|it| it.value).sum()
    }

    /// Every series, without its value.
    pub fn series(&self) -> BTreeSet<String> {
        let samples = self.families.iter().flat_map(|family| &family.samples);
        samples.map(|it| format!("{} {:?}", it.name, it.labels)).collect()
    }
}

impl Family {
    /// Names of the labels of its samples.
    pub fn labels(&self) -> BTreeSet<&str> {
        let names = self.samples.iter().flat_map(|sample| &sample.labels).map(|(name, _)| name.as_str());
        names.filter(|name| *name != "le").collect()
    }

    fn describe(&mut self, word: &str, text: &str) {
        assert!(self.samples.is_empty(), "{} is described after its samples", self.name);
        let place = match word {
            "HELP" => &mut self.help,
            "TYPE" => &mut self.kind,
            "UNIT" => &mut self.unit,
            _ => panic!("{word} of {}", self.name),
        };
        assert!(place.is_empty(), "{word} of {} comes twice", self.name);
        text.clone_into(place);
    }

    fn check(&self) {
        let name = &self.name;
        assert!(is_name(name) && !self.help.is_empty() && !self.kind.is_empty(), "{self:?}");
        assert!(self.unit.is_empty() || name.ends_with(&format!("_{}", self.unit)), "{self:?}");
        for sample in &self.samples {
            let suffix =
                sample.name.strip_prefix(name.as_str()).unwrap_or_else(|| panic!("{sample:?} in {name}"));
            let suffixes: &[&str] = match self.kind.as_str() {
                "counter" => &["_total"],
                "gauge" => &[""],
                "histogram" => &["_bucket", "_count", "_sum"],
                kind => panic!("{kind} of {name}"),
            };
            assert!(suffixes.contains(&suffix), "{sample:?} of a {}", self.kind);
            assert!(self.kind == "gauge" || sample.value >= 0.0, "{sample:?}");
        }
        if self.kind == "histogram" {
            self.check_buckets();
        }
    }

    /// Buckets grow, and the last one holds all.
    fn check_buckets(&self) {
        let mut before: Option<(Labels, f64, f64)> = None;
        for bucket in self.samples.iter().filter(|sample| sample.name.ends_with("_bucket")) {
            let mut labels = bucket.labels.clone();
            let le = labels.iter().position(|(name, _)| name == "le").unwrap_or_else(|| panic!("{bucket:?}"));
            let (_, bound) = labels.remove(le);
            // Rust would read other spellings of infinity, too.
            let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().unwrap() };
            match &before {
                Some((same, smaller, count)) if *same == labels => {
                    assert!(bound > *smaller && bucket.value >= *count, "{bucket:?}");
                }
                _ => assert!(before.is_none_or(|(_, last, _)| last.is_infinite()), "{bucket:?}"),
            }
            assert!(bound < 1e300 || bound.is_infinite(), "{bucket:?}");
            if bound.is_infinite() {
                let count = |it: &&Sample| it.name == format!("{}_count", self.name) && it.labels == labels;
                let count = self.samples.iter().find(count).unwrap_or_else(|| panic!("no count: {labels:?}"));
                assert!((count.value - bucket.value).abs() < f64::EPSILON, "{bucket:?} and {count:?}");
            }
            before = Some((labels, bound, bucket.value));
        }
        assert!(before.is_none_or(|(_, last, _)| last.is_infinite()), "{}", self.name);
    }
}

impl Sample {
    fn parse(line: &str) -> Self {
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (name, parse_labels(labels, line)),
            None => (series, Vec::new()),
        };
        assert!(is_name(name), "{line}");
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
        assert!(value.is_finite(), "{line}");
        let names: BTreeSet<_> = labels.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), labels.len(), "{line}");
        Self { name: name.to_owned(), labels, value }
    }

    fn has(&self, labels: &[(&str, &str)]) -> bool {
        labels.iter().all(|(name, value)| self.labels.iter().any(|(n, v)| n == name && v == value))
    }
}

/// `a="b",c="d"}`, where a value escapes `\`, `"` and line feed.
fn parse_labels(text: &str, line: &str) -> Labels {
    let mut labels = Vec::new();
    let mut rest = text;
    while rest != "}" {
        let (name, value) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
        assert!(is_name(name) && !name.contains(':'), "{line}");
        let mut out = String::new();
        let mut characters = value.char_indices();
        let end = loop {
            match characters.next().unwrap_or_else(|| panic!("{line}")) {
                (end, '"') => break end,
                (_, '\\') => out.push(match characters.next() {
                    Some((_, 'n')) => '\n',
                    Some((_, escaped @ ('\\' | '"'))) => escaped,
                    _ => panic!("{line}"),
                }),
                (_, character) => out.push(character),
            }
        };
        labels.push((name.to_owned(), out));
        rest = &value[end + 1..];
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    labels
}

fn is_name(name: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    !name.is_empty() && name.chars().all(good) && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// A metric as the docs say it: name as it is scraped, type, labels.
pub type Documented = (String, String, String);

/// What `docs/metrics.md` says of the metrics of a plane, by the title of its section.
pub fn documented(plane: &str) -> BTreeSet<Documented> {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md")).unwrap();
    let (_, section) = text.split_once(&format!("\n## {plane}\n")).unwrap();
    let section = section.split_once("\n## ").map_or(section, |(section, _)| section);
    let rows = section.lines().filter(|line| line.starts_with("| `bulkhead_"));
    let cells = rows.map(|row| row.split('|').map(|cell| cell.trim().replace('`', "")).collect::<Vec<_>>());
    cells.map(|cells| (cells[1].clone(), cells[2].clone(), cells[3].clone())).collect()
}

/// What the docs have to say of a metric that is served.
pub fn to_document(name: &str, kind: &str, labels: &[&str]) -> Documented {
    let suffix = if kind == "counter" { "_total" } else { "" };
    (format!("bulkhead_{name}{suffix}"), kind.to_owned(), labels.join(", "))
}
