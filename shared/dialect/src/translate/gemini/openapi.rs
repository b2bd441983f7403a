//! Schemas in Google's part of OpenAPI → JSON schemas, before a request is read.

use std::borrow::Cow;

use bytes::BytesMut;
use memchr::memmem;

use super::super::json::{flag, items, text};
use super::super::write::{self, Fields, Items, USUAL_SIZE};
use super::names::{fields, get};

/// The body with its schemas in the members for JSON schemas: `parametersJsonSchema` and `responseJsonSchema`.
pub(crate) fn with_json_schemas(body: &[u8]) -> Cow<'_, [u8]> {
    let names = [&b"\"parameters\""[..], b"\"responseSchema\"", b"\"response_schema\""];
    if !names.iter().any(|name| memmem::find(body, name).is_some()) {
        return body.into();
    }
    let mut out = BytesMut::with_capacity(body.len() + USUAL_SIZE);
    write::object(&mut out, |into| {
        for (name, value) in fields(body) {
            match &*name {
                "tools" => into.array("tools", |tools| items(value).for_each(|tool| copy_tool(tool, tools))),
                "generationConfig" => into.object("generationConfig", |config| {
                    for (name, value) in fields(value) {
                        copy(config, &name, value, ("responseSchema", "responseJsonSchema"));
                    }
                }),
                _ => into.raw(&name, value),
            }
        }
    });
    Cow::Owned(out.to_vec())
}

fn copy_tool(tool: &[u8], tools: &mut Items<'_>) {
    tools.object(|into| {
        for (name, value) in fields(tool) {
            if name != "functionDeclarations" {
                into.raw(&name, value);
                continue;
            }
            into.array(&name, |list| {
                for declaration in items(value) {
                    list.object(|function| {
                        for (name, value) in fields(declaration) {
                            copy(function, &name, value, ("parameters", "parametersJsonSchema"));
                        }
                    });
                }
            });
        }
    });
}

fn copy(into: &mut Fields<'_>, name: &str, value: &[u8], (openapi, json): (&str, &str)) {
    if name == openapi && value.starts_with(b"{") {
        convert(value, into.value(json));
    } else {
        into.raw(name, value);
    }
}

/// Bodies are nested no deeper than they are read, so neither is this.
fn convert(schema: &[u8], out: &mut BytesMut) {
    if !schema.starts_with(b"{") {
        return out.extend_from_slice(schema);
    }
    let nullable = get(schema, "nullable").and_then(flag) == Some(true);
    write::object(out, |into| {
        for (name, value) in fields(schema) {
            match &*name {
                "nullable" | "propertyOrdering" | "example" => {}
                "type" => write_type(into, value, nullable),
                // Google's own mark of a list of words.
                "format" if value == b"\"enum\"" => {}
                "properties" => into.object(&name, |map| {
                    for (name, value) in super::super::json::fields(value) {
                        convert(value, map.value(&name));
                    }
                }),
                "anyOf" => into.array(&name, |list| {
                    items(value).for_each(|value| convert(value, list.value()));
                    if nullable && get(schema, "type").is_none() {
                        list.object(|kind| kind.text("type", "null"));
                    }
                }),
                "items" => convert(value, into.value(&name)),
                // Google writes 64-bit numbers as text.
                "minItems" | "maxItems" | "minLength" | "maxLength" | "minProperties" | "maxProperties" => {
                    let number = text(value).and_then(|text| text.parse().ok());
                    match number {
                        Some(number) => into.number(&name, number),
                        None => into.raw(&name, value),
                    }
                }
                _ => into.raw(&name, value),
            }
        }
    });
}

fn write_type(into: &mut Fields<'_>, value: &[u8], nullable: bool) {
    let Some(name) = text(value) else { return into.raw("type", value) };
    match &*name.to_ascii_lowercase() {
        "type_unspecified" => {}
        name if nullable => into.array("type", |kinds| {
            kinds.text(name);
            kinds.text("null");
        }),
        name => into.text("type", name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openapi_becomes_json_schema() {
        let body = br#"{"tools":[{"function_declarations":[{"name":"f","parameters":{"type":"OBJECT",
            "propertyOrdering":["a"],"properties":{"a":{"type":"STRING","nullable":true,"format":"enum","enum":["x"]},
            "min_items":{"type":"ARRAY","items":{"type":"INTEGER"},"minItems":"2"}}}}]},{"googleSearch":{}}],
            "generationConfig":{"topK":3,"responseSchema":{"nullable":true,"anyOf":[{"type":"NUMBER"}]}}}"#;
        let read: serde_json::Value = serde_json::from_slice(&with_json_schemas(body)).unwrap();
        let parameters = serde_json::json!({"type": "object", "properties": {
            "a": {"type": ["string", "null"], "enum": ["x"]},
            "min_items": {"type": "array", "items": {"type": "integer"}, "minItems": 2},
        }});
        assert_eq!(
            read["tools"],
            serde_json::json!([
                {"functionDeclarations": [{"name": "f", "parametersJsonSchema": parameters}]},
                {"googleSearch": {}},
            ])
        );
        assert_eq!(
            read["generationConfig"],
            serde_json::json!({"topK": 3, "responseJsonSchema": {"anyOf": [{"type": "number"}, {"type": "null"}]}})
        );
    }

    #[test]
    fn a_body_without_openapi_is_not_copied() {
        assert!(matches!(with_json_schemas(br#"{"contents":[]}"#), Cow::Borrowed(_)));
    }
}
