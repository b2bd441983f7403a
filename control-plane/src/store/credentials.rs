//! Credentials that deployments share. Their values are sealed.

use serde_json::{Map, Value};
use sqlx::postgres::PgConnection;
use sqlx::{FromRow, Row};

use super::terms::{Stamp, Statement};
use super::{Change, StoreError};
use crate::seal::{Purpose, Seal};

/// A credential with its values in clear: it has no `Debug`.
pub(crate) struct StoredCredential {
    pub(crate) name: String,
    pub(crate) values: Map<String, Value>,
    pub(crate) info: Value,
    pub(crate) stamp: Stamp,
}

/// One credential, or all.
pub(crate) async fn read(
    connection: &mut PgConnection,
    seal: &Seal,
    name: Option<&str>,
) -> Result<Vec<StoredCredential>, StoreError> {
    let mut query = sqlx::QueryBuilder::<sqlx::Postgres>::new(
        "select name, secret_values, info, owner, created_at, created_by, updated_at, updated_by from credentials",
    );
    if let Some(name) = name {
        query.push(" where name = ").push_bind(name.to_owned());
    }
    query.push(" order by name");
    let rows = query.build().persistent(false).fetch_all(connection).await?;
    let credential = |row: &sqlx::postgres::PgRow| {
        let name: String = row.try_get("name")?;
        let values = seal.open(Purpose::Credential, &name, row.try_get("secret_values")?)?;
        let values = serde_json::from_slice(&values).map_err(anyhow::Error::from)?;
        Ok(StoredCredential { name, values, info: row.try_get("info")?, stamp: Stamp::from_row(row)? })
    };
    rows.iter().map(credential).collect()
}

/// Stores a new credential.
pub(crate) async fn insert(change: &mut Change, credential: &StoredCredential) -> Result<(), StoreError> {
    let statement = sqlx::query(
        "insert into credentials (name, secret_values, info, updated_by, created_by) values ($1, $2, $3, $4, $4)",
    );
    write(change, credential, statement).await
}

/// Stores a credential that was read before, with nobody else changing it.
pub(crate) async fn update(change: &mut Change, credential: &StoredCredential) -> Result<(), StoreError> {
    let statement = sqlx::query(
        "update credentials set secret_values = $2, info = $3, updated_by = $4, updated_at = now() where name = $1",
    );
    write(change, credential, statement).await
}

async fn write(
    change: &mut Change,
    credential: &StoredCredential,
    statement: Statement<'_>,
) -> Result<(), StoreError> {
    let values = serde_json::to_vec(&credential.values).map_err(anyhow::Error::from)?;
    statement
        .persistent(false)
        .bind(credential.name.clone())
        .bind(change.seal().seal(Purpose::Credential, &credential.name, &values)?)
        .bind(credential.info.clone())
        .bind(credential.stamp.updated_by.clone())
        .execute(change.connection())
        .await?;
    Ok(())
}

/// Removes a credential.
pub(crate) async fn delete(connection: &mut PgConnection, name: &str) -> Result<(), StoreError> {
    sqlx::query("delete from credentials where name = $1")
        .persistent(false)
        .bind(name.to_owned())
        .execute(connection)
        .await?;
    Ok(())
}
