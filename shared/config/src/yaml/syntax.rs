//! What to do about a text that is not YAML.

use saphyr_parser::ScanError;

use crate::problem::{Place, Report};

/// Reports a syntax error with the likeliest remedy.
///
/// The parser's text describes the grammar and quotes nothing of the file but a single character, so it cannot hold
/// a secret.
pub(super) fn explain(error: &ScanError, text: &str, place: Place, report: &mut Report) {
    let place = actual_place(error.info(), text, place);
    let line = text.lines().nth(index(place.line)).unwrap_or_default();
    report.error(place, "", format!("not YAML: {}", error.info()), remedy(error.info(), line));
}

fn index(line: u32) -> usize {
    usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX)
}

/// The parser may stop a line early (before a tab) or late (after the last line).
fn actual_place(info: &str, text: &str, place: Place) -> Place {
    let number = |lines: usize| u32::try_from(lines).unwrap_or(u32::MAX);
    if info.contains("tab") {
        let ahead = text.lines().skip(index(place.line)).position(indented_with_tab);
        let line = place.line.saturating_add(ahead.map_or(0, number));
        return if line == place.line { place } else { Place { line, column: 1, ..place } };
    }
    let last = number(text.lines().count()).max(1);
    if place.line > last { Place { line: last, column: 1, ..place } } else { place }
}

fn indented_with_tab(line: &str) -> bool {
    line.chars().take_while(|c| c.is_whitespace()).any(|c| c == '\t')
}

fn remedy(info: &str, line: &str) -> &'static str {
    if indented_with_tab(line) {
        return "spaces instead of the tab that this line is indented with";
    }
    if info.contains("anchor") && line.contains('*') {
        return "quotes around a value that begins with `*` (\"*\"), or an anchor `&name` above its alias `*name`";
    }
    if info.contains("quoted scalar") {
        return "the closing quote; inside double quotes a backslash is written `\\\\`";
    }
    if info.contains("unexpected character") || info.contains("expected node content") {
        return "quotes around a value that begins with one of @ ` % * & ! | > { [ ,";
    }
    if info.contains("mapping values") || info.contains("simple key") {
        return "quotes around a value that holds `: `, and a space after the colon of a key";
    }
    if info.contains("recursion limit") {
        return "a flatter structure; check for a bracket that is never closed";
    }
    if info.contains("flow") || info.contains("bracket") || info.contains("placement") {
        return "the closing bracket, and commas between the values";
    }
    "the same indentation for keys of one mapping, `- ` before each item of a list; see also the line above"
}
