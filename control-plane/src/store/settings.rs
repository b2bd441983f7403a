//! What holds for the whole gateway.

use bulkhead_model::rows::SettingsRow;
use bulkhead_snapshot::wire::{Decoded, Id, Row as Wire, decode, encode};
use sqlx::{PgConnection, Row};

use super::{Change, StoreError, resources};

/// The settings, and the file that declares them.
pub(crate) struct Declared {
    pub(crate) row: SettingsRow,
    pub(crate) owner: Option<String>,
}

/// Reads them; `None` where there are none, or none that this release understands.
pub(crate) async fn read(connection: &mut PgConnection) -> Result<Option<Declared>, StoreError> {
    fetch(connection, "select resource, owner from settings").await
}

/// As [`read`], for whoever puts something else in their place: nobody else does until the transaction ends.
pub(crate) async fn locked(connection: &mut PgConnection) -> Result<Option<Declared>, StoreError> {
    fetch(connection, "select resource, owner from settings for update").await
}

async fn fetch(
    connection: &mut PgConnection,
    statement: &'static str,
) -> Result<Option<Declared>, StoreError> {
    let row = sqlx::query(statement).persistent(false).fetch_optional(connection).await?;
    let Some(row) = row else { return Ok(None) };
    let owner = row.try_get("owner")?;
    Ok(match decode(resources::encoded(Id::Settings, row.try_get("resource")?)) {
        Decoded::Whole(Wire::Settings(row)) => Some(Declared { row: *row, owner }),
        _ => None,
    })
}

/// Puts them in the place of those there are. Nothing happens where they are the same.
pub(crate) async fn put(
    change: &mut Change,
    row: &SettingsRow,
    owner: Option<&str>,
) -> Result<(), StoreError> {
    let resource = encode(&Wire::Settings(Box::new(row.clone()))).resource;
    let by = change.by().to_owned();
    let done = sqlx::query(
        "insert into settings (resource, owner, updated_by) values ($1, $2, $3)
         on conflict (singleton) do update
         set resource = excluded.resource, owner = excluded.owner, updated_at = now(), updated_by = excluded.updated_by
         where settings.resource <> excluded.resource or settings.owner is distinct from excluded.owner",
    )
    .persistent(false)
    .bind(resource.as_ref())
    .bind(owner)
    .bind(by)
    .execute(change.connection())
    .await?;
    if done.rows_affected() > 0 {
        change.touch(Id::Settings);
    }
    Ok(())
}
