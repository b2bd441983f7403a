//! A deployment of a file as the API shows it: `litellm_params` and `model_info`.

use std::time::Duration;

use bulkhead_model::PicoUsd;
use bulkhead_model::rows::{ByFailure, DeploymentRow, ExtraHeader, JsonMember};
use serde_json::{Map, Value};

use crate::store::files::Given;

/// What the deployment was given, as far as it still shows.
pub(super) fn of(row: &DeploymentRow) -> Given {
    Given { row: row.clone(), params: params(row), info: info(row) }
}

fn params(row: &DeploymentRow) -> Map<String, Value> {
    let mut params = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            params.insert(name.to_owned(), value);
        }
    };
    let model =
        if row.provider.is_empty() { row.model.clone() } else { format!("{}/{}", row.provider, row.model) };
    set("model", Some(model.into()));
    set("api_base", row.api_base.clone().map(Value::from));
    set("api_key", row.api_key.as_ref().map(|key| key.expose().into()));
    set("api_version", row.api_version.clone().map(Value::from));
    set("organization", row.organization.clone().map(Value::from));
    set("litellm_credential_name", row.credential.clone().map(Value::from));
    set("timeout", row.timeout.map(seconds));
    set("stream_timeout", row.stream_timeout.map(seconds));
    set("connect_timeout", row.connect_timeout.map(seconds));
    set("first_byte_timeout", row.first_byte_timeout.map(seconds));
    set("idle_timeout", row.idle_timeout.map(seconds));
    set("num_retries", row.num_retries.map(Value::from));
    set("max_parallel_requests", row.max_parallel.map(Value::from));
    set("cooldown_time", row.cooldown_time.map(seconds));
    set("allowed_fails", row.allowed_fails.map(Value::from));
    set("allowed_fails_policy", allowed_fails(row.allowed_fails_policy));
    set("weight", row.weight.map(thousandths));
    set("rpm", row.rpm.map(Value::from));
    set("tpm", row.tpm.map(Value::from));
    set("order", row.order.map(Value::from));
    set("tags", some_list(&row.tags));
    set("extra_headers", headers(&row.extra_headers));
    set("extra_body", members(&row.extra_body));
    set("drop_params", row.drop_params.map(Value::from));
    set("additional_drop_params", some_list(&row.drop_always));
    for JsonMember { name, json } in &row.call_params {
        set(name, serde_json::from_str(json).ok());
    }
    for (name, price) in &row.prices {
        set(name, dollars(*price));
    }
    params
}

fn info(row: &DeploymentRow) -> Map<String, Value> {
    let mut info = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            info.insert(name.to_owned(), value);
        }
    };
    set("id", Some(row.id.clone().into()));
    set("mode", row.mode.clone().map(Value::from));
    set("base_model", row.base_model.clone().map(Value::from));
    set("access_groups", some_list(&row.access_groups));
    set("max_input_tokens", row.max_input_tokens.map(Value::from));
    set("max_output_tokens", row.max_output_tokens.map(Value::from));
    info
}

fn seconds(time: Duration) -> Value {
    time.as_secs_f64().into()
}

fn allowed_fails(policy: ByFailure) -> Option<Value> {
    let ByFailure {
        bad_request,
        authentication,
        timeout,
        rate_limit,
        content_policy,
        internal,
        unavailable,
        not_found,
        default,
    } = policy;
    let numbers = [
        ("BadRequestErrorAllowedFails", bad_request),
        ("AuthenticationErrorAllowedFails", authentication),
        ("TimeoutErrorAllowedFails", timeout),
        ("RateLimitErrorAllowedFails", rate_limit),
        ("ContentPolicyViolationErrorAllowedFails", content_policy),
        ("InternalServerErrorAllowedFails", internal),
        ("ServiceUnavailableErrorAllowedFails", unavailable),
        ("NotFoundErrorAllowedFails", not_found),
        ("DefaultAllowedFails", default),
    ];
    let said: Map<String, Value> =
        numbers.into_iter().filter_map(|(name, number)| Some((name.to_owned(), number?.into()))).collect();
    (!said.is_empty()).then(|| said.into())
}

fn thousandths(weight: u32) -> Value {
    match weight % 1000 {
        0 => (weight / 1000).into(),
        _ => (f64::from(weight) / 1000.0).into(),
    }
}

/// Dollars per unit, exact: read from the decimal digits.
fn dollars(price: PicoUsd) -> Option<Value> {
    const DIGITS: u64 = 1_000_000_000_000;
    format!("{}.{:012}", price.0 / DIGITS, price.0 % DIGITS).parse::<f64>().ok().map(Value::from)
}

fn some_list(texts: &[String]) -> Option<Value> {
    (!texts.is_empty()).then(|| texts.into())
}

fn headers(headers: &[ExtraHeader]) -> Option<Value> {
    let pair = |header: &ExtraHeader| (header.name.clone(), Value::from(header.value.expose()));
    (!headers.is_empty()).then(|| Value::Object(headers.iter().map(pair).collect()))
}

fn members(members: &[JsonMember]) -> Option<Value> {
    let pair = |member: &JsonMember| Some((member.name.clone(), serde_json::from_str(&member.json).ok()?));
    (!members.is_empty()).then(|| Value::Object(members.iter().filter_map(pair).collect()))
}
