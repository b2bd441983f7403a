//! Answers of messages, in events or whole → events of the form.

use super::super::form::{Citation, Delta, Event, Finish, Start};
use super::super::json::{get, get_text, items};
use super::super::reader::remembered;
use super::OUTPUT_TOOL;
use crate::relay::StreamFailure;
use crate::usage::UsageMeter;

/// Reads one answer.
pub(crate) struct Reader {
    pub(crate) meter: UsageMeter,
    pub(crate) finish: Option<String>,
    /// The output comes as the input of a forced tool.
    output_tool: bool,
    open: Open,
    /// Calls so far.
    calls: u32,
    started: bool,
}

/// The block that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    /// None, or one that concerns only the provider.
    None,
    Text,
    Thinking,
    Tool {
        call: u32,
        /// There were arguments.
        said: bool,
    },
    /// The tool whose input is the output.
    Output {
        said: bool,
    },
}

impl Reader {
    pub(crate) fn new(output_tool: bool) -> Self {
        Self {
            meter: UsageMeter::default(),
            finish: None,
            output_tool,
            open: Open::None,
            calls: 0,
            started: false,
        }
    }

    pub(crate) fn event(&mut self, data: &[u8], name: Option<&[u8]>, sink: &mut impl FnMut(Event<'_>)) {
        let said = get_text(data, "type");
        let kind = said.as_deref().or_else(|| std::str::from_utf8(name?).ok());
        if matches!(kind, Some("message_start" | "content_block_start" | "message_delta" | "message_stop"))
            && !std::mem::replace(&mut self.started, true)
        {
            sink(Event::Start(read_start(get(data, "message").unwrap_or_default())));
        }
        match kind {
            Some("message_start") => self.usage(data, sink),
            Some("content_block_start") => {
                self.start(get(data, "content_block").unwrap_or_default(), sink);
            }
            Some("content_block_delta") => self.delta(get(data, "delta").unwrap_or_default(), sink),
            Some("content_block_stop") => self.stop(sink),
            Some("message_delta") => {
                self.usage(data, sink);
                self.finish(get(data, "delta").unwrap_or_default(), sink);
            }
            Some("message_stop") => sink(Event::End),
            Some("error") => sink(Event::Failed(StreamFailure::read(data))),
            _ => {}
        }
    }

    pub(crate) fn whole(&mut self, body: &[u8], sink: &mut impl FnMut(Event<'_>)) -> bool {
        let Some(content) = get(body, "content") else { return false };
        sink(Event::Start(read_start(body)));
        for block in items(content) {
            self.start(block, sink);
            self.stop(sink);
        }
        self.usage(body, sink);
        self.finish(body, sink);
        sink(Event::End);
        true
    }

    fn usage(&mut self, data: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        self.meter.message(data);
        if let Some(usage) = self.meter.usage() {
            sink(Event::Usage(usage));
        }
    }

    fn start(&mut self, block: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        match get_text(block, "type").as_deref() {
            Some("text") => {
                self.open = Open::Text;
                more(get_text(block, "text").filter(|text| !text.is_empty()).map(Delta::Text), sink);
                for citation in get(block, "citations").into_iter().flat_map(items) {
                    more(Some(Delta::Citation(read_citation(citation))), sink);
                }
            }
            Some("thinking") => {
                self.open = Open::Thinking;
                let said = |name| get_text(block, name).filter(|text| !text.is_empty());
                more(said("thinking").map(Delta::Thinking), sink);
                more(said("signature").map(Delta::Signature), sink);
            }
            Some("redacted_thinking") => {
                self.open = Open::Thinking;
                more(get_text(block, "data").map(Delta::RedactedThinking), sink);
            }
            Some("tool_use") => self.start_tool(block, sink),
            _ => self.open = Open::None,
        }
    }

    fn start_tool(&mut self, block: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        let name = get_text(block, "name").unwrap_or_default();
        if self.output_tool && name == OUTPUT_TOOL {
            self.open = Open::Output { said: false };
        } else {
            let call = self.calls;
            self.calls += 1;
            self.open = Open::Tool { call, said: false };
            more(Some(Delta::Tool { call, id: get_text(block, "id").unwrap_or_default(), name }), sink);
        }
        let input = get(block, "input").and_then(|input| std::str::from_utf8(input).ok());
        if let Some(input) = input.filter(|input| *input != "{}") {
            self.arguments(input.into(), sink);
        }
    }

    fn arguments(&mut self, text: std::borrow::Cow<'_, str>, sink: &mut impl FnMut(Event<'_>)) {
        if text.is_empty() {
            return;
        }
        match &mut self.open {
            Open::Tool { call, said } => {
                *said = true;
                more(Some(Delta::Arguments { call: *call, text }), sink);
            }
            Open::Output { said } => {
                *said = true;
                more(Some(Delta::Text(text)), sink);
            }
            Open::None | Open::Text | Open::Thinking => {}
        }
    }

    fn delta(&mut self, delta: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        if self.open == Open::None {
            return;
        }
        let said = |name| get_text(delta, name).filter(|text| !text.is_empty());
        match get_text(delta, "type").as_deref() {
            Some("text_delta") => more(said("text").map(Delta::Text), sink),
            Some("thinking_delta") => more(said("thinking").map(Delta::Thinking), sink),
            Some("signature_delta") => more(said("signature").map(Delta::Signature), sink),
            Some("input_json_delta") => self.arguments(said("partial_json").unwrap_or_default(), sink),
            Some("citations_delta") => {
                more(get(delta, "citation").map(|value| Delta::Citation(read_citation(value))), sink);
            }
            _ => {}
        }
    }

    /// A call without arguments has the empty object: a client parses what it gets.
    fn stop(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        if let Open::Tool { said: false, .. } | Open::Output { said: false } = self.open {
            self.arguments("{}".into(), sink);
        }
        if std::mem::replace(&mut self.open, Open::None) != Open::None {
            sink(Event::BlockEnd);
        }
    }

    fn finish(&mut self, data: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        let Some(reason) = get_text(data, "stop_reason").filter(|_| self.finish.is_none()) else { return };
        self.finish = Some(remembered(&reason));
        let reason = match &*reason {
            // Only the output's tool was called.
            "tool_use" if self.output_tool && self.calls == 0 => Finish::Stop,
            "tool_use" => Finish::Tools,
            "max_tokens" | "model_context_window_exceeded" => Finish::Length,
            "stop_sequence" => Finish::StopSequence,
            "refusal" => Finish::Refused,
            "pause_turn" => Finish::Pause,
            _ => Finish::Stop,
        };
        sink(Event::Finish { choice: 0, reason, stop_sequence: get_text(data, "stop_sequence") });
    }
}

fn more<'a>(delta: Option<Delta<'a>>, sink: &mut impl FnMut(Event<'a>)) {
    if let Some(delta) = delta {
        sink(Event::More { choice: 0, delta });
    }
}

fn read_start(message: &[u8]) -> Start<'_> {
    Start { id: get_text(message, "id"), model: get_text(message, "model"), created: None }
}

fn read_citation(citation: &[u8]) -> Citation<'_> {
    match get_text(citation, "url") {
        Some(url) => Citation::Url {
            url,
            title: get_text(citation, "title"),
            cited: get_text(citation, "cited_text"),
            span: None,
        },
        None => Citation::Place(citation),
    }
}
