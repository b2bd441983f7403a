//! The open block of an answer of Converse, written as events or gathered.

use std::borrow::Cow;

use bytes::BytesMut;

use super::super::form::Citation;
use super::super::messages::write_input;
use super::super::write::Fields;
use super::citations::write_citation;
use super::content::write_redacted;

/// What an open block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Thinking,
    Redacted,
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

/// More of a block.
pub(super) enum More<'a> {
    Text(Cow<'a, str>),
    Thinking(Cow<'a, str>),
    Signature(Cow<'a, str>),
    Redacted(Cow<'a, str>),
    Input(Cow<'a, str>),
    Citation(Citation<'a>),
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
            More::Text(text) | More::Thinking(text) | More::Input(text) | More::Redacted(text) => {
                self.text.push_str(text);
            }
            More::Signature(text) => self.signature.push_str(text),
            More::Citation(citation) => {
                if !self.citations.is_empty() {
                    self.citations.extend_from_slice(b",");
                }
                write_citation(citation, &mut self.citations);
            }
        }
    }

    /// Writes what a stream says of a call first; other blocks begin with their first delta.
    pub(super) fn write_start(&self, fields: &mut Fields<'_>) {
        fields.object("toolUse", |tool| self.write_tool(tool));
    }

    /// Writes the whole block.
    pub(super) fn write(&self, fields: &mut Fields<'_>) {
        match self.kind {
            Kind::Text if self.citations.is_empty() => fields.text("text", &self.text),
            Kind::Text => fields.object("citationsContent", |content| {
                content.array("content", |items| items.object(|part| part.text("text", &self.text)));
                let out = content.value("citations");
                out.extend_from_slice(b"[");
                out.extend_from_slice(&self.citations);
                out.extend_from_slice(b"]");
            }),
            Kind::Thinking => fields.object("reasoningContent", |content| {
                content.object("reasoningText", |thoughts| {
                    thoughts.text("text", &self.text);
                    if !self.signature.is_empty() {
                        thoughts.text("signature", &self.signature);
                    }
                });
            }),
            Kind::Redacted => fields.object("reasoningContent", |content| {
                content.text("redactedContent", &write_redacted(&self.text));
            }),
            Kind::Tool(_) => fields.object("toolUse", |tool| {
                self.write_tool(tool);
                write_input(&self.text, tool);
            }),
        }
    }

    fn write_tool(&self, fields: &mut Fields<'_>) {
        fields.text("toolUseId", &self.id);
        fields.text("name", &self.name);
    }
}

impl More<'_> {
    /// Writes the delta of an event.
    pub(super) fn write(&self, fields: &mut Fields<'_>) {
        let mut reasoning =
            |name: &str, text: &str| fields.object("reasoningContent", |content| content.text(name, text));
        match self {
            Self::Thinking(text) => reasoning("text", text),
            Self::Signature(text) => reasoning("signature", text),
            Self::Redacted(data) => reasoning("redactedContent", &write_redacted(data)),
            Self::Text(text) => fields.text("text", text),
            Self::Input(text) => fields.object("toolUse", |tool| tool.text("input", text)),
            Self::Citation(citation) => write_citation(citation, fields.value("citation")),
        }
    }
}
