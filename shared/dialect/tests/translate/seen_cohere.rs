//! What Cohere's recordings hold.

use serde_json::Value;

use super::seen::text;

/// What the model thought or planned; the recordings expect nothing of it.
pub(crate) fn recorded_reasoning(body: &[u8]) -> String {
    if let Ok(whole) = serde_json::from_slice::<Value>(body) {
        return of_message(&whole["message"]);
    }
    let data = body.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"data: "));
    let events = data.filter_map(|data| serde_json::from_slice::<Value>(data).ok());
    events.map(|event| of_message(&event["delta"]["message"])).collect()
}

fn of_message(message: &Value) -> String {
    let blocks = message["content"].as_array().cloned().unwrap_or_else(|| vec![message["content"].clone()]);
    let thoughts: String = blocks.iter().map(|block| text(&block["thinking"])).collect();
    text(&message["tool_plan"]) + &thoughts
}
