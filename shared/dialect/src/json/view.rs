//! A lenient look into JSON that a provider sent.
//!
//! Nothing is validated beyond what finding the next member needs; on text that is no JSON the functions find
//! nothing. All of them move forward only, so none loops, recurses or reads beyond the slice. Names are compared as
//! they are spelled: no provider escapes the names of its own members.

use std::borrow::Cow;
use std::ops::Range;

use super::plain_run;

/// Bytes that are looked at one by one before the search goes on in blocks of as many.
const NEAR: usize = 32;

/// What opens, closes and quotes.
const STRUCTURE: [bool; 256] = marked(b"\"{}[]");

/// What may stand after a number, `true`, `false` or `null`.
const AFTER_WORD: [bool; 256] = marked(b",}] \n\r\t");

/// The members of an object, in order: the name without quotes, and where the value lies in the slice.
#[derive(Debug, Clone)]
pub struct Members<'a> {
    data: &'a [u8],
    at: usize,
    closed: bool,
}

/// The members of the object that `data` starts with, white space aside. No members when it starts otherwise.
pub fn members(data: &[u8]) -> Members<'_> {
    let start = skip_space(data, 0);
    match data.get(start) {
        Some(b'{') => Members { data, at: start + 1, closed: false },
        _ => Members { data, at: data.len(), closed: false },
    }
}

impl Members<'_> {
    /// Where the object ended, after its `}`; `None` before the last member was asked for and in cut text.
    pub fn end(&self) -> Option<usize> {
        self.closed.then_some(self.at)
    }

    fn advance(&mut self) -> Option<(Range<usize>, Range<usize>)> {
        let data = self.data;
        let mut at = skip_space(data, self.at);
        if data.get(at) == Some(&b',') {
            at = skip_space(data, at + 1);
        }
        if data.get(at) == Some(&b'}') {
            self.at = at + 1;
            self.closed = true;
            return None;
        }
        if data.get(at) != Some(&b'"') {
            return None;
        }
        let key = at + 1..string_end(data, at + 1)?;
        at = skip_space(data, key.end + 1);
        if data.get(at) != Some(&b':') {
            return None;
        }
        let start = skip_space(data, at + 1);
        let value = start..value_end(data, start)?;
        self.at = value.end;
        Some((key, value))
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a [u8], Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.closed {
            return None;
        }
        match self.advance() {
            Some((key, value)) => Some((part(self.data, key), value)),
            None => {
                if !self.closed {
                    self.at = self.data.len();
                }
                None
            }
        }
    }
}

/// The elements of the array that `data` starts with, white space aside: where each lies in the slice.
pub fn elements(data: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let start = skip_space(data, 0);
    let mut next = (data.get(start) == Some(&b'[')).then_some(start + 1);
    std::iter::from_fn(move || {
        let mut at = skip_space(data, next.take()?);
        if data.get(at) == Some(&b',') {
            at = skip_space(data, at + 1);
        }
        let end = value_end(data, at)?;
        next = Some(end);
        Some(at..end)
    })
}

/// The value of the first member of this name.
pub fn find(data: &[u8], name: &str) -> Option<Range<usize>> {
    members(data).find(|(key, _)| *key == name.as_bytes()).map(|(_, value)| value)
}

/// The value at the end of a path of member names.
pub fn path(data: &[u8], names: &[&str]) -> Option<Range<usize>> {
    let mut range = 0..data.len();
    for name in names {
        let inner = find(part(data, range.clone()), name)?;
        range = range.start + inner.start..range.start + inner.end;
    }
    Some(range)
}

/// True for one object from its `{` to its `}` with nothing but white space around it.
pub fn is_object(data: &[u8]) -> bool {
    let mut all = members(data);
    while all.next().is_some() {}
    all.end().is_some_and(|end| skip_space(data, end) == data.len())
}

/// A part of a slice; nothing where the range reaches outside.
pub fn part(data: &[u8], range: Range<usize>) -> &[u8] {
    data.get(range).unwrap_or_default()
}

/// The text of a string value with its quotes. `None` for another kind and for text that is not Unicode.
pub fn text(value: &[u8]) -> Option<Cow<'_, str>> {
    let inner = inner_text(value)?;
    if memchr::memchr(b'\\', inner).is_some() {
        return serde_json::from_slice(value).ok().map(Cow::Owned);
    }
    std::str::from_utf8(inner).ok().map(Cow::Borrowed)
}

/// What stands between the quotes of a string value, escapes as they are.
pub fn inner_text(value: &[u8]) -> Option<&[u8]> {
    value.strip_prefix(b"\"")?.strip_suffix(b"\"")
}

/// A whole number from zero on, however it is spelled; with point or exponent only up to 2⁵³.
pub fn whole_number(value: &[u8]) -> Option<u64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let text = std::str::from_utf8(value).ok()?;
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: f64 = serde_json::from_str(text).ok()?;
    let whole = (0.0..=EXACT).contains(&number) && number.fract() == 0.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and within the range")]
    whole.then_some(number as u64)
}

/// The first offset from `at` on that is not white space.
pub(crate) fn skip_space(data: &[u8], at: usize) -> usize {
    if data.get(at).is_some_and(|byte| *byte > b' ') {
        return at;
    }
    let rest = data.get(at..).unwrap_or_default();
    let space = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t')).count();
    at.min(data.len()) + space
}

/// Where the string whose text starts at `at` ends: the offset of its closing quote.
pub(crate) fn string_end(data: &[u8], at: usize) -> Option<usize> {
    let rest = data.get(at..)?;
    let mut end = plain_run(rest);
    loop {
        match rest.get(end)? {
            b'"' => return Some(at + end),
            b'\\' => end += 2,
            _ => {}
        }
        end += memchr::memchr2(b'"', b'\\', rest.get(end..)?)?;
    }
}

/// Where the value that starts at `at` ends.
fn value_end(data: &[u8], at: usize) -> Option<usize> {
    match data.get(at)? {
        b'"' => string_end(data, at + 1).map(|end| end + 1),
        b'{' | b'[' => container_end(data, at + 1),
        b'}' | b']' | b',' | b':' => None,
        _ => {
            let rest = data.get(at..)?;
            Some(at + rest.iter().position(|byte| is_in(&AFTER_WORD, *byte)).unwrap_or(rest.len()))
        }
    }
}

#[expect(clippy::indexing_slicing, reason = "made when this is compiled: a byte is below 256")]
const fn marked(bytes: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut at = 0;
    while at < bytes.len() {
        table[bytes[at] as usize] = true;
        at += 1;
    }
    table
}

fn is_in(table: &[bool; 256], byte: u8) -> bool {
    table.get(usize::from(byte)).copied().unwrap_or_default()
}

fn container_end(data: &[u8], at: usize) -> Option<usize> {
    let mut at = at;
    let mut depth = 1usize;
    loop {
        let rest = data.get(at..)?;
        let skipped = next_structure(rest)?;
        at += skipped + 1;
        match rest.get(skipped)? {
            b'"' => at = string_end(data, at)? + 1,
            b'{' | b'[' => depth += 1,
            _ => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
        }
    }
}

/// Where the next quote, brace or bracket is. Embeddings are megabytes of numbers, so what is far away is looked for
/// in blocks that the compiler can vectorise.
fn next_structure(bytes: &[u8]) -> Option<usize> {
    // Braces are brackets with one bit more. No short circuits: they would keep the compiler from vectorising.
    let is_structure = |byte: &u8| (*byte == b'"') | (*byte | 0x20 == b'{') | (*byte | 0x20 == b'}');
    let (near, far) = bytes.split_at_checked(NEAR).unwrap_or((bytes, &[]));
    if let Some(found) = near.iter().position(|byte| is_in(&STRUCTURE, *byte)) {
        return Some(found);
    }
    let (blocks, tail) = far.as_chunks::<NEAR>();
    let mut at = near.len();
    for block in blocks {
        if block.iter().fold(false, |any, byte| any | is_structure(byte)) {
            return Some(at + block.iter().position(is_structure)?);
        }
        at += NEAR;
    }
    Some(at + tail.iter().position(is_structure)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn listed(data: &str) -> Vec<(String, String)> {
        let slice = |range| String::from_utf8(part(data.as_bytes(), range).to_vec()).unwrap();
        let name = |key: &[u8]| String::from_utf8(key.to_vec()).unwrap();
        members(data.as_bytes()).map(|(key, value)| (name(key), slice(value))).collect()
    }

    #[test]
    fn members_come_in_order_with_their_values_as_they_are() {
        let all = listed(r#" {"a" : 1.0 ,"b":"x\"}" ,"c":{"a":[{}]},"d":[ ],"e":null}"#);
        let expected =
            [("a", "1.0"), ("b", r#""x\"}""#), ("c", r#"{"a":[{}]}"#), ("d", "[ ]"), ("e", "null")];
        assert_eq!(all, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }

    #[test]
    fn paths_are_relative_to_the_whole_slice() {
        let data = br#"{"x":0,"message":{"id":"m","usage":{"n":7}}}"#;
        assert_eq!(part(data, path(data, &["message", "usage", "n"]).unwrap()), b"7");
        assert_eq!(path(data, &["message", "n"]), None);
        assert_eq!(find(data, "id"), None);
    }

    #[test]
    fn elements_come_in_order() {
        let data = br#" [ {"a":[1]}, "],", 3 ,null]"#;
        let all: Vec<&[u8]> = elements(data).map(|range| part(data, range)).collect();
        assert_eq!(all, [&br#"{"a":[1]}"#[..], br#""],""#, b"3", b"null"]);
        assert_eq!(elements(b"{}").count() + elements(b"[]").count() + elements(b"[,").count(), 0);
    }

    #[test]
    fn long_values_are_skipped_wherever_their_structure_lies() {
        for padding in 0..4 * NEAR {
            let numbers = "7".repeat(padding);
            let data = format!(r#"{{"a":[{numbers},{{"b":"]{numbers}["}},[{numbers}]],"c":2}}"#);
            let found = find(data.as_bytes(), "c").map(|range| part(data.as_bytes(), range));
            assert_eq!(found, Some(&b"2"[..]), "{padding}");
        }
    }

    #[test]
    fn only_a_whole_object_is_an_object() {
        for (data, whole) in [
            ("{}", true),
            (" {\"a\":[{}]} \r\n", true),
            ("{\"a\":1", false),
            ("{\"a\":1}x", false),
            ("[]", false),
            ("", false),
            ("{\"a\" 1}", false),
        ] {
            assert_eq!(is_object(data.as_bytes()), whole, "{data}");
        }
    }

    #[test]
    fn whole_numbers_are_read_in_every_spelling() {
        for (text, number) in [
            ("0", Some(0)),
            ("-0", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("16.0", Some(16)),
            ("1e5", Some(100_000)),
            ("1.6e1", Some(16)),
            ("1.5", None),
            ("-1", None),
            ("1e300", None),
            ("+1", Some(1)),
            ("", None),
            ("\"1\"", None),
        ] {
            assert_eq!(whole_number(text.as_bytes()), number, "{text}");
        }
    }

    #[test]
    fn text_is_unescaped() {
        assert_eq!(text(br#""a\u00e9\n""#).as_deref(), Some("aé\n"));
        assert!(matches!(text(b"\"plain\""), Some(Cow::Borrowed("plain"))));
        assert_eq!((text(b"1"), text(b"\""), text(br#""\ud800""#)), (None, None, None));
    }

    proptest! {
        #[test]
        fn nothing_is_found_in_rubbish_and_nothing_panics(data in proptest::collection::vec(any::<u8>(), 0..80)) {
            let spans = members(&data).map(|(_, value)| value).chain(elements(&data));
            for span in spans {
                prop_assert!(span.start < span.end && span.end <= data.len());
            }
        }

        #[test]
        fn it_agrees_with_a_tree(value in super::super::tests::object()) {
            let data = serde_json::to_vec(&value).unwrap();
            let Value::Object(tree) = &value else { panic!() };
            prop_assert!(is_object(&data));
            prop_assert_eq!(members(&data).count(), tree.len());
            for (key, span) in members(&data) {
                let name: String = serde_json::from_slice(&[b"\"", key, b"\""].concat()).unwrap();
                let read: Value = serde_json::from_slice(part(&data, span)).unwrap();
                prop_assert_eq!(Some(&read), tree.get(&name));
            }
        }
    }
}
