//! Keys that are there, changed.

use axum::response::Response;
use bulkhead_model::Clock;
use serde_json::{Value, json};

use super::body::{KeyBody, KeyBulkUpdate, KeyDelete, KeyName};
use super::{make, not_owned, remove, to_change, touch, unknown, view};
use crate::api::call::Call;
use crate::api::refusal::Refusal;
use crate::api::shape;
use crate::api::spend::shown;
use crate::domain::id;
use crate::store::Change;
use crate::store::keys::{self, StoredKey};

pub(super) async fn update(call: Call) -> Result<Response, Refusal> {
    let body: KeyBody = call.read()?;
    let mut change = call.change().await?;
    let answer = update_one(&call, &mut change, body).await?;
    call.commit(change, answer).await
}

async fn update_one(call: &Call, change: &mut Change, body: KeyBody) -> Result<Value, Refusal> {
    let KeyBody { key: named, fields } = body;
    let before = match (&named, &fields.key_alias) {
        (Some(name), _) => to_change(change, name.expose()).await?,
        (None, Some(alias)) => {
            let found = keys::by_aliases(change.connection(), std::slice::from_ref(&alias.0), true).await?;
            let key = found.into_iter().next().ok_or_else(|| {
                Refusal::not_found(format!("Key not found. Passed in key_alias={}", alias.0))
                    .param("key_alias")
            })?;
            not_owned(&key)?;
            key
        }
        (None, None) => return Err(Refusal::missing("key")),
    };
    let mut key = before.clone();
    fields.apply(&mut key, Clock::System.now())?;
    make::may_be_stored(change, &key, Some(&before)).await?;
    store(change, &mut key).await?;
    let times = call.times(change.connection()).await?;
    shown::keys(change.connection(), std::slice::from_mut(&mut key), &times).await?;
    let mut answer = view::row(&key, &times);
    let shown = named.map_or_else(|| key.hash().to_string(), |name| name.expose().to_owned());
    answer.insert("key".to_owned(), shown.into());
    Ok(answer.into())
}

/// Stores a key that was locked before.
pub(super) async fn store(change: &mut Change, key: &mut StoredKey) -> Result<(), Refusal> {
    key.stamp.updated_by = Some(change.by().to_owned());
    key.stamp.updated_at = time::OffsetDateTime::now_utc();
    keys::update(change.connection(), key).await?;
    touch(change, std::slice::from_ref(key)).await
}

/// Each by itself: one that fails holds up no other.
pub(super) async fn bulk_update(call: Call) -> Result<Response, Refusal> {
    let body: KeyBulkUpdate = call.read()?;
    let updates = body.keys.ok_or_else(|| Refusal::missing("keys"))?;
    let total = updates.len();
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    let mut last = None;
    let mut touched = std::collections::BTreeSet::new();
    for update in updates {
        let named = update.key.as_ref().map(|key| key.expose().to_owned());
        let attempt = async {
            let mut change = call.change().await?;
            let info = update_one(&call, &mut change, update).await?;
            let ids = change.touched().clone();
            Ok::<_, Refusal>((info, ids, change.commit().await?))
        };
        match attempt.await {
            Ok((info, ids, version)) => {
                touched.extend(ids);
                last = version.or(last);
                done.push(json!({"key": named, "key_info": info}));
            }
            Err(refusal @ Refusal::Store(crate::store::StoreError::Away(_))) => return Err(refusal),
            Err(refusal) => {
                failed.push(json!({"key": named, "key_info": null, "failed_reason": refusal.reason()}));
            }
        }
    }
    let answer = json!({"total_requested": total, "successful_updates": done, "failed_updates": failed});
    match last {
        Some(version) => Ok(call.committed(&version, &touched, answer).await),
        None => crate::api::call::ok(answer),
    }
}

pub(super) async fn delete(call: Call) -> Result<Response, Refusal> {
    let body: KeyDelete = call.read()?;
    let mut change = call.change().await?;
    let (named, gone) = match (body.keys, body.key_aliases) {
        (Some(named), None) => {
            let named = shape::names(named);
            let tokens: Vec<_> = named.iter().filter_map(|name| id::token(name)).collect();
            let gone = keys::by_tokens(change.connection(), &tokens, true).await?;
            let is_there = |name: &&String| {
                id::token(name).is_some_and(|token| gone.iter().any(|key| key.hash() == token))
            };
            if let Some(missing) = named.iter().find(|name| !is_there(name)) {
                return Err(unknown(missing));
            }
            (named, gone)
        }
        (None, Some(named)) => {
            let named = shape::names(named);
            let gone = keys::by_aliases(change.connection(), &named, true).await?;
            let is_there = |name: &&String| gone.iter().any(|key| key.alias.as_ref() == Some(name));
            if let Some(missing) = named.iter().find(|name| !is_there(name)) {
                let message = format!("Key not found. Passed in key_alias={missing}");
                return Err(Refusal::not_found(message).param("key_aliases"));
            }
            (named, gone)
        }
        _ => return Err(Refusal::bad("Exactly one of keys or key_aliases must be provided.").param("keys")),
    };
    remove(&mut change, &gone).await?;
    call.commit(change, json!({"deleted_keys": named})).await
}

pub(super) async fn block(call: Call) -> Result<Response, Refusal> {
    set_blocked(&call, true).await
}

pub(super) async fn unblock(call: Call) -> Result<Response, Refusal> {
    set_blocked(&call, false).await
}

async fn set_blocked(call: &Call, blocked: bool) -> Result<Response, Refusal> {
    let body: KeyName = call.read()?;
    let name = body.key.ok_or_else(|| Refusal::missing("key"))?;
    let mut change = call.change().await?;
    let mut key = to_change(&mut change, name.expose()).await?;
    key.terms.blocked = blocked;
    store(&mut change, &mut key).await?;
    let times = call.times(change.connection()).await?;
    shown::keys(change.connection(), std::slice::from_mut(&mut key), &times).await?;
    call.commit(change, view::row(&key, &times).into()).await
}
