//! Who did what that the history of changes does not tell.

use sqlx::PgConnection;

use super::StoreError;

/// Notes a deed, in the transaction that does it.
pub(crate) async fn note(
    connection: &mut PgConnection,
    actor: &str,
    action: &str,
    subject: &str,
) -> Result<(), StoreError> {
    sqlx::query("insert into audit_log (actor, action, subject) values ($1, $2, $3)")
        .persistent(false)
        .bind(actor)
        .bind(action)
        .bind(subject)
        .execute(connection)
        .await?;
    Ok(())
}
