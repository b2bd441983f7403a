//! What a file declares, as rows that only the file changes (design §4, "Several control planes").

use std::collections::{BTreeMap, BTreeSet, HashSet};

use bulkhead_model::KeyHash;
use bulkhead_model::rows::{BudgetRow, DeploymentRow, KeyRow};
use bulkhead_snapshot::wire::{Decoded, Id, Row as Wire, decode, encode};
use serde_json::{Map, Value};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use time::OffsetDateTime;

use super::{Change, StoreError, resources};
use crate::domain::fallback;
use crate::seal::Purpose;

/// What was applied: generations of one kind follow each other, whatever happens to the other kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A gateway.yaml.
    Config,
    /// The master key of a replica.
    MasterKey,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::MasterKey => "master_key",
        }
    }
}

/// What was applied last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Latest {
    pub(crate) generation: i64,
    pub(crate) hash: [u8; 32],
}

/// A deployment with what it was given.
pub(crate) struct Given {
    pub(crate) row: DeploymentRow,
    pub(crate) params: Map<String, Value>,
    pub(crate) info: Map<String, Value>,
}

/// What was applied last, if anything was.
pub(crate) async fn latest(connection: &mut PgConnection, kind: Kind) -> Result<Option<Latest>, StoreError> {
    let row = sqlx::query(
        "select generation, hash from applied_files where kind = $1 order by generation desc limit 1",
    )
    .persistent(false)
    .bind(kind.name())
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let hash: Vec<u8> = row.try_get("hash")?;
    let hash = hash.try_into().map_err(|_| anyhow::anyhow!("the hash of a file is not 32 bytes"))?;
    Ok(Some(Latest { generation: row.try_get("generation")?, hash }))
}

/// True for what was applied once.
pub(crate) async fn was_applied(
    connection: &mut PgConnection,
    kind: Kind,
    hash: &[u8; 32],
) -> Result<bool, StoreError> {
    let known = sqlx::query_scalar("select exists (select from applied_files where kind = $1 and hash = $2)")
        .persistent(false)
        .bind(kind.name())
        .bind(hash.as_slice())
        .fetch_one(connection)
        .await?;
    Ok(known)
}

/// Notes what was applied; violates `applied_files_pkey` where somebody else came first.
pub(crate) async fn note(
    connection: &mut PgConnection,
    kind: Kind,
    generation: i64,
    hash: &[u8; 32],
    path: &str,
) -> Result<(), StoreError> {
    sqlx::query("insert into applied_files (kind, generation, hash, path) values ($1, $2, $3, $4)")
        .persistent(false)
        .bind(kind.name())
        .bind(generation)
        .bind(hash.as_slice())
        .bind(path)
        .execute(connection)
        .await?;
    Ok(())
}

/// Writes the deployments of a file, and removes those that it declared before. The ids of those that others declare
/// come back; then nothing may be committed.
pub(crate) async fn put_deployments(
    change: &mut Change,
    file: &str,
    wanted: &[Given],
) -> Result<Vec<String>, StoreError> {
    let ids: Vec<String> = wanted.iter().map(|given| given.row.id.clone()).collect();
    let rows = sqlx::query(
        "select id, owner from deployments where owner = $1 or id = any($2) order by id for update",
    )
    .persistent(false)
    .bind(file)
    .bind(ids)
    .fetch_all(change.connection())
    .await?;
    let known: BTreeMap<String, Option<String>> = rows
        .iter()
        .map(|row| Ok((row.try_get("id")?, row.try_get("owner")?)))
        .collect::<Result<_, sqlx::Error>>()?;
    let others: Vec<_> =
        known.iter().filter(|(_, owner)| owner.is_none()).map(|(id, _)| id.clone()).collect();
    if !others.is_empty() {
        return Ok(others);
    }
    let kept: HashSet<&String> = wanted.iter().map(|given| &given.row.id).collect();
    for gone in known.keys().filter(|id| !kept.contains(id)) {
        sqlx::query("delete from deployments where id = $1")
            .persistent(false)
            .bind(gone)
            .execute(change.connection())
            .await?;
        change.touch(Id::Deployment(gone.clone()));
    }
    let before = current(change, known.into_keys().map(Id::Deployment).collect()).await?;
    for given in wanted {
        let id = Id::Deployment(given.row.id.clone());
        let same =
            before.get(&id).is_some_and(|row| matches!(row, Wire::Deployment(row) if **row == given.row));
        put_deployment(change, file, given).await?;
        if !same {
            change.touch(id);
        }
    }
    Ok(Vec::new())
}

async fn put_deployment(change: &mut Change, file: &str, given: &Given) -> Result<(), StoreError> {
    let Given { row, params, info } = given;
    let params = serde_json::to_vec(params).map_err(anyhow::Error::from)?;
    let resource = encode(&Wire::Deployment(Box::new(row.clone()))).resource;
    let params = change.seal().seal(Purpose::Params, &row.id, &params)?;
    let resource = change.seal().seal(Purpose::Deployment, &row.id, &resource)?;
    sqlx::query(
        "insert into deployments (id, group_name, params, info, resource, credential, blocked, owner, created_by, updated_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $8, $8)
         on conflict (id) do update set (group_name, params, info, resource, credential, blocked, owner, updated_by,
             updated_at) = (excluded.group_name, excluded.params, excluded.info, excluded.resource, excluded.credential,
             excluded.blocked, excluded.owner, excluded.updated_by, now())",
    )
    .persistent(false)
    .bind(&row.id)
    .bind(&row.group)
    .bind(params)
    .bind(Value::Object(info.clone()))
    .bind(resource)
    .bind(&row.credential)
    .bind(row.blocked)
    .bind(file)
    .execute(change.connection())
    .await?;
    Ok(())
}

/// A key that is there already.
struct KnownKey {
    token: KeyHash,
    owner: Option<String>,
    alias: Option<String>,
}

/// As [`put_deployments`], for keys. A team that a key names and nobody declared is made, empty.
pub(crate) async fn put_keys(
    change: &mut Change,
    file: &str,
    wanted: &[KeyRow],
) -> Result<Vec<String>, StoreError> {
    let known = known_keys(change, file, wanted).await?;
    let kept: HashSet<&String> = wanted.iter().map(|key| &key.id).collect();
    let others = known.iter().filter(|(_, key)| key.owner.is_none());
    let others: Vec<_> = others.map(|(id, key)| key.alias.as_ref().unwrap_or(id).clone()).collect();
    if !others.is_empty() {
        return Ok(others);
    }
    let before = current(change, known.values().map(|key| Id::Key(key.token)).collect()).await?;
    for (gone, key) in known.iter().filter(|(id, _)| !kept.contains(id)) {
        sqlx::query("delete from keys where id = $1")
            .persistent(false)
            .bind(gone)
            .execute(change.connection())
            .await?;
        change.touch(Id::Key(key.token));
    }
    put_teams(change, wanted.iter().filter_map(|key| key.team_id.as_deref()).collect()).await?;
    for key in wanted {
        if let Some(other) = known.get(&key.id).map(|known| known.token).filter(|token| *token != key.hash) {
            change.touch(Id::Key(other));
        }
        let same = match before.get(&Id::Key(key.hash)) {
            Some(Wire::Key(row)) => **row == KeyRow { spend: row.spend, ..key.clone() },
            _ => false,
        };
        put_key(change, file, key).await?;
        if !same {
            change.touch(Id::Key(key.hash));
        }
    }
    Ok(Vec::new())
}

async fn known_keys(
    change: &mut Change,
    file: &str,
    wanted: &[KeyRow],
) -> Result<BTreeMap<String, KnownKey>, StoreError> {
    let ids: Vec<String> = wanted.iter().map(|key| key.id.clone()).collect();
    let aliases: Vec<String> = wanted.iter().filter_map(|key| key.alias.clone()).collect();
    let tokens: Vec<Vec<u8>> = wanted.iter().map(|key| key.hash.0.to_vec()).collect();
    let rows = sqlx::query(
        "select id, token, alias, owner from keys
         where owner = $1 or id = any($2) or alias = any($3) or token = any($4) order by token for update",
    )
    .persistent(false)
    .bind(file)
    .bind(ids)
    .bind(aliases)
    .bind(tokens)
    .fetch_all(change.connection())
    .await?;
    let known = |row: PgRow| {
        let token = resources::token(&row)?;
        let key = KnownKey { token, owner: row.try_get("owner")?, alias: row.try_get("alias")? };
        Ok((row.try_get("id")?, key))
    };
    Ok(rows.into_iter().map(known).collect::<Result<_, sqlx::Error>>()?)
}

async fn put_teams(change: &mut Change, teams: BTreeSet<&str>) -> Result<(), StoreError> {
    let by = change.by().to_owned();
    for team in teams {
        let made = sqlx::query(
            "insert into teams (id, created_by, updated_by) values ($1, $2, $2) on conflict (id) do nothing",
        )
        .persistent(false)
        .bind(team)
        .bind(&by)
        .execute(change.connection())
        .await?;
        if made.rows_affected() > 0 {
            change.touch(Id::Team(team.to_owned()));
        }
    }
    Ok(())
}

async fn put_key(change: &mut Change, file: &str, key: &KeyRow) -> Result<(), StoreError> {
    let aliases: Map<String, Value> =
        key.aliases.iter().map(|(from, to)| (from.clone(), Value::String(to.clone()))).collect();
    let metadata =
        key.metadata.as_deref().map(serde_json::from_str).transpose().map_err(anyhow::Error::from)?;
    let signed = |limit: Option<u64>| limit.map(|limit| i64::try_from(limit).unwrap_or(i64::MAX));
    let parallel = key.limits.max_parallel.map(|limit| i32::try_from(limit).unwrap_or(i32::MAX));
    let max = key.budget.map(|BudgetRow { max, window: _ }| max.0);
    let window = key.budget.and_then(|budget| budget.window).map(|window| window.to_string());
    let expires =
        key.expires.map(|time| OffsetDateTime::from_unix_timestamp_nanos(i128::from(time.0) * 1_000_000));
    let expires = expires.transpose().map_err(anyhow::Error::from)?;
    sqlx::query(
        "insert into keys (token, id, name, alias, team_id, user_id, models, aliases, allowed_routes, rpm_limit, tpm_limit,
             max_parallel_requests, max_budget, budget_duration, expires_at, blocked, tags, metadata, owner, created_by,
             updated_by, router_settings)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $19, $19, $20)
         on conflict (id) do update set (token, name, alias, team_id, user_id, models, aliases, allowed_routes, rpm_limit,
             tpm_limit, max_parallel_requests, max_budget, budget_duration, expires_at, blocked, tags, metadata, owner,
             updated_by, router_settings, updated_at) = (excluded.token, excluded.name, excluded.alias, excluded.team_id, excluded.user_id,
             excluded.models, excluded.aliases, excluded.allowed_routes, excluded.rpm_limit, excluded.tpm_limit,
             excluded.max_parallel_requests, excluded.max_budget, excluded.budget_duration, excluded.expires_at,
             excluded.blocked, excluded.tags, excluded.metadata, excluded.owner, excluded.updated_by,
             excluded.router_settings, now())",
    )
    .persistent(false)
    .bind(key.hash.0.as_slice())
    .bind(&key.id)
    .bind(&key.name)
    .bind(&key.alias)
    .bind(&key.team_id)
    .bind(&key.user_id)
    .bind(&key.models)
    .bind(Value::Object(aliases))
    .bind(&key.allowed_routes)
    .bind(signed(key.limits.rpm))
    .bind(signed(key.limits.tpm))
    .bind(parallel)
    .bind(max)
    .bind(window)
    .bind(expires)
    .bind(key.blocked)
    .bind(&key.tags)
    .bind(metadata.unwrap_or_else(|| Value::Object(Map::new())))
    .bind(file)
    .bind(fallback::stored(&key.fallbacks.chains))
    .execute(change.connection())
    .await?;
    Ok(())
}

/// Rows as nodes know them, before they are changed.
async fn current(change: &mut Change, ids: BTreeSet<Id>) -> Result<BTreeMap<Id, Wire>, StoreError> {
    let now = change.read(&ids).await?;
    let row = |item| match decode(item) {
        Decoded::Whole(row) => Some((row.id(), row)),
        Decoded::Denying(..) | Decoded::Nothing(..) => None,
    };
    Ok(now.put.into_iter().filter_map(row).collect())
}
