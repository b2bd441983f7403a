//! No JSON makes a translation panic, or write what is no JSON.

use bulkhead_dialect::frames::{Frame, write_event};
use bulkhead_dialect::translate::{Dialect, RequestOptions, Stream, TranslateError, answer, request};
use bytes::BytesMut;
use proptest::prelude::*;
use serde_json::{Map, Value};

use super::cases::{cases, options};
use super::seen_converse::all_frames;

/// Names and words that mean something to one of the dialects.
const WORDS: [&str; 173] = [
    "model",
    "messages",
    "role",
    "user",
    "assistant",
    "system",
    "tool",
    "content",
    "type",
    "text",
    "image_url",
    "url",
    "image",
    "source",
    "base64",
    "data",
    "media_type",
    "tool_calls",
    "function",
    "name",
    "arguments",
    "id",
    "tool_call_id",
    "tool_use",
    "input",
    "tool_result",
    "tool_use_id",
    "tools",
    "input_schema",
    "parameters",
    "tool_choice",
    "auto",
    "stop",
    "stream",
    "thinking",
    "signature",
    "reasoning_content",
    "reasoning_effort",
    "high",
    "response_format",
    "json_schema",
    "schema",
    "output_config",
    "format",
    "choices",
    "delta",
    "message",
    "finish_reason",
    "index",
    "usage",
    "prompt_tokens",
    "content_block_start",
    "content_block",
    "message_start",
    "content_block_delta",
    "text_delta",
    "message_delta",
    "message_stop",
    "data:image/png;base64,AA==",
    "citations",
    "instructions",
    "input_text",
    "output_text",
    "input_image",
    "input_file",
    "file_data",
    "file_url",
    "file_id",
    "function_call",
    "call_id",
    "function_call_output",
    "output",
    "reasoning",
    "summary",
    "summary_text",
    "encrypted_content",
    "custom_tool_call",
    "item_reference",
    "allowed_tools",
    "mode",
    "include",
    "effort",
    "output_index",
    "item",
    "response",
    "status",
    "incomplete",
    "incomplete_details",
    "reason",
    "response.created",
    "response.output_item.added",
    "response.output_item.done",
    "response.output_text.delta",
    "response.output_text.done",
    "response.refusal.delta",
    "response.reasoning_summary_text.delta",
    "response.function_call_arguments.delta",
    "response.output_text.annotation.added",
    "response.content_part.done",
    "response.completed",
    "response.failed",
    "annotation",
    "url_citation",
    "anthropic-thinking.e30",
    "contents",
    "parts",
    "systemInstruction",
    "functionDeclarations",
    "functionCall",
    "functionResponse",
    "args",
    "inline_data",
    "fileData",
    "fileUri",
    "thought",
    "thoughtSignature",
    "generationConfig",
    "responseSchema",
    "thinkingConfig",
    "candidates",
    "finishReason",
    "usageMetadata",
    "partialArgs",
    "jsonPath",
    "$.a[0].b",
    "toolUse",
    "toolUseId",
    "toolResult",
    "toolConfig",
    "toolSpec",
    "inputSchema",
    "json",
    "toolChoice",
    "any",
    "reasoningContent",
    "reasoningText",
    "redactedContent",
    "cachePoint",
    "document",
    "bytes",
    "inferenceConfig",
    "maxTokens",
    "stopSequences",
    "additionalModelRequestFields",
    "outputConfig",
    "textFormat",
    "structure",
    "jsonSchema",
    "contentBlockIndex",
    "stopReason",
    "message-start",
    "content-start",
    "content-delta",
    "content-end",
    "tool-plan-delta",
    "tool-call-start",
    "tool-call-delta",
    "tool-call-end",
    "citation-start",
    "message-end",
    "tool_plan",
    "sources",
    "logprobs",
    "tokens",
    "input_tokens",
    "documents",
    "strict",
    "num_ctx",
    "think",
    "done",
    "done_reason",
    "eval_count",
    "error",
];

fn word() -> impl Strategy<Value = String> {
    prop_oneof![8 => proptest::sample::select(&WORDS[..]).prop_map(str::to_owned), 1 => any::<String>()]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((word(), inner), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Real bodies with something else in one place.
fn mutated(body: &Value, place: usize, new: &Value) -> Value {
    fn count(value: &Value) -> usize {
        1 + match value {
            Value::Array(list) => list.iter().map(count).sum(),
            Value::Object(map) => map.values().map(count).sum(),
            _ => 0,
        }
    }
    fn put(value: &mut Value, at: &mut usize, new: &Value) {
        if *at == 0 {
            *value = new.clone();
        }
        *at = at.wrapping_sub(1);
        match value {
            Value::Array(list) => list.iter_mut().for_each(|value| put(value, at, new)),
            Value::Object(map) => map.values_mut().for_each(|value| put(value, at, new)),
            _ => {}
        }
    }
    let mut changed = body.clone();
    put(&mut changed, &mut (place % count(body)), new);
    changed
}

/// An event of a stream that holds this.
fn event(dialect: Dialect, name: &'static str, data: &[u8]) -> BytesMut {
    let mut event = BytesMut::new();
    if dialect == Dialect::Converse {
        write_event(name, data.to_vec().into(), &mut event);
    } else if dialect == Dialect::Ollama {
        event.extend_from_slice(&[data, b"\n"].concat());
    } else {
        event.extend_from_slice(&[b"data: ", data, b"\n\n"].concat());
    }
    event
}

fn through_everything(body: &[u8]) {
    for from in Dialect::ALL {
        for to in Dialect::UPSTREAMS {
            if let Ok(done) = request(from, to, body, &RequestOptions::default()) {
                serde_json::from_slice::<Value>(&done.body).unwrap();
            }
        }
    }
    for from in Dialect::UPSTREAMS {
        for to in Dialect::ALL {
            if let Ok(done) = answer(from, to, body, options()) {
                serde_json::from_slice::<Value>(&done.body).unwrap();
            }
            let mut stream = Stream::new(from, to, options());
            let mut out = BytesMut::new();
            for name in ["contentBlockStart", "contentBlockDelta", "messageStop", "metadata"] {
                stream.feed(&event(from, name, body), &mut out).unwrap();
            }
            stream.finish(&mut out);
            if to == Dialect::Converse {
                for frame in all_frames(&out) {
                    let (Frame::Event { payload, .. } | Frame::Exception { payload, .. }) = frame;
                    serde_json::from_slice::<Value>(&payload).unwrap();
                }
                continue;
            }
            for line in out[..].split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"data: ")) {
                assert!(line == b"[DONE]" || serde_json::from_slice::<Value>(line).is_ok());
            }
        }
    }
}

proptest! {
    #[test]
    fn any_json_is_harmless(value in value()) {
        through_everything(&serde_json::to_vec(&value).unwrap());
    }

    #[test]
    fn any_bytes_are_harmless(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        through_everything(&body);
    }

    #[test]
    fn real_bodies_with_something_wrong_are_harmless(place in any::<usize>(), which in any::<usize>(), new in value()) {
        thread_local! {
            static BODIES: Vec<Value> = cases()
                .iter()
                .flat_map(|case| [&case.request, &case.body])
                .filter_map(|body| serde_json::from_slice(body).ok())
                .collect();
        }
        BODIES.with(|bodies| {
            let changed = mutated(&bodies[which % bodies.len()], place, &new);
            through_everything(&serde_json::to_vec(&changed).unwrap());
        });
    }
}

#[test]
fn what_is_nested_too_deep_is_refused() {
    let body = format!(r#"{{"messages":{}{}}}"#, "[".repeat(128), "]".repeat(128));
    for from in Dialect::ALL {
        let refused = request(from, Dialect::Messages, body.as_bytes(), &RequestOptions::default());
        assert!(matches!(refused, Err(TranslateError::Json(_))));
    }
}
