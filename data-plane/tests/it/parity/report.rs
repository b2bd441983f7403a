//! The differences as a text that people read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde_json::{Value, json};

use super::case::Case;
use super::diff::{Difference, differences};
use super::folder;
use super::kinds::{Facts, Kinds};
use super::outcome::{Billed, Outcome};

/// Longest value that is shown whole.
const WIDTH: usize = 90;

pub(super) struct Report {
    kinds: Kinds,
    /// The names of a pair's cases.
    names: BTreeMap<String, BTreeSet<String>>,
    /// Kind, then the line, then the pairs and their cases that it is true for.
    found: BTreeMap<String, BTreeMap<String, BTreeMap<String, BTreeSet<String>>>>,
    /// Cases with a difference, by part.
    differing: BTreeMap<String, BTreeSet<String>>,
}

impl Report {
    pub(super) fn new(cases: &[Case]) -> Self {
        let mut names = BTreeMap::<String, BTreeSet<String>>::new();
        for case in cases {
            names.entry(case.pair()).or_default().insert(case.name.clone());
        }
        Self { kinds: Kinds::read(), names, found: BTreeMap::new(), differing: BTreeMap::new() }
    }

    pub(super) fn compare(&mut self, case: &Case, theirs: &Outcome, ours: &Outcome) {
        self.add(case, "request", differences(&theirs.sent, &ours.sent));
        let got = |outcome: &Outcome| match theirs.is_answer == ours.is_answer {
            true => outcome.got.clone(),
            // What else there is has nothing to be compared with.
            false => json!({"status": outcome.got["status"], "error": outcome.got["error"]["message"]}),
        };
        self.add(case, "answer", differences(&got(theirs), &got(ours)));
    }

    pub(super) fn compare_bills(&mut self, case: &Case, theirs: Option<&Billed>, ours: Option<&Billed>) {
        let json = |billed: Option<&Billed>| billed.map(Billed::to_json).unwrap_or_default();
        self.add(case, "billed", differences(&json(theirs), &json(ours)));
    }

    fn add(&mut self, case: &Case, part: &str, differences: Vec<Difference>) {
        for Difference { place, theirs, ours } in differences {
            let (theirs, ours) = (shown(theirs), shown(ours));
            let facts = Facts { case, part, place: &place, theirs: &theirs, ours: &ours };
            let (kind, line) = self.kinds.of(&facts);
            let pairs = self.found.entry(kind.to_owned()).or_default().entry(line).or_default();
            pairs.entry(case.pair()).or_default().insert(case.name.clone());
            self.differing.entry(part.to_owned()).or_default().insert(case.id.clone());
        }
    }

    /// Compares with what is known.
    pub(super) fn check(&self) {
        let (text, file) = (self.text(), folder().join("differences.txt"));
        let known = std::fs::read_to_string(&file).unwrap_or_default();
        if text == known {
            return;
        }
        let new = file.with_extension("txt.new");
        std::fs::write(&new, &text).unwrap();
        let (before, now) = (lines(&known), lines(&text));
        let gone = before.difference(&now).map(|line| format!("- {line}"));
        let come = now.difference(&before).map(|line| format!("+ {line}"));
        let changed: Vec<String> = gone.chain(come).take(40).collect();
        panic!("{} is not {}:\n{}", new.display(), file.display(), changed.join("\n"));
    }

    fn text(&self) -> String {
        let total: usize = self.names.values().map(BTreeSet::len).sum();
        let same = |part| total - self.differing.get(part).map_or(0, BTreeSet::len);
        let mut text = format!(
            "# What differs from LiteLLM: place: LiteLLM's value | ours, then the cases. `-` is absent.\n\
             # {total} cases of {} pairs. The same: {} requests, {} answers, {} bills.\n",
            self.names.len(),
            same("request"),
            same("answer"),
            same("billed")
        );
        for (kind, lines) in &self.found {
            let _ = write!(text, "\n## {kind}\n");
            for (line, pairs) in lines {
                let _ = writeln!(text, "{line}");
                for (pair, cases) in pairs {
                    let _ = writeln!(text, "    {pair}: {}", self.cases(pair, cases));
                }
            }
        }
        text
    }

    fn cases(&self, pair: &str, cases: &BTreeSet<String>) -> String {
        let others: Vec<&str> = self.names[pair].difference(cases).map(String::as_str).collect();
        let these: Vec<&str> = cases.iter().map(String::as_str).collect();
        match others.len() {
            0 => "all".to_owned(),
            count if count < these.len() => format!("all but {}", others.join(" ")),
            _ => these.join(" "),
        }
    }
}

fn lines(text: &str) -> BTreeSet<&str> {
    text.lines().collect()
}

/// A value as one line, cut, and without the traces of LiteLLM's stack, which say where it is installed.
fn shown(value: Option<Value>) -> String {
    let Some(value) = value else { return "-".to_owned() };
    let text = value.to_string();
    let text = text.split("\\nTraceback").next().unwrap_or(&text);
    let cut: String = text.chars().take(WIDTH).collect();
    if cut.len() < text.len() { format!("{cut}… ({} characters)", text.chars().count()) } else { cut }
}
