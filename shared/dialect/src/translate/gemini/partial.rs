//! Arguments of a call that come in pieces: a path into the object, and what stands there.

use serde_json::{Map, Value};

use super::super::json::{get, get_text};

/// Longest path that is followed, in steps.
const DEEPEST: usize = 64;

/// The arguments so far.
#[derive(Default)]
pub(super) struct Partial {
    pieces: Map<String, Value>,
    /// The whole object, as it was spelled.
    whole: Option<String>,
}

/// A step of a path.
#[derive(Debug, PartialEq, Eq)]
enum Step<'a> {
    Member(&'a str),
    Element(usize),
}

impl Partial {
    pub(super) fn whole(&mut self, arguments: &str) {
        self.whole = Some(arguments.to_owned());
    }

    /// Takes a piece: a text goes on where it was left, anything else is there at once.
    pub(super) fn take(&mut self, piece: &[u8]) {
        let Some(path) = get_text(piece, "jsonPath") else { return };
        let mut steps = steps(&path).into_iter();
        let Some(Step::Member(first)) = steps.next() else { return };
        let mut place = self.pieces.entry(first).or_insert(Value::Null);
        for step in steps {
            let Some(inner) = enter(place, &step) else { return };
            place = inner;
        }
        if let Some(more) = get_text(piece, "stringValue") {
            match place {
                Value::String(text) => text.push_str(&more),
                place => *place = more.into_owned().into(),
            }
        } else if let Some(value) = ["numberValue", "boolValue"].iter().find_map(|name| get(piece, name)) {
            *place = serde_json::from_slice(value).unwrap_or_default();
        }
    }

    pub(super) fn into_text(self) -> String {
        self.whole.unwrap_or_else(|| Value::Object(self.pieces).to_string())
    }
}

/// The place within a value. Elements of a list come in order, so none is made beyond the next one.
fn enter<'a>(value: &'a mut Value, step: &Step<'_>) -> Option<&'a mut Value> {
    match step {
        Step::Member(name) => {
            if !value.is_object() {
                *value = Value::Object(Map::new());
            }
            Some(value.as_object_mut()?.entry(*name).or_insert(Value::Null))
        }
        Step::Element(at) => {
            if !value.is_array() {
                *value = Value::Array(Vec::new());
            }
            let list = value.as_array_mut()?;
            if list.len() == *at {
                list.push(Value::Null);
            }
            list.get_mut(*at)
        }
    }
}

/// The steps of `$.a.b[0]` and `$['a'][0]`.
fn steps(path: &str) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    let mut rest = path.strip_prefix('$').unwrap_or(path);
    while !rest.is_empty() && steps.len() < DEEPEST {
        if let Some(inner) = rest.strip_prefix('[') {
            let Some((step, after)) = inner.split_once(']') else { break };
            let quoted = step.trim_matches(['\'', '"']);
            match step.parse() {
                Ok(at) => steps.push(Step::Element(at)),
                Err(_) => steps.push(Step::Member(quoted)),
            }
            rest = after;
        } else {
            let bare = rest.strip_prefix('.').unwrap_or(rest);
            let (name, after) = bare.split_at(bare.find(['.', '[']).unwrap_or(bare.len()));
            if name.is_empty() {
                break;
            }
            steps.push(Step::Member(name));
            rest = after;
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_become_an_object() {
        let mut partial = Partial::default();
        for piece in [
            r#"{"jsonPath":"$.a.list[0].name","stringValue":"on","willContinue":true}"#,
            r#"{"jsonPath":"$.a.list[0].name","stringValue":"e"}"#,
            r#"{"jsonPath":"$.a.list[1]","numberValue":2}"#,
            r#"{"jsonPath":"$['b']","boolValue":true}"#,
            r#"{"jsonPath":"$.c[7]","stringValue":"nowhere"}"#,
            r#"{"jsonPath":"$..","stringValue":"nowhere"}"#,
        ] {
            partial.take(piece.as_bytes());
        }
        let expected = serde_json::json!({"a": {"list": [{"name": "one"}, 2]}, "b": true, "c": []});
        assert_eq!(serde_json::from_str::<Value>(&partial.into_text()).unwrap(), expected);
    }
}
