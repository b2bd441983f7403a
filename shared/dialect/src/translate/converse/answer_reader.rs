//! Answers of Converse, in events or whole → events of the form.

use super::super::form::{Delta, Event, Finish, Start};
use super::super::json::{fields, get, get_text, items, text};
use super::super::messages::OUTPUT_TOOL;
use super::super::reader::remembered;
use super::citations::read_citation;
use super::content::{is_providers, read_redacted};
use crate::json::view::whole_number;
use crate::usage::UsageMeter;

/// Reads one answer.
pub(crate) struct Reader {
    pub(crate) meter: UsageMeter,
    pub(crate) finish: Option<String>,
    /// The output comes as the input of a forced tool.
    output_tool: bool,
    open: Open,
    /// The open block's number. Not every model says when a block is over.
    index: Option<u64>,
    /// Calls so far.
    calls: u32,
    started: bool,
    measured: bool,
}

/// The block that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    None,
    Said,
    Tool {
        call: u32,
        /// There were arguments.
        said: bool,
    },
    /// The tool whose input is the output.
    Output {
        said: bool,
    },
    /// One that concerns only the provider.
    Provider,
}

impl Reader {
    pub(crate) fn new(output_tool: bool) -> Self {
        Self {
            meter: UsageMeter::default(),
            finish: None,
            output_tool,
            open: Open::None,
            index: None,
            calls: 0,
            started: false,
            measured: false,
        }
    }

    pub(crate) fn event(&mut self, data: &[u8], name: Option<&[u8]>, sink: &mut impl FnMut(Event<'_>)) {
        let kind = name.and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default();
        if !KINDS.contains(&kind) {
            return;
        }
        if !std::mem::replace(&mut self.started, true) {
            sink(Event::Start(Start::default()));
        }
        let index = get(data, "contentBlockIndex").and_then(whole_number);
        match kind {
            "contentBlockStart" => {
                self.stop(sink);
                self.index = index;
                self.start(get(data, "start").unwrap_or_default(), sink);
            }
            "contentBlockDelta" => {
                if index != self.index {
                    self.stop(sink);
                    self.index = index;
                }
                self.delta(get(data, "delta").unwrap_or_default(), sink);
            }
            "contentBlockStop" => self.stop(sink),
            "messageStop" => {
                self.stop(sink);
                self.finish(data, sink);
            }
            "metadata" => self.usage(data, sink),
            _ => {}
        }
        // The two come in either order.
        if self.measured && self.may_end() {
            sink(Event::End);
        }
    }

    pub(crate) fn whole(&mut self, body: &[u8], sink: &mut impl FnMut(Event<'_>)) -> bool {
        let content = get(body, "output").and_then(|output| get(output, "message"));
        let Some(content) = content.and_then(|message| get(message, "content")) else { return false };
        sink(Event::Start(Start::default()));
        for block in items(content) {
            for (kind, value) in fields(block) {
                self.block(&kind, value, sink);
            }
            self.stop(sink);
        }
        self.usage(body, sink);
        self.finish(body, sink);
        sink(Event::End);
        true
    }

    /// True when only the usage may be missing.
    pub(crate) fn may_end(&self) -> bool {
        self.finish.is_some()
    }

    fn usage(&mut self, data: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        self.measured = true;
        self.meter.converse(data);
        if let Some(usage) = self.meter.usage() {
            sink(Event::Usage(usage));
        }
    }

    /// A block of an answer in one piece.
    fn block(&mut self, kind: &str, value: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        match kind {
            "text" => self.said(text(value).map(Delta::Text), sink),
            "toolUse" => {
                self.start_tool(value, sink);
                let input = get(value, "input").and_then(|input| std::str::from_utf8(input).ok());
                if let Some(input) = input.filter(|input| *input != "{}") {
                    self.arguments(input.into(), sink);
                }
            }
            "reasoningContent" => {
                self.reasoning(get(value, "reasoningText").unwrap_or(value), sink);
            }
            "citationsContent" => {
                for part in get(value, "content").into_iter().flat_map(items) {
                    self.said(get_text(part, "text").map(Delta::Text), sink);
                }
                get(value, "citations").into_iter().flat_map(items).for_each(|it| read_citation(it, sink));
            }
            _ => {}
        }
    }

    fn start(&mut self, start: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        match get(start, "toolUse") {
            Some(tool) => self.start_tool(tool, sink),
            // Results are of tools of the provider's; images have no place in the form.
            None => self.open = Open::Provider,
        }
    }

    fn start_tool(&mut self, tool: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        let name = get_text(tool, "name").unwrap_or_default();
        if is_providers(tool) {
            self.open = Open::Provider;
        } else if self.output_tool && name == OUTPUT_TOOL {
            self.open = Open::Output { said: false };
        } else {
            let call = self.calls;
            self.calls += 1;
            self.open = Open::Tool { call, said: false };
            more(Delta::Tool { call, id: get_text(tool, "toolUseId").unwrap_or_default(), name }, sink);
        }
    }

    fn delta(&mut self, delta: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        for (kind, value) in fields(delta) {
            match &*kind {
                "text" => self.said(text(value).map(Delta::Text), sink),
                "toolUse" => self.arguments(get_text(value, "input").unwrap_or_default(), sink),
                "reasoningContent" => self.reasoning(value, sink),
                "citation" if self.open == Open::Said => read_citation(value, sink),
                _ => {}
            }
        }
    }

    fn reasoning(&mut self, value: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        self.said(get_text(value, "text").map(Delta::Thinking), sink);
        self.said(get_text(value, "signature").map(Delta::Signature), sink);
        let redacted = get_text(value, "redactedContent");
        self.said(redacted.map(|data| Delta::RedactedThinking(read_redacted(data))), sink);
    }

    fn said<'a>(&mut self, delta: Option<Delta<'a>>, sink: &mut impl FnMut(Event<'a>)) {
        let says_nothing = |delta: &Delta<'_>| match delta {
            Delta::Text(text) | Delta::Thinking(text) | Delta::Signature(text) => text.is_empty(),
            _ => false,
        };
        let Some(delta) = delta.filter(|delta| !says_nothing(delta)) else { return };
        if matches!(self.open, Open::None | Open::Said) {
            self.open = Open::Said;
            more(delta, sink);
        }
    }

    fn arguments(&mut self, text: std::borrow::Cow<'_, str>, sink: &mut impl FnMut(Event<'_>)) {
        if text.is_empty() {
            return;
        }
        match &mut self.open {
            Open::Tool { call, said } => {
                *said = true;
                more(Delta::Arguments { call: *call, text }, sink);
            }
            Open::Output { said } => {
                *said = true;
                more(Delta::Text(text), sink);
            }
            Open::None | Open::Said | Open::Provider => {}
        }
    }

    /// A call without arguments has the empty object: a client parses what it gets.
    fn stop(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        if let Open::Tool { said: false, .. } | Open::Output { said: false } = self.open {
            self.arguments("{}".into(), sink);
        }
        self.index = None;
        match std::mem::replace(&mut self.open, Open::None) {
            Open::None | Open::Provider => {}
            Open::Said | Open::Tool { .. } | Open::Output { .. } => sink(Event::BlockEnd),
        }
    }

    fn finish(&mut self, data: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        if self.finish.is_some() {
            return;
        }
        let reason = get_text(data, "stopReason").unwrap_or("end_turn".into());
        self.finish = Some(remembered(&reason));
        let reason = match &*reason {
            // Only the output's tool was called.
            "tool_use" if self.output_tool && self.calls == 0 => Finish::Stop,
            "tool_use" => Finish::Tools,
            "max_tokens" | "model_context_window_exceeded" => Finish::Length,
            "stop_sequence" => Finish::StopSequence,
            "guardrail_intervened" | "content_filtered" => Finish::Refused,
            // Some models call it that; agents go on only when they are told to.
            "end_turn" if self.calls > 0 => Finish::Tools,
            _ => Finish::Stop,
        };
        let own = get(data, "additionalModelResponseFields");
        let own = own.map(|own| get(own, "delta").unwrap_or(own));
        let stop_sequence = own.and_then(|own| get_text(own, "stop_sequence"));
        sink(Event::Finish { choice: 0, reason, stop_sequence });
    }
}

/// The events of a stream.
const KINDS: [&str; 6] =
    ["messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"];

fn more<'a>(delta: Delta<'a>, sink: &mut impl FnMut(Event<'a>)) {
    sink(Event::More { choice: 0, delta });
}
