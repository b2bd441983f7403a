//! Join tokens: what lets a node subscribe. Only their hashes are kept.

use std::collections::HashSet;

use bulkhead_model::KeyHash;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use time::OffsetDateTime;

use super::StoreError;

/// A token as it is listed.
pub(crate) struct Token {
    pub(crate) id: String,
    pub(crate) group: String,
    pub(crate) created: OffsetDateTime,
    pub(crate) revoked: Option<OffsetDateTime>,
}

/// What a token lets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Admitted {
    pub(crate) token: String,
    pub(crate) group: String,
}

/// Notes a token; false where it is known already.
pub(crate) async fn create(
    connection: &mut PgConnection,
    id: &str,
    hash: &KeyHash,
    group: &str,
) -> Result<bool, StoreError> {
    let statement =
        "insert into join_tokens (id, hash, node_group) values ($1, $2, $3) on conflict (hash) do nothing";
    let done = sqlx::query(statement)
        .persistent(false)
        .bind(id)
        .bind(hash.0.as_slice())
        .bind(group)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// All tokens, the newest last.
pub(crate) async fn list(connection: &mut PgConnection) -> Result<Vec<Token>, StoreError> {
    let rows =
        sqlx::query("select id, node_group, created_at, revoked_at from join_tokens order by created_at, id")
            .persistent(false)
            .fetch_all(connection)
            .await?;
    let token = |row: PgRow| {
        Ok(Token {
            id: row.try_get("id")?,
            group: row.try_get("node_group")?,
            created: row.try_get("created_at")?,
            revoked: row.try_get("revoked_at")?,
        })
    };
    Ok(rows.into_iter().map(token).collect::<Result<_, sqlx::Error>>()?)
}

/// Revokes a token; false where there is none of that id.
pub(crate) async fn revoke(connection: &mut PgConnection, id: &str) -> Result<bool, StoreError> {
    let done = sqlx::query("update join_tokens set revoked_at = coalesce(revoked_at, now()) where id = $1")
        .persistent(false)
        .bind(id)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// What the token of this hash lets in, unless it was revoked. Found by the hash of what was sent, so the time it takes
/// says nothing about the token.
pub(crate) async fn admitted(
    connection: &mut PgConnection,
    hash: &KeyHash,
) -> Result<Option<Admitted>, StoreError> {
    let row = sqlx::query("select id, node_group from join_tokens where hash = $1 and revoked_at is null")
        .persistent(false)
        .bind(hash.0.as_slice())
        .fetch_optional(connection)
        .await?;
    let admitted = |row: PgRow| Ok(Admitted { token: row.try_get("id")?, group: row.try_get("node_group")? });
    Ok(row.map(admitted).transpose().map_err(|error: sqlx::Error| error)?)
}

/// The ids of all tokens that are good.
pub(crate) async fn good(connection: &mut PgConnection) -> Result<HashSet<String>, StoreError> {
    let ids: Vec<String> = sqlx::query_scalar("select id from join_tokens where revoked_at is null")
        .persistent(false)
        .fetch_all(connection)
        .await?;
    Ok(ids.into_iter().collect())
}
