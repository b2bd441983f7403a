//! Rows of any kind.

use std::time::Duration;

use bulkhead_model::rows::{
    AffinityRow, AliasRow, BetaRow, BudgetRow, ByFailure, ChainRow, CloudValue, ExtraHeader, FallbackPolicy,
    JsonMember, Limits, ListenerRow, OverrideRow, RoutingRow, Spend, Strategy as Picking,
};
use bulkhead_model::{NanoUsd, PicoUsd, Secret, UnixMillis, WindowLength};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

use super::super::*;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[a-z0-9/*-]{0,12}", 1 => any::<String>().prop_map(|text| text.replace('\u{1f}', ""))]
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    vec(text(), 0..4)
}

fn pairs() -> impl Strategy<Value = Vec<(String, String)>> {
    vec((text(), text()), 0..3)
}

/// Rows cannot be printed, so a failure shows what they are called.
#[derive(Clone)]
pub(crate) struct Shown(pub(crate) Row);

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0.id())
    }
}

fn limits() -> impl Strategy<Value = Limits> {
    (of(any::<u64>()), of(any::<u64>()), of(any::<u32>())).prop_map(|(rpm, tpm, max_parallel)| Limits {
        rpm,
        tpm,
        max_parallel,
    })
}

fn budget() -> impl Strategy<Value = Option<BudgetRow>> {
    let window = prop_oneof![
        (1u32..=u32::MAX).prop_map(WindowLength::Seconds),
        (1u32..=u32::MAX).prop_map(WindowLength::Days),
        (1u32..=u32::MAX).prop_map(WindowLength::Months),
    ];
    of((any::<i64>(), of(window)).prop_map(|(max, window)| BudgetRow { max: NanoUsd(max), window }))
}

fn spend() -> impl Strategy<Value = Spend> {
    (any::<u64>(), any::<i64>())
        .prop_map(|(generation, amount)| Spend { generation, amount: NanoUsd(amount) })
}

fn metadata() -> impl Strategy<Value = Option<String>> {
    of(text().prop_map(|text| serde_json::json!({ "a": text }).to_string()))
}

fn hash() -> impl Strategy<Value = KeyHash> {
    any::<[u8; 32]>().prop_map(KeyHash)
}

fn time() -> impl Strategy<Value = Option<Duration>> {
    of(any::<u64>().prop_map(Duration::from_millis))
}

fn by_failure() -> impl Strategy<Value = ByFailure> {
    any::<[Option<u32>; 9]>().prop_map(|numbers| {
        let [
            bad_request,
            authentication,
            timeout,
            rate_limit,
            content_policy,
            internal,
            unavailable,
            not_found,
            default,
        ] = numbers;
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
    })
}

fn chains() -> impl Strategy<Value = Vec<ChainRow>> {
    vec((text(), texts()).prop_map(|(group, targets)| ChainRow { group, targets }), 0..3)
}

fn fallbacks() -> impl Strategy<Value = FallbackPolicy> {
    let some = (any::<bool>(), chains()).prop_map(|(disabled, chains)| FallbackPolicy { disabled, chains });
    // Most say nothing.
    prop_oneof![3 => Just(FallbackPolicy::default()), 1 => some]
}

fn routing() -> impl Strategy<Value = RoutingRow> {
    let strategy = prop_oneof![
        Just(Picking::SimpleShuffle),
        Just(Picking::LeastBusy),
        Just(Picking::LatencyBased),
        Just(Picking::UsageBased),
        Just(Picking::CostBased),
    ];
    let overriding =
        (text(), texts(), any::<i64>(), any::<bool>()).prop_map(|(group, targets, expires, force)| {
            OverrideRow { group, targets, expires: UnixMillis(expires), force }
        });
    let retries = (of(any::<u32>()), by_failure(), vec((text(), by_failure()), 0..3), any::<u64>());
    let where_to = (chains(), texts(), of(chains()), of(chains()), any::<u32>(), vec(overriding, 0..3));
    let cooling = (any::<u64>(), of(any::<u32>()), by_failure(), of(any::<u32>()));
    let affinity = (any::<bool>(), of(any::<u32>()), any::<u64>());
    (strategy, retries, where_to, cooling, any::<[bool; 3]>(), affinity).prop_map(
        |(strategy, retries, where_to, cooling, flags, (session, prompt_head, ttl))| {
            let (num_retries, retry_policy, group_retry_policies, retry_after) = retries;
            let (fallbacks, default_fallbacks, context_window, content_policy, max_fallbacks, overrides) =
                where_to;
            let (cooldown_time, allowed_fails, allowed_fails_policy, default_max_parallel) = cooling;
            let [disable_cooldowns, context_check, enforce_model_limits] = flags;
            RoutingRow {
                strategy,
                num_retries,
                retry_policy,
                group_retry_policies,
                retry_after: Duration::from_millis(retry_after),
                fallbacks,
                default_fallbacks,
                context_window_fallbacks: context_window,
                content_policy_fallbacks: content_policy,
                max_fallbacks,
                overrides,
                cooldown_time: Duration::from_millis(cooldown_time),
                allowed_fails,
                allowed_fails_policy,
                disable_cooldowns,
                default_max_parallel,
                context_check,
                enforce_model_limits,
                affinity: AffinityRow { session, prompt_head, ttl: Duration::from_millis(ttl) },
            }
        },
    )
}

fn listener() -> impl Strategy<Value = ListenerRow> {
    (texts(), texts(), of(any::<u32>()), any::<bool>()).prop_map(
        |(allowed_ips, trusted_proxies, max_in_flight, access_log)| ListenerRow {
            allowed_ips,
            trusted_proxies,
            max_in_flight,
            access_log,
        },
    )
}

pub(crate) fn key() -> impl Strategy<Value = KeyRow> {
    let name = (text(), hash(), text(), of(text()));
    let may = (texts(), pairs(), texts(), limits(), budget(), fallbacks());
    let rest = (of(any::<i64>()), any::<bool>(), of(text()), of(text()), texts(), metadata(), spend());
    (name, may, rest).prop_map(|((id, hash, name, alias), may, rest)| {
        let (models, aliases, allowed_routes, limits, budget, fallbacks) = may;
        let (expires, blocked, team_id, user_id, tags, metadata, spend) = rest;
        let expires = expires.map(UnixMillis);
        KeyRow {
            id,
            hash,
            name,
            alias,
            models,
            aliases,
            allowed_routes,
            limits,
            budget,
            expires,
            blocked,
            team_id,
            user_id,
            tags,
            metadata,
            fallbacks,
            spend,
            requires: Vec::new(),
        }
    })
}

fn team() -> impl Strategy<Value = TeamRow> {
    let one = (text(), of(text()), texts(), pairs(), limits(), budget());
    let two = (spend(), any::<bool>(), metadata(), fallbacks(), limits(), budget());
    (one, two).prop_map(|((id, alias, models, aliases, limits, budget), two)| {
        let (spend, blocked, metadata, fallbacks, member_limits, member_budget) = two;
        let requires = Vec::new();
        TeamRow {
            id,
            alias,
            models,
            aliases,
            limits,
            budget,
            spend,
            blocked,
            metadata,
            fallbacks,
            member_limits,
            member_budget,
            requires,
        }
    })
}

fn user() -> impl Strategy<Value = UserRow> {
    (text(), texts(), limits(), budget(), spend(), any::<bool>()).prop_map(
        |(id, models, limits, budget, spend, blocked)| UserRow {
            id,
            models,
            limits,
            budget,
            spend,
            blocked,
            requires: Vec::new(),
        },
    )
}

fn member() -> impl Strategy<Value = MemberRow> {
    (text(), text(), limits(), budget(), spend()).prop_map(|(team, user, limits, budget, spend)| MemberRow {
        team,
        user,
        limits,
        budget,
        spend,
        requires: Vec::new(),
    })
}

fn cloud(pairs: Vec<(String, String)>) -> Vec<CloudValue> {
    pairs.into_iter().map(|(name, value)| CloudValue { name, value: Secret::new(value) }).collect()
}

fn credential() -> impl Strategy<Value = Shown> {
    (text(), of(text()), of(text()), of(text()), of(text()), pairs()).prop_map(
        |(name, api_key, api_base, api_version, organization, cloud_pairs)| {
            let (api_key, cloud) = (api_key.map(Secret::new), cloud(cloud_pairs));
            let row = CredentialRow { name, api_key, api_base, api_version, organization, cloud };
            Shown(Row::Credential(Box::new(row)))
        },
    )
}

fn deployment() -> impl Strategy<Value = Shown> {
    let json = || {
        vec((text(), text()).prop_map(|(name, json)| JsonMember { name, json: format!("{json:?}") }), 0..3)
            .prop_filter("JSON", |all| {
                all.iter().all(|member| serde_json::from_str::<String>(&member.json).is_ok())
            })
    };
    let own = (of(text()), of(text()), of(text()), of(text()), pairs());
    let what = (text(), text(), text(), text(), own, of(text()));
    let times = (time(), time(), of(any::<u32>()), of(any::<u64>()), of(any::<u64>()), of(any::<i64>()));
    let lists = (texts(), pairs(), json(), json(), texts(), texts());
    let prices = vec((text(), any::<u64>().prop_map(PicoUsd)), 0..3);
    let rest = (
        of(any::<bool>()),
        prices,
        of(text()),
        of(text()),
        of(any::<u64>()),
        of(any::<u64>()),
        any::<bool>(),
    );
    let waits = (time(), time(), time());
    let failing = (of(any::<u32>()), of(any::<u32>()), time(), of(any::<u32>()), by_failure());
    (what, times, lists, rest, waits, failing).prop_map(|(what, times, lists, rest, waits, failing)| {
        let (connect_timeout, first_byte_timeout, idle_timeout) = waits;
        let (num_retries, max_parallel, cooldown_time, allowed_fails, allowed_fails_policy) = failing;
        let (id, group, provider, model, own, credential) = what;
        let (timeout, stream_timeout, weight, rpm, tpm, order) = times;
        let (tags, extra_headers, extra_body, call_params, drop_always, access_groups) = lists;
        let (drop_params, prices, mode, base_model, max_input_tokens, max_output_tokens, blocked) = rest;
        let (api_key, api_base, api_version, organization, cloud_pairs) = own;
        let (api_key, cloud) = (api_key.map(Secret::new), cloud(cloud_pairs));
        let header = |(name, value)| ExtraHeader { name, value: Secret::new(value) };
        let extra_headers = extra_headers.into_iter().map(header).collect();
        Shown(Row::Deployment(Box::new(DeploymentRow {
            id,
            group,
            provider,
            model,
            api_base,
            api_key,
            cloud,
            api_version,
            organization,
            timeout,
            stream_timeout,
            connect_timeout,
            first_byte_timeout,
            idle_timeout,
            num_retries,
            max_parallel,
            cooldown_time,
            allowed_fails,
            allowed_fails_policy,
            weight,
            rpm,
            tpm,
            order,
            tags,
            extra_headers,
            extra_body,
            call_params,
            drop_params,
            drop_always,
            prices,
            mode,
            base_model,
            access_groups,
            max_input_tokens,
            max_output_tokens,
            credential,
            blocked,
            requires: Vec::new(),
        })))
    })
}

fn settings() -> impl Strategy<Value = SettingsRow> {
    let alias =
        (text(), text(), any::<bool>()).prop_map(|(name, group, hidden)| AliasRow { name, group, hidden });
    let beta =
        (text(), text(), of(text())).prop_map(|(provider, beta, sent)| BetaRow { provider, beta, sent });
    let one = (of(hash()), of(text()), 1..=u64::MAX, 1..=u64::MAX, 1..=u64::MAX, time());
    let flags = any::<[bool; 8]>();
    let waits = (any::<u64>(), time(), time(), time());
    let two = (vec(alias, 0..3), 400u16..600, any::<u64>(), text(), vec(beta, 0..3));
    (one, flags, two, waits, routing(), listener()).prop_map(|(one, flags, two, waits, routing, listener)| {
        let (connect_timeout, first_byte_timeout, idle_timeout, overall_timeout) = waits;
        let (aliases, budget_exceeded_status, keepalive, timezone, betas) = two;
        let (master_key, key_header, max_request_bytes, body_memory_bytes, timeout, stream_timeout) = one;
        let [
            drop_params,
            tag_filtering,
            tag_match_any,
            expose_upstream_auth,
            forward_client_headers,
            litellm_metrics,
            unmanaged_response_ids,
            shared_response_ids,
        ] = flags;
        SettingsRow {
            master_key,
            key_header,
            max_request_bytes,
            body_memory_bytes,
            request_timeout: Duration::from_millis(timeout),
            stream_timeout,
            drop_params,
            tag_filtering,
            tag_match_any,
            aliases,
            budget_exceeded_status,
            keepalive: Duration::from_millis(keepalive),
            expose_upstream_auth,
            forward_client_headers,
            timezone,
            mentions_database: false,
            connect_timeout: Duration::from_millis(connect_timeout),
            first_byte_timeout,
            idle_timeout,
            overall_timeout,
            litellm_metrics,
            betas,
            routing,
            listener,
            unmanaged_response_ids,
            shared_response_ids,
        }
    })
}

pub(crate) fn row() -> impl Strategy<Value = Shown> {
    prop_oneof![
        settings().prop_map(|row| Shown(Row::Settings(Box::new(row)))),
        credential(),
        deployment(),
        team().prop_map(|row| Shown(Row::Team(Box::new(row)))),
        user().prop_map(|row| Shown(Row::User(Box::new(row)))),
        member().prop_map(|row| Shown(Row::Member(Box::new(row)))),
        key().prop_map(|row| Shown(Row::Key(Box::new(row)))),
    ]
}
