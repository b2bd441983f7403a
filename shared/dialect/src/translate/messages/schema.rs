//! JSON schemas of outputs, brought down to what Anthropic compiles.

use bytes::BytesMut;

use super::super::json::{fields, get, items};
use super::super::loss::Losses;
use super::super::write;

/// Deeper than any schema that Anthropic takes; what lies deeper is copied as it is.
const DEEPEST: u32 = 64;

/// What Anthropic refuses to enforce.
const UNKNOWN: [&str; 9] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "uniqueItems",
];

/// Writes a schema without what Anthropic refuses.
pub(crate) fn write_schema(schema: &[u8], out: &mut BytesMut, losses: &mut Losses) {
    copy(schema, out, losses, DEEPEST);
}

fn copy(schema: &[u8], out: &mut BytesMut, losses: &mut Losses, deeper: u32) {
    if !schema.starts_with(b"{") || deeper == 0 {
        return out.extend_from_slice(schema);
    }
    write::object(out, |into| {
        for (name, value) in fields(schema) {
            match &*name {
                unknown if UNKNOWN.contains(&unknown) => losses.aside(unknown, "response_format"),
                // Nothing and one are all it knows.
                "minItems" if !matches!(value, b"0" | b"1") => losses.aside("minItems", "response_format"),
                "additionalProperties" => {}
                "properties" | "$defs" | "definitions" => into.object(&name, |map| {
                    for (name, value) in fields(value) {
                        copy(value, map.value(&name), losses, deeper - 1);
                    }
                }),
                "anyOf" | "allOf" | "oneOf" | "prefixItems" => into.array(&name, |list| {
                    for value in items(value) {
                        copy(value, list.value(), losses, deeper - 1);
                    }
                }),
                "items" | "not" => copy(value, into.value(&name), losses, deeper - 1),
                _ => into.raw(&name, value),
            }
        }
        // It wants every object closed.
        let is_typed = get(schema, "type") == Some(b"\"object\"") || get(schema, "properties").is_some();
        if is_typed {
            if get(schema, "additionalProperties").is_some_and(|value| value != b"false") {
                losses.aside("additionalProperties", "response_format");
            }
            into.flag("additionalProperties", false);
        }
    });
}
