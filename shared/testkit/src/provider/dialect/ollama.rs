//! Ollama's `/api/chat`.

use super::{Event, Part};
use crate::provider::say::{Call, Content, Finish, Say, Voice};
use crate::provider::text::quoted;

/// What is thought before an answer.
const THINKING: &str = "Thinking about it, step by step.";

/// What every piece of an answer begins with.
fn head(voice: &Voice) -> String {
    format!(r#"{{"model":{},"created_at":"2026-01-01T00:00:00.123456Z","message":"#, quoted(&voice.model))
}

fn message(content: &str, more: &str) -> String {
    format!(r#"{{"role":"assistant","content":{}{more}}}"#, quoted(content))
}

/// What the last piece ends with: why, how long it took, and counts that are not zero.
fn tail(say: &Say) -> String {
    let reason = if say.finish == Finish::Length { "length" } else { "stop" };
    let count = |name: &str, count: u64| {
        if count == 0 { String::new() } else { format!(r#","{name}":{count}"#) }
    };
    let counts = say.reported.map(|usage| {
        count("prompt_eval_count", usage.input)
            + r#","prompt_eval_duration":2000000"#
            + &count("eval_count", usage.output)
            + r#","eval_duration":3000000"#
    });
    format!(
        r#","done":true,"done_reason":"{reason}","total_duration":6000000,"load_duration":1000000{}}}"#,
        counts.unwrap_or_default()
    )
}

fn call(call: &Call) -> String {
    let arguments = call.arguments.concat();
    format!(r#"{{"function":{{"name":{},"arguments":{arguments}}}}}"#, quoted(&call.name))
}

pub(crate) fn body(say: &Say, voice: &Voice) -> String {
    let thinking = say.reasoning.map(|_| format!(r#","thinking":{}"#, quoted(THINKING))).unwrap_or_default();
    let message = match &say.content {
        Content::Text(pieces) => message(&pieces.concat(), &thinking),
        Content::Calls(calls) => {
            let calls: Vec<_> = calls.iter().map(call).collect();
            message("", &format!(r#"{thinking},"tool_calls":[{}]"#, calls.join(",")))
        }
    };
    head(voice) + &message + &tail(say)
}

pub(crate) fn events(say: &Say, voice: &Voice) -> Vec<Event> {
    let piece = |message: String, bytes: usize| {
        Event::content(None, head(voice) + &message + r#","done":false}"#, bytes)
    };
    let mut events = Vec::new();
    if say.reasoning.is_some() {
        for word in THINKING.split_inclusive(' ') {
            events.push(piece(message("", &format!(r#","thinking":{}"#, quoted(word))), word.len()));
        }
    }
    match &say.content {
        Content::Text(pieces) => {
            events.extend(pieces.iter().map(|text| piece(message(text, ""), text.len())));
        }
        Content::Calls(calls) => events.extend(calls.iter().map(|it| {
            let bytes = it.arguments.iter().map(String::len).sum();
            piece(message("", &format!(r#","tool_calls":[{}]"#, call(it))), bytes)
        })),
    }
    let last = head(voice) + &message("", "") + &tail(say);
    events.push(Event::new(None, Part::Terminal, last).reporting(say.reported));
    events
}
