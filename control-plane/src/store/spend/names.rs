//! How those who spent are called.

use std::collections::HashMap;

use bulkhead_model::KeyHash;
use sqlx::{FromRow, PgConnection};

use crate::store::StoreError;

/// A key in a report, by its stable id.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct KeyName {
    pub(crate) id: String,
    pub(crate) token: Option<Vec<u8>>,
    pub(crate) name: Option<String>,
    pub(crate) alias: Option<String>,
    pub(crate) team_id: Option<String>,
    pub(crate) user_id: Option<String>,
    pub(crate) user_email: Option<String>,
    pub(crate) is_there: bool,
}

/// Keys by their stable ids; those that are gone as their last usage has them.
pub(crate) async fn key_names(
    connection: &mut PgConnection,
    ids: Vec<String>,
) -> Result<HashMap<String, KeyName>, StoreError> {
    let found: Vec<KeyName> = sqlx::query_as(
        "select asked.id, coalesce(keys.token, last.key_hash) as token, keys.name, coalesce(keys.alias, last.key_alias) \
         as alias, coalesce(keys.team_id, last.team_id) as team_id, coalesce(keys.user_id, last.user_id) as user_id,
         users.email as user_email, keys.id is not null as is_there
         from unnest($1::text[]) as asked (id)
         left join keys on keys.id = asked.id
         left join lateral (
             select key_hash, key_alias, team_id, user_id from usage_events
             where keys.id is null and key_id = asked.id order by at desc limit 1
         ) last on true
         left join users on users.id = coalesce(keys.user_id, last.user_id)",
    )
    .persistent(false)
    .bind(ids)
    .fetch_all(connection)
    .await?;
    Ok(found.into_iter().map(|key| (key.id.clone(), key)).collect())
}

/// The stable ids of keys by tokens that they have or had.
pub(crate) async fn key_ids(
    connection: &mut PgConnection,
    tokens: &[KeyHash],
) -> Result<HashMap<KeyHash, String>, StoreError> {
    let tokens: Vec<_> = tokens.iter().map(|token| token.0.to_vec()).collect();
    let found: Vec<(Vec<u8>, String)> = sqlx::query_as(
        "select token, id from keys where token = any($1)
         union all select token, key_id from old_tokens where token = any($1)",
    )
    .persistent(false)
    .bind(tokens)
    .fetch_all(connection)
    .await?;
    let pair = |(token, id): (Vec<u8>, String)| Some((KeyHash(token.as_slice().try_into().ok()?), id));
    Ok(found.into_iter().filter_map(pair).collect())
}

/// The aliases of teams.
pub(crate) async fn team_names(
    connection: &mut PgConnection,
    ids: Vec<String>,
) -> Result<HashMap<String, Option<String>>, StoreError> {
    let query = sqlx::query_as("select id, alias from teams where id = any($1)");
    let found: Vec<_> = query.persistent(false).bind(ids).fetch_all(connection).await?;
    Ok(found.into_iter().collect())
}

/// The addresses of users.
pub(crate) async fn user_names(
    connection: &mut PgConnection,
    ids: Vec<String>,
) -> Result<HashMap<String, Option<String>>, StoreError> {
    let query = sqlx::query_as("select id, email from users where id = any($1)");
    let found: Vec<_> = query.persistent(false).bind(ids).fetch_all(connection).await?;
    Ok(found.into_iter().collect())
}
