//! A value that satisfies a simple JSON schema: tool arguments and structured answers.

use serde_json::{Map, Value, json};

/// Nesting (and references) followed at most.
const DEPTH: usize = 16;

/// A value that satisfies `schema` as far as it is made of types, properties, items, enum, const, combinations
/// (the first alternative), local references and simple bounds.
pub(crate) fn sample(schema: &Value) -> Value {
    value(schema, schema, DEPTH)
}

fn value(schema: &Value, root: &Value, depth: usize) -> Value {
    if depth == 0 {
        return Value::Null;
    }
    let inner = |schema: &Value| value(schema, root, depth - 1);
    if let Some(fixed) = schema.get("const") {
        return fixed.clone();
    }
    if let Some(first) = schema.get("enum").and_then(|values| values.get(0)) {
        return first.clone();
    }
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        return root.pointer(reference.trim_start_matches('#')).map_or(Value::Null, inner);
    }
    for combination in ["anyOf", "oneOf"] {
        if let Some(first) = schema.get(combination).and_then(|all| all.get(0)) {
            return inner(first);
        }
    }
    let kind = schema.get("type").map(|kind| kind.get(0).unwrap_or(kind)).and_then(Value::as_str);
    match kind {
        Some("string") => Value::String(string(schema)),
        Some("integer") => json!(schema.get("minimum").and_then(Value::as_i64).unwrap_or(7)),
        Some("number") => json!(schema.get("minimum").and_then(Value::as_f64).unwrap_or(1.5)),
        Some("boolean") => Value::Bool(true),
        Some("null") => Value::Null,
        Some("array") => {
            let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(1).min(64);
            let item = schema.get("items").map_or(Value::Null, inner);
            Value::Array((0..least).map(|_| item.clone()).collect())
        }
        Some("object") => object(schema, inner),
        _ if schema.get("properties").is_some() => object(schema, inner),
        _ => json!({}),
    }
}

/// Every property, required or not: OpenAI's strict mode requires all of them anyway.
fn object(schema: &Value, inner: impl Fn(&Value) -> Value) -> Value {
    let properties = schema.get("properties").and_then(Value::as_object);
    let members = properties.into_iter().flatten().map(|(name, schema)| (name.clone(), inner(schema)));
    Value::Object(members.collect::<Map<_, _>>())
}

fn string(schema: &Value) -> String {
    let text = match schema.get("format").and_then(Value::as_str) {
        Some("date-time") => "2026-01-01T00:00:00Z",
        Some("date") => "2026-01-01",
        Some("email") => "mock@example.com",
        Some("uri") => "https://example.com/",
        Some("uuid") => "00000000-0000-4000-8000-000000000000",
        _ => "mock",
    };
    let least = schema.get("minLength").and_then(Value::as_u64).unwrap_or(0).min(10_000);
    let missing = usize::try_from(least).unwrap_or_default().saturating_sub(text.len());
    text.to_owned() + &"x".repeat(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_have_what_the_schema_wants() {
        let schema = json!({
            "type": "object",
            "properties": {
                "city": {"type": "string", "minLength": 6},
                "unit": {"enum": ["c", "f"]},
                "days": {"type": "integer", "minimum": 3},
                "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}, "minItems": 2},
                "note": {"type": ["string", "null"]},
                "either": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
            },
            "$defs": {"tag": {"type": "object", "properties": {"id": {"const": 5}}}},
        });
        let want = json!({
            "city": "mockxx", "unit": "c", "days": 3, "tags": [{"id": 5}, {"id": 5}], "note": "mock", "either": true,
        });
        assert_eq!(sample(&schema), want);
    }

    #[test]
    fn a_schema_that_contains_itself_ends() {
        let schema = json!({"type": "object", "properties": {"next": {"$ref": "#"}}});
        assert!(sample(&schema).to_string().len() < 1000);
    }
}
