//! Events of the form → answers of responses, in events or whole.

use bulkhead_model::Usage;
use bytes::{Bytes, BytesMut};

use super::super::AnswerOptions;
use super::super::form::{Citation, Delta, Event, Finish, Start};
use super::super::seal::mark_part;
use super::super::write::{self, USUAL_SIZE};
use super::head::{Head, Status, error_code};
use super::items::Items;
use super::part::Kind;
use crate::relay::StreamFailure;

/// Most bytes of an answer, which is kept whole because its last event repeats all of it.
const LONGEST: usize = 32 << 20;

/// Writes one answer. Responses have one choice; others are left out.
pub(crate) struct Writer {
    options: AnswerOptions,
    head: Head,
    started: bool,
    items: Items,
    /// Bytes so far.
    length: usize,
    refused: bool,
    finish: Option<Finish>,
    usage: Option<Usage>,
}

impl Writer {
    pub(crate) fn new(options: AnswerOptions, streams: bool) -> Self {
        Self {
            head: Head::default(),
            started: false,
            items: Items::new(streams),
            length: 0,
            refused: false,
            finish: None,
            usage: None,
            options,
        }
    }

    /// Writes one event. Fails when the event cannot come here any more, or when there is no room for it.
    pub(crate) fn write(&mut self, event: Event<'_>, out: &mut BytesMut) -> Option<StreamFailure> {
        match event {
            Event::Start(start) => self.start(&start, out),
            Event::More { choice: 0, delta } => {
                let failure = failure(self.more(delta, out).err()?);
                self.fail(&failure, out);
                return Some(failure);
            }
            Event::BlockEnd => self.items.block_end(out),
            Event::Finish { choice: 0, reason, .. } => self.finish = Some(reason),
            Event::More { .. } | Event::Finish { .. } => {}
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Failed(failure) => self.fail(&failure, out),
            Event::End => self.end(out),
        }
        None
    }

    fn start(&mut self, start: &Start<'_>, out: &mut BytesMut) {
        self.head = Head::new(start, &self.options);
        self.items.id.clone_from(&self.head.id);
        self.started = true;
        for kind in ["response.created", "response.in_progress"] {
            self.response(kind, Status::InProgress, out);
        }
    }

    /// An event that shows the response as it is.
    fn response(&mut self, kind: &str, status: Status<'_>, out: &mut BytesMut) {
        let Self { head, items, usage, .. } = self;
        let Items { events, output, .. } = items;
        events.write(kind, out, |data| {
            data.object("response", |body| head.write(status, output, usage.as_ref(), body));
        });
    }

    fn more(&mut self, delta: Delta<'_>, out: &mut BytesMut) -> Result<(), &'static str> {
        self.length = self.length.saturating_add(delta.bytes());
        if self.length > LONGEST {
            return Err("the answer is too long");
        }
        match delta {
            Delta::Text(text) => self.items.say(false, &text, out),
            Delta::Refusal(text) => {
                self.refused = true;
                self.items.say(true, &text, out);
            }
            Delta::Thinking(text) => self.items.think(&text, out),
            Delta::Signature(signature) => self.items.prove(&signature, out),
            Delta::ThoughtSignature(signature) => {
                self.items.prove(&mark_part(&signature), out);
                // What comes next may be signed itself.
                self.items.close("completed", out);
            }
            Delta::RedactedThinking(data) => self.items.redacted(&data, out),
            Delta::Tool { call, id, name } => {
                let id = super::super::chat::call_id(&id, call).into_owned();
                if self.options.plan.plain_tools.contains(&*name) {
                    self.items.call(Kind::PlainCall { number: call, id, name: name.into_owned() }, out);
                    return Ok(());
                }
                let named = self.options.plan.namespaced.iter().find(|tool| tool.whole_name() == name);
                let (namespace, name) = match named {
                    Some(tool) => (Some(tool.namespace.clone()), tool.name.clone()),
                    None => (None, name.into_owned()),
                };
                self.items.call(Kind::Call { number: call, id, name, namespace }, out);
            }
            Delta::Arguments { call, text } if !self.items.arguments(call, &text, out) => {
                return Err("the provider went back to a tool call that was over");
            }
            Delta::Citation(Citation::Url { url, title, span, .. }) => {
                self.items.part(false, out).cite(url.into_owned(), title.map(String::from), span);
            }
            Delta::Logprobs(logprobs) => self.items.logprobs(logprobs, out),
            Delta::Arguments { .. }
            | Delta::Citation(Citation::Place(_))
            | Delta::Audio(_)
            | Delta::Image { .. } => {}
        }
        Ok(())
    }

    fn end(&mut self, out: &mut BytesMut) {
        if !self.started {
            self.start(&Start::default(), out);
        }
        let status = self.status();
        self.items.close(status.name(), out);
        let kind = if status == Status::Completed { "response.completed" } else { "response.incomplete" };
        self.response(kind, status, out);
    }

    fn status(&self) -> Status<'static> {
        Status::of(self.finish, self.refused)
    }

    /// OpenAI reports a failure twice, and some clients look for one event, some for the other.
    fn fail(&mut self, failure: &StreamFailure, out: &mut BytesMut) {
        if !self.started {
            self.start(&Start::default(), out);
        }
        self.items.events.write("error", out, |data| {
            data.text("code", error_code(failure));
            data.text("message", &failure.message);
            data.raw("param", b"null");
        });
        self.response("response.failed", Status::Failed(failure), out);
    }

    pub(crate) fn into_whole(self) -> Bytes {
        let mut out = BytesMut::with_capacity(USUAL_SIZE);
        write::object(&mut out, |body| {
            self.head.write(self.status(), &self.items.output, self.usage.as_ref(), body);
        });
        out.freeze()
    }
}

fn failure(message: &str) -> StreamFailure {
    StreamFailure {
        status: Some(502),
        kind: Some("api_error".to_owned()),
        code: None,
        message: message.to_owned(),
    }
}
