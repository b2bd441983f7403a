//! Routing on the wire and back.

use std::time::Duration;

use bulkhead_model::UnixMillis;
use bulkhead_model::routing::{
    AffinityRow, ByFailure, ChainRow, FallbackPolicy, ListenerRow, OverrideRow, RoutingRow, Strategy,
};
use bulkhead_proto as proto;

use super::encode::millis;

pub(super) fn encode(row: &RoutingRow) -> proto::Routing {
    let RoutingRow {
        strategy,
        num_retries,
        retry_policy,
        group_retry_policies,
        retry_after,
        fallbacks,
        default_fallbacks,
        context_window_fallbacks,
        content_policy_fallbacks,
        max_fallbacks,
        overrides,
        cooldown_time,
        allowed_fails,
        allowed_fails_policy,
        disable_cooldowns,
        default_max_parallel,
        context_check,
        enforce_model_limits,
        affinity,
    } = row;
    let of_group = |(group, policy): &(String, ByFailure)| proto::GroupByFailure {
        group: group.clone(),
        by_failure: Some(encode_by_failure(*policy)),
    };
    let list = |list: &Option<Vec<ChainRow>>| {
        list.as_ref().map(|chains| proto::Chains { chains: encode_chains(chains) })
    };
    proto::Routing {
        strategy: encode_strategy(*strategy).into(),
        num_retries: *num_retries,
        retry_policy: some_by_failure(*retry_policy),
        group_retry_policies: group_retry_policies.iter().map(of_group).collect(),
        retry_after: millis(*retry_after),
        fallbacks: encode_chains(fallbacks),
        default_fallbacks: default_fallbacks.clone(),
        context_window_fallbacks: list(context_window_fallbacks),
        content_policy_fallbacks: list(content_policy_fallbacks),
        max_fallbacks: *max_fallbacks,
        overrides: overrides.iter().map(encode_override).collect(),
        cooldown_time: millis(*cooldown_time),
        allowed_fails: *allowed_fails,
        allowed_fails_policy: some_by_failure(*allowed_fails_policy),
        disable_cooldowns: *disable_cooldowns,
        default_max_parallel: *default_max_parallel,
        context_check: *context_check,
        enforce_model_limits: *enforce_model_limits,
        affinity: Some(proto::Affinity {
            session: affinity.session,
            prompt_head: affinity.prompt_head,
            ttl: millis(affinity.ttl),
        }),
    }
}

/// Fails for a strategy of a later release. What an earlier one did not send is as if nobody had said anything.
pub(super) fn decode(body: Option<proto::Routing>) -> Result<RoutingRow, String> {
    let Some(body) = body else { return Ok(RoutingRow::default()) };
    let of_group = |policy: proto::GroupByFailure| (policy.group, decode_by_failure(policy.by_failure));
    let list = |list: Option<proto::Chains>| list.map(|list| decode_chains(list.chains));
    let affinity = body.affinity.map(|affinity| AffinityRow {
        session: affinity.session,
        prompt_head: affinity.prompt_head,
        ttl: Duration::from_millis(affinity.ttl),
    });
    Ok(RoutingRow {
        strategy: decode_strategy(body.strategy)?,
        num_retries: body.num_retries,
        retry_policy: decode_by_failure(body.retry_policy),
        group_retry_policies: body.group_retry_policies.into_iter().map(of_group).collect(),
        retry_after: Duration::from_millis(body.retry_after),
        fallbacks: decode_chains(body.fallbacks),
        default_fallbacks: body.default_fallbacks,
        context_window_fallbacks: list(body.context_window_fallbacks),
        content_policy_fallbacks: list(body.content_policy_fallbacks),
        max_fallbacks: body.max_fallbacks,
        overrides: body.overrides.into_iter().map(decode_override).collect(),
        cooldown_time: Duration::from_millis(body.cooldown_time),
        allowed_fails: body.allowed_fails,
        allowed_fails_policy: decode_by_failure(body.allowed_fails_policy),
        disable_cooldowns: body.disable_cooldowns,
        default_max_parallel: body.default_max_parallel,
        context_check: body.context_check,
        enforce_model_limits: body.enforce_model_limits,
        affinity: affinity.unwrap_or_default(),
    })
}

fn encode_strategy(strategy: Strategy) -> proto::Strategy {
    match strategy {
        Strategy::SimpleShuffle => proto::Strategy::SimpleShuffle,
        Strategy::LeastBusy => proto::Strategy::LeastBusy,
        Strategy::LatencyBased => proto::Strategy::LatencyBased,
        Strategy::UsageBased => proto::Strategy::UsageBased,
        Strategy::CostBased => proto::Strategy::CostBased,
    }
}

fn decode_strategy(number: i32) -> Result<Strategy, String> {
    match proto::Strategy::try_from(number) {
        Ok(proto::Strategy::SimpleShuffle) => Ok(Strategy::SimpleShuffle),
        Ok(proto::Strategy::LeastBusy) => Ok(Strategy::LeastBusy),
        Ok(proto::Strategy::LatencyBased) => Ok(Strategy::LatencyBased),
        Ok(proto::Strategy::UsageBased) => Ok(Strategy::UsageBased),
        Ok(proto::Strategy::CostBased) => Ok(Strategy::CostBased),
        Err(_) => Err(format!("the routing strategy {number} is not known to this release")),
    }
}

/// Absent for what says nothing, which is most.
pub(super) fn some_by_failure(row: ByFailure) -> Option<proto::ByFailure> {
    (row != ByFailure::default()).then(|| encode_by_failure(row))
}

fn encode_by_failure(row: ByFailure) -> proto::ByFailure {
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
    } = row;
    proto::ByFailure {
        bad_request,
        authentication,
        timeout,
        rate_limit,
        content_policy,
        internal,
        unavailable,
        not_found,
        default,
    }
}

pub(super) fn decode_by_failure(body: Option<proto::ByFailure>) -> ByFailure {
    let proto::ByFailure {
        bad_request,
        authentication,
        timeout,
        rate_limit,
        content_policy,
        internal,
        unavailable,
        not_found,
        default,
    } = body.unwrap_or_default();
    ByFailure {
        bad_request,
        authentication,
        timeout,
        rate_limit,
        content_policy,
        internal,
        unavailable,
        not_found,
        default,
    }
}

fn encode_chains(chains: &[ChainRow]) -> Vec<proto::Chain> {
    let chain = |row: &ChainRow| proto::Chain { group: row.group.clone(), targets: row.targets.clone() };
    chains.iter().map(chain).collect()
}

fn decode_chains(chains: Vec<proto::Chain>) -> Vec<ChainRow> {
    chains.into_iter().map(|chain| ChainRow { group: chain.group, targets: chain.targets }).collect()
}

fn encode_override(row: &OverrideRow) -> proto::Override {
    proto::Override {
        group: row.group.clone(),
        targets: row.targets.clone(),
        expires: row.expires.0,
        force: row.force,
    }
}

fn decode_override(body: proto::Override) -> OverrideRow {
    let proto::Override { group, targets, expires, force } = body;
    OverrideRow { group, targets, expires: UnixMillis(expires), force }
}

pub(super) fn encode_listener(row: &ListenerRow) -> proto::Listener {
    let ListenerRow { allowed_ips, trusted_proxies, max_in_flight, access_log } = row;
    proto::Listener {
        allowed_ips: allowed_ips.clone(),
        trusted_proxies: trusted_proxies.clone(),
        max_in_flight: *max_in_flight,
        access_log: *access_log,
    }
}

pub(super) fn decode_listener(body: Option<proto::Listener>) -> ListenerRow {
    let proto::Listener { allowed_ips, trusted_proxies, max_in_flight, access_log } =
        body.unwrap_or_default();
    ListenerRow { allowed_ips, trusted_proxies, max_in_flight, access_log }
}

/// Absent for who says nothing, which is most.
pub(super) fn encode_policy(row: &FallbackPolicy) -> Option<proto::FallbackPolicy> {
    let FallbackPolicy { disabled, chains } = row;
    (*row != FallbackPolicy::default())
        .then(|| proto::FallbackPolicy { disabled: *disabled, chains: encode_chains(chains) })
}

pub(super) fn decode_policy(body: Option<proto::FallbackPolicy>) -> FallbackPolicy {
    let proto::FallbackPolicy { disabled, chains } = body.unwrap_or_default();
    FallbackPolicy { disabled, chains: decode_chains(chains) }
}
