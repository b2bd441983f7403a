//! A request as it is told.

use serde_json::{Value, json};

use super::requests::Request;
use super::words::sentence;
use crate::api::shape;
use crate::store::spend::Log;

/// Characters of a key's hash that are shown.
const TAIL: usize = 8;

/// A request; `others` have the same id.
pub(super) fn request(request: &Request, others: usize) -> Value {
    let (Some(first), Some(last)) = (request.legs.first(), request.legs.last()) else { return Value::Null };
    let status = match (&last.failure, request.is_under_way()) {
        (_, true) => "under way",
        (Some(_), false) => "failure",
        (None, false) => "success",
    };
    let end = last.at - first.at + time::Duration::milliseconds(last.duration_ms);
    let next = request.legs.iter().skip(1).map(Some).chain([None]);
    json!({
        "call_id": first.call_id,
        "time": shape::time(first.at),
        "status": status,
        "error": last.failure.as_ref().filter(|_| status == "failure"),
        "key": key(first),
        "team_id": first.team_id,
        "user_id": first.user_id,
        "organization_id": first.organization_id,
        "end_user": first.end_user,
        "tags": first.tags,
        "endpoint": first.endpoint,
        "stream": first.stream,
        "model": first.model,
        "served_by": (status == "success").then(|| place(last)),
        "retries": last.retries,
        "fallbacks": last.fallbacks,
        "duration_ms": i64::try_from(end.whole_milliseconds()).unwrap_or(i64::MAX),
        "usage": usage(&request.legs),
        "cost": shape::maybe_dollars(cost(&request.legs)),
        "legs": request.legs.iter().zip(next).map(|(it, next)| leg(it, next)).collect::<Vec<_>>(),
        "node": first.node,
        "others_with_this_id": others,
    })
}

fn key(leg: &Log) -> Value {
    let hash = leg.key_hash.as_deref().map(shape::hex);
    let tail = hash.as_deref().and_then(|hash| hash.get(hash.len().checked_sub(TAIL)?..));
    json!({"id": leg.key_id, "alias": leg.key_alias, "hash_ends_with": tail})
}

fn place(leg: &Log) -> Value {
    json!({
        "model_group": leg.model_group,
        "deployment": leg.deployment,
        "provider": leg.provider,
        "provider_model": leg.provider_model,
    })
}

fn leg(leg: &Log, next: Option<&Log>) -> Value {
    let of_leg = json!({
        "leg": leg.leg,
        "time": shape::time(leg.at),
        "rule": leg.rule,
        "outcome": if leg.failure.is_none() { "success" } else { "failure" },
        "error": leg.failure,
        "upstream_status": leg.status,
        "timings": {
            "in_gateway_ms": millis(leg.overhead_us),
            "upstream_ms": leg.upstream_ms,
            "first_byte_ms": leg.first_byte_ms,
            "first_token_ms": leg.first_token_ms,
            "total_ms": leg.duration_ms,
        },
        "usage": usage(std::slice::from_ref(leg)),
        "usage_source": source(leg),
        "cost": shape::maybe_dollars(leg.cost),
        "cost_bound": shape::maybe_dollars(leg.bound),
        "explanation": sentence(leg, next),
    });
    shape::joined([shape::object(place(leg)), shape::object(of_leg)])
}

/// Microseconds as milliseconds.
#[expect(clippy::cast_precision_loss, reason = "shown to people")]
fn millis(micros: i64) -> f64 {
    micros as f64 / 1000.0
}

fn source(leg: &Log) -> &'static str {
    match leg.source {
        1 => "reported",
        2 => "estimated",
        _ => "unknown",
    }
}

fn usage(legs: &[Log]) -> Value {
    let sum = |of: fn(&Log) -> i64| legs.iter().map(of).fold(0, i64::saturating_add);
    json!({
        "input_tokens": sum(|leg| leg.input_tokens),
        "output_tokens": sum(|leg| leg.output_tokens),
        "cache_read_tokens": sum(|leg| leg.cache_read_tokens),
        "cache_write_tokens": sum(|leg| leg.cache_write_tokens.saturating_add(leg.cache_write_1h_tokens)),
        "reasoning_tokens": sum(|leg| leg.reasoning_tokens),
    })
}

/// Nothing where it is not known of a leg that used something.
fn cost(legs: &[Log]) -> Option<i64> {
    let used = |leg: &&Log| leg.cost.is_some() || leg.input_tokens > 0 || leg.output_tokens > 0;
    legs.iter().filter(used).try_fold(0i64, |sum, leg| Some(sum.saturating_add(leg.cost?)))
}
