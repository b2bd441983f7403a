//! Users.

use sqlx::postgres::{PgConnection, Postgres};
use sqlx::{FromRow, QueryBuilder, Row};

use super::StoreError;
use super::terms::{Order, Page, Stamp, Statement, Terms, containing, fetch, limit, total};
use super::usage::{Holder, forget_spent};

/// A user.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct StoredUser {
    pub(crate) id: String,
    pub(crate) email: Option<String>,
    pub(crate) alias: Option<String>,
    pub(crate) role: String,
    #[sqlx(flatten)]
    pub(crate) terms: Terms,
    #[sqlx(flatten)]
    pub(crate) stamp: Stamp,
}

impl StoredUser {
    fn bind<'q>(&self, statement: Statement<'q>) -> Statement<'q> {
        let statement = statement
            .bind(self.id.clone())
            .bind(self.email.clone())
            .bind(self.alias.clone())
            .bind(self.role.clone());
        self.terms.bind(statement).bind(self.stamp.updated_by.clone())
    }
}

/// Which users.
#[derive(Debug, Clone, Default)]
pub(crate) struct UserFilter {
    pub(crate) ids: Vec<String>,
    pub(crate) email: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) team: Option<String>,
}

const SELECT: &str = "select id, email, alias, role, models, rpm_limit, tpm_limit, max_parallel_requests, max_budget, \
     soft_budget, budget_duration, spend, spend_generation, blocked, metadata, owner, created_at, created_by, \
     updated_at, updated_by from users";

/// Users by their ids; those to change are locked, always in the same order.
pub(crate) async fn by_ids(
    connection: &mut PgConnection,
    ids: &[String],
    lock: bool,
) -> Result<Vec<StoredUser>, StoreError> {
    let mut query = QueryBuilder::<Postgres>::new(SELECT);
    query.push(" where id = any(").push_bind(ids.to_vec()).push(") order by id");
    fetch(connection, query, lock).await
}

/// The user with this address.
pub(crate) async fn by_email(
    connection: &mut PgConnection,
    email: &str,
) -> Result<Option<StoredUser>, StoreError> {
    let mut query = QueryBuilder::<Postgres>::new(SELECT);
    query.push(" where lower(email) = lower(").push_bind(email.to_owned()).push(")");
    Ok(query.build_query_as().persistent(false).fetch_optional(connection).await?)
}

/// A page of users, each with the number of its keys, and how many users there are.
pub(crate) async fn list(
    connection: &mut PgConnection,
    filter: &UserFilter,
    order: Order,
    page: Page,
) -> Result<(Vec<StoredUser>, i64), StoreError> {
    let mut query = QueryBuilder::<Postgres>::new("select count(*) as total from users");
    filter.push(&mut query);
    let total = total(connection, query).await?;
    let mut query = QueryBuilder::<Postgres>::new(SELECT);
    filter.push(&mut query);
    order.push(&mut query, "id");
    limit(&mut query, Some(page));
    Ok((fetch(connection, query, false).await?, total))
}

/// How many keys each user has; none are left out.
pub(crate) async fn key_counts(
    connection: &mut PgConnection,
    ids: &[String],
) -> Result<std::collections::HashMap<String, i64>, StoreError> {
    let rows =
        sqlx::query("select user_id, count(*) as total from keys where user_id = any($1) group by user_id")
            .persistent(false)
            .bind(ids.to_vec())
            .fetch_all(connection)
            .await?;
    let pair = |row: &sqlx::postgres::PgRow| Ok((row.try_get("user_id")?, row.try_get("total")?));
    Ok(rows.iter().map(pair).collect::<Result<_, sqlx::Error>>()?)
}

impl UserFilter {
    fn push(&self, query: &mut QueryBuilder<Postgres>) {
        query.push(" where true");
        if !self.ids.is_empty() {
            query.push(" and id = any(").push_bind(self.ids.clone()).push(")");
        }
        if let Some(email) = &self.email {
            query.push(" and email ilike ").push_bind(containing(email));
        }
        if let Some(role) = &self.role {
            query.push(" and role = ").push_bind(role.clone());
        }
        if let Some(team) = &self.team {
            query
                .push(" and exists (select from members where members.user_id = users.id and members.team_id = ")
                .push_bind(team.clone())
                .push(")");
        }
    }
}

/// Stores a new user.
pub(crate) async fn insert(connection: &mut PgConnection, user: &StoredUser) -> Result<(), StoreError> {
    let statement = sqlx::query(
        "insert into users (id, email, alias, role, models, rpm_limit, tpm_limit, max_parallel_requests, max_budget,
         soft_budget, budget_duration, spend, spend_generation, blocked, metadata, updated_by, created_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $16)",
    );
    user.bind(statement.persistent(false)).execute(&mut *connection).await?;
    // There may have been another one of that id.
    forget_spent(connection, Holder::User(&user.id)).await?;
    Ok(())
}

/// Stores a user that was read and locked before.
pub(crate) async fn update(connection: &mut PgConnection, user: &StoredUser) -> Result<(), StoreError> {
    let statement = sqlx::query(
        "update users set email = $2, alias = $3, role = $4, models = $5, rpm_limit = $6, tpm_limit = $7,
         max_parallel_requests = $8, max_budget = $9, soft_budget = $10, budget_duration = $11, spend = $12,
         spend_generation = $13, blocked = $14, metadata = $15, updated_by = $16, updated_at = now() where id = $1",
    );
    user.bind(statement.persistent(false)).execute(&mut *connection).await?;
    if user.terms.is_spent_anew {
        forget_spent(connection, Holder::User(&user.id)).await?;
    }
    Ok(())
}

/// Removes users; their memberships go with them, their keys do not.
pub(crate) async fn delete(connection: &mut PgConnection, ids: &[String]) -> Result<(), StoreError> {
    sqlx::query("delete from users where id = any($1)")
        .persistent(false)
        .bind(ids.to_vec())
        .execute(connection)
        .await?;
    Ok(())
}
