//! An exchange as LiteLLM's `LiteLLM_SpendLogs` has it. What is not recorded has LiteLLM's empty value.

use serde_json::{Value, json};
use time::Duration;

use super::{MASTER, MASTER_NAME};
use crate::api::shape;
use crate::store::spend::{Log, RequestName};

/// The name of an event: its node, the start of the node's process, and its number.
fn request_id(log: &Log) -> String {
    format!("{}-{}-{}", log.node, log.incarnation.simple(), log.seq)
}

/// What a client asks for by this name.
pub(super) fn named(text: &str) -> RequestName {
    let event = || {
        let (rest, seq) = text.rsplit_once('-')?;
        let (_, incarnation) = rest.rsplit_once('-')?;
        let incarnation =
            (incarnation.len() == 32).then(|| sqlx::types::Uuid::try_parse(incarnation).ok())??;
        Some(RequestName::Event(incarnation, seq.parse().ok()?))
    };
    event().unwrap_or_else(|| RequestName::Call(text.to_owned()))
}

pub(super) fn row(log: &Log) -> Value {
    let later =
        |millis: i64| log.at.checked_add(Duration::milliseconds(millis)).map_or(Value::Null, shape::time);
    let failed = log.failure.is_some();
    json!({
        "request_id": request_id(log),
        "litellm_call_id": log.call_id,
        "call_type": log.call_type,
        "api_key": key(log),
        "spend": shape::dollars(log.cost.unwrap_or(0)),
        "total_tokens": log.input_tokens.saturating_add(log.output_tokens),
        "prompt_tokens": log.input_tokens,
        "completion_tokens": log.output_tokens,
        "startTime": shape::time(log.at),
        "endTime": later(log.duration_ms),
        "completionStartTime": later(log.first_byte_ms.unwrap_or(log.duration_ms)),
        "request_duration_ms": log.duration_ms,
        "model": if log.provider_model.is_empty() { &log.model } else { &log.provider_model },
        "model_id": log.deployment,
        "model_group": log.model_group,
        "custom_llm_provider": log.provider,
        "api_base": "",
        "user": log.user_id.as_deref().unwrap_or_default(),
        "metadata": metadata(log),
        "cache_hit": "False",
        "cache_key": "",
        "request_tags": log.tags,
        "team_id": log.team_id,
        "organization_id": log.organization_id,
        "end_user": log.end_user.as_deref().unwrap_or_default(),
        "requester_ip_address": null,
        "messages": {},
        "response": {},
        "proxy_server_request": {},
        "session_id": null,
        "status": if failed { "failure" } else { "success" },
        "mcp_namespaced_tool_name": null,
        "agent_id": null,
    })
}

/// The hash of the key, as keys are named everywhere; its id where no hash is known.
fn key(log: &Log) -> String {
    match &log.key_hash {
        Some(hash) => shape::hex(hash),
        None if log.key_id == MASTER => MASTER_NAME.to_owned(),
        None => log.key_id.clone(),
    }
}

fn metadata(log: &Log) -> Value {
    let source = match log.source {
        1 => "reported",
        2 => "estimated",
        _ => "unknown",
    };
    json!({
        "user_api_key": key(log),
        "user_api_key_alias": log.key_alias,
        "user_api_key_team_id": log.team_id,
        "user_api_key_user_id": log.user_id,
        "user_api_key_org_id": log.organization_id,
        "status": if log.failure.is_some() { "failure" } else { "success" },
        "error_information": log.failure.as_ref().map(|kind| json!({"error_class": kind})),
        "usage_object": {
            "prompt_tokens": log.input_tokens,
            "completion_tokens": log.output_tokens,
            "total_tokens": log.input_tokens.saturating_add(log.output_tokens),
            "prompt_tokens_details": {
                "cached_tokens": log.cache_read_tokens,
                "cache_creation_tokens": log.cache_write_tokens.saturating_add(log.cache_write_1h_tokens),
                "audio_tokens": log.input_audio_tokens,
            },
            "completion_tokens_details": {
                "reasoning_tokens": log.reasoning_tokens,
                "audio_tokens": log.output_audio_tokens,
            },
            "cache_read_input_tokens": log.cache_read_tokens,
            "cache_creation_input_tokens": log.cache_write_tokens.saturating_add(log.cache_write_1h_tokens),
        },
        "usage_source": source,
        "cost_known": log.cost.is_some(),
        "cost_bound": shape::maybe_dollars(log.bound),
        "requests": log.requests,
        "failures": log.failures,
        "requested_model": log.model,
        "endpoint": log.endpoint,
        "stream": log.stream,
        "service_tier": log.service_tier,
        "node": log.node,
        "leg": log.leg,
        "handed_on": log.handed_on,
        "attempted_retries": log.retries,
        "attempted_fallbacks": log.fallbacks,
        "routed_by": log.rule,
        "upstream_status": log.status,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_named_by_node_start_and_number_and_all_else_by_its_call() {
        let start = "0123456789abcdef0123456789abcdef";
        let RequestName::Event(incarnation, seq) = named(&format!("node-1-{start}-42")) else { panic!() };
        assert_eq!((incarnation.simple().to_string().as_str(), seq), (start, 42));
        for call in ["8d7a9a3e-5f0e-4f5c-a0e2-1f1b8a1d1c11", "x", "a-b-1", &format!("n-{start}-x")] {
            assert!(matches!(named(call), RequestName::Call(_)), "{call}");
        }
    }
}
