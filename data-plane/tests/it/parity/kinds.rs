//! Kinds of differences, each with a reason in docs/litellm-differences.md.

use serde_json::Value;

use super::case::Case;
use super::read_json;

/// Patterns in which `*` stands for anything. The first kind that fits is a difference's.
pub(super) struct Kinds(Vec<Kind>);

struct Kind {
    name: String,
    patterns: Vec<(String, String)>,
}

/// What patterns are held against.
pub(super) struct Facts<'a> {
    pub(super) case: &'a Case,
    pub(super) part: &'a str,
    pub(super) place: &'a str,
    pub(super) theirs: &'a str,
    pub(super) ours: &'a str,
}

impl Kinds {
    pub(super) fn read() -> Self {
        let file = read_json("kinds.json");
        let kinds = file.as_array().unwrap().iter().flat_map(|kind| {
            let name = kind["kind"].as_str().unwrap();
            let all = kind["where"].as_array().unwrap().iter();
            all.map(|patterns| Kind { name: name.to_owned(), patterns: members(patterns) })
        });
        Self(kinds.collect())
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|kind| &*kind.name)
    }

    /// The kind of a difference and its line, in which a pattern stands for what it fits.
    pub(super) fn of(&self, facts: &Facts<'_>) -> (&str, String) {
        let found = self.0.iter().find(|kind| kind.patterns.iter().all(|pattern| facts.fit(pattern)));
        let pattern = |name: &str, value: &str| {
            let patterns = found.into_iter().flat_map(|kind| &kind.patterns);
            let mut patterns = patterns.filter(|(known, _)| known == name);
            // A place that may be any is told.
            let fit = patterns.find_map(|(_, pattern)| pattern.split(" or ").find(|one| fits(one, value)));
            fit.filter(|fit| fit.contains('*') && (name != "place" || *fit != "*"))
                .unwrap_or(value)
                .to_owned()
        };
        let (place, part) = (pattern("place", facts.place), facts.part);
        let (theirs, ours) = (pattern("theirs", facts.theirs), pattern("ours", facts.ours));
        let name = found.map_or("without a kind", |kind| &kind.name);
        (name, format!("{part} {place}: {theirs} | {ours}"))
    }
}

fn members(patterns: &Value) -> Vec<(String, String)> {
    let members = patterns.as_object().unwrap().iter();
    members.map(|(name, pattern)| (name.clone(), pattern.as_str().unwrap().to_owned())).collect()
}

impl Facts<'_> {
    /// Alternatives are separated by ` or `.
    fn fit(&self, (name, pattern): &(String, String)) -> bool {
        let value = match name.as_str() {
            "client" => &self.case.client,
            "model" => &self.case.model,
            "case" => &self.case.name,
            "part" => self.part,
            "place" => self.place,
            "theirs" => self.theirs,
            "ours" => self.ours,
            other => panic!("kinds.json: {other}"),
        };
        pattern.split(" or ").any(|pattern| fits(pattern, value))
    }
}

fn fits(pattern: &str, value: &str) -> bool {
    let Some((before, rest)) = pattern.split_once('*') else { return pattern == value };
    let Some(value) = value.strip_prefix(before) else { return false };
    if rest.is_empty() {
        return true;
    }
    let starts = value.char_indices().map(|(at, _)| at).chain([value.len()]);
    starts.into_iter().any(|at| fits(rest, &value[at..]))
}
