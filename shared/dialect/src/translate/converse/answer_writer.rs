//! Events of the form → answers of Converse, in frames or whole.

use bulkhead_model::Usage;
use bytes::{Bytes, BytesMut};

use super::super::AnswerOptions;
use super::super::form::{Delta, Event, Finish};
use super::super::seal::mark_part;
use super::super::write::{self, Fields, USUAL_SIZE};
use super::open::{Block, Kind, More};
use super::usage::write_usage;
use crate::error::bedrock::stream_exception;
use crate::frames;
use crate::relay::StreamFailure;

/// Writes one answer. Converse has one choice; others are left out. It tells neither an id nor a model.
pub(crate) struct Writer {
    streams: bool,
    started: bool,
    /// Blocks before the open one.
    index: u64,
    open: Option<Block>,
    /// Finished blocks, with commas between them, where the answer goes out whole.
    blocks: BytesMut,
    refused: bool,
    finish: Option<Finish>,
    usage: Option<Usage>,
}

impl Writer {
    pub(crate) fn new(_: AnswerOptions, streams: bool) -> Self {
        Self {
            streams,
            started: false,
            index: 0,
            open: None,
            blocks: BytesMut::new(),
            refused: false,
            finish: None,
            usage: None,
        }
    }

    /// Writes one event. Fails when the event cannot come here any more.
    pub(crate) fn write(&mut self, event: Event<'_>, out: &mut BytesMut) -> Option<StreamFailure> {
        match event {
            Event::Start(_) => self.start(out),
            Event::More { choice: 0, delta } => return self.more(delta, out),
            Event::BlockEnd => self.close(out),
            Event::Finish { choice: 0, reason, .. } => self.finish = Some(reason),
            Event::More { .. } | Event::Finish { .. } => {}
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Failed(failure) => write_failure(&failure, out),
            Event::End => self.end(out),
        }
        None
    }

    fn start(&mut self, out: &mut BytesMut) {
        self.started = true;
        if self.streams {
            event(out, "messageStart", |data| data.text("role", "assistant"));
        }
    }

    fn more(&mut self, delta: Delta<'_>, out: &mut BytesMut) -> Option<StreamFailure> {
        match delta {
            Delta::Text(text) => self.append(Kind::Text, &More::Text(text), out),
            Delta::Refusal(text) => {
                self.refused = true;
                self.append(Kind::Text, &More::Text(text), out);
            }
            Delta::Thinking(text) => self.append(Kind::Thinking, &More::Thinking(text), out),
            Delta::Signature(text) => self.append(Kind::Thinking, &More::Signature(text), out),
            Delta::ThoughtSignature(text) => {
                self.append(Kind::Thinking, &More::Signature(mark_part(&text).into()), out);
                // What comes next may be signed itself.
                self.close(out);
            }
            Delta::RedactedThinking(data) => {
                self.close(out);
                self.append(Kind::Redacted, &More::Redacted(data), out);
                self.close(out);
            }
            Delta::Tool { call, id, name } => {
                self.close(out);
                let block = Block::tool(call, super::super::chat::call_id(&id, call), name);
                if self.streams {
                    event(out, "contentBlockStart", |data| {
                        data.object("start", |start| block.write_start(start));
                        data.number("contentBlockIndex", self.index);
                    });
                }
                self.open = Some(block);
            }
            Delta::Arguments { call, text } => {
                // A block that is closed cannot be opened again.
                if self.open.as_ref().map(|block| block.kind) != Some(Kind::Tool(call)) {
                    let failure = StreamFailure::interleaved();
                    write_failure(&failure, out);
                    return Some(failure);
                }
                self.append(Kind::Tool(call), &More::Input(text), out);
            }
            Delta::Citation(citation) => self.append(Kind::Text, &More::Citation(citation), out),
            Delta::Logprobs(_) | Delta::Audio(_) | Delta::Image { .. } => {}
        }
        None
    }

    fn append(&mut self, kind: Kind, more: &More<'_>, out: &mut BytesMut) {
        if self.open.as_ref().is_none_or(|block| block.kind != kind) {
            self.close(out);
            self.open = Some(Block::new(kind));
        }
        if self.streams {
            event(out, "contentBlockDelta", |data| {
                data.object("delta", |delta| more.write(delta));
                data.number("contentBlockIndex", self.index);
            });
        } else if let Some(block) = &mut self.open {
            block.take(more);
        }
    }

    fn close(&mut self, out: &mut BytesMut) {
        let Some(block) = self.open.take() else { return };
        if self.streams {
            event(out, "contentBlockStop", |data| data.number("contentBlockIndex", self.index));
        } else {
            if !self.blocks.is_empty() {
                self.blocks.extend_from_slice(b",");
            }
            write::object(&mut self.blocks, |fields| block.write(fields));
        }
        self.index += 1;
    }

    fn end(&mut self, out: &mut BytesMut) {
        if !self.started {
            self.start(out);
        }
        self.close(out);
        if self.streams {
            event(out, "messageStop", |data| data.text("stopReason", self.reason()));
            event(out, "metadata", |data| write_usage(data, self.usage.as_ref()));
        }
    }

    fn reason(&self) -> &'static str {
        match self.finish {
            _ if self.refused => "content_filtered",
            Some(Finish::Refused) => "content_filtered",
            Some(Finish::Tools) => "tool_use",
            Some(Finish::Stop | Finish::Pause) | None => "end_turn",
            Some(Finish::StopSequence) => "stop_sequence",
            Some(Finish::Length) => "max_tokens",
        }
    }

    pub(crate) fn into_whole(self) -> Bytes {
        let mut out = BytesMut::with_capacity(USUAL_SIZE);
        write::object(&mut out, |body| {
            body.object("output", |output| {
                output.object("message", |message| {
                    message.text("role", "assistant");
                    let content = message.value("content");
                    content.extend_from_slice(b"[");
                    content.extend_from_slice(&self.blocks);
                    content.extend_from_slice(b"]");
                });
            });
            body.text("stopReason", self.reason());
            write_usage(body, self.usage.as_ref());
        });
        out.freeze()
    }
}

fn event(out: &mut BytesMut, name: &'static str, fill: impl FnOnce(&mut Fields<'_>)) {
    let mut payload = BytesMut::with_capacity(128);
    write::object(&mut payload, fill);
    frames::write_event(name, payload.freeze(), out);
}

fn write_failure(failure: &StreamFailure, out: &mut BytesMut) {
    let mut payload = BytesMut::new();
    write::object(&mut payload, |body| body.text("message", &failure.message));
    frames::write_exception(stream_exception(failure.status.unwrap_or(500)), payload.freeze(), out);
}
