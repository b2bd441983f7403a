//! What a stream says, whatever its pieces.

use bulkhead_testkit::client::Answer;
use serde_json::{Map, Value, json};

/// The error's members that clients go by.
pub(super) fn of_error(answer: &Answer) -> Value {
    let body = answer.json();
    body.get("error").cloned().unwrap_or(body)
}

/// By the client's dialect.
pub(super) fn of_stream(client: &str, answer: &Answer) -> Value {
    let events: Vec<Value> = answer.events().iter().map(|event| event.json()).collect();
    let mut meaning = match client {
        "chat" => chat(&events),
        "messages" => messages(&events),
        "responses" => responses(&events),
        "gemini" => gemini(&events),
        other => panic!("no streams of {other}"),
    };
    meaning["end"] = json!(format!("{:?}", answer.end));
    meaning["done"] = json!(answer.text().trim_end().ends_with("data: [DONE]"));
    if let Some(error) = events.iter().find_map(|event| event.get("error").filter(|error| !error.is_null())) {
        meaning["error"] = error.clone();
    }
    meaning
}

/// Appends a piece of text to a member.
fn append(object: &mut Value, member: &str, piece: &Value) {
    if let Some(piece) = piece.as_str().filter(|piece| !piece.is_empty()) {
        let before = object[member].as_str().unwrap_or_default();
        object[member] = json!(format!("{before}{piece}"));
    }
}

fn set(object: &mut Value, member: &str, value: &Value) {
    if !value.is_null() {
        object[member] = value.clone();
    }
}

fn chat(events: &[Value]) -> Value {
    let mut said = json!({});
    for event in events {
        set(&mut said, "model", &event["model"]);
        set(&mut said, "usage", &event["usage"]);
        let choice = &event["choices"][0];
        set(&mut said, "finish_reason", &choice["finish_reason"]);
        let delta = &choice["delta"];
        for member in ["content", "reasoning_content", "refusal"] {
            append(&mut said, member, &delta[member]);
        }
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            let index = call["index"].as_u64().unwrap_or(0) as usize;
            tool_call(&mut said["tool_calls"], index, call);
        }
    }
    said
}

fn tool_call(calls: &mut Value, index: usize, piece: &Value) {
    let mut list = calls.as_array().cloned().unwrap_or_default();
    while list.len() <= index {
        list.push(json!({"function": {}}));
    }
    let call = &mut list[index];
    set(call, "id", &piece["id"]);
    set(call, "type", &piece["type"]);
    append(&mut call["function"], "name", &piece["function"]["name"]);
    append(&mut call["function"], "arguments", &piece["function"]["arguments"]);
    *calls = Value::Array(list);
}

fn messages(events: &[Value]) -> Value {
    let mut said = json!({});
    let mut blocks: Map<String, Value> = Map::new();
    for event in events {
        let index = event["index"].to_string();
        match event["type"].as_str().unwrap_or_default() {
            "message_start" => set(&mut said, "start", &event["message"]),
            "content_block_start" => {
                blocks.insert(index, event["content_block"].clone());
            }
            "content_block_delta" => {
                let block = blocks.entry(index).or_insert(json!({}));
                let delta = &event["delta"];
                for member in ["text", "thinking", "signature"] {
                    append(block, member, &delta[member]);
                }
                append(block, "arguments", &delta["partial_json"]);
            }
            "message_delta" => {
                set(&mut said, "delta", &event["delta"]);
                set(&mut said, "usage", &event["usage"]);
            }
            _ => {}
        }
    }
    said["content"] = blocks.into_iter().map(|(_, block)| block).collect();
    said["types"] = types(events);
    said
}

/// The final response, and which events there were.
fn responses(events: &[Value]) -> Value {
    let last = events.iter().rev().find_map(|event| event.get("response"));
    let mut said = json!({"response": last, "types": types(events)});
    for event in events {
        if event["type"] == "response.output_text.delta" {
            append(&mut said, "text", &event["delta"]);
        }
    }
    said
}

/// The types of events in the order of their first.
fn types(events: &[Value]) -> Value {
    let mut types: Vec<&Value> = Vec::new();
    for event in events {
        if event["type"].is_string() && !types.contains(&&event["type"]) {
            types.push(&event["type"]);
        }
    }
    json!(types)
}

fn gemini(events: &[Value]) -> Value {
    let mut said = json!({});
    let mut calls = Vec::new();
    for event in events {
        set(&mut said, "usageMetadata", &event["usageMetadata"]);
        set(&mut said, "modelVersion", &event["modelVersion"]);
        let candidate = &event["candidates"][0];
        set(&mut said, "finishReason", &candidate["finishReason"]);
        for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
            let member = if part["thought"] == true { "thought" } else { "text" };
            append(&mut said, member, &part["text"]);
            calls.extend(part.get("functionCall").cloned());
        }
    }
    said["functionCalls"] = Value::Array(calls);
    said
}
