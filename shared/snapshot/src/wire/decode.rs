//! From the wire to rows.

use std::time::Duration;

use bulkhead_model::rows::{
    AliasRow, BetaRow, BudgetRow, CloudValue, CredentialRow, DeploymentRow, ExtraHeader, JsonMember, KeyRow,
    Limits, MemberRow, SettingsRow, Spend, TeamRow, UserRow,
};
use bulkhead_model::{KeyHash, NanoUsd, PicoUsd, Secret, UnixMillis};
use bulkhead_proto as proto;
use prost::Message;
use proto::resource::Body;

use super::{Id, Row, routing};

/// A resource as far as it was understood.
pub enum Decoded {
    /// Whole.
    Whole(Row),
    /// A row of which some restriction was not understood: it denies.
    Denying(Row, String),
    /// Nothing that could be kept.
    Nothing(Id, String),
}

/// Reads an item.
///
/// What cannot be read at all is named by its reference, and a principal is then denied by it.
pub fn decode(item: proto::Item) -> Decoded {
    let id = Id::decode(item.r#ref.unwrap_or_default());
    let body = match proto::Resource::decode(item.resource) {
        Ok(proto::Resource { body: Some(body) }) => body,
        Ok(proto::Resource { body: None }) => {
            return unreadable(id, "it is of a kind that this release does not know");
        }
        Err(_) => return unreadable(id, "it could not be decoded"),
    };
    let decoded = match body {
        Body::Settings(body) => settings(body),
        Body::Credential(body) => Ok(Decoded::Whole(Row::Credential(Box::new(credential(body))))),
        Body::Deployment(body) => deployment(body),
        Body::Team(body) => Ok(principal(|doubts| Row::Team(Box::new(team(body, doubts))))),
        Body::User(body) => Ok(principal(|doubts| Row::User(Box::new(user(body, doubts))))),
        Body::Member(body) => Ok(principal(|doubts| Row::Member(Box::new(member(body, doubts))))),
        Body::Key(body) => match <[u8; 32]>::try_from(&*body.hash) {
            Ok(hash) => Ok(principal(|doubts| Row::Key(Box::new(key(body, KeyHash(hash), doubts))))),
            Err(_) => Err("the hash is not 32 bytes".to_owned()),
        },
    };
    match decoded {
        Ok(decoded) if decoded.id() == id => decoded,
        // Nobody has that name, but somebody has the one inside.
        Ok(decoded) if matches!(id, Id::Unknown(..)) => {
            unreadable(decoded.id(), "its reference names something else")
        }
        Ok(_) => unreadable(id, "its name is not that of its reference"),
        Err(reason) => unreadable(id, &reason),
    }
}

/// Denies a principal of which only the name is known.
pub(crate) fn unreadable(id: Id, reason: &str) -> Decoded {
    let requires = vec![reason.to_owned()];
    let row = match &id {
        Id::Settings | Id::Credential(_) | Id::Deployment(_) | Id::Unknown(..) => {
            return Decoded::Nothing(id, reason.to_owned());
        }
        Id::Team(id) => Row::Team(Box::new(TeamRow { id: id.clone(), requires, ..TeamRow::default() })),
        Id::User(id) => Row::User(Box::new(UserRow { id: id.clone(), requires, ..UserRow::default() })),
        Id::Member(member) => {
            let Some((team, user)) = member.split_once(crate::principal::SEPARATOR) else {
                return Decoded::Nothing(id, reason.to_owned());
            };
            let (team, user) = (team.to_owned(), user.to_owned());
            Row::Member(Box::new(MemberRow { team, user, requires, ..MemberRow::default() }))
        }
        Id::Key(hash) => Row::Key(Box::new(KeyRow { id: hash.to_string(), requires, ..KeyRow::of(*hash) })),
    };
    Decoded::Denying(row, reason.to_owned())
}

impl Decoded {
    /// Names what was read.
    pub fn id(&self) -> Id {
        match self {
            Self::Whole(row) | Self::Denying(row, _) => row.id(),
            Self::Nothing(id, _) => id.clone(),
        }
    }

    /// The row, where there is one.
    pub fn row(&self) -> Option<&Row> {
        match self {
            Self::Whole(row) | Self::Denying(row, _) => Some(row),
            Self::Nothing(..) => None,
        }
    }
}

/// What was not understood of a row.
struct Doubts(Vec<String>);

fn principal(read: impl FnOnce(&mut Doubts) -> Row) -> Decoded {
    let mut doubts = Doubts(Vec::new());
    let row = read(&mut doubts);
    match doubts.0.is_empty() {
        true => Decoded::Whole(row),
        false => Decoded::Denying(row, doubts.0.join("; ")),
    }
}

impl Doubts {
    /// What the row requires and nobody here knows: no name is known yet, those of the first release need none.
    fn requires(&mut self, mut names: Vec<String>) -> Vec<String> {
        let unknown: Vec<_> = names
            .iter()
            .map(|name| format!("the restriction `{name}` is not known to this release"))
            .collect();
        names.extend_from_slice(&self.0);
        self.0.extend(unknown);
        names
    }

    fn budget(&mut self, budget: Option<proto::Budget>) -> Option<BudgetRow> {
        let proto::Budget { max, window } = budget?;
        let window = match window.map(|text| text.parse().map_err(|_| text)) {
            None => None,
            Some(Ok(window)) => Some(window),
            Some(Err(text)) => {
                self.0.push(format!("the budget's window `{text}` is no duration"));
                None
            }
        };
        Some(BudgetRow { max: NanoUsd(max), window })
    }

    /// An object in JSON, which goes into usage records.
    fn metadata(&mut self, text: Option<String>) -> Option<String> {
        let text = text?;
        if serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text).is_err() {
            self.0.push("the metadata is no JSON object".to_owned());
            return None;
        }
        Some(text)
    }

    fn json_members(&mut self, members: Vec<proto::JsonMember>) -> Vec<JsonMember> {
        let mut decode = |member: proto::JsonMember| {
            let proto::JsonMember { name, json } = member;
            if serde_json::from_str::<serde::de::IgnoredAny>(&json).is_err() {
                self.0.push(format!("the value of the parameter `{name}` is no JSON"));
            }
            JsonMember { name, json }
        };
        members.into_iter().map(&mut decode).collect()
    }
}

fn settings(body: proto::Settings) -> Result<Decoded, String> {
    if body.max_request_bytes == 0 || body.body_memory_bytes == 0 || body.request_timeout == 0 {
        return Err("with it no request would have room or time".to_owned());
    }
    let master_key = match body.master_key.map(|hash| <[u8; 32]>::try_from(&*hash)) {
        None => None,
        Some(Ok(hash)) => Some(KeyHash(hash)),
        Some(Err(_)) => return Err("the hash of the master key is not 32 bytes".to_owned()),
    };
    let status = u16::try_from(body.budget_exceeded_status).ok().filter(|status| (400..600).contains(status));
    let alias =
        |alias: proto::Alias| AliasRow { name: alias.name, group: alias.target, hidden: alias.hidden };
    let beta = |beta: proto::Beta| BetaRow { provider: beta.provider, beta: beta.beta, sent: beta.sent };
    Ok(Decoded::Whole(Row::Settings(Box::new(SettingsRow {
        master_key,
        key_header: body.key_header,
        max_request_bytes: body.max_request_bytes,
        body_memory_bytes: body.body_memory_bytes,
        request_timeout: Duration::from_millis(body.request_timeout),
        stream_timeout: body.stream_timeout.map(Duration::from_millis),
        drop_params: body.drop_params,
        tag_filtering: body.tag_filtering,
        tag_match_any: body.tag_match_any,
        aliases: body.aliases.into_iter().map(alias).collect(),
        budget_exceeded_status: status.ok_or("the status of an exceeded budget is none of an error")?,
        keepalive: Duration::from_millis(body.keepalive),
        expose_upstream_auth: body.expose_upstream_auth,
        forward_client_headers: body.forward_client_headers,
        timezone: body.timezone,
        mentions_database: false,
        connect_timeout: body
            .connect_timeout
            .map_or(SettingsRow::default().connect_timeout, Duration::from_millis),
        first_byte_timeout: body.first_byte_timeout.map(Duration::from_millis),
        idle_timeout: body.idle_timeout.map(Duration::from_millis),
        overall_timeout: body.overall_timeout.map(Duration::from_millis),
        litellm_metrics: body.litellm_metrics,
        routing: routing::decode(body.routing)?,
        listener: routing::decode_listener(body.listener),
        betas: body.betas.into_iter().map(beta).collect(),
        unmanaged_response_ids: body.unmanaged_response_ids,
        shared_response_ids: body.shared_response_ids,
    }))))
}

fn credential(body: proto::Credential) -> CredentialRow {
    CredentialRow {
        name: body.name,
        api_key: body.api_key.map(Secret::new),
        api_base: body.api_base,
        api_version: body.api_version,
        organization: body.organization,
        cloud: cloud(body.cloud),
    }
}

fn cloud(values: Vec<proto::CloudValue>) -> Vec<CloudValue> {
    let decode = |said: proto::CloudValue| CloudValue { name: said.name, value: Secret::new(said.value) };
    values.into_iter().map(decode).collect()
}

/// One that is not understood leaves its former version in use, unless it must not be used at all.
fn deployment(body: proto::Deployment) -> Result<Decoded, String> {
    let mut doubts = Doubts(Vec::new());
    let denies = body.blocked || !body.requires.is_empty();
    let row = Row::Deployment(Box::new(deployment_row(body, &mut doubts)));
    match doubts.0.is_empty() {
        true => Ok(Decoded::Whole(row)),
        false if denies => Ok(Decoded::Denying(row, doubts.0.join("; "))),
        false => Err(doubts.0.join("; ")),
    }
}

fn deployment_row(body: proto::Deployment, doubts: &mut Doubts) -> DeploymentRow {
    let price = |price: proto::Price| (price.field, PicoUsd(price.price));
    let header = |header: proto::Header| ExtraHeader { name: header.name, value: Secret::new(header.value) };
    DeploymentRow {
        id: body.id,
        group: body.group,
        provider: body.provider,
        model: body.model,
        api_base: body.api_base,
        api_key: body.api_key.map(Secret::new),
        api_version: body.api_version,
        organization: body.organization,
        timeout: body.timeout.map(Duration::from_millis),
        stream_timeout: body.stream_timeout.map(Duration::from_millis),
        weight: body.weight,
        rpm: body.rpm,
        tpm: body.tpm,
        order: body.order,
        tags: body.tags,
        extra_headers: body.extra_headers.into_iter().map(header).collect(),
        extra_body: doubts.json_members(body.extra_body),
        call_params: doubts.json_members(body.call_params),
        drop_params: body.drop_params,
        drop_always: body.drop_always,
        prices: body.prices.into_iter().map(price).collect(),
        mode: body.mode,
        base_model: body.base_model,
        access_groups: body.access_groups,
        max_input_tokens: body.max_input_tokens,
        max_output_tokens: body.max_output_tokens,
        credential: body.credential,
        blocked: body.blocked,
        num_retries: body.num_retries,
        max_parallel: body.max_parallel,
        cooldown_time: body.cooldown_time.map(Duration::from_millis),
        allowed_fails: body.allowed_fails,
        allowed_fails_policy: routing::decode_by_failure(body.allowed_fails_policy),
        connect_timeout: body.connect_timeout.map(Duration::from_millis),
        first_byte_timeout: body.first_byte_timeout.map(Duration::from_millis),
        idle_timeout: body.idle_timeout.map(Duration::from_millis),
        cloud: cloud(body.cloud),
        requires: doubts.requires(body.requires),
    }
}

fn team(body: proto::Team, doubts: &mut Doubts) -> TeamRow {
    TeamRow {
        alias: body.alias,
        models: body.models,
        aliases: aliases(body.aliases),
        limits: limits(body.limits),
        budget: doubts.budget(body.budget),
        spend: spend(body.spend),
        blocked: body.blocked,
        metadata: doubts.metadata(body.metadata),
        member_limits: limits(body.member_limits),
        member_budget: doubts.budget(body.member_budget),
        fallbacks: routing::decode_policy(body.fallbacks),
        requires: doubts.requires(body.requires),
        id: body.id,
    }
}

fn user(body: proto::User, doubts: &mut Doubts) -> UserRow {
    UserRow {
        models: body.models,
        limits: limits(body.limits),
        budget: doubts.budget(body.budget),
        spend: spend(body.spend),
        blocked: body.blocked,
        requires: doubts.requires(body.requires),
        id: body.id,
    }
}

fn member(body: proto::Member, doubts: &mut Doubts) -> MemberRow {
    MemberRow {
        team: body.team,
        user: body.user,
        limits: limits(body.limits),
        budget: doubts.budget(body.budget),
        spend: spend(body.spend),
        requires: doubts.requires(body.requires),
    }
}

fn key(body: proto::Key, hash: KeyHash, doubts: &mut Doubts) -> KeyRow {
    KeyRow {
        hash,
        id: body.id,
        name: body.name,
        alias: body.alias,
        models: body.models,
        aliases: aliases(body.aliases),
        allowed_routes: body.allowed_routes,
        limits: limits(body.limits),
        budget: doubts.budget(body.budget),
        expires: body.expires.map(UnixMillis),
        blocked: body.blocked,
        team_id: body.team,
        user_id: body.user,
        tags: body.tags,
        metadata: doubts.metadata(body.metadata),
        fallbacks: routing::decode_policy(body.fallbacks),
        spend: spend(body.spend),
        requires: doubts.requires(body.requires),
    }
}

fn aliases(aliases: Vec<proto::Alias>) -> Vec<(String, String)> {
    aliases.into_iter().map(|alias| (alias.name, alias.target)).collect()
}

fn limits(limits: Option<proto::Limits>) -> Limits {
    let proto::Limits { rpm, tpm, max_parallel } = limits.unwrap_or_default();
    Limits { rpm, tpm, max_parallel }
}

fn spend(spend: Option<proto::Spend>) -> Spend {
    let proto::Spend { generation, amount } = spend.unwrap_or_default();
    Spend { generation, amount: NanoUsd(amount) }
}
