//! Answers, a line at a time or whole → events of the form. Every line has the shape of a whole answer.

use bytes::BytesMut;

use super::super::AnswerOptions;
use super::super::form::{Delta, Event, Finish, Start};
use super::super::json::{fields, get, get_text, items};
use super::super::reader::remembered;
use super::super::write::{self, Items};
use crate::relay::StreamFailure;
use crate::usage::UsageMeter;

/// Reads one answer.
pub(crate) struct Reader {
    pub(crate) meter: UsageMeter,
    pub(crate) finish: Option<String>,
    /// Of the answer: calls without ids get theirs from it.
    id: String,
    started: bool,
    calls: u32,
}

impl Reader {
    pub(crate) fn new(options: &AnswerOptions) -> Self {
        let id = options.id.clone();
        Self { meter: UsageMeter::default(), finish: None, id, started: false, calls: 0 }
    }

    pub(crate) fn event(&mut self, data: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        if get(data, "error").is_some() {
            return sink(Event::Failed(StreamFailure::read(data)));
        }
        self.take(data, sink);
        if get(data, "done") == Some(b"true") {
            self.end(data, sink);
        }
    }

    pub(crate) fn whole(&mut self, body: &[u8], sink: &mut impl FnMut(Event<'_>)) -> bool {
        if !get(body, "message").is_some_and(|message| message.starts_with(b"{")) {
            return false;
        }
        self.take(body, sink);
        self.end(body, sink);
        true
    }

    fn take(&mut self, data: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        let message = get(data, "message").unwrap_or_default();
        if !std::mem::replace(&mut self.started, true) {
            sink(Event::Start(Start { id: None, model: get_text(data, "model"), created: None }));
        }
        let said = |name| get_text(message, name).filter(|text| !text.is_empty());
        let mut more = |delta| sink(Event::More { choice: 0, delta });
        said("thinking").into_iter().for_each(|text| more(Delta::Thinking(text)));
        said("content").into_iter().for_each(|text| more(Delta::Text(text)));
        if let Some(tokens) = get(data, "logprobs") {
            more(Delta::Logprobs(&logprobs(tokens)));
        }
        for call in get(message, "tool_calls").into_iter().flat_map(items) {
            self.call(call, sink);
        }
    }

    /// A call comes whole. Older versions give it no id.
    fn call(&mut self, call: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        let Some(function) = get(call, "function") else { return };
        let number = self.calls;
        self.calls += 1;
        let own = get_text(call, "id").filter(|id| !id.is_empty());
        let id = own.unwrap_or_else(|| format!("call_{}_{number}", self.id).into());
        let name = get_text(function, "name").unwrap_or_default();
        let arguments = get(function, "arguments").and_then(|value| std::str::from_utf8(value).ok());
        let text = arguments.filter(|text| text.starts_with('{')).unwrap_or("{}").into();
        sink(Event::More { choice: 0, delta: Delta::Tool { call: number, id, name } });
        sink(Event::More { choice: 0, delta: Delta::Arguments { call: number, text } });
        sink(Event::BlockEnd);
    }

    fn end(&mut self, data: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        if let Some(usage) = self.meter.ollama(data) {
            sink(Event::Usage(usage));
        }
        let said = get_text(data, "done_reason");
        self.finish = said.as_deref().map(remembered);
        let reason = match said.as_deref() {
            Some("length") => Finish::Length,
            _ if self.calls > 0 => Finish::Tools,
            _ => Finish::Stop,
        };
        sink(Event::Finish { choice: 0, reason, stop_sequence: None });
        sink(Event::End);
    }
}

/// Ollama's are OpenAI's in a list of their own, without empty lists in them.
fn logprobs(tokens: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    write::object(&mut out, |logprobs| {
        logprobs.array("content", |list| items(tokens).for_each(|token| copy_token(token, list)));
    });
    out
}

fn copy_token(token: &[u8], list: &mut Items<'_>) {
    list.object(|copy| {
        for (name, value) in fields(token) {
            copy.raw(&name, value);
        }
        if get(token, "top_logprobs").is_none() {
            copy.array("top_logprobs", |_| {});
        }
    });
}
