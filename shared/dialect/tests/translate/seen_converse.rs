//! What a client of Converse makes of an answer.

use bulkhead_dialect::frames::{self, Frame};
use serde_json::Value;

use super::seen::{Seen, text};

/// The frames of a stream, each of which has its length in front.
pub(crate) fn all_frames(mut body: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Some(length) = body.first_chunk() {
        let (frame, rest) = body.split_at(usize::try_from(u32::from_be_bytes(*length)).unwrap());
        frames.push(frames::read(frame).unwrap());
        body = rest;
    }
    assert!(body.is_empty());
    frames
}

pub(crate) fn converse(body: &Value) -> Seen {
    let message = &body["output"]["message"];
    assert_eq!(message["role"], "assistant");
    let mut seen = Seen { over: true, ..Seen::default() };
    for block in message["content"].as_array().unwrap() {
        let (kind, value) = only_member(block);
        match kind {
            "text" => seen.text.push_str(&text(value)),
            "citationsContent" => {
                assert!(!value["citations"].as_array().unwrap().is_empty());
                seen.text.push_str(&text(&value["content"][0]["text"]));
            }
            "reasoningContent" => {
                let thoughts = &value["reasoningText"];
                seen.reasoning.push_str(&text(&thoughts["text"]));
                seen.signatures.extend(thoughts["signature"].as_str().map(str::to_owned));
            }
            "toolUse" => {
                assert!(value["toolUseId"].is_string() && value["input"].is_object());
                seen.tools.push((text(&value["name"]), value["input"].to_string()));
            }
            other => panic!("{other}"),
        }
    }
    seen.finish = body["stopReason"].as_str().map(str::to_owned);
    seen.usage = Some(converse_usage(body));
    seen
}

fn only_member(object: &Value) -> (&str, &Value) {
    let object = object.as_object().unwrap();
    assert_eq!(object.len(), 1, "{object:?}");
    let (name, value) = object.iter().next().unwrap();
    (name, value)
}

fn converse_usage(body: &Value) -> [u64; 4] {
    let usage = &body["usage"];
    assert!(body["metrics"]["latencyMs"].is_u64());
    let count = |name: &str| usage[name].as_u64().unwrap_or_default();
    let (cached, written) = (count("cacheReadInputTokens"), count("cacheWriteInputTokens"));
    let input = count("inputTokens") + cached + written;
    assert_eq!(count("totalTokens"), input + count("outputTokens"));
    [input, count("outputTokens"), cached, written]
}

pub(crate) fn converse_stream(frames: Vec<Frame>) -> Seen {
    let mut seen = Seen::default();
    let (mut open, mut next) = (None, 0);
    for (at, frame) in frames.into_iter().enumerate() {
        let (name, payload) = match frame {
            Frame::Event { name, payload } => (name, payload),
            Frame::Exception { name, payload } => {
                assert!(name.ends_with("Exception") && !payload.is_empty());
                seen.error = true;
                continue;
            }
        };
        let event: Value = serde_json::from_slice(&payload).unwrap();
        let index = event["contentBlockIndex"].as_u64();
        assert_eq!(name == "messageStart", at == 0);
        match &*name {
            "messageStart" => assert_eq!(event["role"], "assistant"),
            "contentBlockStart" => {
                assert_eq!((open, index), (None, Some(next)));
                open = index;
                let (kind, tool) = only_member(&event["start"]);
                assert!(kind == "toolUse" && tool["toolUseId"].is_string());
                seen.tools.push((text(&tool["name"]), String::new()));
            }
            "contentBlockDelta" => {
                assert_eq!(index, Some(next));
                let (kind, value) = only_member(&event["delta"]);
                assert!(open == index || kind != "toolUse");
                open = index;
                match kind {
                    "text" => seen.text.push_str(&text(value)),
                    "toolUse" => seen.tools.last_mut().unwrap().1.push_str(&text(&value["input"])),
                    "reasoningContent" => match only_member(value) {
                        ("text", text) => seen.reasoning.push_str(text.as_str().unwrap()),
                        ("signature", signature) => seen.signatures.push(text(signature)),
                        (kind, _) => assert_eq!(kind, "redactedContent"),
                    },
                    other => assert_eq!(other, "citation"),
                }
            }
            "contentBlockStop" => {
                assert_eq!(open.take(), index);
                next += 1;
            }
            "messageStop" => {
                assert!(open.is_none());
                seen.finish = event["stopReason"].as_str().map(str::to_owned);
            }
            "metadata" => {
                assert!(seen.finish.is_some());
                seen.usage = Some(converse_usage(&event));
                seen.over = true;
            }
            other => panic!("{other}"),
        }
    }
    seen
}
