//! Answers of responses, in events or whole → events of the form.

use std::borrow::Cow;

use super::super::form::{Delta, Event, Finish, Start};
use super::super::json::{get, get_text, items};
use super::super::reader::remembered;
use super::item::{self, Item, Kind, more};
use crate::json::view::whole_number;
use crate::relay::StreamFailure;
use crate::usage::UsageMeter;

/// More items than any answer has open at once; what is beyond is left out.
const MOST_OPEN: usize = 1024;

/// Reads one answer.
#[derive(Default)]
pub(crate) struct Reader {
    pub(crate) meter: UsageMeter,
    pub(crate) finish: Option<String>,
    started: bool,
    /// Items that are not done.
    open: Vec<Item>,
    /// There were items.
    any: bool,
    /// Calls so far.
    calls: u32,
}

impl Reader {
    pub(crate) fn event(&mut self, data: &[u8], name: Option<&[u8]>, sink: &mut impl FnMut(Event<'_>)) {
        let said = get_text(data, "type");
        let kind = said.as_deref().or_else(|| std::str::from_utf8(name?).ok()).unwrap_or_default();
        let index = get(data, "output_index").and_then(whole_number).unwrap_or_default();
        let item = || get(data, "item").unwrap_or_default();
        let response = || get(data, "response").unwrap_or_default();
        if kind.starts_with("response.") {
            self.start(response(), sink);
        }
        match kind {
            "response.output_item.added" => {
                self.begin(index, item(), sink);
            }
            "response.output_item.done" => self.done(index, item(), sink),
            "response.output_text.delta" => {
                if let Some(text) = get_text(data, "delta") {
                    self.say(index, text, sink);
                }
                item::read_logprobs(data, sink);
            }
            "response.output_text.done" => self.rest_of_text(index, data, sink),
            "response.refusal.delta" => {
                self.said(index, Kind::Message);
                more(get_text(data, "delta").map(Delta::Refusal), sink);
            }
            "response.reasoning_summary_text.delta" => self.thoughts(index, "summary_index", data, sink),
            "response.reasoning_text.delta" => self.thoughts(index, "content_index", data, sink),
            "response.function_call_arguments.delta" => self.arguments(index, data, sink),
            "response.output_text.annotation.added" => {
                item::read_annotation(get(data, "annotation").unwrap_or_default(), sink);
            }
            "response.content_part.done" if self.is_message(index) => sink(Event::BlockEnd),
            "response.completed" | "response.incomplete" => self.end(response(), sink),
            "response.failed" => {
                self.meter.response(response());
                sink(Event::Failed(StreamFailure::read(response())));
            }
            "error" => sink(Event::Failed(StreamFailure::read(data))),
            // An error in the shape of the older APIs.
            "" if get(data, "error").is_some() => sink(Event::Failed(StreamFailure::read(data))),
            _ => {}
        }
    }

    pub(crate) fn whole(&mut self, body: &[u8], sink: &mut impl FnMut(Event<'_>)) -> bool {
        if get(body, "output").is_none() || get_text(body, "status").as_deref() == Some("failed") {
            return false;
        }
        self.start(body, sink);
        self.end(body, sink);
        true
    }

    fn start(&mut self, response: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        if !std::mem::replace(&mut self.started, true) {
            sink(Event::Start(Start {
                id: get_text(response, "id").filter(|id| !id.is_empty()),
                model: get_text(response, "model").filter(|model| !model.is_empty()),
                created: get(response, "created_at").and_then(whole_number).filter(|created| *created > 0),
            }));
        }
    }

    /// An item begins: a call is told at once, the rest by what it says.
    fn begin(&mut self, index: u64, item: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        self.any = true;
        let kind = match get_text(item, "type").as_deref() {
            Some("message") => Kind::Message,
            Some("reasoning") => Kind::Reasoning { part: None },
            Some("function_call") => Kind::Call(self.calls),
            _ => return,
        };
        if self.open.len() >= MOST_OPEN || self.open.iter().any(|open| open.index == index) {
            return;
        }
        if let Kind::Call(call) = kind {
            self.calls += 1;
            let text = |name| get_text(item, name).unwrap_or_default();
            more(Some(Delta::Tool { call, id: text("call_id"), name: text("name") }), sink);
        }
        self.open.push(Item { index, kind, said: false, bytes: 0 });
    }

    fn is_message(&self, index: u64) -> bool {
        self.open.iter().any(|open| open.index == index && matches!(open.kind, Kind::Message))
    }

    fn say(&mut self, index: u64, text: Cow<'_, str>, sink: &mut impl FnMut(Event<'_>)) {
        if let Some(item) = self.said(index, Kind::Message) {
            item.bytes += text.len();
        }
        more(Some(Delta::Text(text)), sink);
    }

    /// The whole text of a part, of which some may not have come before.
    fn rest_of_text(&mut self, index: u64, data: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        let Some(text) = get_text(data, "text") else { return };
        if let Some(item) = self.said(index, Kind::Message) {
            more(item.rest(&text).map(Delta::Text), sink);
            item.bytes = 0;
        }
    }

    /// The item of this number, which has said something now.
    fn said(&mut self, index: u64, kind: Kind) -> Option<&mut Item> {
        self.any = true;
        let at = self.open.iter().position(|open| open.index == index);
        if at.is_none() && self.open.len() < MOST_OPEN {
            self.open.push(Item { index, kind, said: true, bytes: 0 });
        }
        let item = match at {
            Some(at) => self.open.get_mut(at),
            None => self.open.last_mut(),
        }?;
        item.said = true;
        Some(item)
    }

    fn thoughts(
        &mut self,
        index: u64,
        numbered: &'static str,
        data: &[u8],
        sink: &mut impl FnMut(Event<'_>),
    ) {
        let Some(item) = self.said(index, Kind::Reasoning { part: None }) else { return };
        let Kind::Reasoning { part } = &mut item.kind else { return };
        let number = get(data, numbered).and_then(whole_number).unwrap_or_default();
        match part {
            // Some tell both the thoughts and their summary; what comes first is what is shown.
            Some((first, _)) if *first != numbered => return,
            Some((_, last)) if *last < number => more(Some(Delta::Thinking("\n\n".into())), sink),
            _ => {}
        }
        *part = Some((numbered, number));
        more(get_text(data, "delta").map(Delta::Thinking), sink);
    }

    fn arguments(&mut self, index: u64, data: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        let Some(item) = self.open.iter_mut().find(|open| open.index == index) else { return };
        let Kind::Call(call) = item.kind else { return };
        if let Some(text) = get_text(data, "delta").filter(|text| !text.is_empty()) {
            item.bytes += text.len();
            more(Some(Delta::Arguments { call, text }), sink);
        }
    }

    /// An item is over. What of it was not told before is told now.
    fn done(&mut self, index: u64, item: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        self.begin(index, item, sink);
        let Some(at) = self.open.iter().position(|open| open.index == index) else { return };
        let open = self.open.swap_remove(at);
        open.finish(item, sink);
        sink(Event::BlockEnd);
    }

    fn end(&mut self, response: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        if !self.any {
            for (index, item) in (0u64..).zip(get(response, "output").into_iter().flat_map(items)) {
                self.done(index, item, sink);
            }
        }
        self.meter.response(response);
        if let Some(usage) = self.meter.usage() {
            sink(Event::Usage(usage));
        }
        let reason = get(response, "incomplete_details").and_then(|details| get_text(details, "reason"));
        let status = get_text(response, "status").unwrap_or("completed".into());
        let finish = match (&*status, reason.as_deref()) {
            (_, Some("content_filter")) => Finish::Refused,
            ("incomplete", _) | (_, Some(_)) => Finish::Length,
            _ if self.calls > 0 => Finish::Tools,
            _ => Finish::Stop,
        };
        self.finish = Some(remembered(reason.as_deref().unwrap_or(&status)));
        sink(Event::Finish { choice: 0, reason: finish, stop_sequence: None });
        sink(Event::End);
    }
}
