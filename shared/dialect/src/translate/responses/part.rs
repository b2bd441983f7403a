//! An item of an answer that is being written: what it has said, as events and the response at the end tell it.

use std::ops::Range;

use bytes::BytesMut;

use super::super::json::get;
use super::super::seal::{Sealed, read_encrypted};
use super::super::write::{self, Fields};
use super::events::Place;
use super::plain_input::PlainInput;

/// Most citations of a part.
const MOST_CITATIONS: usize = 256;

/// An item that is not done.
pub(super) struct Open {
    pub(super) kind: Kind,
    pub(super) index: u64,
    pub(super) id: String,
    /// Thoughts, or arguments.
    pub(super) text: String,
    /// Proof of the thoughts.
    pub(super) signature: String,
    /// Thoughts that nobody can read.
    pub(super) redacted: String,
    /// Finished parts of a message, with commas between them, and how many.
    parts: BytesMut,
    count: u64,
    pub(super) part: Option<Part>,
    /// What arguments say in plain text.
    pub(super) plain: PlainInput,
}

/// What an item is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Message,
    Reasoning,
    Call {
        number: u32,
        id: String,
        name: String,
        namespace: Option<String>,
    },
    /// A call with plain text.
    PlainCall {
        number: u32,
        id: String,
        name: String,
    },
}

impl Kind {
    /// What ids of such items begin with.
    fn prefix(&self) -> &'static str {
        match self {
            Self::Message => "msg",
            Self::Reasoning => "rs",
            Self::Call { .. } => "fc",
            Self::PlainCall { .. } => "ctc",
        }
    }
}

/// A part of a message that is not done.
pub(super) struct Part {
    pub(super) is_refusal: bool,
    pub(super) text: String,
    /// Addresses, titles, and what part of the text they stand for, where that is known.
    citations: Vec<(String, Option<String>, Option<Range<u64>>)>,
    /// Elements, with commas between them.
    logprobs: BytesMut,
}

impl Open {
    pub(super) fn new(kind: Kind, index: u64, answer: &str) -> Self {
        Self {
            id: format!("{}_{answer}_{index}", kind.prefix()),
            kind,
            index,
            text: String::new(),
            signature: String::new(),
            redacted: String::new(),
            parts: BytesMut::new(),
            count: 0,
            part: None,
            plain: PlainInput::default(),
        }
    }

    /// Where the part that is open, or comes next, is.
    pub(super) fn place(&self) -> Option<Place> {
        Some(("content_index", self.count))
    }

    /// Keeps a part that is done.
    pub(super) fn keep(&mut self, part: &Part) {
        separate(&mut self.parts);
        part.write(&mut self.parts);
        self.count += 1;
    }

    /// Writes the item as far as it is.
    pub(super) fn write(&self, status: &str, out: &mut BytesMut) {
        write::object(out, |item| {
            item.text("id", &self.id);
            match &self.kind {
                Kind::Message => {
                    item.text("type", "message");
                    item.text("status", status);
                    item.text("role", "assistant");
                    list(item, "content", &self.parts);
                }
                Kind::Reasoning => {
                    item.text("type", "reasoning");
                    item.array("summary", |summary| {
                        if !self.text.is_empty() {
                            summary.object(|part| write_summary(&self.text, part));
                        }
                    });
                    if let Some(proof) = self.proof() {
                        item.text("encrypted_content", &proof);
                    }
                }
                Kind::Call { id, name, namespace, .. } => {
                    item.text("type", "function_call");
                    item.text("status", status);
                    item.text("arguments", &self.text);
                    item.text("call_id", id);
                    item.text("name", name);
                    if let Some(namespace) = namespace {
                        item.text("namespace", namespace);
                    }
                }
                Kind::PlainCall { id, name, .. } => {
                    item.text("type", "custom_tool_call");
                    item.text("status", status);
                    item.text("input", &self.text);
                    item.text("call_id", id);
                    item.text("name", name);
                }
            }
        });
    }

    /// The proof of thoughts as this dialect has it.
    fn proof(&self) -> Option<String> {
        if !self.redacted.is_empty() {
            return Some(Sealed::Redacted(self.redacted.clone()).write());
        }
        if self.signature.is_empty() {
            return None;
        }
        Some(match read_encrypted(&self.signature) {
            Some((_, encrypted)) => encrypted.to_owned(),
            None => {
                let text_bytes = u64::try_from(self.text.len()).unwrap_or(u64::MAX);
                Sealed::Signature { text_bytes, signature: self.signature.clone() }.write()
            }
        })
    }
}

impl Part {
    pub(super) fn new(is_refusal: bool) -> Self {
        Self { is_refusal, text: String::new(), citations: Vec::new(), logprobs: BytesMut::new() }
    }

    pub(super) fn cite(&mut self, url: String, title: Option<String>, span: Option<Range<u64>>) {
        if self.citations.len() < MOST_CITATIONS {
            self.citations.push((url, title, span));
        }
    }

    /// Takes the probabilities of a token.
    pub(super) fn take_logprob(&mut self, element: &[u8]) {
        separate(&mut self.logprobs);
        write_logprob(element, &mut self.logprobs);
    }

    pub(super) fn write(&self, out: &mut BytesMut) {
        write::object(out, |part| {
            if self.is_refusal {
                part.text("type", "refusal");
                part.text("refusal", &self.text);
                return;
            }
            part.text("type", "output_text");
            part.text("text", &self.text);
            part.array("annotations", |items| {
                for annotation in self.annotations() {
                    items.object(annotation);
                }
            });
            self.write_logprobs(part);
        });
    }

    pub(super) fn write_logprobs(&self, fields: &mut Fields<'_>) {
        list(fields, "logprobs", &self.logprobs);
    }

    /// What writes each citation: they point at the whole part, where nobody says better.
    pub(super) fn annotations(&self) -> impl Iterator<Item = impl Fn(&mut Fields<'_>)> {
        let end = if self.citations.is_empty() { 0 } else { self.text.chars().count() };
        let end = u64::try_from(end).unwrap_or_default();
        self.citations.iter().map(move |(url, title, span)| {
            let (start, end) = span.as_ref().map_or((0, end), |span| (span.start, span.end));
            move |fields: &mut Fields<'_>| {
                fields.text("type", "url_citation");
                fields.number("start_index", start);
                fields.number("end_index", end);
                fields.text("url", url);
                fields.text("title", title.as_deref().unwrap_or_default());
            }
        })
    }
}

/// OpenAI's schema wants every member, where chat may leave some out.
fn write_logprob(element: &[u8], out: &mut BytesMut) {
    write::object(out, |fields| {
        for name in ["token", "logprob"] {
            if let Some(value) = get(element, name) {
                fields.raw(name, value);
            }
        }
        for name in ["bytes", "top_logprobs"] {
            fields.raw(name, get(element, name).unwrap_or(b"[]"));
        }
    });
}

pub(super) fn write_summary(text: &str, part: &mut Fields<'_>) {
    part.text("type", "summary_text");
    part.text("text", text);
}

pub(super) fn separate(list: &mut BytesMut) {
    if !list.is_empty() {
        list.extend_from_slice(b",");
    }
}

fn list(fields: &mut Fields<'_>, name: &str, elements: &BytesMut) {
    let out = fields.value(name);
    out.extend_from_slice(b"[");
    out.extend_from_slice(elements);
    out.extend_from_slice(b"]");
}
