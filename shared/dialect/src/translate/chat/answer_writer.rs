//! Events → chat answers, in chunks or whole.

use std::borrow::Cow;
use std::ops::Range;

use bulkhead_model::{Endpoint, Usage};
use bytes::{Bytes, BytesMut};

use super::super::AnswerOptions;
use super::super::form::{Citation, Delta, Event, Finish, Start};
use super::super::write::{self, Fields, USUAL_SIZE};
use super::delta_writer::{write_image, write_tool};
use super::usage::write_usage;
use super::whole::Choice;
use crate::error::{ErrorBody, render_event};
use crate::relay::StreamFailure;

/// Most citations of a block.
const MOST_CITATIONS: usize = 256;

/// Most choices that are written whole.
const MOST_CHOICES: usize = 128;

/// Writes one answer.
pub(crate) struct Writer {
    options: AnswerOptions,
    streams: bool,
    /// What every chunk begins with.
    head: BytesMut,
    id: String,
    model: String,
    created: u64,
    usage: Option<Usage>,
    /// Characters of text before the open block, and up to now: citations point at them.
    block: (u64, u64),
    /// JSON of the citations of the open block, without where they end.
    citations: Vec<Note>,
    /// A choice and the signature of its next call, or of its text.
    signature: Option<(u32, String)>,
    /// What was gathered, where the answer goes out whole.
    choices: Vec<Choice>,
}

/// A citation of the open block.
struct Note {
    choice: u32,
    url: String,
    title: Option<String>,
    /// Within the block, where that is known.
    span: Option<Range<u64>>,
}

impl Writer {
    pub(crate) fn new(options: AnswerOptions, streams: bool) -> Self {
        Self {
            streams,
            head: BytesMut::new(),
            id: String::new(),
            model: String::new(),
            created: options.created,
            usage: None,
            block: (0, 0),
            citations: Vec::new(),
            signature: None,
            choices: Vec::new(),
            options,
        }
    }

    pub(crate) fn write(&mut self, event: Event<'_>, out: &mut BytesMut) {
        match event {
            Event::Start(start) => self.start(&start, out),
            Event::More { choice, delta } => self.more(choice, delta, out),
            Event::BlockEnd => self.block_end(out),
            Event::Finish { choice, reason, .. } => {
                self.block_end(out);
                self.finish(choice, reason, out);
            }
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Failed(failure) => write_failure(Endpoint::ChatCompletions, &failure, out),
            Event::End => self.end(out),
        }
    }

    fn start(&mut self, start: &Start<'_>, out: &mut BytesMut) {
        let shown = self.options.shown_model.as_deref().or(start.model.as_deref());
        self.model = shown.unwrap_or_default().to_owned();
        self.id = start.id.as_deref().unwrap_or(&self.options.id).to_owned();
        self.created = start.created.unwrap_or(self.created);
        if !self.streams {
            return;
        }
        write_head(&mut self.head, "chat.completion.chunk", &self.id, self.created, &self.model);
        self.chunk(0, None, out, |delta| {
            delta.text("role", "assistant");
            delta.text("content", "");
        });
    }

    fn more(&mut self, choice: u32, delta: Delta<'_>, out: &mut BytesMut) {
        if let Delta::Text(text) = &delta {
            self.block.1 += u64::try_from(text.chars().count()).unwrap_or_default();
        }
        if let Delta::Citation(citation) = delta {
            return self.cite(choice, citation, out);
        }
        if !self.streams {
            if let Some(choice) = self.choice(choice) {
                choice.take(delta);
            }
            return;
        }
        match delta {
            Delta::Logprobs(logprobs) => self.logprobs(choice, logprobs, out),
            Delta::ThoughtSignature(signature) => {
                self.sign_text(out);
                self.signature = Some((choice, signature.into_owned()));
            }
            Delta::Tool { call, id, name } => {
                let own = self.signature.take_if(|(signed, _)| *signed == choice);
                let signature = own.map(|(_, signature)| signature);
                self.chunk(choice, None, out, |fields| {
                    write_tool(fields, call, &id, &name, signature.as_deref());
                });
            }
            delta => self.chunk(choice, None, out, |fields| write_delta(fields, delta)),
        }
    }

    /// A signature that no call came after is the text's.
    fn sign_text(&mut self, out: &mut BytesMut) {
        let Some((choice, signature)) = self.signature.take() else { return };
        self.chunk(choice, None, out, |delta| {
            delta.object("provider_specific_fields", |fields| {
                fields.array("thought_signatures", |items| items.text(&signature));
            });
        });
    }

    /// Where a cited text ends is known when its block does.
    fn cite(&mut self, choice: u32, citation: Citation<'_>, out: &mut BytesMut) {
        match citation {
            Citation::Url { url, title, span, .. } if self.citations.len() < MOST_CITATIONS => {
                let title = title.map(Cow::into_owned);
                self.citations.push(Note { choice, url: url.into_owned(), title, span });
            }
            Citation::Url { .. } => {}
            Citation::Place(place) if self.streams => self.chunk(choice, None, out, |delta| {
                delta.object("provider_specific_fields", |fields| fields.raw("citation", place));
            }),
            Citation::Place(place) => {
                if let Some(choice) = self.choice(choice) {
                    choice.place(place);
                }
            }
        }
    }

    fn block_end(&mut self, out: &mut BytesMut) {
        let (start, end) = self.block;
        self.block.0 = end;
        let notes = std::mem::take(&mut self.citations);
        for note in notes {
            let span = note.span.unwrap_or(0..end.saturating_sub(start));
            let annotation = |fields: &mut Fields<'_>| {
                fields.text("type", "url_citation");
                fields.object("url_citation", |citation| {
                    citation.number("start_index", start.saturating_add(span.start));
                    citation.number("end_index", start.saturating_add(span.end));
                    citation.text("url", &note.url);
                    citation.text("title", note.title.as_deref().unwrap_or_default());
                });
            };
            if self.streams {
                self.chunk(note.choice, None, out, |delta| {
                    delta.array("annotations", |items| items.object(annotation));
                });
            } else if let Some(choice) = self.choice(note.choice) {
                choice.annotate(annotation);
            }
        }
        if let Some(choice) = self.choices.last_mut() {
            choice.block_end();
        }
    }

    fn finish(&mut self, choice: u32, reason: Finish, out: &mut BytesMut) {
        let reason = finish_name(reason);
        if self.streams {
            self.sign_text(out);
            self.chunk(choice, Some(reason), out, |_| {});
        } else if let Some(choice) = self.choice(choice) {
            choice.finish(reason);
        }
    }

    fn end(&mut self, out: &mut BytesMut) {
        if !self.streams {
            return;
        }
        if let Some(usage) = self.usage.filter(|_| self.options.plan.include_usage) {
            out.extend_from_slice(b"data: ");
            write::object(out, |chunk| {
                self.head(chunk, "chat.completion.chunk");
                chunk.array("choices", |_| {});
                write_usage(chunk, &usage);
            });
            out.extend_from_slice(b"\n\n");
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    pub(crate) fn into_whole(mut self) -> Bytes {
        let mut out = BytesMut::with_capacity(USUAL_SIZE);
        let choices = std::mem::take(&mut self.choices);
        write::object(&mut out, |body| {
            self.head(body, "chat.completion");
            body.array("choices", |items| {
                for choice in choices {
                    items.object(|fields| choice.write(fields));
                }
            });
            if let Some(usage) = &self.usage {
                write_usage(body, usage);
            }
        });
        out.freeze()
    }

    fn head(&self, body: &mut Fields<'_>, object: &str) {
        body.text("id", &self.id);
        body.text("object", object);
        body.number("created", self.created);
        body.text("model", &self.model);
    }

    /// The choice of this number, where the answer goes out whole.
    fn choice(&mut self, number: u32) -> Option<&mut Choice> {
        let at = self.choices.iter().position(|choice| choice.number == number);
        let at = match at {
            Some(at) => at,
            None if self.choices.len() < MOST_CHOICES => {
                self.choices.push(Choice::new(number));
                self.choices.len() - 1
            }
            None => return None,
        };
        self.choices.get_mut(at)
    }

    fn chunk(
        &self,
        choice: u32,
        finish: Option<&str>,
        out: &mut BytesMut,
        fill: impl FnOnce(&mut Fields<'_>),
    ) {
        out.extend_from_slice(&self.head);
        write::number(out, u64::from(choice));
        out.extend_from_slice(b",\"delta\":");
        write::object(out, fill);
        out.extend_from_slice(b",\"finish_reason\":");
        match finish {
            Some(reason) => write::string(out, reason),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b"}]}\n\n");
    }

    fn logprobs(&self, choice: u32, logprobs: &[u8], out: &mut BytesMut) {
        out.extend_from_slice(&self.head);
        write::number(out, u64::from(choice));
        out.extend_from_slice(b",\"delta\":{},\"logprobs\":");
        out.extend_from_slice(logprobs);
        out.extend_from_slice(b",\"finish_reason\":null}]}\n\n");
    }
}

fn write_head(head: &mut BytesMut, object: &str, id: &str, created: u64, model: &str) {
    head.extend_from_slice(b"data: {\"id\":");
    write::string(head, id);
    head.extend_from_slice(b",\"object\":");
    write::string(head, object);
    head.extend_from_slice(b",\"created\":");
    write::number(head, created);
    head.extend_from_slice(b",\"model\":");
    write::string(head, model);
    head.extend_from_slice(b",\"choices\":[{\"index\":");
}

/// Thoughts go out as LiteLLM sends them: as text, and as the blocks that a client sends back.
fn write_delta(fields: &mut Fields<'_>, delta: Delta<'_>) {
    match delta {
        Delta::Text(text) => fields.text("content", &text),
        Delta::Refusal(text) => fields.text("refusal", &text),
        Delta::Thinking(text) => write_thinking(fields, &text, ""),
        Delta::Signature(signature) => write_thinking(fields, "", &signature),
        Delta::RedactedThinking(data) => fields.array("thinking_blocks", |items| {
            items.object(|block| {
                block.text("type", "redacted_thinking");
                block.text("data", &data);
            });
        }),
        Delta::Arguments { call, text } => fields.array("tool_calls", |items| {
            items.object(|item| {
                item.number("index", u64::from(call));
                item.object("function", |function| function.text("arguments", &text));
            });
        }),
        Delta::Audio(audio) => fields.raw("audio", audio),
        Delta::Image { media_type, data } => fields.array("images", |items| {
            items.object(|item| write_image(item, &media_type, &data));
        }),
        Delta::Tool { .. } | Delta::ThoughtSignature(_) | Delta::Citation(_) | Delta::Logprobs(_) => {}
    }
}

fn write_thinking(fields: &mut Fields<'_>, text: &str, signature: &str) {
    fields.text("reasoning_content", text);
    fields.array("thinking_blocks", |items| {
        items.object(|block| {
            block.text("type", "thinking");
            block.text("thinking", text);
            block.text("signature", signature);
        });
    });
}

fn finish_name(reason: Finish) -> &'static str {
    match reason {
        Finish::Stop | Finish::StopSequence | Finish::Pause => "stop",
        Finish::Length => "length",
        Finish::Tools => "tool_calls",
        Finish::Refused => "content_filter",
    }
}

/// Writes the event that ends a stream of one of OpenAI's older APIs.
pub(crate) fn write_failure(endpoint: Endpoint, failure: &StreamFailure, out: &mut BytesMut) {
    let status = failure.status.unwrap_or(500);
    let status_text = status.to_string();
    let error = ErrorBody {
        message: &failure.message,
        kind: failure.kind.as_deref().unwrap_or("api_error"),
        param: None,
        code: failure.code.as_deref().unwrap_or(&status_text),
        status,
    };
    out.extend_from_slice(&render_event(endpoint, &error, 0));
}
