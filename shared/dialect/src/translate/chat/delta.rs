//! What a choice brings: the `delta` of a stream and the `message` of an answer have the same members.

use std::borrow::Cow;

use super::super::form::{Citation, Delta};
use super::super::json::{fields, get, get_text, items, text};
use super::calls::Calls;
use crate::json::view::whole_number;

/// The members of a delta, which come in any order.
#[derive(Default)]
struct Members<'a> {
    content: Option<&'a [u8]>,
    refusal: Option<&'a [u8]>,
    reasoning: Option<&'a [u8]>,
    blocks: Option<&'a [u8]>,
    details: Option<&'a [u8]>,
    calls: Option<&'a [u8]>,
    call: Option<&'a [u8]>,
    annotations: Option<&'a [u8]>,
    audio: Option<&'a [u8]>,
}

impl<'a> Members<'a> {
    fn read(delta: &'a [u8]) -> Self {
        let mut members = Self::default();
        for (name, value) in fields(delta) {
            match &*name {
                "content" => members.content = Some(value),
                "refusal" => members.refusal = Some(value),
                // Some providers send the same text under both names.
                "reasoning_content" | "reasoning" if value != b"\"\"" => {
                    members.reasoning = members.reasoning.or(Some(value));
                }
                "thinking_blocks" => members.blocks = Some(value),
                "reasoning_details" => members.details = Some(value),
                "tool_calls" => members.calls = Some(value),
                "function_call" => members.call = Some(value),
                "annotations" => members.annotations = Some(value),
                "audio" => members.audio = Some(value),
                _ => {}
            }
        }
        members
    }
}

/// Reads a delta in the order in which a model speaks: thoughts, text, calls.
pub(super) fn read_delta<'a>(
    delta: &'a [u8],
    choice: u32,
    calls: &mut Calls,
    sink: &mut impl FnMut(Delta<'a>),
) {
    let members = Members::read(delta);
    read_reasoning(&members, sink);
    if let Some(content) = members.content {
        read_content(content, sink);
    }
    if let Some(refusal) = members.refusal.and_then(text).filter(|text| !text.is_empty()) {
        sink(Delta::Refusal(refusal));
    }
    if let Some(call) = members.call {
        read_call(call, None, "".into(), choice, calls, sink);
    }
    for call in members.calls.into_iter().flat_map(items) {
        let function = get(call, "function").unwrap_or_default();
        let index = get(call, "index").and_then(whole_number);
        read_call(function, index, get_text(call, "id").unwrap_or_default(), choice, calls, sink);
    }
    for note in members.annotations.into_iter().flat_map(items) {
        if let Some(citation) = get(note, "url_citation").and_then(read_citation) {
            sink(Delta::Citation(citation));
        }
    }
    let says_something =
        |name| members.audio.and_then(|audio| get_text(audio, name)).is_some_and(|text| !text.is_empty());
    if let Some(audio) =
        members.audio.filter(|_| ["id", "data", "transcript"].into_iter().any(says_something))
    {
        sink(Delta::Audio(audio));
    }
}

fn read_reasoning<'a>(members: &Members<'a>, sink: &mut impl FnMut(Delta<'a>)) {
    if let Some(blocks) = members.blocks {
        for block in items(blocks) {
            said(get_text(block, "thinking"), Delta::Thinking, sink);
            said(get_text(block, "signature"), Delta::Signature, sink);
            said(get_text(block, "data"), Delta::RedactedThinking, sink);
        }
        return;
    }
    let plain = members.reasoning.and_then(text).filter(|text| !text.is_empty());
    let is_plain = plain.is_some();
    said(plain, Delta::Thinking, sink);
    for detail in members.details.into_iter().flat_map(items) {
        if !is_plain {
            said(get_text(detail, "text").or_else(|| get_text(detail, "summary")), Delta::Thinking, sink);
        }
        // Other providers' proofs mean nothing to a client that knows Anthropic's.
        if get_text(detail, "format").is_some_and(|format| format.starts_with("anthropic")) {
            said(get_text(detail, "signature"), Delta::Signature, sink);
            said(get_text(detail, "data"), Delta::RedactedThinking, sink);
        }
    }
}

fn said<'a>(
    text: Option<Cow<'a, str>>,
    delta: impl FnOnce(Cow<'a, str>) -> Delta<'a>,
    sink: &mut impl FnMut(Delta<'a>),
) {
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        sink(delta(text));
    }
}

/// Text, or Mistral's list of text and thoughts.
fn read_content<'a>(content: &'a [u8], sink: &mut impl FnMut(Delta<'a>)) {
    said(text(content), Delta::Text, sink);
    for part in items(content) {
        match get_text(part, "type").as_deref() {
            Some("text" | "output_text") => said(get_text(part, "text"), Delta::Text, sink),
            Some("refusal") => said(get_text(part, "refusal"), Delta::Refusal, sink),
            Some("thinking") => {
                let thoughts = get(part, "thinking").unwrap_or_default();
                said(text(thoughts), Delta::Thinking, sink);
                for thought in items(thoughts) {
                    said(get_text(thought, "text"), Delta::Thinking, sink);
                }
            }
            _ => {}
        }
    }
}

fn read_call<'a>(
    function: &'a [u8],
    index: Option<u64>,
    id: Cow<'a, str>,
    choice: u32,
    calls: &mut Calls,
    sink: &mut impl FnMut(Delta<'a>),
) {
    let name = get_text(function, "name").unwrap_or_default();
    let arguments = get(function, "arguments").and_then(|value| {
        // Ollama and others send the object itself.
        text(value).or_else(|| std::str::from_utf8(value).ok().map(Cow::Borrowed))
    });
    let arguments = arguments.filter(|text| !text.is_empty());
    // Some providers send a call of nothing.
    if id.is_empty() && name.is_empty() && arguments.is_none() {
        return;
    }
    let Some(place) = calls.place(choice, index, &id, !name.is_empty()) else { return };
    if place.is_new {
        sink(Delta::Tool { call: place.number, id, name });
    }
    if let Some(text) = arguments {
        sink(Delta::Arguments { call: place.number, text });
    }
}

fn read_citation(citation: &[u8]) -> Option<Citation<'_>> {
    Some(Citation::Url {
        url: get_text(citation, "url")?,
        title: get_text(citation, "title"),
        cited: get_text(citation, "content"),
        span: None,
    })
}
