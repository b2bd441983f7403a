//! `/v1/responses`.

use bulkhead_model::Usage;

use super::{Event, Part};
use crate::provider::ask::Ask;
use crate::provider::say::{Call, Content, Finish, Say, Voice};
use crate::provider::text::{CREATED, id, quoted};

/// Members of the request that the answer repeats, with what it says where they were absent.
const REPEATED: [(&str, &str); 13] = [
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("max_tool_calls", "null"),
    ("parallel_tool_calls", "true"),
    ("previous_response_id", "null"),
    ("store", "true"),
    ("temperature", "1.0"),
    ("text", r#"{"format":{"type":"text"},"verbosity":"medium"}"#),
    ("tool_choice", "\"auto\""),
    ("tools", "[]"),
    ("top_p", "1.0"),
    ("truncation", "\"disabled\""),
    ("user", "null"),
];

/// `usage` of responses.
fn usage(usage: &Usage) -> String {
    format!(
        r#"{{"input_tokens":{},"input_tokens_details":{{"cached_tokens":{}}},"output_tokens":{},"output_tokens_details":{{"reasoning_tokens":{}}},"total_tokens":{}}}"#,
        usage.input,
        usage.cache_read,
        usage.output,
        usage.reasoning,
        usage.input + usage.output,
    )
}

/// The response object.
fn response(ask: &Ask<'_>, voice: &Voice, status: &str, output: &str, reported: Option<&Usage>) -> String {
    let incomplete = if status == "incomplete" { r#"{"reason":"max_output_tokens"}"# } else { "null" };
    let repeated: Vec<String> = REPEATED
        .iter()
        .map(|(name, default)| format!(r#""{name}":{}"#, ask.members.present(name).unwrap_or(default)))
        .collect();
    let usage = match (status, reported) {
        ("in_progress", _) => r#","usage":null"#.to_owned(),
        (_, Some(reported)) => format!(r#","usage":{}"#, usage(reported)),
        (_, None) => String::new(),
    };
    format!(
        r#"{{"id":"{}","object":"response","created_at":{CREATED},"status":"{status}","background":false,"error":null,"incomplete_details":{incomplete},"model":{},"output":[{output}],{},"service_tier":"{}"{usage},"metadata":{}}}"#,
        id("resp_", voice.seq, 48),
        quoted(&voice.model),
        repeated.join(","),
        voice.tier.as_deref().unwrap_or("default"),
        ask.members.present("metadata").unwrap_or("{}"),
    )
}

fn final_status(say: &Say) -> &'static str {
    if say.finish == Finish::Length { "incomplete" } else { "completed" }
}

fn reasoning_item(voice: &Voice) -> String {
    format!(r#"{{"id":"{}","type":"reasoning","summary":[]}}"#, id("rs_", voice.seq, 48))
}

fn text_part(text: &str) -> String {
    format!(r#"{{"type":"output_text","annotations":[],"logprobs":[],"text":{}}}"#, quoted(text))
}

fn message_item(voice: &Voice, status: &str, content: &str) -> String {
    format!(
        r#"{{"id":"{}","type":"message","status":"{status}","content":[{content}],"role":"assistant"}}"#,
        id("msg_", voice.seq, 48)
    )
}

fn call_item(voice: &Voice, index: usize, status: &str, call: &Call, arguments: &str) -> String {
    let seed = voice.seq ^ (index as u64 + 1) << 32;
    format!(
        r#"{{"id":"{}","type":"function_call","status":"{status}","arguments":{},"call_id":"{}","name":{}}}"#,
        id("fc_", seed, 48),
        quoted(arguments),
        id("call_", seed, 24),
        quoted(&call.name),
    )
}

/// The finished items.
fn output(say: &Say, voice: &Voice) -> String {
    let mut items = Vec::new();
    if say.reasoning.is_some() {
        items.push(reasoning_item(voice));
    }
    match &say.content {
        Content::Text(pieces) => {
            items.push(message_item(voice, final_status(say), &text_part(&pieces.concat())))
        }
        Content::Calls(calls) => items.extend(
            calls
                .iter()
                .enumerate()
                .map(|(index, call)| call_item(voice, index, "completed", call, &call.arguments.concat())),
        ),
    }
    items.join(",")
}

pub(crate) fn body(ask: &Ask<'_>, say: &Say, voice: &Voice) -> String {
    response(ask, voice, final_status(say), &output(say, voice), say.reported.as_ref())
}

pub(crate) fn events(ask: &Ask<'_>, say: &Say, voice: &Voice) -> Vec<Event> {
    let mut stream = Stream { events: Vec::new(), item: 0 };
    for name in ["response.created", "response.in_progress"] {
        let response = response(ask, voice, "in_progress", "", None);
        stream.push(name, Part::Opening, &format!(r#""response":{response}"#));
    }
    if say.reasoning.is_some() {
        stream.item("response.output_item.added", Part::Opening, &reasoning_item(voice));
        stream.item("response.output_item.done", Part::Opening, &reasoning_item(voice));
        stream.item += 1;
    }
    match &say.content {
        Content::Text(pieces) => stream.text(say, voice, pieces),
        Content::Calls(calls) => {
            for (index, call) in calls.iter().enumerate() {
                stream.call(voice, index, call);
            }
        }
    }
    let status = final_status(say);
    let name = if status == "incomplete" { "response.incomplete" } else { "response.completed" };
    let response = response(ask, voice, status, &output(say, voice), say.reported.as_ref());
    stream.push(name, Part::Terminal, &format!(r#""response":{response}"#));
    if let Some(last) = stream.events.last_mut() {
        last.usage = say.reported;
    }
    stream.events
}

/// The events so far, and the output item that is being sent.
struct Stream {
    events: Vec<Event>,
    item: usize,
}

impl Stream {
    fn push(&mut self, name: &'static str, part: Part, members: &str) {
        let data = format!(r#"{{"type":"{name}","sequence_number":{},{members}}}"#, self.events.len());
        self.events.push(Event::new(Some(name), part, data));
    }

    fn content(&mut self, name: &'static str, members: &str, bytes: usize) {
        self.push(name, Part::Content, members);
        if let Some(last) = self.events.last_mut() {
            last.content = bytes;
        }
    }

    fn item(&mut self, name: &'static str, part: Part, item: &str) {
        self.push(name, part, &format!(r#""output_index":{},"item":{item}"#, self.item));
    }

    fn text(&mut self, say: &Say, voice: &Voice, pieces: &[String]) {
        let text = pieces.concat();
        let at = format!(
            r#""item_id":"{}","output_index":{},"content_index":0"#,
            id("msg_", voice.seq, 48),
            self.item
        );
        self.item("response.output_item.added", Part::Opening, &message_item(voice, "in_progress", ""));
        self.push("response.content_part.added", Part::Opening, &format!(r#"{at},"part":{}"#, text_part("")));
        for piece in pieces {
            let members = format!(r#"{at},"delta":{},"logprobs":[]"#, quoted(piece));
            self.content("response.output_text.delta", &members, piece.len());
        }
        let done = format!(r#"{at},"text":{},"logprobs":[]"#, quoted(&text));
        self.push("response.output_text.done", Part::Closing, &done);
        self.push(
            "response.content_part.done",
            Part::Closing,
            &format!(r#"{at},"part":{}"#, text_part(&text)),
        );
        let item = message_item(voice, final_status(say), &text_part(&text));
        self.item("response.output_item.done", Part::Closing, &item);
    }

    fn call(&mut self, voice: &Voice, index: usize, call: &Call) {
        self.item(
            "response.output_item.added",
            Part::Content,
            &call_item(voice, index, "in_progress", call, ""),
        );
        let seed = voice.seq ^ (index as u64 + 1) << 32;
        let at = format!(r#""item_id":"{}","output_index":{}"#, id("fc_", seed, 48), self.item);
        for piece in &call.arguments {
            let members = format!(r#"{at},"delta":{}"#, quoted(piece));
            self.content("response.function_call_arguments.delta", &members, piece.len());
        }
        let arguments = call.arguments.concat();
        let done = format!(r#"{at},"arguments":{}"#, quoted(&arguments));
        self.push("response.function_call_arguments.done", Part::Closing, &done);
        let item = call_item(voice, index, "completed", call, &arguments);
        self.item("response.output_item.done", Part::Closing, &item);
        self.item += 1;
    }
}
