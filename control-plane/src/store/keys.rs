//! Virtual keys.

use bulkhead_model::KeyHash;
use serde_json::Value;
use sqlx::postgres::{PgConnection, Postgres};
use sqlx::{FromRow, QueryBuilder, Row};
use time::OffsetDateTime;

use super::StoreError;
use super::terms::{Order, Page, Stamp, Terms, containing, fetch, limit, total};
use super::usage::{Holder, forget_spent};

/// A key.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct StoredKey {
    pub(crate) token: Vec<u8>,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) alias: Option<String>,
    pub(crate) team_id: Option<String>,
    pub(crate) user_id: Option<String>,
    pub(crate) service_account: bool,
    pub(crate) aliases: Value,
    pub(crate) allowed_routes: Vec<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) expires_at: Option<OffsetDateTime>,
    pub(crate) router_settings: Value,
    #[sqlx(flatten)]
    pub(crate) terms: Terms,
    #[sqlx(flatten)]
    pub(crate) stamp: Stamp,
    /// For answers that say when it was used last.
    #[sqlx(skip)]
    pub(crate) last_active: Option<OffsetDateTime>,
}

impl StoredKey {
    pub(crate) fn hash(&self) -> KeyHash {
        KeyHash(self.token.as_slice().try_into().unwrap_or_default())
    }

    fn bind<'q>(&self, statement: super::terms::Statement<'q>) -> super::terms::Statement<'q> {
        let statement = statement
            .bind(self.id.clone())
            .bind(self.token.clone())
            .bind(self.name.clone())
            .bind(self.alias.clone())
            .bind(self.team_id.clone())
            .bind(self.user_id.clone())
            .bind(self.service_account)
            .bind(self.aliases.clone())
            .bind(self.allowed_routes.clone())
            .bind(self.tags.clone())
            .bind(self.expires_at);
        let statement = self.terms.bind(statement).bind(self.stamp.updated_by.clone());
        statement.bind(self.router_settings.clone())
    }
}

/// A key that somebody presents, with what decides what it may manage.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct Presented {
    #[sqlx(flatten)]
    pub(crate) key: StoredKey,
    pub(crate) role: Option<String>,
    pub(crate) user_blocked: bool,
    pub(crate) team_blocked: bool,
}

/// Whether a key can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyStatus {
    Active,
    Expired,
    Revoked,
}

/// Which keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeyFilter {
    pub(crate) user_id: Option<String>,
    pub(crate) team_id: Option<String>,
    pub(crate) alias: Option<String>,
    pub(crate) token: Option<KeyHash>,
    pub(crate) search: Option<String>,
    pub(crate) substring: bool,
    pub(crate) status: Option<KeyStatus>,
}

const COLUMNS: &str = "keys.token, keys.id, keys.name, keys.alias, keys.team_id, keys.user_id, keys.service_account, \
     keys.aliases, keys.allowed_routes, keys.tags, keys.expires_at, keys.router_settings, keys.models, keys.rpm_limit, keys.tpm_limit, \
     keys.max_parallel_requests, keys.max_budget, keys.soft_budget, keys.budget_duration, keys.spend, \
     keys.spend_generation, keys.blocked, keys.metadata, keys.owner, keys.created_at, keys.created_by, \
     keys.updated_at, keys.updated_by";

/// The key with this token, or that had it and still may.
pub(crate) async fn presented(
    connection: &mut PgConnection,
    token: KeyHash,
) -> Result<Option<Presented>, StoreError> {
    let mut query = QueryBuilder::<Postgres>::new("select ");
    query
        .push(COLUMNS)
        .push(
            ", users.role, coalesce(users.blocked, false) as user_blocked, \
             coalesce(teams.blocked, false) as team_blocked from keys left join users on users.id = keys.user_id \
             left join teams on teams.id = keys.team_id where keys.token = ",
        )
        .push_bind(token.0.to_vec())
        .push(" or keys.id = (select key_id from old_tokens where expires_at > now() and old_tokens.token = ")
        .push_bind(token.0.to_vec())
        .push(")");
    Ok(query.build_query_as().persistent(false).fetch_optional(connection).await?)
}

/// Keys by their tokens; those to change are locked, always in the same order.
pub(crate) async fn by_tokens(
    connection: &mut PgConnection,
    tokens: &[KeyHash],
    lock: bool,
) -> Result<Vec<StoredKey>, StoreError> {
    let tokens: Vec<_> = tokens.iter().map(|token| token.0.to_vec()).collect();
    let mut query = select();
    query.push(" where token = any(").push_bind(tokens).push(") order by token");
    fetch(connection, query, lock).await
}

/// Keys by their aliases.
pub(crate) async fn by_aliases(
    connection: &mut PgConnection,
    aliases: &[String],
    lock: bool,
) -> Result<Vec<StoredKey>, StoreError> {
    let mut query = select();
    query.push(" where alias = any(").push_bind(aliases.to_vec()).push(") order by token");
    fetch(connection, query, lock).await
}

/// The keys of teams, of users, or of both at once (a member's).
pub(crate) async fn of(
    connection: &mut PgConnection,
    teams: Option<&[String]>,
    users: Option<&[String]>,
    lock: bool,
) -> Result<Vec<StoredKey>, StoreError> {
    let mut query = select();
    query.push(" where true");
    if let Some(teams) = teams {
        query.push(" and team_id = any(").push_bind(teams.to_vec()).push(")");
    }
    if let Some(users) = users {
        query.push(" and user_id = any(").push_bind(users.to_vec()).push(")");
    }
    query.push(" order by token");
    fetch(connection, query, lock).await
}

/// A page of keys, and how many there are.
pub(crate) async fn list(
    connection: &mut PgConnection,
    filter: &KeyFilter,
    order: Order,
    page: Page,
) -> Result<(Vec<StoredKey>, i64), StoreError> {
    let total = count(connection, "count(*)", filter).await?;
    let mut query = select();
    filter.push(&mut query);
    order.push(&mut query, "token");
    limit(&mut query, Some(page));
    Ok((fetch(connection, query, false).await?, total))
}

/// A page of the aliases of keys, and how many there are.
pub(crate) async fn aliases(
    connection: &mut PgConnection,
    filter: &KeyFilter,
    page: Page,
) -> Result<(Vec<String>, i64), StoreError> {
    let total = count(connection, "count(alias)", filter).await?;
    let mut query = QueryBuilder::<Postgres>::new("select alias from keys");
    filter.push(&mut query);
    query.push(" and alias is not null order by alias");
    limit(&mut query, Some(page));
    let rows = query.build().persistent(false).fetch_all(connection).await?;
    let aliases: Result<Vec<String>, sqlx::Error> = rows.iter().map(|row| row.try_get("alias")).collect();
    Ok((aliases?, total))
}

async fn count(
    connection: &mut PgConnection,
    what: &'static str,
    filter: &KeyFilter,
) -> Result<i64, StoreError> {
    let mut query = QueryBuilder::<Postgres>::new("select ");
    query.push(what).push(" as total from keys");
    filter.push(&mut query);
    total(connection, query).await
}

impl KeyFilter {
    fn push(&self, query: &mut QueryBuilder<Postgres>) {
        query.push(" where true");
        for (column, text) in [("user_id", &self.user_id), ("alias", &self.alias)] {
            match text {
                Some(text) if self.substring => {
                    query.push(" and ").push(column).push(" ilike ").push_bind(containing(text));
                }
                Some(text) => {
                    query.push(" and ").push(column).push(" = ").push_bind(text.clone());
                }
                None => {}
            }
        }
        if let Some(team) = &self.team_id {
            query.push(" and team_id = ").push_bind(team.clone());
        }
        if let Some(token) = self.token {
            query.push(" and token = ").push_bind(token.0.to_vec());
        }
        if let Some(search) = &self.search {
            for (lead, column) in
                [(" and (", "alias"), (" or ", "user_id"), (" or ", "name"), (" or ", "encode(token, 'hex')")]
            {
                query.push(lead).push(column).push(" ilike ").push_bind(containing(search));
            }
            query.push(")");
        }
        query.push(match self.status {
            None => "",
            Some(KeyStatus::Active) => " and not blocked and (expires_at is null or expires_at > now())",
            Some(KeyStatus::Expired) => " and not blocked and expires_at <= now()",
            Some(KeyStatus::Revoked) => " and blocked",
        });
    }
}

/// Stores a new key.
pub(crate) async fn insert(connection: &mut PgConnection, key: &StoredKey) -> Result<(), StoreError> {
    let statement = sqlx::query(
        "insert into keys (id, token, name, alias, team_id, user_id, service_account, aliases, allowed_routes, tags,
         expires_at, models, rpm_limit, tpm_limit, max_parallel_requests, max_budget, soft_budget, budget_duration,
         spend, spend_generation, blocked, metadata, updated_by, created_by, router_settings)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
         $23, $23, $24)",
    );
    key.bind(statement.persistent(false)).execute(connection).await?;
    Ok(())
}

/// Stores a key that was read and locked before; its id stays.
pub(crate) async fn update(connection: &mut PgConnection, key: &StoredKey) -> Result<(), StoreError> {
    let statement = sqlx::query(
        "update keys set token = $2, name = $3, alias = $4, team_id = $5, user_id = $6, service_account = $7,
         aliases = $8, allowed_routes = $9, tags = $10, expires_at = $11, models = $12, rpm_limit = $13,
         tpm_limit = $14, max_parallel_requests = $15, max_budget = $16, soft_budget = $17, budget_duration = $18,
         spend = $19, spend_generation = $20, blocked = $21, metadata = $22, updated_by = $23,
         router_settings = $24, updated_at = now()
         where id = $1",
    );
    key.bind(statement.persistent(false)).execute(&mut *connection).await?;
    if key.terms.is_spent_anew {
        forget_spent(connection, Holder::Key(&key.id)).await?;
    }
    Ok(())
}

/// Removes keys; their old tokens go with them.
pub(crate) async fn delete(connection: &mut PgConnection, ids: &[String]) -> Result<(), StoreError> {
    sqlx::query("delete from keys where id = any($1)")
        .persistent(false)
        .bind(ids.to_vec())
        .execute(connection)
        .await?;
    Ok(())
}

/// Lets a token that a key had stay valid for a while.
pub(crate) async fn keep_token(
    connection: &mut PgConnection,
    key: &StoredKey,
    until: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query("insert into old_tokens (token, key_id, name, expires_at) values ($1, $2, $3, $4)")
        .persistent(false)
        .bind(key.token.clone())
        .bind(key.id.clone())
        .bind(key.name.clone())
        .bind(until)
        .execute(connection)
        .await?;
    Ok(())
}

/// Refuses every token that a key had.
pub(crate) async fn drop_old_tokens(connection: &mut PgConnection, id: &str) -> Result<(), StoreError> {
    sqlx::query("delete from old_tokens where key_id = $1")
        .persistent(false)
        .bind(id.to_owned())
        .execute(connection)
        .await?;
    Ok(())
}

/// Tokens that keys had and that may still be valid.
pub(crate) async fn old_tokens(
    connection: &mut PgConnection,
    ids: &[String],
) -> Result<Vec<KeyHash>, StoreError> {
    let rows = sqlx::query("select token from old_tokens where key_id = any($1)")
        .persistent(false)
        .bind(ids.to_vec())
        .fetch_all(connection)
        .await?;
    let token = |row: &sqlx::postgres::PgRow| -> Result<KeyHash, sqlx::Error> {
        let token: Vec<u8> = row.try_get("token")?;
        Ok(KeyHash(token.as_slice().try_into().unwrap_or_default()))
    };
    Ok(rows.iter().map(token).collect::<Result<_, _>>()?)
}

/// True where a token is or was some key's.
pub(crate) async fn is_taken(connection: &mut PgConnection, token: KeyHash) -> Result<bool, StoreError> {
    let row = sqlx::query(
        "select exists (select from keys where token = $1) or exists (select from old_tokens where token = $1) as taken",
    )
    .persistent(false)
    .bind(token.0.to_vec())
    .fetch_one(connection)
    .await?;
    Ok(row.try_get("taken")?)
}

fn select() -> QueryBuilder<Postgres> {
    let mut query = QueryBuilder::new("select ");
    query.push(COLUMNS).push(" from keys");
    query
}
