//! Where two values of JSON differ.

use serde_json::Value;

/// One place where two values differ. A value that is not there is `None`.
pub(super) struct Difference {
    pub(super) place: String,
    pub(super) theirs: Option<Value>,
    pub(super) ours: Option<Value>,
}

/// All places, in order. The deepest place is named: what only one side has is one difference.
pub(super) fn differences(theirs: &Value, ours: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    walk("", Some(theirs), Some(ours), &mut found);
    found
}

fn walk(place: &str, theirs: Option<&Value>, ours: Option<&Value>, found: &mut Vec<Difference>) {
    match (theirs, ours) {
        (Some(Value::Object(theirs)), Some(Value::Object(ours))) => {
            let mut names: Vec<&String> = theirs.keys().chain(ours.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                let place = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
                walk(&place, theirs.get(name), ours.get(name), found);
            }
        }
        (Some(Value::Array(theirs)), Some(Value::Array(ours))) => {
            for index in 0..theirs.len().max(ours.len()) {
                walk(&format!("{place}[{index}]"), theirs.get(index), ours.get(index), found);
            }
        }
        (theirs, ours) if same(place, theirs, ours) => {}
        (theirs, ours) => {
            found.push(Difference { place: place.to_owned(), theirs: theirs.cloned(), ours: ours.cloned() });
        }
    }
}

fn same(place: &str, theirs: Option<&Value>, ours: Option<&Value>) -> bool {
    match (theirs, ours) {
        (Some(Value::Number(theirs)), Some(Value::Number(ours))) => theirs.as_f64() == ours.as_f64(),
        // How JSON within a text is laid out is nobody's business.
        (Some(Value::String(theirs)), Some(Value::String(ours))) if place.ends_with("arguments") => {
            let parsed = |text: &str| serde_json::from_str::<Value>(text).ok();
            theirs == ours || parsed(theirs).is_some_and(|value| Some(value) == parsed(ours))
        }
        (theirs, ours) => theirs == ours,
    }
}
