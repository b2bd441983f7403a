//! What a client of a dialect makes of an answer.

use std::collections::BTreeMap;

use bulkhead_dialect::sse::Framer;
use bulkhead_dialect::translate::Dialect;
use serde_json::{Value, json};

use super::seen_converse::{all_frames, converse, converse_stream};
use super::{completions, seen_gemini, seen_responses};

/// Everything that a user would see or be billed for.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Seen {
    pub(crate) text: String,
    pub(crate) refusal: String,
    pub(crate) reasoning: String,
    pub(crate) signatures: Vec<String>,
    /// Names, and arguments as they are spelled.
    pub(crate) tools: Vec<(String, String)>,
    pub(crate) finish: Option<String>,
    /// Input, output, cached, written.
    pub(crate) usage: Option<[u64; 4]>,
    pub(crate) model: String,
    pub(crate) error: bool,
    pub(crate) over: bool,
}

pub(crate) fn whole(dialect: Dialect, body: &[u8]) -> Seen {
    let body: Value = serde_json::from_slice(body).unwrap();
    match dialect {
        Dialect::Chat => chat(&body),
        Dialect::Messages => messages(&body),
        Dialect::Responses => seen_responses::whole(&body),
        Dialect::Completions => completions::whole(&body),
        Dialect::Gemini => seen_gemini::whole(&body),
        Dialect::Converse => converse(&body),
        Dialect::Cohere | Dialect::Ollama => panic!("no client speaks it"),
    }
}

pub(crate) fn stream(dialect: Dialect, body: &[u8]) -> Seen {
    if dialect == Dialect::Converse {
        return converse_stream(all_frames(body));
    }
    let mut framer = Framer::new(usize::MAX);
    framer.push(body.to_vec().into());
    let mut events = Vec::new();
    let mut done = false;
    while let Some(frame) = framer.next().unwrap() {
        let data = frame.data();
        if &*data == b"[DONE]" {
            done = true;
            continue;
        }
        let event: Value = serde_json::from_slice(&data)
            .unwrap_or_else(|error| panic!("{error} in {}", String::from_utf8_lossy(&data)));
        if matches!(dialect, Dialect::Messages | Dialect::Responses) {
            assert_eq!(frame.event(), event["type"].as_str());
        }
        events.push(event);
    }
    assert!(framer.leftover().is_empty());
    match dialect {
        Dialect::Chat => chat_stream(&events, done),
        Dialect::Messages => messages_stream(&events),
        Dialect::Responses => seen_responses::stream(&events),
        Dialect::Completions => completions::stream(&events, done),
        Dialect::Gemini => seen_gemini::stream(&events),
        Dialect::Converse => panic!("its streams are frames"),
        Dialect::Cohere | Dialect::Ollama => panic!("no client speaks it"),
    }
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn chat(body: &Value) -> Seen {
    assert_eq!(body["object"], "chat.completion");
    let choice = &body["choices"][0];
    let message = &choice["message"];
    assert_eq!(message["role"], "assistant");
    let calls = message["tool_calls"].as_array().cloned().unwrap_or_default();
    Seen {
        text: text(&message["content"]),
        refusal: text(&message["refusal"]),
        reasoning: text(&message["reasoning_content"]),
        signatures: signatures(&message["thinking_blocks"]),
        tools: calls
            .iter()
            .map(|call| (text(&call["function"]["name"]), text(&call["function"]["arguments"])))
            .collect(),
        finish: choice["finish_reason"].as_str().map(str::to_owned),
        usage: chat_usage(&body["usage"]),
        model: text(&body["model"]),
        error: false,
        over: true,
    }
}

fn signatures(blocks: &Value) -> Vec<String> {
    let blocks = blocks.as_array().cloned().unwrap_or_default();
    blocks.iter().map(|block| text(&block["signature"])).filter(|signature| !signature.is_empty()).collect()
}

pub(crate) fn chat_usage(usage: &Value) -> Option<[u64; 4]> {
    let count = |value: &Value| value.as_u64().unwrap_or_default();
    usage.is_object().then(|| {
        [
            count(&usage["prompt_tokens"]),
            count(&usage["completion_tokens"]),
            count(&usage["prompt_tokens_details"]["cached_tokens"]),
            count(&usage["prompt_tokens_details"]["cache_creation_tokens"]),
        ]
    })
}

fn chat_stream(events: &[Value], done: bool) -> Seen {
    let mut seen = Seen { over: done, ..Seen::default() };
    let mut roles = 0;
    for event in events {
        if event.get("error").is_some() {
            seen.error = true;
            continue;
        }
        assert_eq!(event["object"], "chat.completion.chunk");
        seen.model = text(&event["model"]);
        if let Some(usage) = chat_usage(&event["usage"]) {
            assert_eq!(event["choices"], json!([]));
            seen.usage = Some(usage);
        }
        let Some(choice) = event["choices"].as_array().unwrap().iter().find(|choice| choice["index"] == 0)
        else {
            continue;
        };
        assert!(seen.finish.is_none(), "something after the finish reason");
        let delta = &choice["delta"];
        if delta.get("role").is_some() {
            roles += 1;
            assert!(seen.text.is_empty() && seen.tools.is_empty());
        }
        assert_eq!(roles, 1, "the role comes first, and once");
        seen.text.push_str(&text(&delta["content"]));
        seen.refusal.push_str(&text(&delta["refusal"]));
        seen.reasoning.push_str(&text(&delta["reasoning_content"]));
        seen.signatures.extend(signatures(&delta["thinking_blocks"]));
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            let index = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
            if call.get("id").is_some() {
                assert_eq!(index, seen.tools.len());
                seen.tools.push((text(&call["function"]["name"]), String::new()));
            }
            seen.tools[index].1.push_str(&text(&call["function"]["arguments"]));
        }
        seen.finish = choice["finish_reason"].as_str().map(str::to_owned);
    }
    seen
}

fn messages(body: &Value) -> Seen {
    assert_eq!((&body["type"], &body["role"]), (&json!("message"), &json!("assistant")));
    let mut seen = Seen { over: true, model: text(&body["model"]), ..Seen::default() };
    for block in body["content"].as_array().unwrap() {
        let input = (block["type"] == "tool_use").then(|| block["input"].to_string());
        seen.block(block, input);
    }
    seen.stop(body);
    seen.usage = messages_usage(&body["usage"]);
    seen
}

fn messages_usage(usage: &Value) -> Option<[u64; 4]> {
    let count = |name: &str| usage[name].as_u64().unwrap_or_default();
    let (cached, written) = (count("cache_read_input_tokens"), count("cache_creation_input_tokens"));
    let kinds = &usage["cache_creation"];
    if kinds.is_object() {
        let sum: u64 = kinds.as_object().unwrap().values().filter_map(Value::as_u64).sum();
        assert_eq!(sum, written);
    }
    usage
        .is_object()
        .then(|| [count("input_tokens") + cached + written, count("output_tokens"), cached, written])
}

impl Seen {
    fn block(&mut self, block: &Value, input: Option<String>) {
        match block["type"].as_str().unwrap() {
            "text" => self.text.push_str(&text(&block["text"])),
            "thinking" => {
                self.reasoning.push_str(&text(&block["thinking"]));
                self.signatures.extend(Some(text(&block["signature"])).filter(|text| !text.is_empty()));
            }
            "redacted_thinking" => {}
            "tool_use" => self.tools.push((text(&block["name"]), input.unwrap())),
            other => panic!("{other}"),
        }
    }

    /// A refusal's words are text in messages.
    fn stop(&mut self, fields: &Value) {
        self.finish = fields["stop_reason"].as_str().map(str::to_owned);
    }
}

fn messages_stream(events: &[Value]) -> Seen {
    let mut seen = Seen::default();
    let mut open: BTreeMap<u64, (Value, String)> = BTreeMap::new();
    for (at, event) in events.iter().enumerate() {
        let index = event["index"].as_u64().unwrap_or_default();
        match event["type"].as_str().unwrap() {
            "message_start" => {
                assert_eq!(at, 0);
                seen.model = text(&event["message"]["model"]);
            }
            "content_block_start" => {
                assert!(open.is_empty(), "one block at a time");
                open.insert(index, (event["content_block"].clone(), String::new()));
            }
            "content_block_delta" => {
                let (block, input) = open.get_mut(&index).unwrap();
                let delta = &event["delta"];
                let mut append = |name: &str| {
                    let joined = text(&block[name]) + delta[name].as_str().unwrap();
                    block[name] = joined.into();
                };
                match delta["type"].as_str().unwrap() {
                    "text_delta" => append("text"),
                    "thinking_delta" => append("thinking"),
                    "signature_delta" => append("signature"),
                    "input_json_delta" => input.push_str(delta["partial_json"].as_str().unwrap()),
                    "citations_delta" => {}
                    other => panic!("{other}"),
                }
            }
            "content_block_stop" => {
                let (block, input) = open.remove(&index).unwrap();
                seen.block(&block, Some(input));
            }
            "message_delta" => {
                seen.stop(&event["delta"]);
                seen.usage = messages_usage(&event["usage"]);
            }
            "message_stop" => {
                assert!(open.is_empty() && seen.finish.is_some());
                seen.over = true;
            }
            "error" => seen.error = true,
            other => panic!("{other}"),
        }
    }
    for (block, input) in open.into_values() {
        seen.block(&block, Some(input));
    }
    seen
}
