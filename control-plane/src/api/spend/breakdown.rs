//! Sums of usage in LiteLLM's shapes: metrics, and what they break down into.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, json};

use super::{MASTER, MASTER_NAME};
use crate::api::shape;
use crate::store::spend::{Fact, KeyName};

/// What is added up.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Metrics {
    cost: i64,
    input: i64,
    output: i64,
    cache_read: i64,
    cache_write: i64,
    requests: i64,
    failures: i64,
    duration_ms: i64,
}

impl Metrics {
    pub(super) fn add(&mut self, fact: &Fact) {
        let more = [
            (&mut self.cost, fact.cost),
            (&mut self.input, fact.input_tokens),
            (&mut self.output, fact.output_tokens),
            (&mut self.cache_read, fact.cache_read_tokens),
            (&mut self.cache_write, fact.cache_write_tokens),
            (&mut self.requests, fact.requests),
            (&mut self.failures, fact.failures),
            (&mut self.duration_ms, fact.duration_ms),
        ];
        for (sum, more) in more {
            *sum = sum.saturating_add(more);
        }
    }

    fn members(&self, lead: &str) -> Map<String, Value> {
        let numbers = [
            ("prompt_tokens", self.input),
            ("completion_tokens", self.output),
            ("cache_read_input_tokens", self.cache_read),
            ("cache_creation_input_tokens", self.cache_write),
            ("compression_saved_tokens", 0),
            ("total_tokens", self.input.saturating_add(self.output)),
            ("successful_requests", self.requests.saturating_sub(self.failures)),
            ("failed_requests", self.failures),
            ("api_requests", self.requests),
            ("timed_requests", self.requests),
        ];
        let amounts = [
            ("spend", self.cost),
            ("flat_cost", 0),
            ("compression_savings_spend", 0),
            ("prompt_caching_savings_spend", 0),
            ("gateway_injected_caching_savings_spend", 0),
            ("autorouter_savings_spend", 0),
        ];
        let numbers = numbers.into_iter().map(|(name, number)| (name, Value::from(number)));
        let amounts = amounts.into_iter().map(|(name, amount)| (name, shape::dollars(amount)));
        // A total of tokens is not called twice a total.
        let name = |name: &str| match name.starts_with(lead) {
            true => name.to_owned(),
            false => format!("{lead}{name}"),
        };
        let mut members: Map<_, _> =
            numbers.chain(amounts).map(|(member, value)| (name(member), value)).collect();
        members.insert("total_response_time_ms".to_owned(), self.duration_ms.into());
        members
    }

    pub(super) fn shown(&self) -> Value {
        self.members("").into()
    }

    /// As the metadata of an answer has them.
    pub(super) fn totals(&self) -> Map<String, Value> {
        self.members("total_")
    }
}

/// How those who are told apart are called.
pub(super) struct Names {
    pub(super) keys: HashMap<String, KeyName>,
    /// What is known of an entity, by its id.
    pub(super) entities: HashMap<String, Value>,
}

/// Some part of a day, and the keys that it is made of.
#[derive(Default)]
struct Part {
    metrics: Metrics,
    keys: BTreeMap<String, Metrics>,
}

impl Part {
    fn add(&mut self, fact: &Fact) {
        self.metrics.add(fact);
        self.keys.entry(fact.key_id.clone()).or_default().add(fact);
    }
}

/// A day.
#[derive(Default)]
pub(super) struct Day {
    metrics: Metrics,
    models: BTreeMap<String, Part>,
    groups: BTreeMap<String, Part>,
    providers: BTreeMap<String, Part>,
    endpoints: BTreeMap<String, Part>,
    entities: BTreeMap<String, Part>,
    keys: BTreeMap<String, Metrics>,
}

impl Day {
    pub(super) fn add(&mut self, fact: &Fact, entity: &str) {
        self.metrics.add(fact);
        self.keys.entry(fact.key_id.clone()).or_default().add(fact);
        let or = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
        let parts = [
            (&mut self.models, fact.model.clone()),
            (&mut self.groups, or(&fact.model_group, &fact.model)),
            (&mut self.providers, or(&fact.provider, "unknown")),
            (&mut self.endpoints, fact.endpoint.clone()),
            (&mut self.entities, or(entity, "Unassigned")),
        ];
        for (parts, name) in parts {
            if !name.is_empty() {
                parts.entry(name).or_default().add(fact);
            }
        }
    }

    pub(super) fn shown(&self, date: &str, names: &Names) -> Value {
        let parts = |parts: &BTreeMap<String, Part>, known: Option<&HashMap<String, Value>>| {
            let shown = parts.iter().map(|(name, part)| {
                let metadata = known.and_then(|known| known.get(name)).cloned().unwrap_or_else(|| json!({}));
                let keys = of_keys(&part.keys, names);
                let part =
                    json!({"metrics": part.metrics.shown(), "metadata": metadata, "api_key_breakdown": keys});
                (name.clone(), part)
            });
            shown.collect::<Map<_, _>>()
        };
        json!({
            "date": date,
            "metrics": self.metrics.shown(),
            "breakdown": {
                "mcp_servers": {},
                "models": parts(&self.models, None),
                "model_groups": parts(&self.groups, None),
                "providers": parts(&self.providers, None),
                "endpoints": parts(&self.endpoints, None),
                "api_keys": of_keys(&self.keys, names),
                "entities": parts(&self.entities, Some(&names.entities)),
            },
        })
    }
}

fn of_keys(keys: &BTreeMap<String, Metrics>, names: &Names) -> Map<String, Value> {
    let shown = keys.iter().map(|(id, metrics)| {
        let known = names.keys.get(id);
        let metadata = json!({
            "key_alias": known.and_then(|key| key.alias.as_deref()),
            "team_id": known.and_then(|key| key.team_id.as_deref()),
            "user_id": known.and_then(|key| key.user_id.as_deref()),
            "user_email": known.and_then(|key| key.user_email.as_deref()),
            "key_exists": known.is_some_and(|key| key.is_there),
        });
        (key_name(id, &names.keys), json!({"metrics": metrics.shown(), "metadata": metadata}))
    });
    shown.collect()
}

/// The hash by which LiteLLM names a key; its id where nothing is known of it any more.
pub(super) fn key_name(id: &str, names: &HashMap<String, KeyName>) -> String {
    match names.get(id).and_then(|key| key.token.as_deref()) {
        _ if id == MASTER => MASTER_NAME.to_owned(),
        Some(token) => shape::hex(token),
        None => id.to_owned(),
    }
}
