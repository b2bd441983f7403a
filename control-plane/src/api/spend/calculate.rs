//! `/spend/calculate`: what a request costs, by the price book and what models declare.

use axum::response::Response;
use bulkhead_model::Usage;
use bulkhead_pricing::{Rates, cost};
use serde_json::{Map, Value, json};

use super::begin;
use crate::api::call::{Call, ok};
use crate::api::refusal::Refusal;
use crate::api::shape;
use crate::domain::body::body;
use crate::domain::field::Name;
use crate::store::models::{self, ModelFilter};

/// As nodes estimate what they have not heard from a provider.
const BYTES_PER_TOKEN: u64 = 4;
/// Of whom a model may be whose name does not say it.
const USUAL: [&str; 2] = ["openai", "anthropic"];

body! {
    /// `/spend/calculate`
    SpendCalculate {
        model: Name,
        messages: Vec<Map<String, Value>>,
        completion_response: Map<String, Value>,
    }
    refused []
    ignored []
}

pub(super) async fn calculate(call: Call) -> Result<Response, Refusal> {
    let SpendCalculate { model, messages, completion_response } = call.read()?;
    let (model, usage) = match (model, messages, completion_response) {
        (Some(Name(model)), Some(messages), None) => (model, of_messages(&messages)),
        (model, None, Some(answer)) => {
            let said = answer.get("model").and_then(Value::as_str).map(str::to_owned);
            let model = model.map(|name| name.0).or(said).ok_or_else(|| Refusal::missing("model"))?;
            (model, of_answer(&answer))
        }
        (Some(_), None, None) => {
            let message = "Bad Request - messages must be provided if 'model' is provided";
            return Err(Refusal::bad(message).param("messages"));
        }
        _ => {
            let message =
                "Bad Request - Either 'model' and 'messages' or 'completion_response' must be provided";
            return Err(Refusal::bad(message).param("model"));
        }
    };
    let rates = rates(&call, &model).await?;
    let cost = rates.and_then(|rates| cost(&rates, &usage)).ok_or_else(|| {
        let message = format!("This model isn't mapped yet. model={model}: its price is not known");
        Refusal::bad(message).param("model")
    })?;
    ok(json!({"cost": shape::dollars(cost.total.0)}))
}

/// Of a declared model, else of a provider's.
async fn rates(call: &Call, model: &str) -> Result<Option<Rates>, Refusal> {
    let mut report = begin(call).await?;
    let filter = ModelFilter { group: Some(model.to_owned()), ..ModelFilter::default() };
    let (found, _) = models::read(&mut report.transaction, call.state.store.seal(), &filter, None).await?;
    let prices = &call.state.prices;
    if let Some(row) = found.into_iter().find_map(|model| model.row) {
        let listed = prices.find(&row.provider, row.base_model.as_deref().unwrap_or(&row.model));
        return Ok(Some(listed.map(|price| price.rates.clone()).unwrap_or_default().overridden(&row.prices)));
    }
    let named = model.split_once('/').and_then(|(provider, model)| prices.find(provider, model));
    let found = named.or_else(|| USUAL.iter().find_map(|provider| prices.find(provider, model)));
    Ok(found.map(|price| price.rates.clone()))
}

fn of_messages(messages: &[Map<String, Value>]) -> Usage {
    let bytes: usize = messages.iter().flat_map(Map::values).map(text_bytes).sum();
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    Usage { input: bytes.div_ceil(BYTES_PER_TOKEN), ..Usage::default() }
}

fn text_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(text_bytes).sum(),
        Value::Object(members) => members.values().map(text_bytes).sum(),
        _ => 0,
    }
}

fn of_answer(answer: &Map<String, Value>) -> Usage {
    let number = |path: &str| {
        let usage = answer.get("usage")?;
        usage.pointer(path)?.as_u64()
    };
    let tokens = |path: &str| number(path).unwrap_or(0);
    Usage {
        input: tokens("/prompt_tokens"),
        output: tokens("/completion_tokens"),
        cache_read: tokens("/prompt_tokens_details/cached_tokens"),
        reasoning: tokens("/completion_tokens_details/reasoning_tokens"),
        input_audio: tokens("/prompt_tokens_details/audio_tokens"),
        output_audio: tokens("/completion_tokens_details/audio_tokens"),
        ..Usage::default()
    }
}
