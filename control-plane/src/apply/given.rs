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
    for said in &row.cloud {
        set(&said.name, Some(said.value.expose().into()));
    }
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
    let said: Map<String, Value> =
        bulkhead_config::allowed_fails(policy).map(|(name, number)| (name, number.into())).collect();
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

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use bulkhead_config::Source;
    use bulkhead_model::Secret;
    use bulkhead_model::rows::CloudValue;
    use serde_json::json;

    use super::*;
    use crate::domain::deployment;

    fn every_field() -> DeploymentRow {
        let some = Some(7);
        let seconds = |seconds| Some(Duration::from_millis(seconds));
        DeploymentRow {
            id: "d".into(),
            group: "gpt".into(),
            provider: "openai".into(),
            model: "gpt-4o".into(),
            api_base: Some("http://127.0.0.1:1/v1".into()),
            api_key: Some(Secret::new("sk-provider")),
            cloud: Vec::new(),
            api_version: Some("v1".into()),
            organization: Some("org".into()),
            timeout: seconds(30_500),
            stream_timeout: seconds(20_000),
            connect_timeout: seconds(1000),
            first_byte_timeout: seconds(2000),
            idle_timeout: seconds(3000),
            max_parallel: some,
            rpm: Some(60),
            tpm: Some(1000),
            weight: Some(1500),
            order: Some(-1),
            num_retries: some,
            cooldown_time: seconds(0),
            allowed_fails: some,
            allowed_fails_policy: ByFailure {
                bad_request: Some(1),
                authentication: Some(2),
                timeout: Some(3),
                rate_limit: Some(4),
                content_policy: Some(5),
                internal: Some(6),
                unavailable: Some(7),
                not_found: Some(8),
                default: Some(9),
            },
            tags: vec!["paid".into()],
            extra_headers: vec![ExtraHeader { name: "x-team".into(), value: Secret::new("red") }],
            extra_body: vec![JsonMember { name: "seed".into(), json: "7".into() }],
            call_params: vec![JsonMember { name: "temperature".into(), json: "0.5".into() }],
            drop_params: Some(true),
            drop_always: vec!["stop".into()],
            prices: vec![("input_cost_per_token".into(), PicoUsd(2_500_000))],
            mode: Some("chat".into()),
            base_model: Some("gpt-4o".into()),
            access_groups: vec!["beta".into()],
            max_input_tokens: Some(128_000),
            max_output_tokens: Some(16_384),
            credential: None,
            blocked: false,
            requires: Vec::new(),
        }
    }

    #[test]
    fn what_is_shown_of_a_deployment_declares_the_same_deployment() {
        let of_bedrock = DeploymentRow {
            provider: "bedrock".into(),
            api_base: Some("http://127.0.0.1:1".into()),
            api_key: None,
            cloud: vec![said("aws_role_name", "arn"), said("aws_region_name", "eu-west-1")],
            ..every_field()
        };
        for row in [every_field(), of_bedrock] {
            declares_the_same(&row);
        }
    }

    fn said(name: &str, value: &str) -> CloudValue {
        CloudValue { name: name.into(), value: Secret::new(value) }
    }

    fn declares_the_same(row: &DeploymentRow) {
        let shown = of(row);
        let given = deployment::Given {
            id: &row.id,
            group: &row.group,
            params: &shown.params,
            info: &shown.info,
            blocked: false,
            credential: None,
        };
        let outside =
            Source { env: &|_| None, read: &|_: &Path| Err(io::Error::from(io::ErrorKind::NotFound)) };
        let read = deployment::read(&given, &outside).map_err(|refused| refused.message).unwrap();
        assert!(read == *row, "{}", json!(of(&read).params));
    }
}
