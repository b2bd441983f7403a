//! Cohere's `/v2/chat`.

use bulkhead_model::Usage;

use super::{Event, Part};
use crate::provider::say::{Call, Content, Finish, Say, Voice};
use crate::provider::text::{id, quoted};

/// What is thought before an answer.
const THINKING: &str = "Thinking about it, step by step.";

/// What is said of calls before they are made.
const PLAN: &str = "I will use the tools.";

fn finish_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "COMPLETE",
        Finish::Length => "MAX_TOKENS",
        Finish::Tools => "TOOL_CALL",
    }
}

/// `usage` of Cohere's: what is billed leaves out its own words around the prompt.
fn usage(usage: &Usage) -> String {
    format!(
        r#"{{"billed_units":{{"input_tokens":{},"output_tokens":{}}},"tokens":{{"input_tokens":{},"output_tokens":{}}},"cached_tokens":{}}}"#,
        usage.input / 2,
        usage.output / 2,
        usage.input,
        usage.output,
        usage.cache_read,
    )
}

fn reported(say: &Say) -> String {
    say.reported.as_ref().map(|it| format!(r#","usage":{}"#, usage(it))).unwrap_or_default()
}

fn call_id(voice: &Voice, index: usize, call: &Call) -> String {
    id(&format!("{}_", call.name), voice.seq ^ (index as u64 + 1) << 32, 12)
}

/// A call with its arguments as JSON text.
fn call(voice: &Voice, index: usize, call: &Call, arguments: &str) -> String {
    let (id, name, arguments) = (quoted(&call_id(voice, index, call)), quoted(&call.name), quoted(arguments));
    format!(r#"{{"id":{id},"type":"function","function":{{"name":{name},"arguments":{arguments}}}}}"#)
}

pub(crate) fn body(say: &Say, voice: &Voice) -> String {
    let mut content = Vec::new();
    if say.reasoning.is_some() {
        content.push(format!(r#"{{"type":"thinking","thinking":{}}}"#, quoted(THINKING)));
    }
    let mut said = String::new();
    match &say.content {
        Content::Text(pieces) => {
            content.push(format!(r#"{{"type":"text","text":{}}}"#, quoted(&pieces.concat())));
        }
        Content::Calls(calls) => {
            let calls: Vec<_> = calls
                .iter()
                .enumerate()
                .map(|(index, it)| call(voice, index, it, &it.arguments.concat()))
                .collect();
            said = format!(r#","tool_plan":{},"tool_calls":[{}]"#, quoted(PLAN), calls.join(","));
        }
    }
    if !content.is_empty() {
        said += &format!(r#","content":[{}]"#, content.join(","));
    }
    format!(
        r#"{{"id":"{}","message":{{"role":"assistant"{said}}},"finish_reason":"{}"{}}}"#,
        id("", voice.seq, 36),
        finish_reason(say.finish),
        reported(say),
    )
}

pub(crate) fn events(say: &Say, voice: &Voice) -> Vec<Event> {
    let mut stream = Stream { events: Vec::new(), index: 0 };
    let start =
        r#"{"message":{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}}"#;
    let start = format!(r#"{{"id":"{}","type":"message-start","delta":{start}}}"#, id("", voice.seq, 36));
    stream.events.push(Event::new(Some("message-start"), Part::Opening, start));
    if say.reasoning.is_some() {
        stream.block("thinking", THINKING.split_inclusive(' '));
    }
    match &say.content {
        Content::Text(pieces) => stream.block("text", pieces.iter().map(String::as_str)),
        Content::Calls(calls) => {
            for word in PLAN.split_inclusive(' ') {
                let plan = format!(r#"{{"tool_plan":{}}}"#, quoted(word));
                stream.content("tool-plan-delta", &plan, word.len());
            }
            for (index, it) in calls.iter().enumerate() {
                stream.call(&call(voice, index, it, ""), it);
            }
        }
    }
    let finish = finish_reason(say.finish);
    let end = format!(r#"{{"type":"message-end","delta":{{"finish_reason":"{finish}"{}}}}}"#, reported(say));
    let end = Event::new(Some("message-end"), Part::Terminal, end).reporting(say.reported);
    stream.events.push(end);
    stream.events
}

/// The events so far, and the number of the block that is being sent.
struct Stream {
    events: Vec<Event>,
    index: usize,
}

impl Stream {
    fn push(&mut self, name: &'static str, part: Part, message: &str) {
        let data = self.data(name, message);
        self.events.push(Event::new(Some(name), part, data));
    }

    fn content(&mut self, name: &'static str, message: &str, bytes: usize) {
        let data = self.data(name, message);
        self.events.push(Event::content(Some(name), data, bytes));
    }

    fn data(&self, name: &str, message: &str) -> String {
        format!(r#"{{"type":"{name}","index":{},"delta":{{"message":{message}}}}}"#, self.index)
    }

    fn block<'a>(&mut self, kind: &str, pieces: impl Iterator<Item = &'a str>) {
        let part = if self.index == 0 { Part::Opening } else { Part::Closing };
        let start = format!(r#"{{"content":{{"type":"{kind}","{kind}":""}}}}"#);
        self.push("content-start", part, &start);
        for piece in pieces {
            let message = format!(r#"{{"content":{{"{kind}":{}}}}}"#, quoted(piece));
            self.content("content-delta", &message, piece.len());
        }
        let end = format!(r#"{{"type":"content-end","index":{}}}"#, self.index);
        self.events.push(Event::new(Some("content-end"), Part::Closing, end));
        self.index += 1;
    }

    fn call(&mut self, start: &str, call: &Call) {
        self.content("tool-call-start", &format!(r#"{{"tool_calls":{start}}}"#), 0);
        for piece in &call.arguments {
            let message = format!(r#"{{"tool_calls":{{"function":{{"arguments":{}}}}}}}"#, quoted(piece));
            self.content("tool-call-delta", &message, piece.len());
        }
        let end = format!(r#"{{"type":"tool-call-end","index":{}}}"#, self.index);
        self.events.push(Event::new(Some("tool-call-end"), Part::Closing, end));
        self.index += 1;
    }
}
