//! Models in answers: secrets are hidden in every one.

use bulkhead_model::rows::DeploymentRow;
use bulkhead_pricing::{PriceBook, Rates, estimate};
use serde_json::{Map, Value, json};

use crate::api::shape;
use crate::domain::deployment::masked;
use crate::store::models::StoredModel;

/// A deployment as LiteLLM's table has it.
pub(super) fn stored(model: &StoredModel, prices: &PriceBook) -> Value {
    let head = shape::object(json!({
        "model_id": model.id,
        "model_name": model.group,
        "litellm_params": masked(&model.params),
        "model_info": info(model, prices),
        "blocked": model.blocked,
    }));
    shape::joined([head, shape::stamp(&model.stamp)])
}

/// A deployment as `/model/info` lists it.
pub(super) fn listed(model: &StoredModel, prices: &PriceBook) -> Value {
    json!({
        "model_name": model.group,
        "litellm_params": masked(&model.params),
        "model_info": info(model, prices),
    })
}

fn info(model: &StoredModel, prices: &PriceBook) -> Map<String, Value> {
    let mut info = known(model.row.as_ref(), prices);
    info.extend(masked(&model.info));
    info.extend(shape::object(json!({
        "id": model.id,
        "db_model": model.stamp.owner.is_none(),
        "blocked": model.blocked,
    })));
    info.extend(shape::stamp(&model.stamp));
    info
}

/// What the price book and the declaration know of the model.
fn known(row: Option<&DeploymentRow>, prices: &PriceBook) -> Map<String, Value> {
    let Some(row) = row else { return Map::new() };
    let listed = prices.find(&row.provider, row.base_model.as_deref().unwrap_or(&row.model));
    let rates = listed.map(|price| price.rates.clone()).unwrap_or_default().overridden(&row.prices);
    let known = json!({
        "key": row.model,
        "litellm_provider": row.provider,
        "mode": row.mode.as_deref().or(listed.and_then(|price| price.mode.as_deref())),
        "max_input_tokens": row.max_input_tokens.or(listed.and_then(|price| price.max_input_tokens)),
        "max_output_tokens": row.max_output_tokens.or(listed.and_then(|price| price.max_output_tokens)),
        "input_cost_per_token": per_token(&rates, 1000, 0),
        "output_cost_per_token": per_token(&rates, 0, 1000),
    });
    shape::object(known)
}

/// Dollars for one token, told from what a thousand cost; null is unknown.
fn per_token(rates: &Rates, input: u64, output: u64) -> Value {
    let thousand = estimate(rates, input, output);
    let text = thousand.map(|cost| format!("{}e-12", cost.0));
    text.and_then(|text| text.parse::<f64>().ok()).map_or(Value::Null, Value::from)
}

/// A model group as clients see it: what holds for any of its deployments.
pub(super) fn group(name: &str, models: &[&StoredModel], prices: &PriceBook) -> Value {
    let known: Vec<_> = models.iter().map(|model| known(model.row.as_ref(), prices)).collect();
    let numbers = |field: &str| -> Vec<f64> {
        known.iter().filter_map(|known| known.get(field).and_then(Value::as_f64)).collect()
    };
    let most = |field: &str| numbers(field).into_iter().reduce(f64::max);
    let whole = |field: &str| known.iter().filter_map(|known| known.get(field).and_then(Value::as_u64)).max();
    let rows = || models.iter().filter_map(|model| model.row.as_ref());
    let mut providers: Vec<&str> = rows().map(|row| row.provider.as_str()).collect();
    providers.sort_unstable();
    providers.dedup();
    json!({
        "model_group": name,
        "providers": providers,
        "max_input_tokens": whole("max_input_tokens"),
        "max_output_tokens": whole("max_output_tokens"),
        "input_cost_per_token": most("input_cost_per_token"),
        "output_cost_per_token": most("output_cost_per_token"),
        "mode": known.iter().find_map(|known| known.get("mode").filter(|mode| !mode.is_null())),
        "rpm": rows().filter_map(|row| row.rpm).reduce(u64::saturating_add),
        "tpm": rows().filter_map(|row| row.tpm).reduce(u64::saturating_add),
    })
}
