//! JSON schemas, as far as Google reads them.

use bytes::BytesMut;

use super::super::json::{fields, get, items};
use super::super::loss::Losses;
use super::super::write::{self, Fields};

/// What Google refuses.
const UNKNOWN: [&str; 4] = ["exclusiveMinimum", "exclusiveMaximum", "discriminator", "examples"];

/// Writes a schema without what Google refuses.
pub(super) fn write_schema(schema: &[u8], out: &mut BytesMut, place: &str, losses: &mut Losses) {
    if !schema.starts_with(b"{") {
        return out.extend_from_slice(schema);
    }
    // Beside a reference nothing may stand.
    let refers = get(schema, "$ref").is_some();
    write::object(out, |into| {
        for (name, value) in fields(schema) {
            match &*name {
                "$schema" | "strict" => {}
                name if refers && !name.starts_with('$') => losses.aside(name, place),
                name if UNKNOWN.contains(&name) => losses.aside(name, place),
                "const" => into.array("enum", |only| only.value().extend_from_slice(value)),
                name => write_member(name, value, into, place, losses),
            }
        }
    });
}

fn write_member(name: &str, value: &[u8], into: &mut Fields<'_>, place: &str, losses: &mut Losses) {
    match name {
        "properties" | "$defs" | "definitions" => into.object(name, |map| {
            for (name, value) in fields(value) {
                write_schema(value, map.value(&name), place, losses);
            }
        }),
        "anyOf" | "allOf" | "oneOf" | "prefixItems" if value.starts_with(b"[") => into.array(name, |list| {
            for value in items(value) {
                write_schema(value, list.value(), place, losses);
            }
        }),
        "items" | "not" | "additionalProperties" => write_schema(value, into.value(name), place, losses),
        _ => into.raw(name, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_google_refuses_is_left_out() {
        let schema = br##"{"$schema":"s","type":"object","additionalProperties":false,"properties":{
            "examples":{"const":1,"examples":[2]},"to":{"$ref":"#/$defs/a","description":"d"}},
            "$defs":{"a":{"type":"integer","exclusiveMinimum":0,"minimum":1}}}"##;
        let (mut out, mut losses) = (BytesMut::new(), Losses::default());
        write_schema(schema, &mut out, "tools", &mut losses);
        let read: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let expected = serde_json::json!({"type": "object", "additionalProperties": false, "properties": {
            "examples": {"enum": [1]}, "to": {"$ref": "#/$defs/a"}},
            "$defs": {"a": {"type": "integer", "minimum": 1}}});
        assert_eq!(read, expected);
        let names: Vec<String> = losses.into_vec().into_iter().map(|loss| loss.name).collect();
        assert_eq!(names, ["examples", "description", "exclusiveMinimum"]);
    }
}
