//! What can be said about a key.

use std::collections::BTreeMap;

use bulkhead_model::{NanoUsd, Secret, UnixMillis, WindowLength};
use serde_json::Value;

use crate::api::refusal::Refusal;
use crate::api::shape;
use crate::api::terms::{TermFields, put, set};
use crate::domain::body::body;
use crate::domain::fallback::RouterSettings;
use crate::domain::field::{KeyType, Life, Name, RouteName};
use crate::domain::{routes, time};
use crate::store::keys::StoredKey;

body! {
    /// The fields of a key.
    KeyFields {
        key_alias: Name,
        duration: Life,
        team_id: Name,
        user_id: Name,
        tags: Vec<Name>,
        aliases: BTreeMap<String, String>,
        allowed_routes: Vec<RouteName>,
        key_type: KeyType,
        router_settings: RouterSettings;
        with terms: TermFields
    }
    refused [
        "end_user_budget_id" "project_id" "agent_id" "temp_budget_increase" "temp_budget_expiry"
        "mcp_tpm_limit" "tag_tpm_limit"
    ]
    ignored [
        "send_invite_email" "rotation_interval" "auto_rotate" "budget_fallbacks" "throttle_on_budget_exceeded"
        "rpm_limit_type" "tpm_limit_type" "enable_prompt_caching" "default_estimated_output_tokens"
        "default_estimated_output_tokens_per_model"
    ]
}

body! {
    /// `/key/generate`, `/key/update`
    KeyBody { key: Secret; with fields: KeyFields }
}

body! {
    /// `/key/bulk_update`
    KeyBulkUpdate { keys: Vec<KeyBody> }
}

body! {
    /// `/key/regenerate`
    KeyRegenerate { key: Secret, new_key: Secret, grace_period: WindowLength; with fields: KeyFields }
    refused ["new_master_key"]
}

body! {
    /// `/key/delete`
    KeyDelete { keys: Vec<Name>, key_aliases: Vec<Name> }
}

body! {
    /// `/v2/key/info`
    KeyNames { keys: Vec<Name> }
}

body! {
    /// `/key/block`
    KeyName { key: Secret }
}

body! {
    /// `/key/{key}/reset_spend`
    SpendReset { reset_to: NanoUsd }
}

impl KeyFields {
    /// Takes over what is said.
    pub(super) fn apply(self, key: &mut StoredKey, now: UnixMillis) -> Result<(), Refusal> {
        let Self {
            key_alias,
            duration,
            team_id,
            user_id,
            tags,
            aliases,
            allowed_routes,
            key_type,
            router_settings,
            terms,
        } = self;
        let metadata = terms.metadata.clone().map(Value::Object);
        terms.apply(&mut key.terms, &<Self as crate::domain::body::Body>::refused())?;
        put(&mut key.alias, key_alias.map(|name| name.0));
        put(&mut key.team_id, team_id.map(|name| name.0));
        put(&mut key.user_id, user_id.map(|name| name.0));
        set(&mut key.tags, shape::tags(tags, metadata.as_ref())?);
        if let Some(aliases) = aliases {
            key.aliases = aliases.into_iter().map(|(name, to)| (name, Value::from(to))).collect();
        }
        set(
            &mut key.allowed_routes,
            allowed_routes.map(|routes| routes.into_iter().map(|route| route.0).collect()),
        );
        set(&mut key.router_settings, router_settings.map(RouterSettings::into_stored));
        if let Some(group) = key_type.and_then(routes::of_type) {
            let given = key.allowed_routes.iter().any(|route| route != group);
            if given {
                return Err(Refusal::field(
                    "key_type",
                    "`allowed_routes` says which routes the key may call, too",
                ));
            }
            key.allowed_routes = vec![group.to_owned()];
        }
        match duration {
            None => {}
            Some(Life::Forever) => key.expires_at = None,
            Some(Life::For(length)) => key.expires_at = time::after(now, length).and_then(time::stored),
        }
        Ok(())
    }
}
