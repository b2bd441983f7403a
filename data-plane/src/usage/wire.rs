//! Events as the control plane reads them.

use std::sync::Arc;

use bulkhead_model::usage::UsageSource;
use bulkhead_model::{ErrorKind, NanoUsd, UnixMillis, Usage};
use bulkhead_proto as proto;
use bytes::Bytes;
use prost::Message;

use super::event::{TAGS, UsageEvent, cut, micros, millis};
use crate::settle::{Exchange, LegTimes};

/// The failure of an exchange that ended with the process.
const CRASH: &str = "crash";

/// An exchange that ended.
pub(super) fn ended(event: &UsageEvent) -> Bytes {
    let failure = event.outcome.err().map(ErrorKind::label);
    encode(&read(event, failure))
}

/// An exchange that was begun, as it is if nothing more is heard of it.
pub(super) fn begun(exchange: &Arc<Exchange>, bound: NanoUsd) -> Bytes {
    let usage = Usage { input: exchange.input_estimate, ..Usage::default() };
    let event = UsageEvent {
        number: 0,
        exchange: exchange.clone(),
        outcome: Ok(()),
        handed_on: false,
        usage,
        source: UsageSource::Unknown,
        cost: exchange.price(&usage),
        reserved: bound,
        times: LegTimes::default(),
        status: None,
    };
    encode(&read(&event, Some(CRASH)))
}

/// Money that was claimed for a key, found `at`, of which nothing more is known.
pub(super) fn claimed(at: UnixMillis, key_id: &str, bound: NanoUsd) -> Bytes {
    encode(&proto::UsageEvent {
        time: at.0,
        failure: Some(CRASH.to_owned()),
        key_id: text(key_id),
        source: proto::UsageSource::Unknown.into(),
        bound: Some(bound.0),
        ..Default::default()
    })
}

fn encode(event: &proto::UsageEvent) -> Bytes {
    event.encode_to_vec().into()
}

fn read(event: &UsageEvent, failure: Option<&str>) -> proto::UsageEvent {
    let UsageEvent { exchange, usage, source, cost, reserved, times, status, handed_on, .. } = event;
    let progress = exchange.progress;
    let deployment = &*exchange.routed.deployment;
    let key = exchange.caller.key();
    let optional = |part: Option<&str>| part.map(text).unwrap_or_default();
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
    } = *usage;
    proto::UsageEvent {
        time: exchange.started_at.0,
        call_id: text(exchange.call_id.to_str().unwrap_or_default()),
        call_type: exchange.endpoint.call_type().to_owned(),
        stream: exchange.stream,
        failure: failure.map(str::to_owned),
        model: text(&exchange.asked),
        model_group: text(&deployment.group),
        provider: text(&deployment.provider.name),
        provider_model: text(&exchange.routed.model),
        deployment: text(&deployment.id),
        key_id: text(key.map_or("master", |key| key.id())),
        key_hash: key.map(|key| Bytes::copy_from_slice(&key.hash().0)).unwrap_or_default(),
        key_alias: optional(key.and_then(|key| key.alias())),
        team: optional(key.and_then(|key| key.team_id())),
        user: optional(key.and_then(|key| key.user_id())),
        organization: String::new(),
        end_user: optional(exchange.end_user.as_deref()),
        tags: exchange.tags.iter().take(TAGS).map(|tag| text(tag)).collect(),
        source: source_of(*source).into(),
        input_tokens: input,
        output_tokens: output,
        cache_read_tokens: cache_read,
        cache_write_tokens: cache_write,
        cache_write_1h_tokens: cache_write_1h,
        reasoning_tokens: reasoning,
        input_audio_tokens: input_audio,
        output_audio_tokens: output_audio,
        service_tier: tier.label().to_owned(),
        cost: cost.map(|cost| cost.0),
        bound: cost.filter(|_| *source != UsageSource::Reported).map(|_| reserved.0),
        duration_ms: millis(times.total),
        first_byte_ms: times.first_byte.map(millis),
        requests: 0,
        failures: 0,
        endpoint: exchange.endpoint.route().to_owned(),
        leg: progress.leg,
        handed_on: *handed_on,
        retries: progress.retries,
        fallbacks: progress.fallbacks,
        first_token_ms: times.first_token.map(millis),
        upstream_ms: times.upstream.map(millis),
        overhead_us: micros(times.overhead),
        rule: exchange.rule.text(&exchange.group),
        status: status.map(u32::from).unwrap_or_default(),
    }
}

fn text(text: &str) -> String {
    cut(text).into_owned()
}

fn source_of(source: UsageSource) -> proto::UsageSource {
    match source {
        UsageSource::Reported => proto::UsageSource::Reported,
        UsageSource::Estimated => proto::UsageSource::Estimated,
        UsageSource::Unknown => proto::UsageSource::Unknown,
    }
}
