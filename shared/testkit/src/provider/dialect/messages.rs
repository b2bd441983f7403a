//! `/v1/messages`.

use bulkhead_model::Usage;

use super::{Event, Part};
use crate::provider::say::{Call, Content, Finish, Say, Voice};
use crate::provider::text::{id, quoted};

/// The text of a thinking block.
const THINKING: &str = "Thinking about it, step by step.";

fn stop_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::Tools => "tool_use",
    }
}

/// `usage` of messages: `input_tokens` is what was neither read from nor written to the cache.
fn usage(usage: &Usage) -> String {
    let written = usage.cache_write + usage.cache_write_1h;
    format!(
        r#"{{"input_tokens":{},"cache_creation_input_tokens":{written},"cache_read_input_tokens":{},"cache_creation":{{"ephemeral_5m_input_tokens":{},"ephemeral_1h_input_tokens":{}}},"output_tokens":{},"service_tier":"standard"}}"#,
        usage.input.saturating_sub(written + usage.cache_read),
        usage.cache_read,
        usage.cache_write,
        usage.cache_write_1h,
        usage.output,
    )
}

fn tool_id(voice: &Voice, index: usize) -> String {
    id("toolu_01", voice.seq ^ (index as u64 + 1) << 32, 22)
}

/// Base64, as Bedrock's and Google's clients take nothing else.
fn signature(voice: &Voice) -> String {
    id("Er", voice.seq ^ 0xffff, 86)
}

pub(crate) fn body(say: &Say, voice: &Voice) -> String {
    let mut blocks = Vec::new();
    if say.reasoning.is_some() {
        let (thinking, signature) = (quoted(THINKING), signature(voice));
        blocks.push(format!(r#"{{"type":"thinking","thinking":{thinking},"signature":"{signature}"}}"#));
    }
    match &say.content {
        Content::Text(pieces) => {
            blocks.push(format!(r#"{{"type":"text","text":{}}}"#, quoted(&pieces.concat())));
        }
        Content::Calls(calls) => {
            let block = |(index, call): (usize, &Call)| {
                format!(
                    r#"{{"type":"tool_use","id":"{}","name":{},"input":{}}}"#,
                    tool_id(voice, index),
                    quoted(&call.name),
                    call.arguments.concat()
                )
            };
            blocks.extend(calls.iter().enumerate().map(block));
        }
    }
    let usage = say.reported.as_ref().map(|it| format!(r#","usage":{}"#, usage(it))).unwrap_or_default();
    format!(
        r#"{{"model":{},"id":"{}","type":"message","role":"assistant","content":[{}],"stop_reason":"{}","stop_sequence":null{usage}}}"#,
        quoted(&voice.model),
        id("msg_01", voice.seq, 22),
        blocks.join(","),
        stop_reason(say.finish),
    )
}

pub(crate) fn events(say: &Say, voice: &Voice) -> Vec<Event> {
    let mut stream = Stream { events: Vec::new(), index: 0 };
    stream.start(say, voice);
    if say.reasoning.is_some() {
        stream.open(r#"{"type":"thinking","thinking":"","signature":""}"#);
        for word in THINKING.split_inclusive(' ') {
            let delta = format!(r#"{{"type":"thinking_delta","thinking":{}}}"#, quoted(word));
            stream.delta(&delta, word.len());
        }
        let delta = format!(r#"{{"type":"signature_delta","signature":"{}"}}"#, signature(voice));
        stream.delta(&delta, 0);
        stream.close();
    }
    match &say.content {
        Content::Text(pieces) => {
            stream.open(r#"{"type":"text","text":""}"#);
            for piece in pieces {
                stream.delta(&format!(r#"{{"type":"text_delta","text":{}}}"#, quoted(piece)), piece.len());
            }
            stream.close();
        }
        Content::Calls(calls) => {
            for (index, call) in calls.iter().enumerate() {
                stream.call(&tool_id(voice, index), call);
            }
        }
    }
    stream.end(say);
    stream.events
}

/// The events so far, and the content block that is being sent.
struct Stream {
    events: Vec<Event>,
    index: usize,
}

impl Stream {
    fn push(&mut self, name: &'static str, part: Part, data: String) {
        self.events.push(Event::new(Some(name), part, data));
    }

    fn start(&mut self, say: &Say, voice: &Voice) {
        let early = say.reported.map(|usage| Usage { output: usage.output.min(1), ..usage });
        let usage = early.as_ref().map(|it| format!(r#","usage":{}"#, usage(it))).unwrap_or_default();
        let data = format!(
            r#"{{"type":"message_start","message":{{"model":{},"id":"{}","type":"message","role":"assistant","content":[],"stop_reason":null,"stop_sequence":null{usage}}}}}"#,
            quoted(&voice.model),
            id("msg_01", voice.seq, 22),
        );
        self.events.push(Event::new(Some("message_start"), Part::Opening, data).reporting(early));
    }

    /// A block begins. The first one is followed by a ping, as Anthropic does it; a tool's block names the tool and
    /// so is content already.
    fn open(&mut self, block: &str) {
        let data =
            format!(r#"{{"type":"content_block_start","index":{},"content_block":{block}}}"#, self.index);
        let tool = block.contains("\"tool_use\"");
        let part = if tool {
            Part::Content
        } else if self.index == 0 {
            Part::Opening
        } else {
            Part::Closing
        };
        self.push("content_block_start", part, data);
        if self.index == 0 {
            let part = if tool { Part::Closing } else { Part::Opening };
            self.push("ping", part, r#"{"type": "ping"}"#.to_owned());
        }
    }

    fn delta(&mut self, delta: &str, bytes: usize) {
        let data = format!(r#"{{"type":"content_block_delta","index":{},"delta":{delta}}}"#, self.index);
        self.events.push(Event::content(Some("content_block_delta"), data, bytes));
    }

    fn close(&mut self) {
        let data = format!(r#"{{"type":"content_block_stop","index":{}}}"#, self.index);
        self.push("content_block_stop", Part::Closing, data);
        self.index += 1;
    }

    fn call(&mut self, id: &str, call: &Call) {
        self.open(&format!(
            r#"{{"type":"tool_use","id":"{id}","name":{},"input":{{}}}}"#,
            quoted(&call.name)
        ));
        for piece in &call.arguments {
            let delta = format!(r#"{{"type":"input_json_delta","partial_json":{}}}"#, quoted(piece));
            self.delta(&delta, piece.len());
        }
        self.close();
    }

    fn end(&mut self, say: &Say) {
        let reported = say.reported.as_ref();
        let usage = reported.map(|all| match say.output_only {
            true => format!(r#","usage":{{"output_tokens":{}}}"#, all.output),
            false => format!(r#","usage":{}"#, usage(all)),
        });
        let data = format!(
            r#"{{"type":"message_delta","delta":{{"stop_reason":"{}","stop_sequence":null}}{}}}"#,
            stop_reason(say.finish),
            usage.unwrap_or_default()
        );
        let delta = Event::new(Some("message_delta"), Part::Closing, data).reporting(say.reported);
        self.events.push(delta);
        self.push("message_stop", Part::Terminal, r#"{"type":"message_stop"}"#.to_owned());
    }
}
