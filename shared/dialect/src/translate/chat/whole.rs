//! A choice of an answer that goes out in one piece.

use bytes::BytesMut;

use super::super::form::Delta;
use super::super::write::{self, Fields};
use super::delta_writer::{call_id, write_image};
use super::signature::{signed_id, write_signature};

/// What a choice has said so far.
pub(super) struct Choice {
    pub(super) number: u32,
    text: String,
    refusal: String,
    reasoning: String,
    /// Where the open block of thoughts starts in `reasoning`, and its signature.
    thought: usize,
    signature: String,
    /// Finished elements, with commas between them.
    thinking_blocks: BytesMut,
    annotations: BytesMut,
    places: BytesMut,
    images: BytesMut,
    /// The signature of the next call, or of the text.
    pending: Option<String>,
    /// Those of texts.
    signatures: Vec<String>,
    calls: Vec<Call>,
    logprobs: Option<BytesMut>,
    audio: Option<BytesMut>,
    finish: &'static str,
}

struct Call {
    number: u32,
    id: String,
    name: String,
    arguments: String,
    signature: Option<String>,
}

impl Choice {
    pub(super) fn new(number: u32) -> Self {
        Self {
            number,
            text: String::new(),
            refusal: String::new(),
            reasoning: String::new(),
            thought: 0,
            signature: String::new(),
            thinking_blocks: BytesMut::new(),
            annotations: BytesMut::new(),
            places: BytesMut::new(),
            images: BytesMut::new(),
            pending: None,
            signatures: Vec::new(),
            calls: Vec::new(),
            logprobs: None,
            audio: None,
            finish: "stop",
        }
    }

    pub(super) fn take(&mut self, delta: Delta<'_>) {
        match delta {
            Delta::Text(text) => self.text.push_str(&text),
            Delta::Refusal(text) => self.refusal.push_str(&text),
            Delta::Thinking(text) => self.reasoning.push_str(&text),
            Delta::Signature(signature) => self.signature.push_str(&signature),
            Delta::RedactedThinking(data) => {
                self.block_end();
                append(&mut self.thinking_blocks, |block| {
                    block.text("type", "redacted_thinking");
                    block.text("data", &data);
                });
            }
            Delta::Tool { call, id, name } => self.calls.push(Call {
                number: call,
                id: id.into_owned(),
                name: name.into_owned(),
                arguments: String::new(),
                signature: self.pending.take(),
            }),
            Delta::ThoughtSignature(signature) => {
                self.signatures.extend(self.pending.replace(signature.into_owned()));
            }
            Delta::Image { media_type, data } => {
                append(&mut self.images, |image| write_image(image, &media_type, &data));
            }
            Delta::Arguments { call, text } => {
                if let Some(found) = self.calls.iter_mut().rev().find(|found| found.number == call) {
                    found.arguments.push_str(&text);
                }
            }
            Delta::Logprobs(value) => self.logprobs = Some(value.into()),
            Delta::Audio(value) => self.audio = Some(value.into()),
            Delta::Citation(_) => {}
        }
    }

    /// What was thought up to here is one block, if it is signed.
    pub(super) fn block_end(&mut self) {
        let text = self.reasoning.get(self.thought..).unwrap_or_default();
        if !self.signature.is_empty() {
            append(&mut self.thinking_blocks, |block| {
                block.text("type", "thinking");
                block.text("thinking", text);
                block.text("signature", &self.signature);
            });
        }
        self.thought = self.reasoning.len();
        self.signature.clear();
    }

    pub(super) fn annotate(&mut self, fill: impl FnOnce(&mut Fields<'_>)) {
        append(&mut self.annotations, fill);
    }

    pub(super) fn place(&mut self, citation: &[u8]) {
        separate(&mut self.places);
        self.places.extend_from_slice(citation);
    }

    pub(super) fn finish(&mut self, reason: &'static str) {
        self.block_end();
        self.signatures.extend(self.pending.take());
        self.finish = reason;
    }

    pub(super) fn write(&self, fields: &mut Fields<'_>) {
        fields.number("index", u64::from(self.number));
        fields.object("message", |message| self.write_message(message));
        if let Some(logprobs) = &self.logprobs {
            fields.raw("logprobs", logprobs);
        }
        fields.text("finish_reason", self.finish);
    }

    fn write_message(&self, message: &mut Fields<'_>) {
        message.text("role", "assistant");
        // OpenAI says null where there is no text, and its clients look for the member.
        match self.text.as_str() {
            "" if !self.calls.is_empty() || !self.refusal.is_empty() => message.raw("content", b"null"),
            text => message.text("content", text),
        }
        if !self.reasoning.is_empty() {
            message.text("reasoning_content", &self.reasoning);
        }
        if !self.refusal.is_empty() {
            message.text("refusal", &self.refusal);
        }
        list(message, "thinking_blocks", &self.thinking_blocks);
        if !self.calls.is_empty() {
            message.array("tool_calls", |items| {
                for call in &self.calls {
                    items.object(|item| call.write(item));
                }
            });
        }
        list(message, "annotations", &self.annotations);
        list(message, "images", &self.images);
        if !self.places.is_empty() || !self.signatures.is_empty() {
            message.object("provider_specific_fields", |fields| {
                list(fields, "citations", &self.places);
                if !self.signatures.is_empty() {
                    let signatures = &self.signatures;
                    fields
                        .array("thought_signatures", |items| signatures.iter().for_each(|it| items.text(it)));
                }
            });
        }
        if let Some(audio) = &self.audio {
            message.raw("audio", audio);
        }
    }
}

impl Call {
    fn write(&self, item: &mut Fields<'_>) {
        let signature = self.signature.as_deref();
        item.text("id", &signed_id(call_id(&self.id, self.number), signature));
        item.text("type", "function");
        item.object("function", |function| {
            function.text("name", &self.name);
            function.text("arguments", &self.arguments);
        });
        write_signature(item, signature);
    }
}

fn separate(list: &mut BytesMut) {
    if !list.is_empty() {
        list.extend_from_slice(b",");
    }
}

fn append(list: &mut BytesMut, fill: impl FnOnce(&mut Fields<'_>)) {
    separate(list);
    write::object(list, fill);
}

fn list(fields: &mut Fields<'_>, name: &str, elements: &BytesMut) {
    if !elements.is_empty() {
        let out = fields.value(name);
        out.extend_from_slice(b"[");
        out.extend_from_slice(elements);
        out.extend_from_slice(b"]");
    }
}
