//! Keys in answers.

use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use crate::api::call::Times;
use crate::api::shape;
use crate::domain::time::millis;
use crate::store::keys::StoredKey;

/// A key as LiteLLM's table has it.
pub(crate) fn row(key: &StoredKey, times: &Times) -> Map<String, Value> {
    let own = shape::object(json!({
        "token": shape::hex(&key.token),
        "key_name": key.name,
        "key_alias": key.alias,
        "team_id": key.team_id,
        "user_id": key.user_id,
        "organization_id": null,
        "aliases": key.aliases,
        "allowed_routes": key.allowed_routes,
        "tags": key.tags,
        "last_active": key.last_active.map(shape::time),
        "expires": key.expires_at.map(shape::time),
        "config": {},
        "router_settings": key.router_settings,
        "permissions": {},
        "allowed_cache_controls": [],
        "budget_id": null,
        "litellm_budget_table": null,
    }));
    let mut row: Map<String, Value> =
        [own, shape::terms(&key.terms, times), shape::stamp(&key.stamp)].into_iter().flatten().collect();
    if key.service_account
        && let Some(metadata) = row.get_mut("metadata").and_then(Value::as_object_mut)
    {
        metadata.insert("service_account_id".to_owned(), json!(key.alias));
    }
    row
}

/// What is known of a key; the token stays out, because it is asked for by it.
pub(super) fn info(key: &StoredKey, times: &Times) -> Map<String, Value> {
    let mut info = row(key, times);
    info.remove("token");
    info.insert("status".to_owned(), status(key).into());
    info.insert("enforcement".to_owned(), "per_node".into());
    info
}

/// A key that was just made: the only answer that holds the key itself.
pub(super) fn made(key: &StoredKey, secret: &str, times: &Times) -> Map<String, Value> {
    let mut made = row(key, times);
    made.insert("key".to_owned(), secret.into());
    made.insert("token_id".to_owned(), key.hash().to_string().into());
    made
}

fn status(key: &StoredKey) -> &'static str {
    let now = millis(OffsetDateTime::now_utc());
    match key.expires_at {
        _ if key.terms.blocked => "revoked",
        Some(expires) if millis(expires) <= now => "expired",
        _ => "active",
    }
}
