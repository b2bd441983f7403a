//! The items of an answer as they come and go.

use bytes::BytesMut;

use super::super::json::{get, items};
use super::events::{Events, Place};
use super::part::{Kind, Open, Part, separate, write_summary};

/// The one part of a summary.
const SUMMARY: Option<Place> = Some(("summary_index", 0));

/// What an answer has said.
pub(super) struct Items {
    pub(super) events: Events,
    /// The answer's id, of which those of items are made.
    pub(super) id: String,
    /// A message or thoughts that are not done.
    open: Option<Open>,
    /// Calls that are not done.
    calls: Vec<Open>,
    /// Items so far.
    count: u64,
    /// Finished items, with commas between them.
    pub(super) output: BytesMut,
}

impl Items {
    pub(super) fn new(streams: bool) -> Self {
        Self {
            events: Events::new(streams),
            id: String::new(),
            open: None,
            calls: Vec::new(),
            count: 0,
            output: BytesMut::new(),
        }
    }

    /// The open item of this kind. Another one is closed for it.
    fn item(&mut self, kind: Kind, out: &mut BytesMut) -> (&mut Events, &mut Open) {
        if !self.calls.is_empty() || self.open.as_ref().is_some_and(|open| open.kind != kind) {
            self.close("completed", out);
        }
        let Self { events, open, id, count, .. } = self;
        let is_new = open.is_none();
        let item = open.get_or_insert_with(|| Open::new(kind, next(count), id));
        if is_new {
            added(item, events, out);
        }
        (events, item)
    }

    /// The open part of a message.
    pub(super) fn part(&mut self, is_refusal: bool, out: &mut BytesMut) -> &mut Part {
        let is_other = |part: &Part| part.is_refusal != is_refusal;
        if self.open.as_ref().and_then(|open| open.part.as_ref()).is_some_and(is_other) {
            self.close_part(out);
        }
        let (events, item) = self.item(Kind::Message, out);
        if item.part.is_none() {
            let part = Part::new(is_refusal);
            events.within("response.content_part.added", item, item.place(), out, |data| {
                part.write(data.value("part"));
            });
            item.part = Some(part);
        }
        item.part.get_or_insert_with(|| Part::new(is_refusal))
    }

    /// More of a message.
    pub(super) fn say(&mut self, is_refusal: bool, text: &str, out: &mut BytesMut) {
        self.part(is_refusal, out).text.push_str(text);
        let (events, item) = self.item(Kind::Message, out);
        let place = item.place();
        if is_refusal {
            events.within("response.refusal.delta", item, place, out, |data| data.text("delta", text));
        } else {
            events.within("response.output_text.delta", item, place, out, |data| {
                data.text("delta", text);
                data.raw("logprobs", b"[]");
            });
        }
    }

    /// Takes chat's probabilities of a text.
    pub(super) fn logprobs(&mut self, logprobs: &[u8], out: &mut BytesMut) {
        let mut elements = get(logprobs, "content").into_iter().flat_map(items).peekable();
        if elements.peek().is_some() {
            let part = self.part(false, out);
            elements.for_each(|element| part.take_logprob(element));
        }
    }

    /// More thoughts.
    pub(super) fn think(&mut self, text: &str, out: &mut BytesMut) {
        let (events, item) = self.item(Kind::Reasoning, out);
        if item.text.is_empty() {
            events.within("response.reasoning_summary_part.added", item, SUMMARY, out, |data| {
                data.object("part", |part| write_summary("", part));
            });
        }
        item.text.push_str(text);
        events.within("response.reasoning_summary_text.delta", item, SUMMARY, out, |data| {
            data.text("delta", text);
        });
    }

    /// More of the proof of the thoughts.
    pub(super) fn prove(&mut self, signature: &str, out: &mut BytesMut) {
        self.item(Kind::Reasoning, out).1.signature.push_str(signature);
    }

    /// Thoughts that nobody can read.
    pub(super) fn redacted(&mut self, data: &str, out: &mut BytesMut) {
        self.close("completed", out);
        data.clone_into(&mut self.item(Kind::Reasoning, out).1.redacted);
        self.close("completed", out);
    }

    /// A call begins. Others may go on beside it.
    pub(super) fn call(&mut self, call: Kind, out: &mut BytesMut) {
        if self.open.is_some() {
            self.close("completed", out);
        }
        let item = Open::new(call, next(&mut self.count), &self.id);
        added(&item, &mut self.events, out);
        self.calls.push(item);
    }

    /// More of a call's arguments. False when the call is over.
    pub(super) fn arguments(&mut self, number: u32, text: &str, out: &mut BytesMut) -> bool {
        let is_it = |item: &&mut Open| match item.kind {
            Kind::Call { number: found, .. } | Kind::PlainCall { number: found, .. } => found == number,
            Kind::Message | Kind::Reasoning => false,
        };
        let Some(item) = self.calls.iter_mut().rev().find(is_it) else { return false };
        if matches!(item.kind, Kind::PlainCall { .. }) {
            let text = item.plain.feed(text);
            input(item, &text, &mut self.events, out);
            return true;
        }
        item.text.push_str(text);
        self.events.within("response.function_call_arguments.delta", item, None, out, |data| {
            data.text("delta", text);
        });
        true
    }

    /// What comes next is something else: another part of the same message, or another item.
    pub(super) fn block_end(&mut self, out: &mut BytesMut) {
        if self.open.as_ref().is_some_and(|open| open.kind == Kind::Message) {
            self.close_part(out);
        } else {
            self.close("completed", out);
        }
    }

    /// Ends whatever is open.
    pub(super) fn close(&mut self, status: &str, out: &mut BytesMut) {
        self.close_part(out);
        let calls = std::mem::take(&mut self.calls);
        for mut item in self.open.take().into_iter().chain(calls) {
            let rest = item.plain.rest();
            input(&mut item, &rest, &mut self.events, out);
            self.finish(&item, status, out);
        }
    }

    fn close_part(&mut self, out: &mut BytesMut) {
        let Self { events, open: Some(item), .. } = self else { return };
        let Some(part) = item.part.take() else { return };
        let place = item.place();
        for (number, annotation) in (0u64..).zip(part.annotations()) {
            events.within("response.output_text.annotation.added", item, place, out, |data| {
                data.number("annotation_index", number);
                data.object("annotation", annotation);
            });
        }
        if part.is_refusal {
            events.within("response.refusal.done", item, place, out, |data| data.text("refusal", &part.text));
        } else {
            events.within("response.output_text.done", item, place, out, |data| {
                data.text("text", &part.text);
                part.write_logprobs(data);
            });
        }
        events.within("response.content_part.done", item, place, out, |data| part.write(data.value("part")));
        item.keep(&part);
    }

    fn finish(&mut self, item: &Open, status: &str, out: &mut BytesMut) {
        let events = &mut self.events;
        match &item.kind {
            Kind::Message => {}
            Kind::Reasoning if item.text.is_empty() => {}
            Kind::Reasoning => {
                events.within("response.reasoning_summary_text.done", item, SUMMARY, out, |data| {
                    data.text("text", &item.text);
                });
                events.within("response.reasoning_summary_part.done", item, SUMMARY, out, |data| {
                    data.object("part", |part| write_summary(&item.text, part));
                });
            }
            Kind::Call { name, .. } => {
                events.within("response.function_call_arguments.done", item, None, out, |data| {
                    data.text("name", name);
                    data.text("arguments", &item.text);
                });
            }
            Kind::PlainCall { .. } => {
                events.within("response.custom_tool_call_input.done", item, None, out, |data| {
                    data.text("input", &item.text);
                });
            }
        }
        separate(&mut self.output);
        let start = self.output.len();
        item.write(status, &mut self.output);
        let written = self.output.get(start..).unwrap_or_default();
        events.item("response.output_item.done", item.index, written, out);
    }
}

fn next(count: &mut u64) -> u64 {
    *count += 1;
    *count - 1
}

/// More of the text of a call that takes plain text.
fn input(item: &mut Open, text: &str, events: &mut Events, out: &mut BytesMut) {
    if !text.is_empty() {
        item.text.push_str(text);
        events.within("response.custom_tool_call_input.delta", item, None, out, |data| {
            data.text("delta", text)
        });
    }
}

fn added(item: &Open, events: &mut Events, out: &mut BytesMut) {
    if events.streams {
        let mut json = BytesMut::new();
        item.write("in_progress", &mut json);
        events.item("response.output_item.added", item.index, &json, out);
    }
}
