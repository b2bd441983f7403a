use std::time::Duration;

use bulkhead_model::rows::{
    AffinityRow, AliasRow, BudgetRow, ByFailure, ChainRow, ExtraHeader, FallbackPolicy, JsonMember, Limits,
    ListenerRow, OverrideRow, RoutingRow, Spend, Strategy as Picking,
};
use bulkhead_model::{NanoUsd, PicoUsd, Secret, UnixMillis, WindowLength};
use bytes::Bytes;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use prost::Message;
use proto::resource::Body;

use super::*;

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
    (any::<bool>(), chains()).prop_map(|(disabled, chains)| FallbackPolicy { disabled, chains })
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

fn credential() -> impl Strategy<Value = Shown> {
    (text(), of(text()), of(text()), of(text()), of(text())).prop_map(
        |(name, api_key, api_base, api_version, organization)| {
            let api_key = api_key.map(Secret::new);
            let row = CredentialRow { name, api_key, api_base, api_version, organization };
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
    let own = (of(text()), of(text()), of(text()), of(text()));
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
        let (api_key, api_base, api_version, organization) = own;
        let api_key = api_key.map(Secret::new);
        let header = |(name, value)| ExtraHeader { name, value: Secret::new(value) };
        let extra_headers = extra_headers.into_iter().map(header).collect();
        Shown(Row::Deployment(Box::new(DeploymentRow {
            id,
            group,
            provider,
            model,
            api_base,
            api_key,
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
    let one = (of(hash()), of(text()), 1..=u64::MAX, 1..=u64::MAX, 1..=u64::MAX, time());
    let flags = any::<[bool; 6]>();
    let waits = (any::<u64>(), time(), time(), time());
    let two = (vec(alias, 0..3), 400u16..600, any::<u64>(), text());
    (one, flags, two, waits, routing(), listener()).prop_map(|(one, flags, two, waits, routing, listener)| {
        let (connect_timeout, first_byte_timeout, idle_timeout, overall_timeout) = waits;
        let (aliases, budget_exceeded_status, keepalive, timezone) = two;
        let (master_key, key_header, max_request_bytes, body_memory_bytes, timeout, stream_timeout) = one;
        let [
            drop_params,
            tag_filtering,
            tag_match_any,
            expose_upstream_auth,
            forward_client_headers,
            litellm_metrics,
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
            routing,
            listener,
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

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same(Shown(row) in row()) {
        let decoded = decode(encode(&row));
        prop_assert!(decoded.id() == row.id());
        prop_assert!(matches!(decoded, Decoded::Whole(decoded) if decoded == row));
    }

    #[test]
    fn a_name_survives_the_wire(kind in any::<i32>(), known in 0i32..9, id in any::<String>()) {
        for kind in [kind, known] {
            let id = Id::decode(proto::Ref { kind, id: id.clone() });
            prop_assert_eq!(&Id::decode(id.encode()), &id);
        }
    }

    #[test]
    fn damaged_bytes_never_panic_and_never_turn_into_another_name(
        Shown(row) in row(),
        flips in vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in of(any::<prop::sample::Index>()),
    ) {
        let mut item = encode(&row);
        let mut bytes = item.resource.to_vec();
        for (at, value) in flips.iter().take(bytes.len()) {
            let at = at.index(bytes.len());
            bytes[at] = *value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        item.resource = bytes.into();
        prop_assert!(decode(item).id() == row.id());
    }
}

fn item(id: Id, body: Option<Body>) -> proto::Item {
    proto::Item { r#ref: Some(id.encode()), resource: proto::Resource { body }.encode_to_vec().into() }
}

fn some_key() -> (KeyHash, KeyRow) {
    let hash = KeyHash::of("sk-1");
    (hash, KeyRow { id: "k".into(), ..KeyRow::of(hash) })
}

/// The restrictions of a principal that denies, and what was said about it.
fn denied(decoded: Decoded) -> (Id, Vec<String>, String) {
    let Decoded::Denying(row, reason) = decoded else { panic!("it does not deny") };
    let id = row.id();
    let requires = match row {
        Row::Team(row) => row.requires,
        Row::User(row) => row.requires,
        Row::Member(row) => row.requires,
        Row::Key(row) => row.requires,
        Row::Deployment(row) => row.requires,
        Row::Settings(_) | Row::Credential(_) => panic!("it cannot deny"),
    };
    (id, requires, reason)
}

fn principals() -> Vec<Id> {
    let member = Id::Member(crate::member_id("t", "u"));
    vec![Id::Team("t".into()), Id::User("u".into()), member, Id::Key(some_key().0)]
}

fn others() -> Vec<Id> {
    let known = vec![Id::Settings, Id::Credential("c".into()), Id::Deployment("d".into())];
    let unknown = vec![Id::Unknown(99, "x".into()), Id::Unknown(7, "no hash".into()), Id::Member("m".into())];
    known.into_iter().chain(unknown).collect()
}

#[test]
fn what_cannot_be_decoded_denies_a_principal_and_is_nothing_else() {
    let garbage = Bytes::from_static(&[0xff; 9]);
    let unknown_kind = proto::Item { r#ref: None, resource: Bytes::from_static(&[0xc2, 0x3e, 0]) };
    for (resource, reason) in [(garbage, "decoded"), (unknown_kind.resource, "kind")] {
        for id in principals() {
            let item = proto::Item { r#ref: Some(id.encode()), resource: resource.clone() };
            let (denied, requires, said) = denied(decode(item));
            assert_eq!((denied, requires), (id, vec![said.clone()]));
            assert!(said.contains(reason), "{said}");
        }
        for id in others() {
            let item = proto::Item { r#ref: Some(id.encode()), resource: resource.clone() };
            assert!(matches!(decode(item), Decoded::Nothing(named, _) if named == id));
        }
    }
}

#[test]
fn a_wrong_reference_denies_whom_it_names() {
    let (_, row) = some_key();
    let mut item = encode(&Row::Key(Box::new(row)));
    for id in principals().into_iter().take(3) {
        item.r#ref = Some(id.encode());
        assert_eq!(denied(decode(item.clone())).0, id);
    }
    item.r#ref = Some(Id::Credential("c".into()).encode());
    assert!(matches!(decode(item), Decoded::Nothing(Id::Credential(_), _)));
}

#[test]
fn a_reference_that_names_nobody_denies_who_is_inside() {
    let (hash, row) = some_key();
    let mut item = encode(&Row::Key(Box::new(row)));
    for reference in [None, Some(proto::Ref { kind: 7, id: "short".into() }), Some(proto::Ref::default())] {
        item.r#ref = reference;
        assert_eq!(denied(decode(item.clone())).0, Id::Key(hash));
    }
}

#[test]
fn a_restriction_that_nobody_knows_denies() {
    let (hash, row) = some_key();
    let row = KeyRow { requires: vec!["moon_phase".into()], ..row };
    let (id, requires, said) = denied(decode(encode(&Row::Key(Box::new(row)))));
    assert_eq!((id, requires), (Id::Key(hash), vec!["moon_phase".to_owned()]));
    assert!(said.contains("`moon_phase`"), "{said}");

    let row = DeploymentRow { id: "d".into(), requires: vec!["region".into()], ..DeploymentRow::default() };
    let (_, requires, _) = denied(decode(encode(&Row::Deployment(Box::new(row)))));
    assert_eq!(requires, ["region"]);
}

#[test]
fn a_principal_that_is_understood_in_part_keeps_that_part_and_denies() {
    let (hash, _) = some_key();
    let body = proto::Key {
        hash: Bytes::copy_from_slice(&hash.0),
        id: "k".into(),
        budget: Some(proto::Budget { max: 5, window: Some("1 moon".into()) }),
        metadata: Some("[]".into()),
        blocked: true,
        ..proto::Key::default()
    };
    let decoded = decode(item(Id::Key(hash), Some(Body::Key(body))));
    let Decoded::Denying(Row::Key(row), reason) = decoded else { panic!() };
    assert!(row.blocked);
    assert_eq!((row.id.as_str(), row.budget.unwrap().max), ("k", NanoUsd(5)));
    assert_eq!(row.requires.len(), 2);
    assert!(reason.contains("1 moon") && reason.contains("metadata"), "{reason}");
    assert_eq!(row.metadata, None);
}

#[test]
fn a_hash_that_is_too_short_denies_the_key_and_drops_settings() {
    let (hash, _) = some_key();
    let body = proto::Key { hash: Bytes::from_static(b"short"), ..proto::Key::default() };
    assert_eq!(denied(decode(item(Id::Key(hash), Some(Body::Key(body))))).0, Id::Key(hash));

    let mut sent = encode(&Row::Settings(Box::default()));
    let Ok(proto::Resource { body: Some(Body::Settings(mut body)) }) = proto::Resource::decode(sent.resource)
    else {
        panic!()
    };
    body.master_key = Some(Bytes::from_static(b"short"));
    sent.resource = proto::Resource { body: Some(Body::Settings(body)) }.encode_to_vec().into();
    assert!(matches!(decode(sent), Decoded::Nothing(Id::Settings, _)));
}

#[test]
fn settings_that_would_stop_everything_are_nothing() {
    for wrong in [
        proto::Settings::default(),
        proto::Settings { budget_exceeded_status: 200, ..sane() },
        proto::Settings { max_request_bytes: 0, ..sane() },
        proto::Settings { body_memory_bytes: 0, ..sane() },
        proto::Settings { request_timeout: 0, ..sane() },
    ] {
        let decoded = decode(item(Id::Settings, Some(Body::Settings(wrong))));
        assert!(matches!(decoded, Decoded::Nothing(Id::Settings, _)));
    }
    assert!(matches!(decode(item(Id::Settings, Some(Body::Settings(sane())))), Decoded::Whole(_)));
}

fn sane() -> proto::Settings {
    proto::Settings {
        max_request_bytes: 1,
        body_memory_bytes: 1,
        request_timeout: 1,
        budget_exceeded_status: 422,
        ..proto::Settings::default()
    }
}

#[test]
fn a_deployment_with_bad_json_is_nothing_unless_it_is_blocked() {
    let bad = proto::JsonMember { name: "a".into(), json: "{".into() };
    let body = proto::Deployment { id: "d".into(), extra_body: vec![bad], ..proto::Deployment::default() };
    let decoded = decode(item(Id::Deployment("d".into()), Some(Body::Deployment(body.clone()))));
    assert!(matches!(decoded, Decoded::Nothing(Id::Deployment(_), reason) if reason.contains("`a`")));

    let body = proto::Deployment { blocked: true, ..body };
    let decoded = decode(item(Id::Deployment("d".into()), Some(Body::Deployment(body))));
    assert!(matches!(decoded, Decoded::Denying(Row::Deployment(row), _) if row.blocked));
}
