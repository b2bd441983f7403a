//! Headers of an answer: the provider's, filtered, and the gateway's own (design §5, litellm.md §7.3).

use bulkhead_model::{Decimal, NanoUsd};
use http::HeaderMap;
use http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue,
    RETRY_AFTER, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::collections::HashMap;
use std::time::Duration;

use super::credentials::repeats;
use crate::admit::{Permit, Scope, Standing};
use crate::settle::Progress;
use bulkhead_snapshot::{Deployment, Key};

const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// `llm_provider-*` names by the provider's, so that a name is put together once and not for every answer.
#[derive(Default)]
pub(crate) struct PrefixedNames(Mutex<HashMap<HeaderName, HeaderName, foldhash::fast::RandomState>>);

/// Providers send a few dozen different names; more is somebody making them up.
const NAMES_KEPT: usize = 512;

impl PrefixedNames {
    fn get(&self, name: &HeaderName) -> Option<HeaderName> {
        let mut names = self.0.lock();
        if let Some(prefixed) = names.get(name) {
            return Some(prefixed.clone());
        }
        let prefixed = HeaderName::from_bytes(format!("llm_provider-{name}").as_bytes()).ok()?;
        if names.len() < NAMES_KEPT {
            names.insert(name.clone(), prefixed.clone());
        }
        Some(prefixed)
    }
}

/// The provider's headers as the client gets them. What repeats the gateway's credentials is left out.
pub(crate) fn client_headers(
    provider: HeaderMap,
    names: &PrefixedNames,
    deployment: &Deployment,
) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(provider.len() + 24);
    let of_this_hop = named_by_connection(&provider);
    let mut shown = None;
    for (name, value) in provider {
        // A header that occurs again comes without its name.
        if let Some(name) = name {
            shown = match () {
                () if is_never_forwarded(&name) || of_this_hop.contains(&name) => None,
                () if is_forwarded(&name) => Some(name),
                () => names.get(&name),
            };
        }
        if let Some(shown) = shown.as_ref().filter(|_| !repeats(deployment, value.as_bytes())) {
            headers.append(shown.clone(), value);
        }
    }
    headers
}

/// Names of headers that `Connection` declares to be for this hop only.
pub(crate) fn named_by_connection(headers: &HeaderMap) -> SmallVec<[HeaderName; 2]> {
    let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let names = values.flat_map(|value| value.split(',')).map(str::trim);
    let known = |name: &str| headers.keys().find(|key| key.as_str().eq_ignore_ascii_case(name));
    names.filter_map(known).cloned().collect()
}

fn is_never_forwarded(name: &HeaderName) -> bool {
    [CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE]
        .contains(name)
        || matches!(name.as_str(), "keep-alive" | "set-cookie2" | "alt-svc" | "strict-transport-security")
        || name.as_str().starts_with("proxy-")
}

fn is_forwarded(name: &HeaderName) -> bool {
    *name == CONTENT_TYPE
        || *name == RETRY_AFTER
        || matches!(name.as_str(), "request-id" | "x-request-id")
        || name.as_str().starts_with("x-ratelimit-")
        || name.as_str().starts_with("anthropic-ratelimit-")
}

/// What an intermediary must know about a stream.
pub(crate) fn add_stream_headers(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
}

/// What the gateway tells about an exchange.
pub(crate) struct Facts<'a> {
    pub(crate) call_id: &'a HeaderValue,
    pub(crate) deployment: Option<&'a Deployment>,
    pub(crate) key: Option<&'a Key>,
    pub(crate) permit: Option<&'a Permit>,
    pub(crate) cost: Option<NanoUsd>,
    /// Time since the request's first byte.
    pub(crate) total: Duration,
    /// The part of it spent waiting for the provider.
    pub(crate) upstream: Duration,
    pub(crate) timeout: Option<Duration>,
    pub(crate) dropped: &'a [String],
    pub(crate) progress: Progress,
}

impl<'a> Facts<'a> {
    /// Of a request that went nowhere.
    pub(crate) fn of_nothing(call_id: &'a HeaderValue, total: Duration) -> Self {
        Self {
            call_id,
            deployment: None,
            key: None,
            permit: None,
            cost: None,
            total,
            upstream: Duration::ZERO,
            timeout: None,
            dropped: &[],
            progress: Progress::default(),
        }
    }
}

macro_rules! name {
    ($name:expr) => {
        HeaderName::from_static($name)
    };
}

/// Adds `x-litellm-*` and the gateway's `x-ratelimit-*`. What is not known is left out.
pub(crate) fn add_facts(headers: &mut HeaderMap, facts: &Facts<'_>) {
    headers.insert(name!("x-litellm-call-id"), facts.call_id.clone());
    if let Some(deployment) = facts.deployment {
        headers.insert(name!("x-litellm-model-id"), deployment.id_header.clone());
        headers.insert(name!("x-litellm-model-api-base"), deployment.api_base.clone());
        headers.insert(name!("x-litellm-model-group"), deployment.group_header.clone());
        let Progress { retries, max_retries, fallbacks, .. } = facts.progress;
        headers.insert(name!("x-litellm-attempted-retries"), count(retries));
        headers.insert(name!("x-litellm-max-retries"), count(max_retries));
        headers.insert(name!("x-litellm-attempted-fallbacks"), count(fallbacks));
    }
    if let Some(cost) = facts.cost {
        headers.insert(name!("x-litellm-response-cost"), decimal(cost.decimal()));
    }
    if let Some(timeout) = facts.timeout {
        headers.insert(name!("x-litellm-timeout"), seconds(timeout));
    }
    let overhead = facts.total.saturating_sub(facts.upstream);
    headers.insert(name!("x-litellm-response-duration-ms"), millis(facts.total));
    headers.insert(name!("x-litellm-overhead-duration-ms"), millis(overhead));
    if !facts.dropped.is_empty() {
        headers.insert(name!("x-bulkhead-dropped-params"), text(facts.dropped.join(",")));
    }
    if let (Some(key), Some(permit)) = (facts.key, facts.permit) {
        add_key_facts(headers, key, permit, facts.deployment);
    }
}

fn add_key_facts(headers: &mut HeaderMap, key: &Key, permit: &Permit, deployment: Option<&Deployment>) {
    if let Some(spent) = permit.spent() {
        headers.insert(name!("x-litellm-key-spend"), decimal(spent.decimal()));
    }
    if let Some(budget) = key.policy().said.budget {
        headers.insert(name!("x-litellm-key-max-budget"), decimal(budget.max.decimal()));
    }
    for (scope, standing) in permit.standings() {
        if scope == Scope::Key {
            add_key_limits(headers, standing, deployment);
        }
        add_limits(headers, names_of(scope), standing);
    }
}

fn add_key_limits(headers: &mut HeaderMap, standing: &Standing, deployment: Option<&Deployment>) {
    let Standing { limits, remaining_requests, remaining_tokens, .. } = *standing;
    if let (Some(limit), Some(remaining)) = (limits.rpm, remaining_requests) {
        headers.insert(name!("x-litellm-key-rpm-limit"), number(limit));
        if let Some(name) = deployment.and_then(|deployment| deployment.remaining_requests.clone()) {
            headers.insert(name, number(remaining));
        }
    }
    if let (Some(limit), Some(remaining)) = (limits.tpm, remaining_tokens) {
        headers.insert(name!("x-litellm-key-tpm-limit"), number(limit));
        if let Some(name) = deployment.and_then(|deployment| deployment.remaining_tokens.clone()) {
            headers.insert(name, number(remaining));
        }
    }
}

/// The names of a scope's limits and of what remains of them: requests, tokens, parallel requests.
struct LimitNames {
    limit: [HeaderName; 3],
    remaining: [HeaderName; 3],
}

macro_rules! limit_names {
    ($descriptor:literal) => {
        LimitNames {
            limit: [
                name!(concat!("x-ratelimit-", $descriptor, "-limit-requests")),
                name!(concat!("x-ratelimit-", $descriptor, "-limit-tokens")),
                name!(concat!("x-ratelimit-", $descriptor, "-limit-max_parallel_requests")),
            ],
            remaining: [
                name!(concat!("x-ratelimit-", $descriptor, "-remaining-requests")),
                name!(concat!("x-ratelimit-", $descriptor, "-remaining-tokens")),
                name!(concat!("x-ratelimit-", $descriptor, "-remaining-max_parallel_requests")),
            ],
        }
    };
}

fn names_of(scope: Scope) -> LimitNames {
    match scope {
        Scope::Key => limit_names!("api_key"),
        Scope::Member => limit_names!("team_member"),
        Scope::Team => limit_names!("team"),
        Scope::User => limit_names!("user"),
    }
}

fn add_limits(headers: &mut HeaderMap, names: LimitNames, standing: &Standing) {
    let Standing { limits, remaining_requests, remaining_tokens, remaining_parallel } = *standing;
    let limits = [limits.rpm, limits.tpm, limits.max_parallel.map(u64::from)];
    let remaining = [remaining_requests, remaining_tokens, remaining_parallel.map(u64::from)];
    let names = names.limit.into_iter().zip(names.remaining);
    for ((limit_name, remaining_name), (limit, remaining)) in names.zip(limits.into_iter().zip(remaining)) {
        if let (Some(limit), Some(remaining)) = (limit, remaining) {
            headers.insert(limit_name, number(limit));
            headers.insert(remaining_name, number(remaining));
        }
    }
}

fn millis(duration: Duration) -> HeaderValue {
    decimal(Decimal::fixed(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX), 3))
}

fn seconds(duration: Duration) -> HeaderValue {
    decimal(Decimal::trimmed(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX), 6))
}

fn count(count: u32) -> HeaderValue {
    match count {
        0 => HeaderValue::from_static("0"),
        1 => HeaderValue::from_static("1"),
        2 => HeaderValue::from_static("2"),
        _ => number(count.into()),
    }
}

/// Not by `From<u64>`, which takes room for the longest and then once more to share it.
fn number(number: u64) -> HeaderValue {
    decimal(Decimal::fixed(number, 0))
}

fn decimal(decimal: Decimal) -> HeaderValue {
    HeaderValue::from_bytes(decimal.as_bytes()).unwrap_or(HeaderValue::from_static("0"))
}

fn text(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}
