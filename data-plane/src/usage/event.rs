//! What is recorded of an exchange.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_model::usage::UsageSource;
use bulkhead_model::{ErrorKind, NanoUsd, Usage};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::settle::{Exchange, LegTimes};

/// Strings that callers choose are cut here (design §8), in characters.
const TEXT_CAP: usize = 512;
pub(super) const TAGS: usize = 32;

/// A finished exchange. Written down by the recorder's thread, so nothing is formatted on a worker.
pub(crate) struct UsageEvent {
    /// What [`super::Recorder::begin`] gave; 0 where nothing was begun.
    pub(crate) number: u64,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) outcome: Result<(), ErrorKind>,
    /// Another leg of the same request follows.
    pub(crate) handed_on: bool,
    pub(crate) usage: Usage,
    pub(crate) source: UsageSource,
    /// `None`: the price is not known.
    pub(crate) cost: Option<NanoUsd>,
    /// What was reserved: the bound of a usage that was not reported.
    pub(crate) reserved: NanoUsd,
    pub(crate) times: LegTimes,
    /// The provider's, where it refused.
    pub(crate) status: Option<u16>,
}

/// The record as it is written. Amounts are decimal dollars; a cost that is not known is null, never zero.
#[derive(Serialize)]
struct Record<'a> {
    id: &'a str,
    time: String,
    call_id: Cow<'a, str>,
    call_type: &'static str,
    stream: bool,
    status: &'static str,
    error: Option<&'static str>,
    /// The number of this try of the request, and whether another followed.
    leg: u32,
    handed_on: bool,
    retries: u32,
    fallbacks: u32,
    rule: String,
    upstream_status: Option<u16>,
    model: Cow<'a, str>,
    model_group: &'a str,
    provider: &'a str,
    provider_model: Cow<'a, str>,
    deployment: &'a str,
    key: &'a str,
    key_hash: Option<String>,
    key_alias: Option<&'a str>,
    team_id: Option<&'a str>,
    user_id: Option<&'a str>,
    end_user: Option<Cow<'a, str>>,
    tags: Vec<Cow<'a, str>>,
    usage: &'static str,
    input_tokens: u64,
    output_tokens: u64,
    cache_read_tokens: u64,
    cache_write_tokens: u64,
    cache_write_1h_tokens: u64,
    reasoning_tokens: u64,
    input_audio_tokens: u64,
    output_audio_tokens: u64,
    service_tier: &'static str,
    cost: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bound: Option<String>,
    duration_ms: u64,
    first_byte_ms: Option<u64>,
    first_token_ms: Option<u64>,
    upstream_ms: Option<u64>,
    overhead_us: u64,
    metadata: Option<&'a RawValue>,
}

impl UsageEvent {
    /// Appends the record as one JSON object.
    pub(super) fn write(&self, id: &str, out: &mut Vec<u8>) -> serde_json::Result<()> {
        let exchange = &*self.exchange;
        let deployment = &exchange.routed.deployment;
        let key = exchange.caller.key();
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
        let record = Record {
            id,
            time: exchange.started_at.rfc3339(),
            call_id: cut(exchange.call_id.to_str().unwrap_or_default()),
            call_type: exchange.endpoint.call_type(),
            stream: exchange.stream,
            status: if self.outcome.is_ok() { "success" } else { "failure" },
            error: self.outcome.err().map(ErrorKind::label),
            leg: exchange.progress.leg,
            handed_on: self.handed_on,
            retries: exchange.progress.retries,
            fallbacks: exchange.progress.fallbacks,
            rule: exchange.rule.text(&exchange.group),
            upstream_status: self.status,
            model: cut(&exchange.asked),
            model_group: &deployment.group,
            provider: &deployment.provider.name,
            provider_model: cut(&exchange.routed.model),
            deployment: &deployment.id,
            key: key.map_or("master", |key| key.id()),
            key_hash: key.map(|key| key.hash().to_string()),
            key_alias: key.and_then(|key| key.alias()),
            team_id: key.and_then(|key| key.team_id()),
            user_id: key.and_then(|key| key.user_id()),
            end_user: exchange.end_user.as_deref().map(cut),
            tags: exchange.tags.iter().take(TAGS).map(|tag| cut(tag)).collect(),
            usage: self.source.label(),
            input_tokens: input,
            output_tokens: output,
            cache_read_tokens: cache_read,
            cache_write_tokens: cache_write,
            cache_write_1h_tokens: cache_write_1h,
            reasoning_tokens: reasoning,
            input_audio_tokens: input_audio,
            output_audio_tokens: output_audio,
            service_tier: tier.label(),
            cost: self.cost.map(|cost| cost.to_string()),
            bound: self
                .cost
                .filter(|_| self.source != UsageSource::Reported)
                .map(|_| self.reserved.to_string()),
            duration_ms: millis(self.times.total),
            first_byte_ms: self.times.first_byte.map(millis),
            first_token_ms: self.times.first_token.map(millis),
            upstream_ms: self.times.upstream.map(millis),
            overhead_us: micros(self.times.overhead),
            metadata: key.and_then(|key| key.metadata()).and_then(|text| serde_json::from_str(text).ok()),
        };
        serde_json::to_writer(out, &record)
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// At most [`TEXT_CAP`] characters and no NUL, which PostgreSQL cannot store.
pub(crate) fn cut(text: &str) -> Cow<'_, str> {
    if text.len() <= TEXT_CAP && !text.contains('\0') {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().filter(|character| *character != '\0').take(TEXT_CAP).collect())
}
