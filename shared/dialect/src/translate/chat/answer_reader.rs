//! Chat answers, in chunks or whole → events.

use super::super::form::{Event, Finish, Start};
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
        let says_error = |error: &[u8]| !matches!(error, b"{}" | b"\"\"" | b"false");
        if name == Some(b"error") || get(data, "error").is_some_and(says_error) {
            self.usage(data, false);
            return sink(Event::Failed(StreamFailure::read(data)));
        }
        self.choices(data, "delta", sink);
        let over = self.may_end();
        if self.usage(data, over)
            && let Some(usage) = self.meter.usage()
        {
            sink(Event::Usage(usage));
        }
    }

    pub(crate) fn whole(&mut self, body: &[u8], sink: &mut impl FnMut(Event<'_>)) -> bool {
        if get(body, "choices").is_none() {
            return false;
        }
        self.choices(body, "message", sink);
        if self.usage(body, true)
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

    fn usage(&mut self, data: &[u8], is_final: bool) -> bool {
        let mut reported = Reported::default();
        for (name, value) in fields(data) {
            reported.take(name.as_bytes(), value);
        }
        let says = reported.says_something();
        if says {
            self.meter.chunk(&reported, is_final);
        }
        says
    }

    fn choices(&mut self, data: &[u8], member: &str, sink: &mut impl FnMut(Event<'_>)) {
        for choice in get(data, "choices").into_iter().flat_map(items) {
            if !std::mem::replace(&mut self.started, true) {
                sink(Event::Start(read_start(data)));
            }
            self.choice(choice, member, sink);
        }
    }

    fn choice(&mut self, choice: &[u8], member: &str, sink: &mut impl FnMut(Event<'_>)) {
        let index = get(choice, "index").and_then(whole_number).unwrap_or_default();
        let (Ok(number), Some(bit)) =
            (u32::try_from(index), u32::try_from(index).ok().and_then(|index| 1u128.checked_shl(index)))
        else {
            return;
        };
        self.seen |= bit;
        let finished = self.finished & bit != 0;
        if let Some(delta) = get(choice, member).filter(|_| !finished) {
            read_delta(delta, number, &mut self.calls, &mut |delta| {
                sink(Event::More { choice: number, delta });
            });
        }
        if let Some(logprobs) = get(choice, "logprobs").filter(|_| !finished) {
            let delta = super::super::form::Delta::Logprobs(logprobs);
            sink(Event::More { choice: number, delta });
        }
        if let Some(reason) = get(choice, "finish_reason").and_then(text) {
            self.finish = Some(remembered(&reason));
            // Some providers repeat the reason with the usage.
            if !finished {
                let reason = match read_finish(&reason) {
                    // Some call it a stop; agents go on only when they are told to.
                    Finish::Stop if self.calls.any(number) => Finish::Tools,
                    reason => reason,
                };
                sink(Event::Finish { choice: number, reason, stop_sequence: None });
            }
            self.finished |= bit;
        }
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
