//! Pieces of answers that several resources share.

use bulkhead_model::{NanoUsd, UnixMillis, hash};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::call::Times;
use super::refusal::Refusal;
use crate::domain::body::is_empty;
use crate::domain::field::{LARGEST_OBJECT, Name};
use crate::domain::time::{millis, reset_at};
use crate::store::terms::{Page, Stamp, Terms};

/// Dollars as a JSON number.
pub(super) fn dollars(nanos: i64) -> Value {
    NanoUsd(nanos).to_string().parse::<f64>().map_or(Value::Null, Value::from)
}

pub(super) fn maybe_dollars(nanos: Option<i64>) -> Value {
    nanos.map_or(Value::Null, dollars)
}

pub(super) fn time(time: OffsetDateTime) -> Value {
    millis(time).rfc3339().into()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    String::from_utf8(hash::hex(bytes)).unwrap_or_default()
}

/// The members that keys, teams and users share.
pub(super) fn terms(terms: &Terms, times: &Times) -> Map<String, Value> {
    let reset = reset_at(terms.budget_duration.as_deref(), times.now, &times.zone).map(UnixMillis::rfc3339);
    object(json!({
        "models": terms.models,
        "rpm_limit": terms.rpm_limit,
        "tpm_limit": terms.tpm_limit,
        "max_parallel_requests": terms.max_parallel_requests,
        "max_budget": maybe_dollars(terms.max_budget),
        "soft_budget": maybe_dollars(terms.soft_budget),
        "budget_duration": terms.budget_duration,
        "budget_reset_at": reset,
        "spend": dollars(terms.spend),
        "blocked": terms.blocked,
        "metadata": terms.metadata,
        "model_spend": {},
        "model_max_budget": {},
    }))
}

pub(super) fn stamp(stamp: &Stamp) -> Map<String, Value> {
    object(json!({
        "created_at": time(stamp.created_at),
        "created_by": stamp.created_by,
        "updated_at": time(stamp.updated_at),
        "updated_by": stamp.updated_by,
        "declared_in": stamp.owner,
    }))
}

pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

/// The members of objects, later ones winning.
pub(super) fn joined(parts: impl IntoIterator<Item = Map<String, Value>>) -> Value {
    parts.into_iter().flatten().collect::<Map<_, _>>().into()
}

/// The members that lists in pages end with.
pub(super) fn paged(total: i64, page: Page) -> Map<String, Value> {
    object(json!({"total_count": total, "current_page": page.number, "total_pages": page.pages(total)}))
}

pub(super) fn names(names: Vec<Name>) -> Vec<String> {
    names.into_iter().map(|name| name.0).collect()
}

/// Metadata as it is stored. A restriction that LiteLLM would take from it is refused as if it stood outside.
pub(super) fn metadata(given: Map<String, Value>, restricting: &[&'static str]) -> Result<Value, Refusal> {
    let hidden = restricting.iter().find(|name| given.get(**name).is_some_and(|value| !is_empty(value)));
    if let Some(name) = hidden {
        return Err(super::refusal::unenforced(&format!("metadata.{name}")));
    }
    if given.get("disable_fallbacks").is_some_and(|value| !value.is_boolean() && !value.is_null()) {
        return Err(Refusal::field("metadata.disable_fallbacks", "true or false is wanted"));
    }
    let metadata = Value::Object(given);
    if metadata.to_string().len() > LARGEST_OBJECT {
        return Err(Refusal::field("metadata", "this is larger than 64 KiB"));
    }
    Ok(metadata)
}

/// Tags: those that are given, else those in the metadata, where LiteLLM keeps them.
pub(super) fn tags(
    given: Option<Vec<Name>>,
    metadata: Option<&Value>,
) -> Result<Option<Vec<String>>, Refusal> {
    if let Some(given) = given {
        return Ok(Some(names(given)));
    }
    let Some(inside) = metadata.and_then(|metadata| metadata.get("tags")) else { return Ok(None) };
    let read = <Vec<Name> as crate::domain::field::Field>::read(inside);
    read.map(|tags| Some(names(tags))).map_err(|wrong| Refusal::field("metadata.tags", wrong.message))
}
