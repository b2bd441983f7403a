//! Rows of the database as the resources that nodes know.

use std::collections::{BTreeMap, BTreeSet};

use bulkhead_model::rows::{BudgetRow, CredentialRow, KeyRow, Limits, MemberRow, Spend, TeamRow, UserRow};
use bulkhead_model::{KeyHash, NanoUsd, UnixMillis};
use bulkhead_proto as proto;
use bulkhead_snapshot::wire::{Id, Row, encode};
use futures_util::TryStreamExt;
use serde_json::{Map, Value};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use time::OffsetDateTime;

use super::{Change, StoreError, fallbacks};
use crate::domain::deployment::credential_row;
use crate::seal::{Purpose, Seal};

/// Resources as they are now, and those that are gone.
#[derive(Default)]
pub(crate) struct Now {
    pub(crate) put: Vec<proto::Item>,
    pub(crate) delete: Vec<proto::Ref>,
}

/// Reads some resources; those that are not there are gone.
pub(crate) async fn read(
    connection: &mut PgConnection,
    seal: &Seal,
    ids: &BTreeSet<Id>,
) -> Result<Now, StoreError> {
    let mut found = BTreeMap::new();
    for kind in Kind::ALL {
        let wanted: Vec<String> = ids.iter().filter(|id| kind.is_of(id)).map(|id| id.parts().1).collect();
        if wanted.is_empty() {
            continue;
        }
        let rows =
            sqlx::query(kind.some()).persistent(false).bind(wanted).fetch_all(&mut *connection).await?;
        for row in rows {
            let item = kind.item_or_none(&row, seal)?;
            found.insert(Id::decode(item.r#ref.clone().unwrap_or_default()), item);
        }
    }
    let mut now = Now::default();
    for id in ids {
        match found.remove(id) {
            Some(item) => now.put.push(item),
            None => now.delete.push(id.encode()),
        }
    }
    Ok(now)
}

/// How large a chunk may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChunkSize {
    pub(crate) items: usize,
    pub(crate) bytes: usize,
}

/// Reads every resource, in chunks that are handed over one by one; how many there were.
pub(crate) async fn read_all(
    connection: &mut PgConnection,
    seal: &Seal,
    size: ChunkSize,
    mut take: impl FnMut(Vec<proto::Item>),
) -> Result<u64, StoreError> {
    let mut count = 0;
    let (mut items, mut bytes) = (Vec::new(), 0);
    for kind in Kind::ALL {
        let mut rows = sqlx::query(kind.all()).persistent(false).fetch(&mut *connection);
        while let Some(row) = rows.try_next().await? {
            let item = kind.item_or_none(&row, seal)?;
            let more = item.resource.len() + item.r#ref.as_ref().map_or(0, |reference| reference.id.len());
            if items.len() == size.items || (bytes + more > size.bytes && !items.is_empty()) {
                take(std::mem::take(&mut items));
                bytes = 0;
            }
            bytes += more;
            items.push(item);
            count += 1;
        }
    }
    if !items.is_empty() {
        take(items);
    }
    Ok(count)
}

/// Counts every resource.
pub(crate) async fn count(connection: &mut PgConnection) -> Result<u64, StoreError> {
    let count: i64 = sqlx::query_scalar(
        "select (select count(*) from settings) + (select count(*) from credentials)
         + (select count(*) from deployments) + (select count(*) from teams) + (select count(*) from users)
         + (select count(*) from members) + (select count(*) from keys) + (select count(*) from old_tokens)",
    )
    .persistent(false)
    .fetch_one(connection)
    .await?;
    Ok(count.cast_unsigned())
}

/// Opens one thing of each kind that is sealed, so that a wrong salt key shows before anything is published.
pub(crate) async fn try_seal(connection: &mut PgConnection, seal: &Seal) -> Result<(), StoreError> {
    for kind in [Kind::Credential, Kind::Deployment] {
        let mut rows = sqlx::query(kind.all()).persistent(false).fetch(&mut *connection);
        if let Some(row) = rows.try_next().await?
            && let Err(StoreError::NotOurs(error)) = kind.item(&row, seal)
        {
            return Err(error.into());
        }
    }
    Ok(())
}

/// Removes secrets whose time of grace has been over for an hour; nodes have refused them since then.
pub(crate) async fn expire_old_tokens(change: &mut Change) -> Result<(), StoreError> {
    let rows =
        sqlx::query("delete from old_tokens where expires_at < now() - interval '1 hour' returning token")
            .persistent(false)
            .fetch_all(change.connection())
            .await?;
    for row in rows {
        change.touch(Id::Key(token(&row)?));
    }
    Ok(())
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Settings,
    Credential,
    Deployment,
    Team,
    User,
    Member,
    Key,
}

/// A table's statement, for all rows and for some.
macro_rules! select {
    ($which:ident, $select:literal, $condition:literal) => {
        match $which {
            Which::All => $select,
            Which::Some => concat!($select, " where ", $condition),
        }
    };
}

#[derive(Debug, Clone, Copy)]
enum Which {
    All,
    Some,
}

impl Kind {
    /// In the order in which nodes can use them best: what others refer to goes first.
    const ALL: [Self; 7] =
        [Self::Settings, Self::Credential, Self::Deployment, Self::Team, Self::User, Self::Member, Self::Key];

    fn is_of(self, id: &Id) -> bool {
        matches!(
            (self, id),
            (Self::Settings, Id::Settings)
                | (Self::Credential, Id::Credential(_))
                | (Self::Deployment, Id::Deployment(_))
                | (Self::Team, Id::Team(_))
                | (Self::User, Id::User(_))
                | (Self::Member, Id::Member(_))
                | (Self::Key, Id::Key(_))
        )
    }

    fn all(self) -> &'static str {
        self.select(Which::All)
    }

    fn some(self) -> &'static str {
        self.select(Which::Some)
    }

    fn select(self, which: Which) -> &'static str {
        match self {
            Self::Settings => select!(which, "select resource from settings", "'' = any($1)"),
            Self::Credential => select!(which, "select name, secret_values from credentials", "name = any($1)"),
            Self::Deployment => select!(which, "select id, resource from deployments", "id = any($1)"),
            Self::Team => select!(
                which,
                "select id, alias, models, aliases, rpm_limit, tpm_limit, max_parallel_requests, max_budget,
                 budget_duration, member_rpm_limit, member_tpm_limit, member_max_budget, member_budget_duration, spend,
                 spend_generation, blocked, metadata, router_settings from teams",
                "id = any($1)"
            ),
            Self::User => select!(
                which,
                "select id, models, rpm_limit, tpm_limit, max_parallel_requests, max_budget, budget_duration, spend,
                 spend_generation, blocked from users",
                "id = any($1)"
            ),
            Self::Member => select!(
                which,
                "select team_id, user_id, rpm_limit, tpm_limit, null::integer as max_parallel_requests, max_budget,
                 budget_duration, spend, spend_generation from members",
                "(team_id, user_id) in (
                     select split_part(pair, chr(31), 1), split_part(pair, chr(31), 2) from unnest($1) pair
                 )"
            ),
            Self::Key => select!(
                which,
                "select * from (
                     select token, id, name, alias, team_id, user_id, models, aliases, allowed_routes, rpm_limit, tpm_limit,
                     max_parallel_requests, max_budget, budget_duration, spend, spend_generation, expires_at, blocked, tags,
                     metadata, router_settings from keys
                     union all
                     select old_tokens.token, id, old_tokens.name, alias, team_id, user_id, models, aliases, allowed_routes,
                     rpm_limit, tpm_limit, max_parallel_requests, max_budget, budget_duration, spend, spend_generation,
                     least(keys.expires_at, old_tokens.expires_at) as expires_at, blocked, tags, metadata,
                     router_settings from old_tokens join keys on keys.id = old_tokens.key_id
                 ) as tokens",
                "token = any(array(select decode(digits, 'hex') from unnest($1) digits))"
            ),
        }
    }

    /// The item; one that says nothing where nothing can be made of the row, so that it holds up no other (nodes keep
    /// what they had, and a principal is denied).
    fn item_or_none(self, row: &PgRow, seal: &Seal) -> Result<proto::Item, StoreError> {
        let error = match self.item(row, seal) {
            Ok(item) => return Ok(item),
            Err(error) => error,
        };
        let id = self.id(row)?;
        tracing::error!(%error, "{id} cannot be read: nodes are told that it is unreadable");
        Ok(encoded(id, Vec::new()))
    }

    fn id(self, row: &PgRow) -> Result<Id, StoreError> {
        Ok(match self {
            Self::Settings => Id::Settings,
            Self::Credential => Id::Credential(row.try_get("name")?),
            Self::Deployment => Id::Deployment(row.try_get("id")?),
            Self::Team => Id::Team(row.try_get("id")?),
            Self::User => Id::User(row.try_get("id")?),
            Self::Member => {
                let (team, user): (String, String) = (row.try_get("team_id")?, row.try_get("user_id")?);
                Id::Member(bulkhead_snapshot::member_id(&team, &user))
            }
            Self::Key => Id::Key(token(row)?),
        })
    }

    fn item(self, row: &PgRow, seal: &Seal) -> Result<proto::Item, StoreError> {
        Ok(match self {
            Self::Settings => encoded(Id::Settings, row.try_get("resource")?),
            Self::Credential => encode(&Row::Credential(Box::new(credential(row, seal)?))),
            Self::Deployment => {
                let id: String = row.try_get("id")?;
                let resource = seal.open(Purpose::Deployment, &id, row.try_get("resource")?)?;
                encoded(Id::Deployment(id), resource)
            }
            Self::Team => encode(&Row::Team(Box::new(team(row)?))),
            Self::User => encode(&Row::User(Box::new(user(row)?))),
            Self::Member => encode(&Row::Member(Box::new(member(row)?))),
            Self::Key => encode(&Row::Key(Box::new(key(row)?))),
        })
    }
}

pub(super) fn encoded(id: Id, resource: Vec<u8>) -> proto::Item {
    proto::Item { r#ref: Some(id.encode()), resource: resource.into() }
}

fn credential(row: &PgRow, seal: &Seal) -> Result<CredentialRow, StoreError> {
    let name: String = row.try_get("name")?;
    let values = seal.open(Purpose::Credential, &name, row.try_get("secret_values")?)?;
    let values: Map<String, Value> = serde_json::from_slice(&values).map_err(anyhow::Error::from)?;
    Ok(credential_row(name, &values))
}

fn team(row: &PgRow) -> Result<TeamRow, sqlx::Error> {
    let member_limits = Limits {
        rpm: unsigned(row, "member_rpm_limit")?,
        tpm: unsigned(row, "member_tpm_limit")?,
        max_parallel: None,
    };
    Ok(TeamRow {
        id: row.try_get("id")?,
        alias: row.try_get("alias")?,
        models: row.try_get("models")?,
        aliases: aliases(row)?,
        limits: limits(row)?,
        budget: budget(row, "max_budget", "budget_duration")?,
        spend: spend(row)?,
        blocked: row.try_get("blocked")?,
        metadata: metadata(row)?,
        fallbacks: fallbacks::policy(row)?,
        member_limits,
        member_budget: budget(row, "member_max_budget", "member_budget_duration")?,
        requires: Vec::new(),
    })
}

fn user(row: &PgRow) -> Result<UserRow, sqlx::Error> {
    Ok(UserRow {
        id: row.try_get("id")?,
        models: row.try_get("models")?,
        limits: limits(row)?,
        budget: budget(row, "max_budget", "budget_duration")?,
        spend: spend(row)?,
        blocked: row.try_get("blocked")?,
        requires: Vec::new(),
    })
}

fn member(row: &PgRow) -> Result<MemberRow, sqlx::Error> {
    Ok(MemberRow {
        team: row.try_get("team_id")?,
        user: row.try_get("user_id")?,
        limits: limits(row)?,
        budget: budget(row, "max_budget", "budget_duration")?,
        spend: spend(row)?,
        requires: Vec::new(),
    })
}

fn key(row: &PgRow) -> Result<KeyRow, sqlx::Error> {
    Ok(KeyRow {
        id: row.try_get("id")?,
        hash: token(row)?,
        name: row.try_get("name")?,
        alias: row.try_get("alias")?,
        models: row.try_get("models")?,
        aliases: aliases(row)?,
        allowed_routes: row.try_get("allowed_routes")?,
        limits: limits(row)?,
        budget: budget(row, "max_budget", "budget_duration")?,
        expires: row.try_get::<Option<OffsetDateTime>, _>("expires_at")?.map(millis),
        blocked: row.try_get("blocked")?,
        team_id: row.try_get("team_id")?,
        user_id: row.try_get("user_id")?,
        tags: row.try_get("tags")?,
        metadata: metadata(row)?,
        fallbacks: fallbacks::policy(row)?,
        spend: spend(row)?,
        requires: Vec::new(),
    })
}

pub(super) fn token(row: &PgRow) -> Result<KeyHash, sqlx::Error> {
    let token: Vec<u8> = row.try_get("token")?;
    let token =
        token.try_into().map_err(|_| sqlx::Error::ColumnNotFound("a token of 32 bytes".to_owned()))?;
    Ok(KeyHash(token))
}

/// A time as nodes know it.
pub(crate) fn millis(time: OffsetDateTime) -> UnixMillis {
    UnixMillis(i64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX))
}

fn unsigned(row: &PgRow, column: &str) -> Result<Option<u64>, sqlx::Error> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(|value| u64::try_from(value).unwrap_or(0)))
}

fn limits(row: &PgRow) -> Result<Limits, sqlx::Error> {
    let parallel: Option<i32> = row.try_get("max_parallel_requests")?;
    Ok(Limits {
        rpm: unsigned(row, "rpm_limit")?,
        tpm: unsigned(row, "tpm_limit")?,
        max_parallel: parallel.map(|value| u32::try_from(value).unwrap_or(0)),
    })
}

fn budget(row: &PgRow, max: &str, window: &str) -> Result<Option<BudgetRow>, sqlx::Error> {
    let Some(max) = row.try_get::<Option<i64>, _>(max)? else { return Ok(None) };
    let window: Option<String> = row.try_get(window)?;
    // A window that cannot be read never ends: it restricts more.
    let window = window.and_then(|text| text.parse().ok());
    Ok(Some(BudgetRow { max: NanoUsd(max), window }))
}

fn spend(row: &PgRow) -> Result<Spend, sqlx::Error> {
    let generation: i64 = row.try_get("spend_generation")?;
    Ok(Spend { generation: generation.cast_unsigned(), amount: NanoUsd(row.try_get("spend")?) })
}

fn aliases(row: &PgRow) -> Result<Vec<(String, String)>, sqlx::Error> {
    let aliases: Value = row.try_get("aliases")?;
    let pair = |(from, to): (String, Value)| Some((from, to.as_str()?.to_owned()));
    Ok(match aliases {
        Value::Object(aliases) => aliases.into_iter().filter_map(pair).collect(),
        _ => Vec::new(),
    })
}

/// Metadata that goes into usage records; an empty object is none.
fn metadata(row: &PgRow) -> Result<Option<String>, sqlx::Error> {
    let metadata: Value = row.try_get("metadata")?;
    Ok(metadata.as_object().filter(|object| !object.is_empty()).map(|_| metadata.to_string()))
}
