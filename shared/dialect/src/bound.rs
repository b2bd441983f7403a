//! What an answer of Responses holds that only the deployment it is from can use: ids of responses, and what items hold
//! encrypted.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::json::view::{elements, members, part, text};

/// What is bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// The id of a response.
    ResponseId,
    /// `encrypted_content` of an item.
    Content,
}

/// What clients get instead: a text for each text of the provider's, always the same for the same.
#[derive(Clone)]
pub struct Sealing(Arc<Seal>);

type Seal = dyn Fn(Bound, &str) -> Option<String> + Send + Sync;

impl Sealing {
    /// What a function makes of a text; where it makes nothing the text stays.
    pub fn new(seal: impl Fn(Bound, &str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(seal))
    }

    fn edit(&self, body: &[u8], place: Place) -> Option<Edit> {
        let sealed = (self.0)(place.bound, &text(part(body, place.range.clone()))?)?;
        Some(Edit { range: place.range, json: serde_json::Value::from(sealed).to_string().into_bytes() })
    }
}

impl fmt::Debug for Sealing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealing")
    }
}

/// Where something bound stands in a body, with its quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) range: Range<usize>,
    pub(crate) bound: Bound,
}

/// JSON text in the place of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Where the other stands.
    pub range: Range<usize>,
    /// What goes there.
    pub json: Vec<u8>,
}

/// The edits that seal an answer in one piece: a response, what is left of one, or a list of items.
pub fn seal(body: &[u8], sealing: &Sealing) -> Vec<Edit> {
    let mut places = Vec::new();
    of_object(body, 0, &mut places);
    edits(body, places, sealing)
}

pub(crate) fn edits(body: &[u8], places: Vec<Place>, sealing: &Sealing) -> Vec<Edit> {
    places.into_iter().filter_map(|place| sealing.edit(body, place)).collect()
}

/// A body with edits, which lie apart. Exactly as long as it gets.
pub fn edited(body: &[u8], mut edits: Vec<Edit>) -> Vec<u8> {
    edits.sort_unstable_by_key(|edit| edit.range.start);
    let more: usize = edits.iter().map(|edit| edit.json.len()).sum();
    let less: usize = edits.iter().map(|edit| edit.range.len()).sum();
    let mut out = Vec::with_capacity((body.len() + more).saturating_sub(less));
    let mut at = 0;
    for Edit { range, json } in edits {
        out.extend_from_slice(part(body, at..range.start));
        out.extend_from_slice(&json);
        at = range.end;
    }
    out.extend_from_slice(part(body, at..body.len()));
    out
}

/// Finds what is bound in a response, or in a list of items, which stands at this offset.
pub(crate) fn of_object(object: &[u8], at: usize, places: &mut Vec<Place>) {
    for (name, range) in members(object) {
        match name {
            b"id" | b"previous_response_id" => note(object, range, at, Bound::ResponseId, places),
            b"output" | b"data" => {
                let items = part(object, range.clone());
                for item in elements(items) {
                    of_item(part(items, item.clone()), at + range.start + item.start, places);
                }
            }
            _ => {}
        }
    }
}

/// Finds what is bound in an item, which stands at this offset.
pub(crate) fn of_item(item: &[u8], at: usize, places: &mut Vec<Place>) {
    let encrypted = members(item).filter(|(name, _)| *name == b"encrypted_content");
    for (_, range) in encrypted {
        note(item, range, at, Bound::Content, places);
    }
}

/// Only texts are bound: `null` stays.
fn note(object: &[u8], range: Range<usize>, at: usize, bound: Bound, places: &mut Vec<Place>) {
    if part(object, range.clone()).starts_with(b"\"") {
        places.push(Place { range: at + range.start..at + range.end, bound });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealing() -> Sealing {
        Sealing::new(|bound, text| Some(format!("{bound:?}({text})")))
    }

    fn sealed(body: &str) -> String {
        String::from_utf8(edited(body.as_bytes(), seal(body.as_bytes(), &sealing()))).unwrap()
    }

    #[test]
    fn ids_and_encrypted_contents_are_sealed_and_nothing_else_is_touched() {
        let body = r#"{ "id":"r1" ,"previous_response_id":"r0","output":[{"id":"rs","encrypted_content" : "g\/A"},{"id":"msg","content":[{"encrypted_content":"x"}]}],"x":{"id":"r1"}}"#;
        let expected = body
            .replacen("\"r1\"", "\"ResponseId(r1)\"", 1)
            .replacen("\"r0\"", "\"ResponseId(r0)\"", 1)
            .replacen("\"g\\/A\"", "\"Content(g/A)\"", 1);
        assert_eq!(sealed(body), expected);
        let items = r#"{"object":"list","data":[{"id":"rs","encrypted_content":"g"}],"first_id":"rs"}"#;
        assert_eq!(sealed(items), items.replace("\"g\"", "\"Content(g)\""));
    }

    #[test]
    fn what_is_no_text_stays() {
        for body in [
            r#"{"id":null,"previous_response_id":null,"output":[{"encrypted_content":null}]}"#,
            r#"{"output":"id","id":1}"#,
            "[]",
            "",
        ] {
            assert_eq!(sealed(body), body);
        }
    }
}
