//! Answers, in events or whole → events of the form.

use std::borrow::Cow;

use super::super::form::{Delta, Event, Finish, Start};
use super::super::json::{get, get_text, items};
use super::super::reader::remembered;
use super::citations::read_citations;
use super::logprobs::with_logprobs;
use crate::json::view::whole_number;
use crate::relay::StreamFailure;
use crate::usage::UsageMeter;

/// Citations in the order of the blocks that they are of: where one says no block there is one of text, the last.
fn by_block(message: &[u8], last_text: Option<u64>) -> Vec<(u64, &[u8])> {
    let place = |citation| get(citation, "content_index").and_then(whole_number).or(last_text);
    let all = get(message, "citations").into_iter().flat_map(items);
    let mut placed: Vec<_> = all.filter_map(|citation| Some((place(citation)?, citation))).collect();
    placed.sort_by_key(|(place, _)| *place);
    placed
}

/// Reads one answer.
#[derive(Default)]
pub(crate) struct Reader {
    pub(crate) meter: UsageMeter,
    pub(crate) finish: Option<String>,
    started: bool,
    /// Calls so far.
    calls: u32,
    /// The last call has not ended, and whether there were arguments.
    open: Option<bool>,
}

impl Reader {
    pub(crate) fn event(&mut self, data: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        let delta = get(data, "delta").unwrap_or_default();
        let message = get(delta, "message").unwrap_or_default();
        let kind = get_text(data, "type");
        // Something that is not one of its events: an error as a plain answer has it.
        if kind.is_none() && get_text(data, "message").is_some() {
            return sink(Event::Failed(StreamFailure::read(data)));
        }
        if kind.is_some() && !std::mem::replace(&mut self.started, true) {
            sink(Event::Start(read_start(data)));
        }
        match kind.as_deref() {
            Some("content-start" | "content-delta") => {
                read_content(get(message, "content").unwrap_or_default(), sink);
                with_logprobs(get(data, "logprobs").into_iter(), |logprobs| {
                    more(Delta::Logprobs(logprobs), sink);
                });
            }
            Some("content-end") => sink(Event::BlockEnd),
            Some("tool-plan-delta") => said(get_text(message, "tool_plan"), Delta::Thinking, sink),
            Some("tool-call-start") => {
                self.end_call(sink);
                self.call(get(message, "tool_calls").unwrap_or_default(), sink);
            }
            Some("tool-call-delta") => self.arguments(get(message, "tool_calls").unwrap_or_default(), sink),
            Some("tool-call-end") => self.end_call(sink),
            Some("citation-start") => read_citations(get(message, "citations").unwrap_or_default(), sink),
            Some("message-end") => self.end(delta, sink),
            _ => {}
        }
    }

    /// Reads an answer in one piece. One that failed in the middle is none.
    pub(crate) fn whole(&mut self, body: &[u8], sink: &mut impl FnMut(Event<'_>)) -> bool {
        let Some(message) = get(body, "message").filter(|message| message.starts_with(b"{")) else {
            return false;
        };
        if get_text(body, "finish_reason").is_some_and(|reason| failed_status(&reason).is_some()) {
            return false;
        }
        sink(Event::Start(read_start(body)));
        said(get_text(message, "tool_plan"), Delta::Thinking, sink);
        let content = get(message, "content").unwrap_or_default();
        let texts = (0u64..).zip(items(content)).filter(|(_, block)| get(block, "text").is_some());
        let citations = by_block(message, texts.last().map(|(at, _)| at));
        let mut citations = citations.iter().peekable();
        for (at, block) in (0u64..).zip(items(content)) {
            read_content(block, sink);
            while let Some((_, citation)) = citations.next_if(|(place, _)| *place <= at) {
                read_citations(citation, sink);
            }
            sink(Event::BlockEnd);
        }
        with_logprobs(get(body, "logprobs").into_iter().flat_map(items), |logprobs| {
            more(Delta::Logprobs(logprobs), sink);
        });
        for call in get(message, "tool_calls").into_iter().flat_map(items) {
            self.call(call, sink);
            self.end_call(sink);
        }
        self.end(body, sink);
        true
    }

    fn call(&mut self, call: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        let number = self.calls;
        self.calls += 1;
        self.open = Some(false);
        let name = get(call, "function").and_then(|function| get_text(function, "name")).unwrap_or_default();
        let id = get_text(call, "id").unwrap_or_default();
        more(Delta::Tool { call: number, id, name }, sink);
        self.arguments(call, sink);
    }

    fn arguments(&mut self, call: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        let Some(said) = &mut self.open else { return };
        let text = get(call, "function").and_then(|function| get_text(function, "arguments"));
        // A tool without parameters is called with null.
        if let Some(text) = text.filter(|text| !text.is_empty() && (*said || text != "null")) {
            *said = true;
            more(Delta::Arguments { call: self.calls.saturating_sub(1), text }, sink);
        }
    }

    /// A call without arguments has the empty object: a client parses what it gets.
    fn end_call(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        let Some(said) = self.open.take() else { return };
        if !said {
            let call = self.calls.saturating_sub(1);
            more(Delta::Arguments { call, text: "{}".into() }, sink);
        }
        sink(Event::BlockEnd);
    }

    /// `end` is what the answer ends with: its finish reason and its usage.
    fn end(&mut self, end: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        self.end_call(sink);
        if let Some(usage) = get(end, "usage").and_then(|usage| self.meter.cohere(usage)) {
            sink(Event::Usage(usage));
        }
        let reason = get_text(end, "finish_reason").unwrap_or_default();
        self.finish = Some(remembered(&reason));
        if let Some(status) = failed_status(&reason) {
            return sink(Event::Failed(failure(status, &reason, get_text(end, "error"))));
        }
        let reason = match &*reason {
            "MAX_TOKENS" => Finish::Length,
            "STOP_SEQUENCE" => Finish::StopSequence,
            "TOOL_CALL" => Finish::Tools,
            _ if self.calls > 0 => Finish::Tools,
            _ => Finish::Stop,
        };
        sink(Event::Finish { choice: 0, reason, stop_sequence: None });
        sink(Event::End);
    }
}

/// The status of an answer that ends with a failure.
fn failed_status(reason: &str) -> Option<u16> {
    match reason {
        "ERROR" => Some(500),
        "TIMEOUT" => Some(504),
        _ => None,
    }
}

fn failure(status: u16, reason: &str, said: Option<Cow<'_, str>>) -> StreamFailure {
    let message = said.map_or_else(|| format!("the answer ended with {reason}"), Cow::into_owned);
    let kind = if status == 504 { "timeout_error" } else { "api_error" };
    StreamFailure { status: Some(status), kind: Some(kind.to_owned()), code: None, message }
}

fn read_start(data: &[u8]) -> Start<'_> {
    Start { id: get_text(data, "id"), model: None, created: None }
}

fn read_content(content: &[u8], sink: &mut impl FnMut(Event<'_>)) {
    said(get_text(content, "thinking"), Delta::Thinking, sink);
    said(get_text(content, "text"), Delta::Text, sink);
}

fn said<'a>(
    text: Option<Cow<'a, str>>,
    delta: impl FnOnce(Cow<'a, str>) -> Delta<'a>,
    sink: &mut impl FnMut(Event<'_>),
) {
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        more(delta(text), sink);
    }
}

pub(super) fn more<'a>(delta: Delta<'a>, sink: &mut impl FnMut(Event<'_>)) {
    sink(Event::More { choice: 0, delta });
}
