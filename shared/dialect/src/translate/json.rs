//! Reading checked JSON. A member that is null counts as absent, everywhere.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, Visitor};
use serde_json::value::RawValue;

use crate::json::MAX_DEPTH;
use crate::json::view;

/// The members of an object, in order, without those that are null.
pub(super) fn fields(object: &[u8]) -> impl Iterator<Item = (Cow<'_, str>, &[u8])> {
    view::members(object).filter_map(move |(name, range)| {
        let value = view::part(object, range);
        (value != b"null").then(|| (name_text(name), value))
    })
}

/// The elements of an array, in order.
pub(super) fn items(array: &[u8]) -> impl Iterator<Item = &[u8]> {
    view::elements(array).map(move |range| view::part(array, range))
}

/// The value of the last member of this name that is not null.
pub(super) fn get<'a>(object: &'a [u8], name: &str) -> Option<&'a [u8]> {
    fields(object).filter(|(found, _)| found == name).last().map(|(_, value)| value)
}

/// The text of the member of this name.
pub(super) fn get_text<'a>(object: &'a [u8], name: &str) -> Option<Cow<'a, str>> {
    get(object, name).and_then(text)
}

/// The text of a string. Half of a surrogate pair, which JSON can spell and Unicode cannot, becomes U+FFFD.
pub(super) fn text(value: &[u8]) -> Option<Cow<'_, str>> {
    if !value.starts_with(b"\"") {
        return None;
    }
    view::text(value)
        .or_else(|| serde_json::Deserializer::from_slice(value).deserialize_bytes(Lossy).ok().map(Cow::Owned))
}

/// `true` or `false`.
pub(super) fn flag(value: &[u8]) -> Option<bool> {
    match value {
        b"true" => Some(true),
        b"false" => Some(false),
        _ => None,
    }
}

/// True for the text of one JSON object that may stand within another.
pub(super) fn is_object(text: &str) -> bool {
    text.trim_start().starts_with('{')
        && serde_json::from_str::<&RawValue>(text).is_ok()
        && depth(text.as_bytes()) < MAX_DEPTH
}

/// How deep valid JSON is nested.
fn depth(json: &[u8]) -> u32 {
    let (mut depth, mut deepest, mut at) = (0u32, 0, 0);
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => at = view::string_end(json, at + 1).unwrap_or(json.len()),
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    deepest
}

fn name_text(name: &[u8]) -> Cow<'_, str> {
    if memchr::memchr(b'\\', name).is_none() {
        return String::from_utf8_lossy(name);
    }
    let quoted = [b"\"", name, b"\""].concat();
    text(&quoted).map_or(Cow::Borrowed(""), |text| Cow::Owned(text.into_owned()))
}

struct Lossy;

impl Visitor<'_> for Lossy {
    type Value = String;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<String, E> {
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_is_absent_and_escaped_names_are_read() {
        let data = br#"{"a":null,"m\u006fdel":"x","b":1}"#;
        let all: Vec<String> = fields(data).map(|(name, _)| name.into_owned()).collect();
        assert_eq!(all, ["model", "b"]);
        assert_eq!(get_text(data, "model").as_deref(), Some("x"));
    }

    #[test]
    fn half_a_pair_is_replaced() {
        assert_eq!(text(br#""a\ud83d\n""#).as_deref(), Some("a\u{fffd}\u{fffd}\u{fffd}\n"));
        assert_eq!(text(b"1"), None);
    }

    #[test]
    fn only_an_object_of_bounded_depth_is_embedded() {
        assert!(is_object(r#" {"a":"{","b":[{}]}"#) && is_object("{}"));
        assert!(!is_object("[]") && !is_object("{") && !is_object("") && !is_object("{} {}"));
        let deep = |levels: usize| format!(r#"{}"x"{}"#, r#"{"a":"#.repeat(levels), "}".repeat(levels));
        assert!(is_object(&deep(127)) && !is_object(&deep(128)));
    }
}
