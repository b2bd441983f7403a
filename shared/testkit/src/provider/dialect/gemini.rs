//! `/v1beta/models/{model}:generateContent` and `:streamGenerateContent`, whose events come without `alt=sse`, too.

use bulkhead_model::Usage;

use super::{Event, Part};
use crate::provider::say::{Call, Content, Finish, Say, Voice};
use crate::provider::text::{id, quoted};

/// The text of a thought.
const THOUGHT: &str = "Thinking about it.";

/// `usageMetadata`: thoughts are counted beside the candidates.
fn usage(usage: &Usage) -> String {
    let cached = match usage.cache_read {
        0 => String::new(),
        read => format!(r#","cachedContentTokenCount":{read}"#),
    };
    let thoughts = match usage.reasoning {
        0 => String::new(),
        reasoning => format!(r#","thoughtsTokenCount":{reasoning}"#),
    };
    format!(
        r#"{{"promptTokenCount":{},"candidatesTokenCount":{},"totalTokenCount":{}{cached}{thoughts}}}"#,
        usage.input,
        usage.output.saturating_sub(usage.reasoning),
        usage.input + usage.output,
    )
}

/// Google has no reason of its own for calls.
fn finish(say: &Say) -> String {
    let reason = if say.finish == Finish::Length { "MAX_TOKENS" } else { "STOP" };
    format!(r#","finishReason":"{reason}""#)
}

fn text(text: &str) -> String {
    format!(r#"{{"text":{}}}"#, quoted(text))
}

fn thought() -> String {
    format!(r#"{{"text":{},"thought":true}}"#, quoted(THOUGHT))
}

/// Only the first call of an answer is signed.
fn call((index, call): (usize, &Call), voice: &Voice) -> String {
    let signature = match index {
        0 => format!(r#","thoughtSignature":"{}""#, id("CiQB", voice.seq, 60)),
        _ => String::new(),
    };
    let arguments = call.arguments.concat();
    format!(r#"{{"functionCall":{{"name":{},"args":{arguments}}}{signature}}}"#, quoted(&call.name))
}

/// One object of an answer: all of it, or a piece.
fn object(voice: &Voice, parts: &[String], end: &str, reported: Option<&Usage>) -> String {
    let usage =
        reported.map(|reported| format!(r#""usageMetadata":{},"#, usage(reported))).unwrap_or_default();
    format!(
        r#"{{"candidates":[{{"content":{{"parts":[{}],"role":"model"}}{end},"index":0}}],{usage}"modelVersion":{},"responseId":"{}"}}"#,
        parts.join(","),
        quoted(&voice.model),
        id("", voice.seq, 22),
    )
}

pub(crate) fn body(say: &Say, voice: &Voice) -> String {
    let mut parts: Vec<_> = say.reasoning.iter().map(|_| thought()).collect();
    match &say.content {
        Content::Text(pieces) => parts.push(text(&pieces.concat())),
        Content::Calls(calls) => parts.extend(calls.iter().enumerate().map(|it| call(it, voice))),
    }
    object(voice, &parts, &finish(say), say.reported.as_ref())
}

/// Calls come whole; the last event has the reason and the usage.
pub(crate) fn events(say: &Say, voice: &Voice) -> Vec<Event> {
    let piece = |part: String, bytes: usize| Event::content(None, object(voice, &[part], "", None), bytes);
    let mut events: Vec<_> = say.reasoning.iter().map(|_| piece(thought(), THOUGHT.len())).collect();
    match &say.content {
        Content::Text(pieces) => events.extend(pieces.iter().map(|it| piece(text(it), it.len()))),
        Content::Calls(calls) => {
            let bytes = |call: &Call| call.arguments.iter().map(String::len).sum();
            events.extend(calls.iter().enumerate().map(|it| piece(call(it, voice), bytes(it.1))));
        }
    }
    let last = object(voice, &[text("")], &finish(say), say.reported.as_ref());
    events.push(Event::new(None, Part::Terminal, last).reporting(say.reported));
    events
}
