//! Who did what that the history of changes does not tell.

use serde_json::{Value, json};
use sqlx::{PgConnection, Row};
use time::OffsetDateTime;

use super::StoreError;

/// Who did something last, and when.
#[derive(Debug, Clone)]
pub(crate) struct Deed {
    pub(crate) actor: String,
    pub(crate) at: OffsetDateTime,
}

/// Notes a deed, in the transaction that does it.
pub(crate) async fn note(
    connection: &mut PgConnection,
    actor: &str,
    action: &str,
    subject: &str,
) -> Result<(), StoreError> {
    note_with(connection, actor, action, subject, &json!({})).await
}

/// As [`note`], with more about it.
pub(crate) async fn note_with(
    connection: &mut PgConnection,
    actor: &str,
    action: &str,
    subject: &str,
    details: &Value,
) -> Result<(), StoreError> {
    sqlx::query("insert into audit_log (actor, action, subject, details) values ($1, $2, $3, $4)")
        .persistent(false)
        .bind(actor)
        .bind(action)
        .bind(subject)
        .bind(details)
        .execute(connection)
        .await?;
    Ok(())
}

/// The last deed of a kind for a subject.
pub(crate) async fn last(
    connection: &mut PgConnection,
    action: &str,
    subject: &str,
) -> Result<Option<Deed>, StoreError> {
    let row = sqlx::query(
        "select actor, at from audit_log where action = $1 and subject = $2 order by at desc, id desc limit 1",
    )
    .persistent(false)
    .bind(action)
    .bind(subject)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Deed { actor: row.try_get("actor")?, at: row.try_get("at")? }))
}
