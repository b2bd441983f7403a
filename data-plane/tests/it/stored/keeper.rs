//! A provider of Responses that keeps its answers, and understands only what it has given out itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::upstream::{Asked, Step, Upstream, answer, chunk, stream_head};

type Kept = Arc<Mutex<HashMap<String, Value>>>;

/// The provider.
pub(super) struct Keeper {
    pub(super) provider: Upstream,
    broken: Arc<AtomicBool>,
}

impl Keeper {
    /// Its ids and contents begin with its name.
    pub(super) async fn start(name: &'static str) -> Self {
        let (kept, count) = (Kept::default(), AtomicUsize::new(0));
        let broken = Arc::<AtomicBool>::default();
        let is_broken = broken.clone();
        let provider = Upstream::start(move |asked| match is_broken.load(Ordering::Relaxed) {
            true => whole("500 Internal Server Error", &json!({"error": {"message": "broken"}})),
            false => play(name, &kept, &count, asked),
        });
        Self { provider: provider.await, broken }
    }

    /// From now on every answer is an error, or none is.
    pub(super) fn breaks(&self, broken: bool) {
        self.broken.store(broken, Ordering::Relaxed);
    }

    /// The bodies of what it was asked, in order.
    pub(super) fn bodies(&self) -> Vec<String> {
        self.provider.asked().into_iter().map(|asked| asked.body).collect()
    }

    /// The first lines of what it was asked.
    pub(super) fn lines(&self) -> Vec<String> {
        let first = |asked: Asked| asked.head.lines().next().unwrap().replace(" HTTP/1.1", "");
        self.provider.asked().into_iter().map(first).collect()
    }
}

fn play(name: &str, kept: &Kept, count: &AtomicUsize, asked: &Asked) -> Vec<Step> {
    let line: Vec<&str> = asked.head.lines().next().unwrap().split([' ', '?']).collect();
    let below = line[1].strip_prefix("/v1/responses").unwrap_or_default();
    if below.is_empty() {
        return create(name, kept, count, &serde_json::from_str(&asked.body).unwrap());
    }
    let (id, action) = below[1..].split_once('/').unwrap_or((&below[1..], ""));
    let mut kept = kept.lock();
    let Some(response) = kept.get_mut(id) else {
        let message = format!("Response with id '{id}' not found.");
        return whole(
            "404 Not Found",
            &json!({"error": {"message": message, "type": "invalid_request_error"}}),
        );
    };
    match (line[0], action) {
        ("GET", "") => whole("200 OK", response),
        ("GET", "input_items") => {
            let data = json!([{"type": "reasoning", "id": "rs_0", "encrypted_content": secret(name, 0)}]);
            whole("200 OK", &json!({"object": "list", "data": data, "first_id": "rs_0", "has_more": false}))
        }
        ("POST", "cancel") => {
            response["status"] = json!("cancelled");
            whole("200 OK", response)
        }
        ("DELETE", "") => {
            kept.remove(id);
            whole("200 OK", &json!({"id": id, "object": "response", "deleted": true}))
        }
        _ => whole("405 Method Not Allowed", &json!({"error": {"message": "what?"}})),
    }
}

fn create(name: &str, kept: &Kept, count: &AtomicUsize, body: &Value) -> Vec<Step> {
    let previous = &body["previous_response_id"];
    if let Some(id) = previous.as_str().filter(|id| !kept.lock().contains_key(*id)) {
        let message = format!("Previous response with id '{id}' not found.");
        return whole(
            "400 Bad Request",
            &json!({"error": {"message": message, "code": "previous_response_not_found"}}),
        );
    }
    let items = body["input"].as_array().cloned().unwrap_or_default();
    let foreign = |item: &Value| {
        item["encrypted_content"].as_str().is_some_and(|text| !text.starts_with(&format!("gA.{name}.")))
    };
    if items.iter().any(foreign) {
        let error = json!({"message": "could not be verified", "code": "invalid_encrypted_content"});
        return whole("400 Bad Request", &json!({"error": error}));
    }
    let number = count.fetch_add(1, Ordering::Relaxed) + 1;
    let id = format!("resp_{name}_{number}");
    let text = json!([{"type": "output_text", "text": "Hi", "annotations": []}]);
    let reasoning = json!({"id": format!("rs_{number}"), "type": "reasoning", "summary": [],
        "encrypted_content": secret(name, number)});
    let message = json!({"id": format!("msg_{number}"), "type": "message", "role": "assistant",
        "status": "completed", "content": text});
    if body["background"] == json!(true) {
        let queued = json!({"id": id, "object": "response", "status": "queued", "model": "up", "output": [],
            "background": true, "usage": null});
        kept.lock().insert(id, queued.clone());
        return whole("200 OK", &queued);
    }
    let response = json!({"id": id, "object": "response", "created_at": 1, "status": "completed",
        "model": "up", "previous_response_id": previous, "output": [reasoning, message],
        "parallel_tool_calls": true, "tool_choice": "auto", "tools": [],
        "usage": {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}});
    kept.lock().insert(id, response.clone());
    match body["stream"] == json!(true) {
        true => events(&response),
        false => whole("200 OK", &response),
    }
}

fn secret(name: &str, number: usize) -> String {
    format!("gA.{name}.{number}/+==")
}

/// The answer as events, cut where no event ends.
fn events(response: &Value) -> Vec<Step> {
    let mut begun = response.clone();
    begun["output"] = json!([]);
    begun["status"] = json!("in_progress");
    let item = &response["output"][0];
    let mut opened = response["output"][1].clone();
    opened["content"] = json!([]);
    let all = [
        json!({"type": "response.created", "response": begun}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": item}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        json!({"type": "response.output_item.added", "output_index": 1, "item": opened}),
        json!({"type": "response.content_part.added", "item_id": "msg_1", "output_index": 1, "content_index": 0,
            "part": {"type": "output_text", "text": "", "annotations": []}}),
        json!({"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 1, "content_index": 0, "delta": "Hi"}),
        json!({"type": "response.completed", "response": response}),
    ];
    let text: String = all
        .iter()
        .enumerate()
        .map(|(number, event)| {
            let mut event = event.clone();
            event["sequence_number"] = json!(number);
            format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap())
        })
        .collect();
    let mut steps = vec![Step::Send(stream_head())];
    let pieces = text.as_bytes().chunks(53);
    steps.extend(pieces.map(|piece| Step::Send(chunk(std::str::from_utf8(piece).unwrap()))));
    steps.push(Step::Send(chunk("")));
    steps
}

fn whole(status: &str, body: &Value) -> Vec<Step> {
    vec![Step::Send(answer(status, &[("content-type", "application/json")], &body.to_string()))]
}
