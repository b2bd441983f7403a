//! Calls and pictures of an answer, as LiteLLM sends them.

use std::borrow::Cow;

use super::super::write::Fields;
use super::signature::{signed_id, write_signature};

/// A call that begins.
pub(super) fn write_tool(fields: &mut Fields<'_>, call: u32, id: &str, name: &str, signature: Option<&str>) {
    fields.array("tool_calls", |items| {
        items.object(|item| {
            item.number("index", u64::from(call));
            item.text("id", &signed_id(call_id(id, call), signature));
            item.text("type", "function");
            item.object("function", |function| {
                function.text("name", name);
                function.text("arguments", "");
            });
            write_signature(item, signature);
        });
    });
}

/// A picture as LiteLLM sends it.
pub(super) fn write_image(item: &mut Fields<'_>, media_type: &str, data: &str) {
    item.text("type", "image_url");
    item.number("index", 0);
    item.object("image_url", |image| {
        image.text("url", &format!("data:{media_type};base64,{data}"));
        image.text("detail", "auto");
    });
}

/// The id of a call; one without cannot be answered, so it gets one.
pub(crate) fn call_id<'a>(id: &'a str, call: u32) -> Cow<'a, str> {
    if id.is_empty() { format!("call_{call}").into() } else { id.into() }
}
