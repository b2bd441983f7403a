//! What a client of responses makes of an answer, and what it may rely on.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::seen::{Seen, text};

/// Members that OpenAI's specification requires of a response.
const REQUIRED: [&str; 14] = [
    "id",
    "object",
    "created_at",
    "error",
    "incomplete_details",
    "instructions",
    "model",
    "tools",
    "output",
    "parallel_tool_calls",
    "metadata",
    "tool_choice",
    "temperature",
    "top_p",
];

pub(crate) fn whole(body: &Value) -> Seen {
    let mut seen = Seen { over: true, ..Seen::default() };
    read(body, &mut seen);
    seen
}

fn read(response: &Value, seen: &mut Seen) {
    for name in REQUIRED {
        assert!(response.get(name).is_some(), "{name}");
    }
    assert_eq!(response["object"], "response");
    assert!(response["id"].as_str().unwrap().starts_with("resp_"));
    seen.model = text(&response["model"]);
    let mut ids: Vec<&str> = Vec::new();
    for item in response["output"].as_array().unwrap() {
        ids.push(item["id"].as_str().unwrap());
        match item["type"].as_str().unwrap() {
            "message" => {
                assert_eq!(item["role"], "assistant");
                for part in item["content"].as_array().unwrap() {
                    seen.text.push_str(&text(&part["text"]));
                    seen.refusal.push_str(&text(&part["refusal"]));
                    assert!(part["type"] == "refusal" || part["annotations"].is_array());
                }
            }
            "reasoning" => {
                for part in item["summary"].as_array().unwrap() {
                    assert_eq!(part["type"], "summary_text");
                    seen.reasoning.push_str(&text(&part["text"]));
                }
                seen.signatures.extend(item["encrypted_content"].as_str().map(str::to_owned));
            }
            "function_call" => {
                assert!(!item["call_id"].as_str().unwrap().is_empty());
                seen.tools.push((text(&item["name"]), text(&item["arguments"])));
            }
            other => panic!("{other}"),
        }
    }
    ids.sort_unstable();
    assert!(ids.windows(2).all(|pair| pair[0] != pair[1]) && ids.iter().all(|id| id.len() <= 64));
    let reason = response["incomplete_details"]["reason"].as_str();
    assert_eq!(reason.is_some(), response["status"] == "incomplete");
    seen.finish = reason.or_else(|| response["status"].as_str()).map(str::to_owned);
    let usage = &response["usage"];
    let count = |value: &Value| value.as_u64().unwrap();
    seen.usage = usage.is_object().then(|| {
        assert!(usage["output_tokens_details"]["reasoning_tokens"].is_u64());
        assert_eq!(
            count(&usage["total_tokens"]),
            count(&usage["input_tokens"]) + count(&usage["output_tokens"])
        );
        let details = &usage["input_tokens_details"];
        [
            count(&usage["input_tokens"]),
            count(&usage["output_tokens"]),
            count(&details["cached_tokens"]),
            count(&details["cache_write_tokens"]),
        ]
    });
}

/// Items as the official SDKs gather them from events.
#[derive(Default)]
struct Gathered {
    items: BTreeMap<u64, Value>,
    done: BTreeMap<u64, bool>,
}

impl Gathered {
    fn item(&mut self, event: &Value) -> &mut Value {
        let index = event["output_index"].as_u64().unwrap();
        assert!(!self.done[&index], "an item that is done goes on");
        let item = self.items.get_mut(&index).unwrap();
        assert_eq!(item["id"], event["item_id"]);
        item
    }

    fn part(&mut self, event: &Value) -> &mut Value {
        let index = usize::try_from(event["content_index"].as_u64().unwrap()).unwrap();
        &mut self.item(event)["content"][index]
    }

    fn summary(&mut self, event: &Value) -> &mut Value {
        assert_eq!(event["summary_index"], 0);
        &mut self.item(event)["summary"][0]
    }
}

fn append(to: &mut Value, more: &Value) {
    *to = (text(to) + more.as_str().unwrap()).into();
}

pub(crate) fn stream(events: &[Value]) -> Seen {
    let mut seen = Seen::default();
    let mut gathered = Gathered::default();
    for (at, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], at);
        assert!(!seen.over, "something after the end");
        let response = &event["response"];
        match event["type"].as_str().unwrap() {
            "response.created" => {
                assert_eq!(
                    (at, &response["status"], &response["output"]),
                    (0, &json!("in_progress"), &json!([]))
                );
                seen.model = text(&response["model"]);
            }
            "response.in_progress" => assert_eq!(at, 1),
            "response.output_item.added" => {
                let index = event["output_index"].as_u64().unwrap();
                assert_eq!(gathered.items.len() as u64, index);
                gathered.items.insert(index, event["item"].clone());
                gathered.done.insert(index, false);
            }
            "response.output_item.done" => {
                let index = event["output_index"].as_u64().unwrap();
                let mut item = event["item"].clone();
                let known = &gathered.items[&index];
                // Known only at the end.
                for name in ["status", "encrypted_content"] {
                    match known.get(name) {
                        Some(value) => item[name] = value.clone(),
                        None => drop(item.as_object_mut().unwrap().remove(name)),
                    }
                }
                assert_eq!(*known, item);
                gathered.items.insert(index, event["item"].clone());
                assert_eq!(gathered.done.insert(index, true), Some(false));
            }
            "response.content_part.added" => {
                let part = event["part"].clone();
                let content = gathered.item(event)["content"].as_array_mut().unwrap();
                assert_eq!(event["content_index"], content.len());
                content.push(part);
            }
            "response.output_text.delta" => append(&mut gathered.part(event)["text"], &event["delta"]),
            "response.refusal.delta" => append(&mut gathered.part(event)["refusal"], &event["delta"]),
            "response.output_text.annotation.added" => {
                let annotations = gathered.part(event)["annotations"].as_array_mut().unwrap();
                assert_eq!(event["annotation_index"], annotations.len());
                annotations.push(event["annotation"].clone());
            }
            "response.output_text.done" => {
                let part = gathered.part(event);
                assert_eq!(part["text"], event["text"]);
                part["logprobs"] = event["logprobs"].clone();
            }
            "response.refusal.done" => assert_eq!(gathered.part(event)["refusal"], event["refusal"]),
            "response.content_part.done" => assert_eq!(*gathered.part(event), event["part"]),
            "response.reasoning_summary_part.added" => {
                gathered.item(event)["summary"].as_array_mut().unwrap().push(event["part"].clone());
            }
            "response.reasoning_summary_text.delta" => {
                append(&mut gathered.summary(event)["text"], &event["delta"]);
            }
            "response.reasoning_summary_text.done" => {
                assert_eq!(gathered.summary(event)["text"], event["text"]);
            }
            "response.reasoning_summary_part.done" => assert_eq!(*gathered.summary(event), event["part"]),
            "response.function_call_arguments.delta" => {
                append(&mut gathered.item(event)["arguments"], &event["delta"]);
            }
            "response.function_call_arguments.done" => {
                let item = gathered.item(event);
                assert_eq!((&item["arguments"], &item["name"]), (&event["arguments"], &event["name"]));
            }
            "response.completed" | "response.incomplete" => {
                assert!(gathered.done.values().all(|done| *done));
                let items: Vec<Value> = gathered.items.values().cloned().collect();
                assert_eq!(response["output"], Value::Array(items));
                read(response, &mut seen);
                seen.over = true;
            }
            "error" => {
                assert!(event["code"].is_string() && event["message"].is_string());
                seen.error = true;
            }
            "response.failed" => {
                assert_eq!(response["status"], "failed");
                assert!(response["error"]["code"].is_string() && seen.error);
            }
            other => panic!("{other}"),
        }
    }
    if !seen.over {
        cut(&gathered, &mut seen);
    }
    seen
}

/// What was seen of an answer without an end.
fn cut(gathered: &Gathered, seen: &mut Seen) {
    for item in gathered.items.values() {
        for part in item["content"].as_array().into_iter().flatten() {
            seen.text.push_str(&text(&part["text"]));
            seen.refusal.push_str(&text(&part["refusal"]));
        }
        for part in item["summary"].as_array().into_iter().flatten() {
            seen.reasoning.push_str(&text(&part["text"]));
        }
        if item["type"] == "function_call" {
            seen.tools.push((text(&item["name"]), text(&item["arguments"])));
        }
    }
}

/// What a recording has of thoughts: the summaries of its first answer, or where there are none the thoughts.
pub(crate) fn recorded_reasoning(body: &[u8]) -> String {
    let response = serde_json::from_slice::<Value>(body).ok().or_else(|| {
        let data = body.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"data: "));
        let mut events = data.filter_map(|data| serde_json::from_slice::<Value>(data).ok());
        let end = events.find(|event| {
            matches!(event["type"].as_str(), Some("response.completed" | "response.incomplete"))
        });
        Some(end?["response"].clone())
    });
    let mut all = String::new();
    for item in response.unwrap_or_default()["output"].as_array().into_iter().flatten() {
        if item["type"] == "reasoning" {
            let parts = |name: &str| item[name].as_array().cloned().unwrap_or_default();
            let parts = Some(parts("summary")).filter(|parts| !parts.is_empty()).unwrap_or(parts("content"));
            let texts: Vec<String> = parts.iter().map(|part| text(&part["text"])).collect();
            all.push_str(&texts.join("\n\n"));
        }
    }
    all
}
