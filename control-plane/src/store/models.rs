//! Deployments. What they were given and what follows from it are sealed.

use bulkhead_model::rows::DeploymentRow;
use bulkhead_snapshot::wire::{Decoded, Id, Row as Resource, decode, encode};
use serde_json::{Map, Value};
use sqlx::postgres::{PgConnection, Postgres};
use sqlx::{FromRow, QueryBuilder, Row};

use super::terms::{Page, Stamp, containing, limit, total};
use super::{Change, StoreError, resources};
use crate::seal::{Purpose, Seal};

/// A deployment with its params in clear: it has no `Debug`.
#[derive(Clone)]
pub(crate) struct StoredModel {
    pub(crate) id: String,
    pub(crate) group: String,
    /// `litellm_params` as they were given.
    pub(crate) params: Map<String, Value>,
    /// `model_info` as it was given.
    pub(crate) info: Map<String, Value>,
    pub(crate) credential: Option<String>,
    pub(crate) blocked: bool,
    /// What follows from it; `None` where this release cannot read that.
    pub(crate) row: Option<DeploymentRow>,
    pub(crate) stamp: Stamp,
}

/// Which deployments.
#[derive(Debug, Clone, Default)]
pub(crate) struct ModelFilter {
    pub(crate) id: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) credential: Option<String>,
    pub(crate) search: Option<String>,
}

/// Lets one change of models and credentials happen at a time: they refer to each other.
pub(crate) async fn exclusively(connection: &mut PgConnection) -> Result<(), StoreError> {
    /// Any number that nobody else takes.
    const LOCK: i64 = 0x6d6f_6465_6c73;
    sqlx::query("select pg_advisory_xact_lock($1)").persistent(false).bind(LOCK).execute(connection).await?;
    Ok(())
}

/// Deployments, a page of them or all, and how many there are.
pub(crate) async fn read(
    connection: &mut PgConnection,
    seal: &Seal,
    filter: &ModelFilter,
    page: Option<Page>,
) -> Result<(Vec<StoredModel>, i64), StoreError> {
    let mut query = QueryBuilder::<Postgres>::new("select count(*) as total from deployments");
    filter.push(&mut query);
    let total = total(connection, query).await?;
    let mut query = QueryBuilder::<Postgres>::new(
        "select id, group_name, params, info, resource, credential, blocked, owner, created_at, created_by, updated_at, \
         updated_by from deployments",
    );
    filter.push(&mut query);
    query.push(" order by group_name, id");
    limit(&mut query, page);
    let rows = query.build().persistent(false).fetch_all(connection).await?;
    let models: Result<_, StoreError> = rows.iter().map(|row| model(row, seal)).collect();
    Ok((models?, total))
}

impl ModelFilter {
    fn push(&self, query: &mut QueryBuilder<Postgres>) {
        query.push(" where true");
        for (column, text) in
            [("id", &self.id), ("group_name", &self.group), ("credential", &self.credential)]
        {
            if let Some(text) = text {
                query.push(" and ").push(column).push(" = ").push_bind(text.clone());
            }
        }
        if let Some(search) = &self.search {
            query
                .push(" and (group_name ilike ")
                .push_bind(containing(search))
                .push(" or id ilike ")
                .push_bind(containing(search))
                .push(")");
        }
    }
}

fn model(row: &sqlx::postgres::PgRow, seal: &Seal) -> Result<StoredModel, StoreError> {
    let id: String = row.try_get("id")?;
    let params = seal.open(Purpose::Params, &id, row.try_get("params")?)?;
    let info: Value = row.try_get("info")?;
    let resource = seal.open(Purpose::Deployment, &id, row.try_get("resource")?)?;
    let derived = match decode(resources::encoded(Id::Deployment(id.clone()), resource)) {
        Decoded::Whole(Resource::Deployment(row)) => Some(*row),
        _ => None,
    };
    Ok(StoredModel {
        row: derived,
        params: serde_json::from_slice(&params).map_err(anyhow::Error::from)?,
        info: info.as_object().cloned().unwrap_or_default(),
        group: row.try_get("group_name")?,
        credential: row.try_get("credential")?,
        blocked: row.try_get("blocked")?,
        stamp: Stamp::from_row(row)?,
        id,
    })
}

/// The names that deployments serve, once each.
pub(crate) async fn groups(connection: &mut PgConnection) -> Result<Vec<String>, StoreError> {
    let rows = sqlx::query("select distinct group_name from deployments order by group_name")
        .persistent(false)
        .fetch_all(connection)
        .await?;
    Ok(rows.iter().map(|row| row.try_get("group_name")).collect::<Result<_, _>>()?)
}

/// Stores a new deployment with what follows from it.
pub(crate) async fn insert(
    change: &mut Change,
    model: &StoredModel,
    row: &DeploymentRow,
) -> Result<(), StoreError> {
    let statement = sqlx::query(
        "insert into deployments (id, group_name, params, info, resource, credential, blocked, updated_by, created_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $8)",
    );
    write(change, model, row, statement).await
}

/// Stores a deployment that was read before, with nobody else changing it.
pub(crate) async fn update(
    change: &mut Change,
    model: &StoredModel,
    row: &DeploymentRow,
) -> Result<(), StoreError> {
    let statement = sqlx::query(
        "update deployments set group_name = $2, params = $3, info = $4, resource = $5, credential = $6, blocked = $7,
         updated_by = $8, updated_at = now() where id = $1",
    );
    write(change, model, row, statement).await
}

async fn write(
    change: &mut Change,
    model: &StoredModel,
    row: &DeploymentRow,
    statement: super::terms::Statement<'_>,
) -> Result<(), StoreError> {
    let params = serde_json::to_vec(&model.params).map_err(anyhow::Error::from)?;
    let resource = encode(&Resource::Deployment(Box::new(row.clone()))).resource;
    statement
        .persistent(false)
        .bind(model.id.clone())
        .bind(model.group.clone())
        .bind(change.seal().seal(Purpose::Params, &model.id, &params)?)
        .bind(Value::Object(model.info.clone()))
        .bind(change.seal().seal(Purpose::Deployment, &model.id, &resource)?)
        .bind(model.credential.clone())
        .bind(model.blocked)
        .bind(model.stamp.updated_by.clone())
        .execute(change.connection())
        .await?;
    Ok(())
}

/// Removes a deployment.
pub(crate) async fn delete(connection: &mut PgConnection, id: &str) -> Result<(), StoreError> {
    sqlx::query("delete from deployments where id = $1")
        .persistent(false)
        .bind(id.to_owned())
        .execute(connection)
        .await?;
    Ok(())
}
