//! What keys and teams say of fallbacks, as nodes know it.

use bulkhead_model::rows::{ChainRow, FallbackPolicy};
use serde_json::Value;
use sqlx::Row;
use sqlx::postgres::PgRow;

/// LiteLLM keeps it among the metadata.
const DISABLED: &str = "disable_fallbacks";

/// Of a row with `router_settings` and `metadata`.
pub(super) fn policy(row: &PgRow) -> Result<FallbackPolicy, sqlx::Error> {
    let settings: Value = row.try_get("router_settings")?;
    let metadata: Value = row.try_get("metadata")?;
    let disabled = metadata.get(DISABLED).and_then(Value::as_bool).unwrap_or(false);
    Ok(FallbackPolicy { disabled, chains: chains(&settings) })
}

fn chains(settings: &Value) -> Vec<ChainRow> {
    let lists = settings.get("fallbacks").and_then(Value::as_array).into_iter().flatten();
    let pairs = lists.filter_map(Value::as_object).flatten();
    pairs.map(|(group, targets)| ChainRow { group: group.clone(), targets: texts(targets) }).collect()
}

fn texts(list: &Value) -> Vec<String> {
    let items = list.as_array().into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}
