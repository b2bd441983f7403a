//! Events → answers of completions, in chunks or whole. They have text, and nothing else.

use bulkhead_model::{Endpoint, Usage};
use bytes::{Bytes, BytesMut};

use super::super::AnswerOptions;
use super::super::chat::{write_failure, write_usage};
use super::super::form::{Delta, Event, Finish, Start};
use super::super::write::{self, Fields, USUAL_SIZE};
use super::logprobs::Logprobs;

/// Most choices that are written.
const MOST_CHOICES: usize = 128;

/// Writes one answer.
pub(crate) struct Writer {
    options: AnswerOptions,
    streams: bool,
    id: String,
    model: String,
    created: u64,
    usage: Option<Usage>,
    choices: Vec<Choice>,
}

/// A choice. In a stream it holds only what the next chunk shows.
struct Choice {
    number: u32,
    text: String,
    logprobs: Logprobs,
    finish: Option<&'static str>,
}

impl Writer {
    pub(crate) fn new(options: AnswerOptions, streams: bool) -> Self {
        Self {
            streams,
            id: String::new(),
            model: String::new(),
            created: options.created,
            usage: None,
            choices: Vec::new(),
            options,
        }
    }

    pub(crate) fn write(&mut self, event: Event<'_>, out: &mut BytesMut) {
        match event {
            Event::Start(start) => self.start(&start),
            Event::More { choice, delta: Delta::Text(text) | Delta::Refusal(text) } => {
                self.change(choice, out, |choice| choice.text.push_str(&text));
            }
            Event::More { choice, delta: Delta::Logprobs(logprobs) } => {
                self.change(choice, out, |choice| choice.logprobs.take(logprobs));
            }
            Event::Finish { choice, reason, .. } => {
                self.change(choice, out, |choice| choice.finish = Some(finish_name(reason)));
            }
            Event::More { .. } | Event::BlockEnd => {}
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Failed(failure) => write_failure(Endpoint::Completions, &failure, out),
            Event::End => self.end(out),
        }
    }

    fn start(&mut self, start: &Start<'_>) {
        let shown = self.options.shown_model.as_deref().or(start.model.as_deref());
        self.model = shown.unwrap_or_default().to_owned();
        self.id = start.id.as_deref().unwrap_or(&self.options.id).to_owned();
        self.created = start.created.unwrap_or(self.created);
    }

    /// Changes a choice, and shows what is new of it at once in a stream.
    fn change(&mut self, number: u32, out: &mut BytesMut, change: impl FnOnce(&mut Choice)) {
        let at = self.choices.iter().position(|choice| choice.number == number);
        if at.is_none() {
            if self.choices.len() >= MOST_CHOICES {
                return;
            }
            let logprobs = Logprobs::default();
            self.choices.push(Choice { number, text: String::new(), logprobs, finish: None });
        }
        let at = at.unwrap_or(self.choices.len() - 1);
        if let Some(choice) = self.choices.get_mut(at) {
            change(choice);
        }
        if let (true, Some(choice)) = (self.streams, self.choices.get(at)) {
            out.extend_from_slice(b"data: ");
            write::object(out, |chunk| {
                self.head(chunk);
                chunk.array("choices", |items| items.object(|fields| choice.write(fields)));
            });
            out.extend_from_slice(b"\n\n");
        }
        if let (true, Some(choice)) = (self.streams, self.choices.get_mut(at)) {
            choice.text.clear();
            choice.logprobs.clear();
        }
    }

    fn end(&mut self, out: &mut BytesMut) {
        if !self.streams {
            return;
        }
        if let Some(usage) = self.usage.filter(|_| self.options.plan.include_usage) {
            out.extend_from_slice(b"data: ");
            write::object(out, |chunk| {
                self.head(chunk);
                chunk.array("choices", |_| {});
                write_usage(chunk, &usage);
            });
            out.extend_from_slice(b"\n\n");
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    pub(crate) fn into_whole(self) -> Bytes {
        let mut out = BytesMut::with_capacity(USUAL_SIZE);
        write::object(&mut out, |body| {
            self.head(body);
            body.array("choices", |items| {
                for choice in &self.choices {
                    items.object(|fields| choice.write(fields));
                }
            });
            if let Some(usage) = &self.usage {
                write_usage(body, usage);
            }
        });
        out.freeze()
    }

    fn head(&self, body: &mut Fields<'_>) {
        body.text("id", &self.id);
        body.text("object", "text_completion");
        body.number("created", self.created);
        body.text("model", &self.model);
    }
}

impl Choice {
    fn write(&self, fields: &mut Fields<'_>) {
        fields.text("text", &self.text);
        fields.number("index", u64::from(self.number));
        self.logprobs.write(fields);
        match self.finish {
            Some(reason) => fields.text("finish_reason", reason),
            None => fields.raw("finish_reason", b"null"),
        }
    }
}

fn finish_name(reason: Finish) -> &'static str {
    match reason {
        Finish::Stop | Finish::StopSequence | Finish::Pause | Finish::Tools => "stop",
        Finish::Length => "length",
        Finish::Refused => "content_filter",
    }
}
