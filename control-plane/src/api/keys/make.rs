//! New keys.

use std::collections::BTreeMap;

use axum::response::Response;
use bulkhead_model::{Clock, KeyHash, Secret, hash};
use bulkhead_snapshot::wire::Id;
use serde_json::json;

use super::body::{KeyBody, KeyFields};
use super::{free, view};
use crate::api::call::Call;
use crate::api::refusal::Refusal;
use crate::domain::body::Body;
use crate::domain::field::{Life, Name, RouteName};
use crate::domain::id;
use crate::store::Change;
use crate::store::keys::{self, StoredKey};
use crate::store::teams;
use crate::store::terms::{Stamp, Terms};

pub(super) async fn generate(call: Call) -> Result<Response, Refusal> {
    make(&call, call.read()?, false).await
}

pub(super) async fn service_account(call: Call) -> Result<Response, Refusal> {
    let mut body: KeyBody = call.read()?;
    if body.fields.team_id.is_none() {
        return Err(Refusal::bad(
            "team_id is required for service account keys. Please specify `team_id` in the request body.",
        )
        .param("team_id"));
    }
    body.fields.user_id = None;
    make(&call, body, true).await
}

async fn make(call: &Call, body: KeyBody, service_account: bool) -> Result<Response, Refusal> {
    let mut change = call.change().await?;
    let secret = match body.key {
        None => id::key()?,
        Some(chosen) => {
            id::check_chosen(&chosen).map_err(|what| Refusal::bad(what).param("key"))?;
            chosen
        }
    };
    let mut key = fresh(&secret, change.by())?;
    key.service_account = service_account;
    body.fields.apply(&mut key, Clock::System.now())?;
    free(call, change.connection(), key.hash()).await?;
    may_be_stored(&mut change, &key, None).await?;
    keys::insert(change.connection(), &key).await?;
    change.touch(Id::Key(key.hash()));
    let times = call.times(change.connection()).await?;
    let made = view::made(&key, secret.expose(), &times);
    call.commit(change, made.into()).await
}

/// A key that may do everything.
fn fresh(secret: &Secret, by: &str) -> Result<StoredKey, Refusal> {
    Ok(StoredKey {
        token: KeyHash::of(secret.expose()).0.to_vec(),
        id: id::uuid()?,
        name: hash::masked(secret.expose()),
        alias: None,
        team_id: None,
        user_id: None,
        service_account: false,
        aliases: json!({}),
        allowed_routes: Vec::new(),
        tags: Vec::new(),
        expires_at: None,
        router_settings: json!({}),
        terms: Terms::default(),
        stamp: Stamp::new(by),
        last_active: None,
    })
}

/// Checks what the key refers to, with words that name it. Whoever is faster in between is stopped by the schema.
pub(super) async fn may_be_stored(
    change: &mut Change,
    key: &StoredKey,
    before: Option<&StoredKey>,
) -> Result<(), Refusal> {
    if let Some(team) = &key.team_id
        && before.is_none_or(|before| before.team_id != key.team_id)
        && teams::by_ids(change.connection(), std::slice::from_ref(team), false).await?.is_empty()
    {
        let message = format!("Unable to find team object in database. Team ID: {team}");
        return Err(Refusal::bad(message).param("team_id"));
    }
    if let Some(alias) = &key.alias
        && before.is_none_or(|before| before.alias != key.alias)
        && !keys::by_aliases(change.connection(), std::slice::from_ref(alias), false).await?.is_empty()
    {
        let message = format!(
            "Key with alias '{alias}' already exists. Unique key aliases across all keys are required."
        );
        return Err(Refusal::bad(message).param("key_alias"));
    }
    Ok(())
}

/// What can be said about the key that is made with a user.
pub(crate) struct Asked {
    pub(crate) alias: Option<Name>,
    pub(crate) team_id: Option<Name>,
    pub(crate) duration: Option<Life>,
    pub(crate) aliases: Option<BTreeMap<String, String>>,
    pub(crate) allowed_routes: Option<Vec<RouteName>>,
}

/// Makes a key for a user: the key, and what is stored of it.
pub(crate) async fn for_user(
    change: &mut Change,
    user: &str,
    asked: Asked,
) -> Result<(Secret, StoredKey), Refusal> {
    let secret = id::key()?;
    let mut key = fresh(&secret, change.by())?;
    let mut fields = KeyFields::nothing();
    fields.key_alias = asked.alias;
    fields.team_id = asked.team_id;
    fields.duration = asked.duration;
    fields.aliases = asked.aliases;
    fields.allowed_routes = asked.allowed_routes;
    fields.apply(&mut key, Clock::System.now())?;
    key.user_id = Some(user.to_owned());
    may_be_stored(change, &key, None).await?;
    keys::insert(change.connection(), &key).await?;
    change.touch(Id::Key(key.hash()));
    Ok((secret, key))
}
