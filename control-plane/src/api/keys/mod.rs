//! `/key/*`.

mod body;
mod change;
mod list;
mod make;
mod regenerate;
pub(super) mod view;

use axum::response::Response;
use bulkhead_model::KeyHash;
use bulkhead_snapshot::wire::Id;
use serde_json::{Value, json};
use sqlx::PgConnection;

use super::auth::{Access, Caller};
use super::call::{Call, ok};
use super::refusal::Refusal;
use super::route::Route;
use super::spend::shown;
use crate::domain::id;
use crate::store::Change;
use crate::store::keys::{self, StoredKey};

pub(super) use list::SPEND;
pub(super) use make::{Asked, for_user};

use body::{KeyBody, KeyBulkUpdate, KeyDelete, KeyName, KeyNames, KeyRegenerate, SpendReset};

pub(super) fn routes() -> Vec<Route> {
    let listing = &[
        ("page", "integer"),
        ("size", "integer"),
        ("user_id", "string"),
        ("team_id", "string"),
        ("organization_id", "string"),
        ("project_id", "string"),
        ("agent_id", "string"),
        ("access_group_id", "string"),
        ("key_hash", "string"),
        ("key_alias", "string"),
        ("search", "string"),
        ("substring_matching", "boolean"),
        ("status", "string"),
        ("return_full_object", "boolean"),
        ("include_team_keys", "boolean"),
        ("include_created_by_keys", "boolean"),
        ("expand", "string"),
        ("sort_by", "string"),
        ("sort_order", "string"),
    ];
    let aliases = &[("page", "integer"), ("size", "integer"), ("search", "string"), ("team_id", "string")];
    vec![
        Route::post::<KeyBody, _>("/key/generate", "Make a key. It is shown this once.", make::generate),
        Route::post::<KeyBody, _>(
            "/key/service-account/generate",
            "Make a key that belongs to a team and to no user.",
            make::service_account,
        ),
        Route::post::<KeyBody, _>("/key/update", "Change the fields that are sent.", change::update),
        Route::post::<KeyBulkUpdate, _>("/key/bulk_update", "Change several keys.", change::bulk_update),
        Route::post::<KeyDelete, _>("/key/delete", "Delete keys: they are refused at once.", change::delete),
        Route::get("/key/info", "What is known of a key, by default the caller's.", info)
            .access(Access::AnyKey)
            .query(&[("key", "string")]),
        Route::post::<KeyNames, _>("/v2/key/info", "What is known of several keys.", infos)
            .access(Access::Viewer),
        Route::get("/key/list", "Keys, in pages.", list::list).query(listing),
        Route::get("/key/aliases", "Aliases of keys, in pages.", list::aliases).query(aliases),
        Route::post::<KeyName, _>("/key/block", "Refuse a key until it is unblocked.", change::block),
        Route::post::<KeyName, _>("/key/unblock", "Accept a key again.", change::unblock),
        Route::post::<KeyRegenerate, _>(
            "/key/regenerate",
            "Give a key a new secret.",
            regenerate::regenerate,
        ),
        Route::post::<KeyRegenerate, _>(
            "/key/{key}/regenerate",
            "Give a key a new secret.",
            regenerate::regenerate,
        ),
        Route::post::<SpendReset, _>(
            "/key/{key}/reset_spend",
            "Count what a key spent anew.",
            regenerate::reset_spend,
        ),
    ]
}

async fn info(call: Call) -> Result<Response, Refusal> {
    let asked = call.query.text("key");
    let own = match &call.caller {
        Caller::Key(found) => Some(found.key.hash()),
        _ => None,
    };
    let hash = match asked {
        Some(text) => id::token(text),
        None => own,
    };
    let shown = asked.map(str::to_owned).or_else(|| hash.map(|hash| hash.to_string())).unwrap_or_default();
    if !call.caller.sees_all() && hash != own {
        return Err(Refusal::forbidden(
            "You are not allowed to access this key's info. Your role=internal_user",
        ));
    }
    let mut transaction = call.begin().await?;
    let key = match hash {
        Some(hash) => keys::presented(&mut transaction, hash).await?.map(|found| found.key),
        None => None,
    };
    let mut key = key.ok_or_else(|| Refusal::not_found("Key not found in database").param("key"))?;
    let times = call.times(&mut transaction).await?;
    shown::keys(&mut transaction, std::slice::from_mut(&mut key), &times).await?;
    ok(json!({"key": shown, "info": view::info(&key, &times)}))
}

async fn infos(call: Call) -> Result<Response, Refusal> {
    let body: KeyNames = call.read()?;
    let named = body.keys.ok_or_else(|| Refusal::missing("keys"))?;
    let tokens: Vec<_> = named.iter().filter_map(|name| id::token(&name.0)).collect();
    let mut transaction = call.begin().await?;
    let mut found = keys::by_tokens(&mut transaction, &tokens, false).await?;
    let times = call.times(&mut transaction).await?;
    shown::keys(&mut transaction, &mut found, &times).await?;
    let info: Vec<Value> = found
        .iter()
        .map(|key| {
            let mut info = view::info(key, &times);
            info.insert("token".to_owned(), key.hash().to_string().into());
            info.into()
        })
        .collect();
    ok(json!({"key": named.into_iter().map(|name| name.0).collect::<Vec<_>>(), "info": info}))
}

/// The key of this name (itself or its hash), locked, and not declared by a file.
async fn to_change(change: &mut Change, name: &str) -> Result<StoredKey, Refusal> {
    let key = locked(change, name).await?;
    not_owned(&key)?;
    Ok(key)
}

async fn locked(change: &mut Change, name: &str) -> Result<StoredKey, Refusal> {
    let found = match id::token(name) {
        Some(token) => keys::by_tokens(change.connection(), &[token], true).await?,
        None => Vec::new(),
    };
    found.into_iter().next().ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> Refusal {
    let shown = if name.starts_with("sk-") { bulkhead_model::hash::masked(name) } else { name.to_owned() };
    Refusal::not_found(format!("Key not found. Passed in key={shown}")).param("key")
}

fn not_owned(key: &StoredKey) -> Result<(), Refusal> {
    match &key.stamp.owner {
        Some(owner) => Err(Refusal::owned(&format!("The key {}", shown(key)), owner)),
        None => Ok(()),
    }
}

fn shown(key: &StoredKey) -> String {
    key.alias.as_ref().map_or_else(|| key.name.clone(), |alias| format!("`{alias}`"))
}

/// Notes that keys are changed: under the tokens that they have and had.
pub(super) async fn touch(change: &mut Change, changed: &[StoredKey]) -> Result<(), Refusal> {
    let ids: Vec<_> = changed.iter().map(|key| key.id.clone()).collect();
    let old = keys::old_tokens(change.connection(), &ids).await?;
    for token in changed.iter().map(StoredKey::hash).chain(old) {
        change.touch(Id::Key(token));
    }
    Ok(())
}

/// Removes keys that are locked, unless a file declares one.
pub(super) async fn remove(change: &mut Change, gone: &[StoredKey]) -> Result<(), Refusal> {
    for key in gone {
        not_owned(key)?;
    }
    touch(change, gone).await?;
    let ids: Vec<_> = gone.iter().map(|key| key.id.clone()).collect();
    Ok(keys::delete(change.connection(), &ids).await?)
}

/// Refuses a token that is some key's, was one's, or is the master key.
async fn free(call: &Call, connection: &mut PgConnection, token: KeyHash) -> Result<(), Refusal> {
    if call.state.master_key.same(&token) || keys::is_taken(connection, token).await? {
        return Err(Refusal::bad("This key already exists.").param("key"));
    }
    Ok(())
}

/// A team's or user's keys, for answers about it.
pub(super) async fn listed(
    connection: &mut PgConnection,
    mut keys: Vec<StoredKey>,
    times: &super::call::Times,
) -> Result<Vec<Value>, Refusal> {
    shown::keys(connection, &mut keys, times).await?;
    Ok(keys.iter().map(|key| Value::Object(view::row(key, times))).collect())
}
