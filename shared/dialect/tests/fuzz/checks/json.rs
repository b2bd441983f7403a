//! The scanner and the splice beside serde_json.

use bulkhead_dialect::json::view::{elements, find, is_object, members, part, text, whole_number};
use bulkhead_dialect::json::{MAX_MEMBERS, Scan, ScanError, ScanProblem, Scanner, Segments, Splice};
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::cut::{hash, ways};

pub(crate) fn check(input: &[u8]) {
    let [whole, bytes, odd] = ways(input).map(|chunks| scan(&chunks));
    assert_eq!(whole, bytes);
    assert_eq!(whole, odd);
    look(input);
    match (whole, listed(input)) {
        (Ok(scan), Some(listed)) => {
            found(&scan, input, &listed);
            edited(&scan, input, &listed);
        }
        (Ok(_), None) => panic!("accepted what is no JSON object"),
        (Err(error), Some(_)) => assert!(
            matches!(error.problem, ScanProblem::TooDeep | ScanProblem::TooManyMembers),
            "refused a JSON object: {error}"
        ),
        (Err(_), None) => {}
    }
}

fn scan(chunks: &[&[u8]]) -> Result<Scan, ScanError> {
    let mut scanner = Scanner::new();
    chunks.iter().try_for_each(|chunk| scanner.feed(chunk))?;
    scanner.finish()
}

/// The members of an object: names as they are spelled and values. `None` for what serde_json does not accept as one.
pub(super) fn listed(input: &[u8]) -> Option<Vec<(String, String)>> {
    struct Listed;
    impl<'de> Visitor<'de> for Listed {
        type Value = Vec<(String, String)>;
        fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            // Names with half a surrogate pair are JSON, but no text.
            while let Some(name) = map.next_key::<&RawValue>()? {
                members.push((name.get().to_owned(), map.next_value::<&RawValue>()?.get().to_owned()));
            }
            Ok(members)
        }
    }
    let text = std::str::from_utf8(input).ok()?;
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    serde_json::Deserializer::from_str(text).deserialize_map(Listed).ok()
}

/// What the scanner and the lenient look find is what is there.
fn found(scan: &Scan, input: &[u8], listed: &[(String, String)]) {
    let at = |range: &std::ops::Range<usize>| std::str::from_utf8(part(input, range.clone())).unwrap();
    let scanned: Vec<(&str, &str)> =
        scan.members().iter().map(|member| (at(&member.key), at(&member.value))).collect();
    assert!(
        scanned.iter().eq(listed.iter().map(|(name, value)| (&**name, &**value)).collect::<Vec<_>>().iter())
    );
    let lenient: Vec<(&[u8], &str)> = members(input).map(|(name, value)| (name, at(&value))).collect();
    assert_eq!(lenient.len(), listed.len());
    for ((name, value), (own_name, own_value)) in lenient.iter().zip(listed) {
        assert_eq!(
            (format!("\"{}\"", String::from_utf8_lossy(name)), *value),
            (own_name.clone(), &**own_value)
        );
    }
    assert!(is_object(input));
    for member in scan.members() {
        if let Some(name) = scan.name(member) {
            assert_eq!(serde_json::from_str::<String>(at(&member.key)).unwrap(), name);
            assert!(scan.find(name).is_some_and(|first| first.ordinal <= member.ordinal));
        }
    }
}

/// Edits change what they name and nothing else.
fn edited(scan: &Scan, input: &[u8], listed: &[(String, String)]) {
    let mut body = Segments::default();
    let [_, _, odd] = ways(input);
    odd.iter().for_each(|chunk| body.push(chunk.to_vec().into()));
    let mut splice = Splice::new(scan);
    let mut expected = Vec::new();
    for (member, (name, value)) in scan.members().iter().zip(listed) {
        match hash(&[input, &member.ordinal.to_le_bytes()].concat()) % 4 {
            0 => splice.remove(member),
            1 => {
                splice.replace(member, "[1]".into());
                expected.push((name.clone(), "[1]".to_owned()));
            }
            _ => expected.push((name.clone(), value.clone())),
        }
    }
    if expected.len() < MAX_MEMBERS && input.len().is_multiple_of(2) {
        splice.append("\"new\"", "2");
        expected.push((r#""\"new\"""#.to_owned(), "2".to_owned()));
    }
    let done = splice.apply(&body).into_bytes();
    assert_eq!(listed_or_panic(&done), expected);
}

fn listed_or_panic(done: &[u8]) -> Vec<(String, String)> {
    listed(done).unwrap_or_else(|| panic!("an edit broke the body: {}", String::from_utf8_lossy(done)))
}

/// The lenient look, at anything.
fn look(input: &[u8]) {
    for range in members(input).map(|(_, value)| value).chain(elements(input)) {
        let value = part(input, range);
        assert!(!value.is_empty());
        let _ = (text(value), whole_number(value));
        members(value).for_each(drop);
        elements(value).for_each(drop);
    }
    find(input, "model");
    text(input);
}
