//! What is recorded of an exchange.

use std::sync::Arc;
use std::time::Duration;

use bulkhead_model::usage::UsageSource;
use bulkhead_model::{Endpoint, ErrorKind, NanoUsd, UnixMillis, Usage};
use bulkhead_snapshot::{Deployment, Key};
use serde_json::{Map, Value, json};

use crate::identify::Caller;
use crate::settle::Exchange;

/// Strings that callers choose are cut here (design §8).
const TEXT_CAP: usize = 512;
const TAGS: usize = 32;

/// A finished exchange. Written down by the recorder's thread, so nothing is formatted on a worker.
pub(crate) struct UsageEvent {
    at: UnixMillis,
    call_id: String,
    endpoint: Endpoint,
    stream: bool,
    asked: String,
    model: String,
    deployment: Arc<Deployment>,
    key: Option<Arc<Key>>,
    tags: Vec<String>,
    end_user: Option<String>,
    outcome: Result<(), ErrorKind>,
    usage: Usage,
    source: UsageSource,
    /// `None`: the price is not known.
    cost: Option<NanoUsd>,
    reserved: NanoUsd,
    took: Duration,
    first_byte: Option<Duration>,
}

impl UsageEvent {
    pub(crate) fn new(
        exchange: &Exchange,
        outcome: Result<(), ErrorKind>,
        (usage, source): (&Usage, UsageSource),
        cost: Option<NanoUsd>,
        reserved: NanoUsd,
        (took, first_byte): (Duration, Option<Duration>),
    ) -> Self {
        Self {
            at: exchange.started_at,
            call_id: exchange.call_id.to_str().unwrap_or_default().to_owned(),
            endpoint: exchange.endpoint,
            stream: exchange.stream,
            asked: exchange.asked.clone(),
            model: exchange.routed.model.clone(),
            deployment: exchange.routed.deployment.clone(),
            key: match &exchange.caller {
                Caller::Master => None,
                Caller::Key(key) => Some(key.clone()),
            },
            tags: exchange.tags.clone(),
            end_user: exchange.end_user.clone(),
            outcome,
            usage: *usage,
            source,
            cost,
            reserved,
            took,
            first_byte,
        }
    }

    /// The record as one JSON object. Amounts are decimal dollars; a cost that is not known is null, never zero.
    pub(super) fn to_json(&self, id: &str) -> Value {
        let mut record = Map::new();
        let mut put = |name: &str, value: Value| drop(record.insert(name.to_owned(), value));
        put("id", json!(id));
        put("time", json!(self.at.rfc3339()));
        put("call_id", json!(cut(&self.call_id)));
        put("call_type", json!(self.endpoint.call_type()));
        put("stream", json!(self.stream));
        put("model", json!(cut(&self.asked)));
        put("model_group", json!(&*self.deployment.group));
        put("provider", json!(&*self.deployment.provider.name));
        put("provider_model", json!(cut(&self.model)));
        put("deployment", json!(&*self.deployment.id));
        put("status", json!(if self.outcome.is_ok() { "success" } else { "failure" }));
        put("error", self.outcome.err().map_or(Value::Null, |kind| json!(kind.label())));
        put("usage", json!(self.source.label()));
        let Usage {
            input,
            output,
            cache_read,
            cache_write,
            cache_write_1h,
            reasoning,
            input_audio,
            output_audio,
            tier,
        } = self.usage;
        put("input_tokens", json!(input));
        put("output_tokens", json!(output));
        put("cache_read_tokens", json!(cache_read));
        put("cache_write_tokens", json!(cache_write));
        put("cache_write_1h_tokens", json!(cache_write_1h));
        put("reasoning_tokens", json!(reasoning));
        put("input_audio_tokens", json!(input_audio));
        put("output_audio_tokens", json!(output_audio));
        put("service_tier", json!(tier.label()));
        put("cost", self.cost.map_or(Value::Null, |cost| json!(cost.to_string())));
        if self.source != UsageSource::Reported {
            put("bound", json!(self.reserved.to_string()));
        }
        put("duration_ms", json!(millis(self.took)));
        put("first_byte_ms", self.first_byte.map_or(Value::Null, |time| json!(millis(time))));
        match &self.key {
            None => put("key", json!("master")),
            Some(key) => {
                put("key", json!(&*key.id));
                put("key_hash", json!(key.hash.to_string()));
                put("key_alias", json!(key.alias.as_deref()));
                put("team_id", json!(key.team_id.as_deref()));
                put("user_id", json!(key.user_id.as_deref()));
                let metadata = key.metadata.as_deref().and_then(|text| serde_json::from_str(text).ok());
                put("metadata", metadata.unwrap_or(Value::Null));
            }
        }
        put("end_user", self.end_user.as_deref().map_or(Value::Null, |user| json!(cut(user))));
        put("tags", json!(self.tags.iter().take(TAGS).map(|tag| cut(tag)).collect::<Vec<_>>()));
        Value::Object(record)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn cut(text: &str) -> String {
    text.chars().filter(|character| *character != '\0').take(TEXT_CAP).collect()
}
