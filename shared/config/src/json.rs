//! Values that are passed on in request bodies, as JSON text.

use crate::field::{Cx, Field};
use crate::mask;
use crate::yaml::{Kind, Node, Scalar, Value, number};

/// The value as JSON; numbers keep their spelling. `None` is reported.
pub(crate) fn text(field: &Field<'_>, cx: &mut Cx<'_>) -> Option<String> {
    let mut out = String::new();
    render(field, cx, &mut out).then_some(out)
}

fn render(field: &Field<'_>, cx: &mut Cx<'_>, out: &mut String) -> bool {
    let mut complete = true;
    match &field.node.value {
        Value::Scalar(scalar) => match crate::environment::variable(&scalar.text) {
            None => out.push_str(&literal(scalar)),
            Some(_) => match field.scalar(cx, "a value", "a value") {
                Some(scalar) => out.push_str(&quoted(&scalar.text)),
                None => return false,
            },
        },
        Value::List(_) => {
            out.push('[');
            for (index, item) in field.items(cx, "[]").unwrap_or_default().iter().enumerate() {
                comma(out, index);
                complete &= render(item, cx, out);
            }
            out.push(']');
        }
        Value::Map(_) => {
            out.push('{');
            let fields = field.fields(cx, "{}");
            for (index, item) in fields.iter().flat_map(|fields| fields.each()).enumerate() {
                comma(out, index);
                out.push_str(&quoted(item.name()));
                out.push(':');
                complete &= render(&item, cx, out);
            }
            out.push('}');
        }
    }
    complete
}

/// The value as JSON with sorted members and without null members and credentials: the same for files that declare
/// the same, whatever their keys are at the time. Variables stay unresolved.
pub(crate) fn canonical(node: &Node) -> String {
    match &node.value {
        Value::Scalar(scalar) => literal(scalar),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(canonical).collect();
            format!("[{}]", items.join(","))
        }
        Value::Map(map) => {
            let told = map
                .entries
                .iter()
                .filter(|entry| !entry.value.is_null() && !mask::is_secret_name(&entry.key));
            let member = |entry: &crate::yaml::Entry| {
                let value = match entry.key.as_str() {
                    "extra_headers" => header_names(&entry.value),
                    _ => canonical(&entry.value),
                };
                format!("{}:{value}", quoted(&entry.key))
            };
            let mut members: Vec<String> = told.map(member).collect();
            members.sort_unstable();
            format!("{{{}}}", members.join(","))
        }
    }
}

fn header_names(headers: &Node) -> String {
    let Value::Map(map) = &headers.value else { return canonical(headers) };
    let mut names: Vec<String> = map.entries.iter().map(|entry| quoted(&entry.key)).collect();
    names.sort_unstable();
    format!("[{}]", names.join(","))
}

fn literal(scalar: &Scalar) -> String {
    match scalar.kind() {
        Kind::Null => "null".to_owned(),
        Kind::Bool(value) => value.to_string(),
        Kind::Number => number(&scalar.text).unwrap_or_else(|| quoted(&scalar.text)),
        Kind::Text => quoted(&scalar.text),
    }
}

/// The text as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn comma(out: &mut String, index: usize) {
    if index > 0 {
        out.push(',');
    }
}
