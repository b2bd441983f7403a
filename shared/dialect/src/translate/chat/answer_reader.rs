//! Chat answers, in chunks or whole → events.

use std::borrow::Cow;

use super::super::form::{Delta, Event, Finish, Start};
use super::super::json::{fields, get, get_text, items, text};
use super::super::reader::remembered;
use super::calls::Calls;
use super::delta::read_delta;
use crate::json::view::whole_number;
use crate::relay::StreamFailure;
use crate::usage::{Reported, UsageMeter};

/// Reads one answer.
#[derive(Default)]
pub(crate) struct Reader {
    pub(crate) meter: UsageMeter,
    pub(crate) finish: Option<String>,
    started: bool,
    calls: Calls,
    seen: u128,
    finished: u128,
}

impl Reader {
    pub(crate) fn event(&mut self, data: &[u8], name: Option<&[u8]>, sink: &mut impl FnMut(Event<'_>)) {
        if data.trim_ascii() == b"[DONE]" {
            return sink(Event::End);
        }
        let chunk = Chunk::read(data);
        if name == Some(b"error") || chunk.error.is_some() {
            self.usage(&chunk, false);
            return sink(Event::Failed(StreamFailure::read(data)));
        }
        self.choices(data, &chunk, "delta", sink);
        let over = self.may_end();
        if self.usage(&chunk, over)
            && let Some(usage) = self.meter.usage()
        {
            sink(Event::Usage(usage));
        }
    }

    pub(crate) fn whole(&mut self, body: &[u8], sink: &mut impl FnMut(Event<'_>)) -> bool {
        let chunk = Chunk::read(body);
        if chunk.choices.is_none() {
            return false;
        }
        self.choices(body, &chunk, "message", sink);
        if self.usage(&chunk, true)
            && let Some(usage) = self.meter.usage()
        {
            sink(Event::Usage(usage));
        }
        sink(Event::End);
        true
    }

    /// True when every choice there was is finished.
    pub(crate) fn may_end(&self) -> bool {
        self.seen != 0 && self.seen == self.finished
    }

    fn usage(&mut self, chunk: &Chunk<'_>, is_final: bool) -> bool {
        let says = chunk.reported.says_something();
        if says {
            self.meter.chunk(&chunk.reported, is_final);
        }
        says
    }

    fn choices(
        &mut self,
        data: &[u8],
        chunk: &Chunk<'_>,
        member: &'static str,
        sink: &mut impl FnMut(Event<'_>),
    ) {
        for choice in chunk.choices.into_iter().flat_map(items) {
            if !std::mem::replace(&mut self.started, true) {
                sink(Event::Start(read_start(data)));
            }
            self.choice(&Choice::read(choice, member), sink);
        }
    }

    fn choice(&mut self, choice: &Choice<'_>, sink: &mut impl FnMut(Event<'_>)) {
        // A choice beyond what can be counted could not be told to be finished.
        let Some(bit) = 1u128.checked_shl(choice.number) else { return };
        self.seen |= bit;
        // Some providers repeat the reason, with the usage.
        if self.finished & bit != 0 {
            return;
        }
        if let Some(delta) = choice.delta {
            read_delta(delta, choice.number, &mut self.calls, &mut |delta| {
                sink(Event::More { choice: choice.number, delta });
            });
        }
        if let Some(text) = choice.text.as_deref().filter(|text| !text.is_empty()) {
            sink(Event::More { choice: choice.number, delta: Delta::Text(text.into()) });
        }
        if let Some(logprobs) = choice.logprobs {
            sink(Event::More { choice: choice.number, delta: Delta::Logprobs(logprobs) });
        }
        if let Some(reason) = &choice.reason {
            self.finish = Some(remembered(reason));
            self.finished |= bit;
            let reason = match read_finish(reason) {
                // Some call it a stop; agents go on only when they are told to.
                Finish::Stop if self.calls.any(choice.number) => Finish::Tools,
                reason => reason,
            };
            sink(Event::Finish { choice: choice.number, reason, stop_sequence: None });
        }
    }
}

/// The members of a chunk, or of an answer, that matter.
#[derive(Default)]
struct Chunk<'a> {
    choices: Option<&'a [u8]>,
    error: Option<&'a [u8]>,
    reported: Reported<'a>,
}

impl<'a> Chunk<'a> {
    fn read(data: &'a [u8]) -> Self {
        let mut chunk = Self::default();
        for (name, value) in fields(data) {
            match &*name {
                "choices" => chunk.choices = Some(value),
                "error" if !matches!(value, b"{}" | b"\"\"" | b"false") => chunk.error = Some(value),
                name => chunk.reported.take(name.as_bytes(), value),
            }
        }
        chunk
    }
}

/// The members of a choice that matter.
#[derive(Default)]
struct Choice<'a> {
    number: u32,
    delta: Option<&'a [u8]>,
    /// Of a completion.
    text: Option<Cow<'a, str>>,
    logprobs: Option<&'a [u8]>,
    reason: Option<Cow<'a, str>>,
}

impl<'a> Choice<'a> {
    fn read(data: &'a [u8], member: &str) -> Self {
        let mut choice = Self::default();
        for (name, value) in fields(data) {
            match &*name {
                "index" => {
                    let number = whole_number(value).map(u32::try_from);
                    choice.number = number.unwrap_or(Ok(0)).unwrap_or(u32::MAX);
                }
                "text" => choice.text = text(value),
                "logprobs" => choice.logprobs = Some(value),
                "finish_reason" => choice.reason = text(value),
                name if name == member => choice.delta = Some(value),
                _ => {}
            }
        }
        choice
    }
}

fn read_start(data: &[u8]) -> Start<'_> {
    Start {
        id: get_text(data, "id").filter(|id| !id.is_empty()),
        model: get_text(data, "model").filter(|model| !model.is_empty()),
        created: get(data, "created").and_then(whole_number).filter(|created| *created > 0),
    }
}

fn read_finish(reason: &str) -> Finish {
    match reason {
        "length" | "max_tokens" | "model_length" => Finish::Length,
        "tool_calls" | "function_call" | "tool_use" => Finish::Tools,
        "content_filter" | "refusal" => Finish::Refused,
        _ => Finish::Stop,
    }
}
