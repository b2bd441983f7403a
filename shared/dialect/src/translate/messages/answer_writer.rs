//! Events of the form → answers of messages, in events or whole.

use bulkhead_model::{Endpoint, Usage};
use bytes::{Bytes, BytesMut};

use super::super::AnswerOptions;
use super::super::form::{Delta, Event, Finish, Start};
use super::super::seal::mark_part;
use super::super::write::{self, Fields, USUAL_SIZE};
use super::open::{Block, Kind, More};
use super::usage::write_usage;
use crate::error::{ErrorBody, render_event};
use crate::relay::StreamFailure;

/// Writes one answer. Messages have one choice; others are left out.
pub(crate) struct Writer {
    options: AnswerOptions,
    streams: bool,
    id: String,
    model: String,
    started: bool,
    /// Blocks before the open one.
    index: u64,
    open: Option<Block>,
    /// Finished blocks, with commas between them, where the answer goes out whole.
    blocks: BytesMut,
    refused: bool,
    finish: Option<Finish>,
    stop_sequence: Option<String>,
    usage: Option<Usage>,
}

impl Writer {
    pub(crate) fn new(options: AnswerOptions, streams: bool) -> Self {
        Self {
            streams,
            id: String::new(),
            model: String::new(),
            started: false,
            index: 0,
            open: None,
            blocks: BytesMut::new(),
            refused: false,
            finish: None,
            stop_sequence: None,
            usage: None,
            options,
        }
    }

    /// Writes one event. Fails when the event cannot come here any more.
    pub(crate) fn write(&mut self, event: Event<'_>, out: &mut BytesMut) -> Option<StreamFailure> {
        match event {
            Event::Start(start) => self.start(&start, out),
            Event::More { choice: 0, delta } => return self.more(delta, out),
            Event::BlockEnd => self.close(out),
            Event::Finish { choice: 0, reason, stop_sequence } => {
                self.finish = Some(reason);
                self.stop_sequence = stop_sequence.map(String::from);
            }
            Event::More { .. } | Event::Finish { .. } => {}
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Failed(failure) => write_failure(&failure, out),
            Event::End => self.end(out),
        }
        None
    }

    fn start(&mut self, start: &Start<'_>, out: &mut BytesMut) {
        let shown = self.options.shown_model.as_deref().or(start.model.as_deref());
        self.model = shown.unwrap_or_default().to_owned();
        self.id = start.id.as_deref().unwrap_or(&self.options.id).to_owned();
        self.started = true;
        if self.streams {
            event(out, "message_start", |data| {
                data.object("message", |message| {
                    self.head(message);
                    message.raw("content", b"[]");
                    message.raw("stop_reason", b"null");
                    message.raw("stop_sequence", b"null");
                    write_usage(message, self.usage.as_ref());
                });
            });
        }
    }

    fn head(&self, message: &mut Fields<'_>) {
        message.text("id", &self.id);
        message.text("type", "message");
        message.text("role", "assistant");
        message.text("model", &self.model);
    }

    fn more(&mut self, delta: Delta<'_>, out: &mut BytesMut) -> Option<StreamFailure> {
        match delta {
            Delta::Text(text) => self.append(Kind::Text, More::Text(text), out),
            Delta::Refusal(text) => {
                self.refused = true;
                self.append(Kind::Text, More::Text(text), out);
            }
            Delta::Thinking(text) => self.append(Kind::Thinking, More::Thinking(text), out),
            Delta::Signature(text) => self.append(Kind::Thinking, More::Signature(text), out),
            Delta::ThoughtSignature(text) => {
                self.append(Kind::Thinking, More::Signature(mark_part(&text).into()), out);
                // What comes next may be signed itself.
                self.close(out);
            }
            Delta::RedactedThinking(data) => self.redacted(&data, out),
            Delta::Tool { call, id, name } => {
                let id = super::super::chat::call_id(&id, call);
                self.open(Block::tool(call, id, name), out);
            }
            Delta::Arguments { call, text } => {
                // A block that is closed cannot be opened again.
                if self.open.as_ref().map(|block| block.kind) != Some(Kind::Tool(call)) {
                    let failure = StreamFailure::interleaved();
                    write_failure(&failure, out);
                    return Some(failure);
                }
                self.append(Kind::Tool(call), More::Input(text), out);
            }
            Delta::Citation(citation) => self.append(Kind::Text, More::Citation(citation), out),
            Delta::Logprobs(_) | Delta::Audio(_) | Delta::Image { .. } => {}
        }
        None
    }

    fn append(&mut self, kind: Kind, more: More<'_>, out: &mut BytesMut) {
        if self.open.as_ref().is_none_or(|block| block.kind != kind) {
            self.open(Block::new(kind), out);
        }
        if self.streams {
            event(out, "content_block_delta", |data| {
                data.number("index", self.index);
                data.object("delta", |delta| more.write(delta));
            });
        } else if let Some(block) = &mut self.open {
            block.take(&more);
        }
    }

    fn open(&mut self, block: Block, out: &mut BytesMut) {
        self.close(out);
        if self.streams {
            event(out, "content_block_start", |data| {
                data.number("index", self.index);
                data.object("content_block", |fields| block.write_start(fields));
            });
        }
        self.open = Some(block);
    }

    fn close(&mut self, out: &mut BytesMut) {
        let Some(block) = self.open.take() else { return };
        if self.streams {
            event(out, "content_block_stop", |data| data.number("index", self.index));
        } else {
            self.whole_block(|fields| block.write(fields));
        }
        self.index += 1;
    }

    fn redacted(&mut self, data: &str, out: &mut BytesMut) {
        let fill = |block: &mut Fields<'_>| {
            block.text("type", "redacted_thinking");
            block.text("data", data);
        };
        self.close(out);
        if self.streams {
            event(out, "content_block_start", |data| {
                data.number("index", self.index);
                data.object("content_block", fill);
            });
            event(out, "content_block_stop", |data| data.number("index", self.index));
        } else {
            self.whole_block(fill);
        }
        self.index += 1;
    }

    fn whole_block(&mut self, fill: impl FnOnce(&mut Fields<'_>)) {
        if !self.blocks.is_empty() {
            self.blocks.extend_from_slice(b",");
        }
        write::object(&mut self.blocks, fill);
    }

    fn end(&mut self, out: &mut BytesMut) {
        if !self.started {
            self.start(&Start::default(), out);
        }
        self.close(out);
        if !self.streams {
            return;
        }
        event(out, "message_delta", |data| {
            data.object("delta", |delta| self.stop(delta));
            write_usage(data, self.usage.as_ref());
        });
        event(out, "message_stop", |_| {});
    }

    fn stop(&self, fields: &mut Fields<'_>) {
        let reason = match self.finish {
            _ if self.refused => "refusal",
            Some(Finish::Refused) => "refusal",
            Some(Finish::Tools) => "tool_use",
            Some(Finish::Stop) | None => "end_turn",
            Some(Finish::StopSequence) => "stop_sequence",
            Some(Finish::Length) => "max_tokens",
            Some(Finish::Pause) => "pause_turn",
        };
        fields.text("stop_reason", reason);
        match &self.stop_sequence {
            Some(text) => fields.text("stop_sequence", text),
            None => fields.raw("stop_sequence", b"null"),
        }
    }

    pub(crate) fn into_whole(self) -> Bytes {
        let mut out = BytesMut::with_capacity(USUAL_SIZE);
        write::object(&mut out, |message| {
            self.head(message);
            let content = message.value("content");
            content.extend_from_slice(b"[");
            content.extend_from_slice(&self.blocks);
            content.extend_from_slice(b"]");
            self.stop(message);
            write_usage(message, self.usage.as_ref());
        });
        out.freeze()
    }
}

fn event(out: &mut BytesMut, kind: &str, fill: impl FnOnce(&mut Fields<'_>)) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    write::object(out, |data| {
        data.text("type", kind);
        fill(data);
    });
    out.extend_from_slice(b"\n\n");
}

fn write_failure(failure: &StreamFailure, out: &mut BytesMut) {
    let error = ErrorBody {
        message: &failure.message,
        kind: failure.kind.as_deref().unwrap_or("api_error"),
        param: None,
        code: failure.code.as_deref().unwrap_or_default(),
        status: failure.status.unwrap_or(500),
    };
    out.extend_from_slice(&render_event(Endpoint::Messages, &error, 0));
}
