//! The open block of an answer of messages, written as events or gathered.

use std::borrow::Cow;

use bytes::BytesMut;

use super::super::form::Citation;
use super::super::write::{self, Fields};
use super::block_writer::write_input;

/// What an open block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Thinking,
    Tool(u32),
}

/// A block that has begun. What it holds is gathered only where the answer goes out whole.
pub(super) struct Block {
    pub(super) kind: Kind,
    id: String,
    name: String,
    text: String,
    signature: String,
    citations: BytesMut,
}

impl Block {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            id: String::new(),
            name: String::new(),
            text: String::new(),
            signature: String::new(),
            citations: BytesMut::new(),
        }
    }

    pub(super) fn tool(call: u32, id: Cow<'_, str>, name: Cow<'_, str>) -> Self {
        Self { id: id.into_owned(), name: name.into_owned(), ..Self::new(Kind::Tool(call)) }
    }

    /// Takes what a delta of an event would say.
    pub(super) fn take(&mut self, more: &More<'_>) {
        match more {
            More::Text(text) | More::Thinking(text) | More::Input(text) => self.text.push_str(text),
            More::Signature(text) => self.signature.push_str(text),
            More::Citation(citation) => {
                if !self.citations.is_empty() {
                    self.citations.extend_from_slice(b",");
                }
                write_citation(citation, &mut self.citations);
            }
        }
    }

    /// Writes the block as it begins.
    pub(super) fn write_start(&self, fields: &mut Fields<'_>) {
        match self.kind {
            Kind::Text => {
                fields.text("type", "text");
                fields.text("text", "");
            }
            Kind::Thinking => {
                fields.text("type", "thinking");
                fields.text("thinking", "");
                fields.text("signature", "");
            }
            Kind::Tool(_) => {
                self.write_tool(fields);
                fields.raw("input", b"{}");
            }
        }
    }

    /// Writes the whole block.
    pub(super) fn write(&self, fields: &mut Fields<'_>) {
        match self.kind {
            Kind::Text => {
                fields.text("type", "text");
                fields.text("text", &self.text);
                if !self.citations.is_empty() {
                    let out = fields.value("citations");
                    out.extend_from_slice(b"[");
                    out.extend_from_slice(&self.citations);
                    out.extend_from_slice(b"]");
                }
            }
            Kind::Thinking => {
                fields.text("type", "thinking");
                fields.text("thinking", &self.text);
                fields.text("signature", &self.signature);
            }
            Kind::Tool(_) => {
                self.write_tool(fields);
                write_input(&self.text, fields);
            }
        }
    }

    fn write_tool(&self, fields: &mut Fields<'_>) {
        fields.text("type", "tool_use");
        fields.text("id", &self.id);
        fields.text("name", &self.name);
    }
}

/// More of a block.
pub(super) enum More<'a> {
    Text(Cow<'a, str>),
    Thinking(Cow<'a, str>),
    Signature(Cow<'a, str>),
    Input(Cow<'a, str>),
    Citation(Citation<'a>),
}

impl More<'_> {
    /// Writes the delta of an event.
    pub(super) fn write(&self, fields: &mut Fields<'_>) {
        match self {
            Self::Text(text) => {
                fields.text("type", "text_delta");
                fields.text("text", text);
            }
            Self::Thinking(text) => {
                fields.text("type", "thinking_delta");
                fields.text("thinking", text);
            }
            Self::Signature(text) => {
                fields.text("type", "signature_delta");
                fields.text("signature", text);
            }
            Self::Input(text) => {
                fields.text("type", "input_json_delta");
                fields.text("partial_json", text);
            }
            Self::Citation(citation) => {
                fields.text("type", "citations_delta");
                write_citation(citation, fields.value("citation"));
            }
        }
    }
}

fn write_citation(citation: &Citation<'_>, out: &mut BytesMut) {
    match citation {
        Citation::Place(place) => out.extend_from_slice(place),
        Citation::Url { url, title, cited, .. } => write::object(out, |fields| {
            fields.text("type", "web_search_result_location");
            fields.text("url", url);
            fields.text("title", title.as_deref().unwrap_or_default());
            fields.text("cited_text", cited.as_deref().unwrap_or_default());
            fields.text("encrypted_index", "");
        }),
    }
}
