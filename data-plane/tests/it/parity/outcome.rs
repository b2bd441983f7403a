//! What became of a request at one gateway, as far as it is compared.

use std::collections::HashMap;

use bulkhead_testkit::client::Answer;
use bulkhead_testkit::eventually;
use serde_json::{Map, Value, json};

use super::case::Case;
use super::meaning;
use super::provider::target;
use crate::support::PATIENCE;
use crate::upstream::Asked;

pub(super) struct Outcome {
    /// What the provider was sent; null where it was not asked.
    pub(super) sent: Value,
    /// What the client got.
    pub(super) got: Value,
    pub(super) is_answer: bool,
}

/// By the id of the call.
pub(super) type Bills = HashMap<String, Billed>;

/// Looks until all of these calls are billed, or it has taken too long.
pub(super) async fn bills_of(ids: &[&str], mut look: impl FnMut() -> Bills) -> Bills {
    let mut bills = Bills::new();
    let all = eventually(PATIENCE, || {
        bills = look();
        ids.iter().all(|id| bills.contains_key(*id))
    });
    all.await;
    bills
}

/// What a request is billed, whatever the gateways call it.
#[derive(Default)]
pub(super) struct Billed {
    tokens: Vec<(&'static str, u64)>,
    cost: Option<f64>,
}

/// Headers that a provider goes by.
const HEADERS: [&str; 8] = [
    "authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "anthropic-version",
    "anthropic-beta",
    "openai-beta",
    "content-type",
];

impl Outcome {
    pub(super) fn of(case: &Case, sent: &[Asked], answer: &Answer) -> Self {
        // LiteLLM sometimes asks for a list of models first.
        let sent: Vec<&Asked> = sent.iter().filter(|asked| asked.head.starts_with("POST")).collect();
        let is_answer = answer.status == 200;
        let mut got = if !is_answer {
            json!({"status": answer.status, "error": meaning::of_error(answer)})
        } else if case.streams {
            json!({"status": 200, "stream": meaning::of_stream(&case.client, answer)})
        } else {
            json!({"status": 200, "body": answer.json()})
        };
        mask(&mut got);
        let sent = match sent.as_slice() {
            [] => Value::Null,
            [only] => request(only),
            several => several.iter().map(|asked| request(asked)).collect(),
        };
        Self { sent, got, is_answer }
    }
}

fn request(asked: &Asked) -> Value {
    let (path, query) = target(asked).split_once('?').unwrap_or((target(asked), ""));
    let mut query: Vec<&str> = query.split('&').filter(|part| !part.is_empty()).collect();
    query.sort_unstable();
    let lines = asked.head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let headers: Map<String, Value> = lines
        .map(|(name, value)| (name.to_lowercase(), json!(value.trim())))
        .filter(|(name, _)| HEADERS.contains(&name.as_str()))
        .collect();
    let mut body: Value = serde_json::from_str(&asked.body).unwrap_or_else(|_| json!(asked.body));
    if path.contains("enerateContent") {
        in_camel_case(&mut body);
    }
    json!({"path": path, "query": query, "headers": headers, "body": body})
}

/// Ids and times that a gateway makes up are another time others.
fn mask(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let is_id = matches!(name.as_str(), "id" | "responseId") || name.ends_with("_id");
                let is_time = matches!(name.as_str(), "created" | "created_at" | "completed_at");
                match value {
                    Value::String(id) if is_id => "an id".clone_into(id),
                    Value::Number(_) if is_time => *value = json!("a time"),
                    other => mask(other),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(mask),
        _ => {}
    }
}

/// Google reads `inline_data` as it reads `inlineData`.
fn in_camel_case(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, mut value) in std::mem::take(members) {
                // What is in here is the client's.
                if !matches!(name.as_str(), "args" | "response" | "properties") {
                    in_camel_case(&mut value);
                }
                members.insert(camel_case(&name), value);
            }
        }
        Value::Array(values) => values.iter_mut().for_each(in_camel_case),
        _ => {}
    }
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |out, word| {
        let (initial, rest) = word.split_at(word.len().min(1));
        out + &initial.to_uppercase() + rest
    })
}

impl Billed {
    /// From a line that `proxy.py` wrote.
    pub(super) fn theirs(line: &Value) -> (String, Self) {
        let usage = &line["usage"];
        let (input, output) = (&usage["prompt_tokens_details"], &usage["completion_tokens_details"]);
        let count = |value: &Value| value.as_u64().unwrap_or(0);
        let tokens = vec![
            ("input", count(&line["input"])),
            ("output", count(&line["output"])),
            ("cached", count(&input["cached_tokens"])),
            ("written", count(&usage["cache_creation_input_tokens"])),
            ("reasoning", count(&output["reasoning_tokens"])),
        ];
        (id(line), Self { tokens, cost: line["cost"].as_f64() })
    }

    /// From a usage record.
    pub(super) fn ours(record: &Value) -> (String, Self) {
        let count = |name: &str| record[name].as_u64().unwrap_or(0);
        let tokens = vec![
            ("input", count("input_tokens")),
            ("output", count("output_tokens")),
            ("cached", count("cache_read_tokens")),
            ("written", count("cache_write_tokens")),
            ("reasoning", count("reasoning_tokens")),
        ];
        (id(record), Self { tokens, cost: record["cost"].as_str().and_then(|cost| cost.parse().ok()) })
    }

    pub(super) fn to_json(&self) -> Value {
        let tokens = self.tokens.iter().map(|(name, count)| ((*name).to_owned(), json!(count)));
        // Theirs are sums of floats.
        let cost = self.cost.map(|cost| ("cost".to_owned(), json!(format!("{cost:.10}"))));
        Value::Object(tokens.chain(cost).collect())
    }
}

fn id(record: &Value) -> String {
    record["call_id"].as_str().unwrap_or_default().to_owned()
}
