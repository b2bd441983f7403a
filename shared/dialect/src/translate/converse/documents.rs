//! Formats of media, and names of documents.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// The longest name that Bedrock takes, with room for a number.
const LONGEST_NAME: usize = 180;

/// Bedrock's names of documents' formats, and their media types.
const FORMATS: [(&str, &str); 9] = [
    ("pdf", "application/pdf"),
    ("txt", "text/plain"),
    ("md", "text/markdown"),
    ("csv", "text/csv"),
    ("html", "text/html"),
    ("doc", "application/msword"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xls", "application/vnd.ms-excel"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
];

/// The media type of a document's format.
pub(super) fn media_type(format: &str) -> Option<&'static str> {
    FORMATS.iter().find(|(name, _)| *name == format).map(|(_, kind)| *kind)
}

/// The format of a document by its media type or, where that says nothing, by its name.
pub(super) fn format(media_type: &str, name: Option<&str>) -> Option<&'static str> {
    let by_type = FORMATS.iter().find(|(_, kind)| *kind == media_type);
    let ending = || name.and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending);
    let by_name = || FORMATS.iter().find(|(name, _)| ending() == Some(*name));
    let found = by_type.or_else(by_name).map(|(name, _)| *name);
    found.or_else(|| media_type.starts_with("text/").then_some("txt"))
}

/// The format of an image.
pub(super) fn image_format(media_type: &str) -> Option<&'static str> {
    Some(match media_type {
        "image/png" => "png",
        "image/jpeg" | "image/jpg" => "jpeg",
        "image/gif" => "gif",
        "image/webp" => "webp",
        _ => return None,
    })
}

/// The names that documents of a request have so far.
#[derive(Default)]
pub(super) struct Names {
    given: HashSet<String>,
    numbers: HashMap<String, u64>,
}

impl Names {
    /// A name that Bedrock takes and that no other document has. It wants no ending.
    pub(super) fn give(&mut self, name: Option<&str>, format: &str) -> String {
        let name = name.unwrap_or_default();
        let name = name.strip_suffix(format).and_then(|rest| rest.strip_suffix('.')).unwrap_or(name);
        let clean = clean(name);
        let mut unique = clean.clone();
        while self.given.contains(&unique) {
            let number = self.numbers.entry(clean.clone()).or_insert(1);
            *number += 1;
            unique = format!("{clean} ({number})");
        }
        self.given.insert(unique.clone());
        unique
    }
}

/// Letters, digits, hyphens, brackets and single spaces are all that Bedrock takes.
fn clean(name: &str) -> String {
    let mut clean = String::new();
    for letter in name.trim().chars() {
        let letter = match letter {
            letter if letter.is_ascii_alphanumeric() => letter,
            '-' | '(' | ')' | '[' | ']' => letter,
            letter if letter.is_whitespace() && clean.ends_with(' ') => continue,
            letter if letter.is_whitespace() => ' ',
            _ => '-',
        };
        if clean.len() == LONGEST_NAME {
            break;
        }
        clean.push(letter);
    }
    if clean.is_empty() { "document".to_owned() } else { clean }
}

/// The name of a document with the ending that other dialects look at.
pub(super) fn with_ending<'a>(name: Cow<'a, str>, format: &str) -> Cow<'a, str> {
    if name.rsplit_once('.').is_some_and(|(_, ending)| ending == format) {
        return name;
    }
    format!("{name}.{format}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_clean_and_none_is_given_twice() {
        let mut names = Names::default();
        for (name, given) in [
            (Some("Q3_report.v2.pdf"), "Q3-report-v2"),
            (Some("a  b\tc"), "a b c"),
            (Some("a b c"), "a b c (2)"),
            (Some("a b c (3)"), "a b c (3)"),
            (Some("a b c"), "a b c (4)"),
            (Some("\u{e9}"), "-"),
            (None, "document"),
            (Some(" "), "document (2)"),
        ] {
            assert_eq!(names.give(name, "pdf"), given);
        }
        assert_eq!(names.give(Some(&"x".repeat(999)), "pdf").len(), LONGEST_NAME);
    }

    #[test]
    fn formats_are_told_by_type_or_by_name() {
        for (kind, name, expected) in [
            ("application/pdf", None, Some("pdf")),
            ("text/markdown", Some("a.txt"), Some("md")),
            ("text/x-rust", Some("a.rs"), Some("txt")),
            ("application/octet-stream", Some("a.b.xlsx"), Some("xlsx")),
            ("application/octet-stream", Some("pdf"), None),
            ("video/mp4", None, None),
        ] {
            assert_eq!(format(kind, name), expected, "{kind}");
        }
        assert_eq!(with_ending("a".into(), "pdf"), "a.pdf");
        assert_eq!(with_ending("a.pdf".into(), "pdf"), "a.pdf");
    }
}
