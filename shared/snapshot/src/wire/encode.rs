//! From rows to the wire.

use std::time::Duration;

use bulkhead_model::Secret;
use bulkhead_model::rows::{
    BudgetRow, CloudValue, CredentialRow, DeploymentRow, JsonMember, KeyRow, Limits, MemberRow, SettingsRow,
    Spend, TeamRow, UserRow,
};
use bulkhead_proto as proto;
use bytes::Bytes;
use prost::Message;
use proto::resource::Body;

use super::{Row, routing};

/// A row as an item. Its secrets are in clear: whoever stores or sends it encrypts.
pub fn encode(row: &Row) -> proto::Item {
    let body = match row {
        Row::Settings(row) => Body::Settings(settings(row)),
        Row::Credential(row) => Body::Credential(credential(row)),
        Row::Deployment(row) => Body::Deployment(deployment(row)),
        Row::Team(row) => Body::Team(team(row)),
        Row::User(row) => Body::User(user(row)),
        Row::Member(row) => Body::Member(member(row)),
        Row::Key(row) => Body::Key(key(row)),
    };
    let resource = proto::Resource { body: Some(body) }.encode_to_vec().into();
    proto::Item { r#ref: Some(row.id().encode()), resource }
}

fn settings(row: &SettingsRow) -> proto::Settings {
    let alias = |alias: &bulkhead_model::rows::AliasRow| proto::Alias {
        name: alias.name.clone(),
        target: alias.group.clone(),
        hidden: alias.hidden,
    };
    let beta = |beta: &bulkhead_model::rows::BetaRow| proto::Beta {
        provider: beta.provider.clone(),
        beta: beta.beta.clone(),
        sent: beta.sent.clone(),
    };
    proto::Settings {
        master_key: row.master_key.map(|hash| Bytes::copy_from_slice(&hash.0)),
        key_header: row.key_header.clone(),
        max_request_bytes: row.max_request_bytes,
        body_memory_bytes: row.body_memory_bytes,
        request_timeout: millis(row.request_timeout),
        stream_timeout: row.stream_timeout.map(millis),
        drop_params: row.drop_params,
        tag_filtering: row.tag_filtering,
        tag_match_any: row.tag_match_any,
        aliases: row.aliases.iter().map(alias).collect(),
        budget_exceeded_status: row.budget_exceeded_status.into(),
        keepalive: millis(row.keepalive),
        expose_upstream_auth: row.expose_upstream_auth,
        forward_client_headers: row.forward_client_headers,
        timezone: row.timezone.clone(),
        connect_timeout: Some(millis(row.connect_timeout)),
        first_byte_timeout: row.first_byte_timeout.map(millis),
        idle_timeout: row.idle_timeout.map(millis),
        overall_timeout: row.overall_timeout.map(millis),
        litellm_metrics: row.litellm_metrics,
        routing: Some(routing::encode(&row.routing)),
        listener: Some(routing::encode_listener(&row.listener)),
        betas: row.betas.iter().map(beta).collect(),
        unmanaged_response_ids: row.unmanaged_response_ids,
        shared_response_ids: row.shared_response_ids,
    }
}

fn credential(row: &CredentialRow) -> proto::Credential {
    proto::Credential {
        name: row.name.clone(),
        api_key: row.api_key.as_ref().map(clear),
        api_base: row.api_base.clone(),
        api_version: row.api_version.clone(),
        organization: row.organization.clone(),
        cloud: cloud(&row.cloud),
    }
}

fn deployment(row: &DeploymentRow) -> proto::Deployment {
    let headers = row.extra_headers.iter();
    let prices = row.prices.iter();
    proto::Deployment {
        id: row.id.clone(),
        group: row.group.clone(),
        provider: row.provider.clone(),
        model: row.model.clone(),
        api_base: row.api_base.clone(),
        api_key: row.api_key.as_ref().map(clear),
        api_version: row.api_version.clone(),
        organization: row.organization.clone(),
        timeout: row.timeout.map(millis),
        stream_timeout: row.stream_timeout.map(millis),
        weight: row.weight,
        rpm: row.rpm,
        tpm: row.tpm,
        order: row.order,
        tags: row.tags.clone(),
        extra_headers: headers
            .map(|header| proto::Header { name: header.name.clone(), value: clear(&header.value) })
            .collect(),
        extra_body: json_members(&row.extra_body),
        call_params: json_members(&row.call_params),
        drop_params: row.drop_params,
        drop_always: row.drop_always.clone(),
        prices: prices.map(|(field, price)| proto::Price { field: field.clone(), price: price.0 }).collect(),
        mode: row.mode.clone(),
        base_model: row.base_model.clone(),
        access_groups: row.access_groups.clone(),
        max_input_tokens: row.max_input_tokens,
        max_output_tokens: row.max_output_tokens,
        credential: row.credential.clone(),
        blocked: row.blocked,
        num_retries: row.num_retries,
        max_parallel: row.max_parallel,
        cooldown_time: row.cooldown_time.map(millis),
        allowed_fails: row.allowed_fails,
        allowed_fails_policy: routing::some_by_failure(row.allowed_fails_policy),
        connect_timeout: row.connect_timeout.map(millis),
        first_byte_timeout: row.first_byte_timeout.map(millis),
        idle_timeout: row.idle_timeout.map(millis),
        cloud: cloud(&row.cloud),
        requires: row.requires.clone(),
    }
}

fn team(row: &TeamRow) -> proto::Team {
    proto::Team {
        id: row.id.clone(),
        alias: row.alias.clone(),
        models: row.models.clone(),
        aliases: aliases(&row.aliases),
        limits: Some(limits(&row.limits)),
        budget: row.budget.as_ref().map(budget),
        spend: spend(row.spend),
        blocked: row.blocked,
        metadata: row.metadata.clone(),
        member_limits: Some(limits(&row.member_limits)),
        member_budget: row.member_budget.as_ref().map(budget),
        fallbacks: routing::encode_policy(&row.fallbacks),
        requires: row.requires.clone(),
    }
}

fn user(row: &UserRow) -> proto::User {
    proto::User {
        id: row.id.clone(),
        models: row.models.clone(),
        limits: Some(limits(&row.limits)),
        budget: row.budget.as_ref().map(budget),
        spend: spend(row.spend),
        blocked: row.blocked,
        requires: row.requires.clone(),
    }
}

fn member(row: &MemberRow) -> proto::Member {
    proto::Member {
        team: row.team.clone(),
        user: row.user.clone(),
        limits: Some(limits(&row.limits)),
        budget: row.budget.as_ref().map(budget),
        spend: spend(row.spend),
        requires: row.requires.clone(),
    }
}

fn key(row: &KeyRow) -> proto::Key {
    proto::Key {
        hash: Bytes::copy_from_slice(&row.hash.0),
        id: row.id.clone(),
        name: row.name.clone(),
        alias: row.alias.clone(),
        models: row.models.clone(),
        aliases: aliases(&row.aliases),
        allowed_routes: row.allowed_routes.clone(),
        limits: Some(limits(&row.limits)),
        budget: row.budget.as_ref().map(budget),
        spend: spend(row.spend),
        expires: row.expires.map(|time| time.0),
        blocked: row.blocked,
        team: row.team_id.clone(),
        user: row.user_id.clone(),
        tags: row.tags.clone(),
        metadata: row.metadata.clone(),
        fallbacks: routing::encode_policy(&row.fallbacks),
        requires: row.requires.clone(),
    }
}

fn cloud(values: &[CloudValue]) -> Vec<proto::CloudValue> {
    let encode = |said: &CloudValue| proto::CloudValue { name: said.name.clone(), value: clear(&said.value) };
    values.iter().map(encode).collect()
}

fn clear(secret: &Secret) -> String {
    secret.expose().to_owned()
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn json_members(members: &[JsonMember]) -> Vec<proto::JsonMember> {
    let encode =
        |member: &JsonMember| proto::JsonMember { name: member.name.clone(), json: member.json.clone() };
    members.iter().map(encode).collect()
}

fn aliases(aliases: &[(String, String)]) -> Vec<proto::Alias> {
    let encode = |(name, target): &(String, String)| proto::Alias {
        name: name.clone(),
        target: target.clone(),
        hidden: false,
    };
    aliases.iter().map(encode).collect()
}

fn limits(limits: &Limits) -> proto::Limits {
    proto::Limits { rpm: limits.rpm, tpm: limits.tpm, max_parallel: limits.max_parallel }
}

fn budget(budget: &BudgetRow) -> proto::Budget {
    proto::Budget { max: budget.max.0, window: budget.window.map(|window| window.to_string()) }
}

/// Absent for what never was set, which is most.
fn spend(spend: Spend) -> Option<proto::Spend> {
    (spend != Spend::default())
        .then_some(proto::Spend { generation: spend.generation, amount: spend.amount.0 })
}
