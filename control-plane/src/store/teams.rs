//! Teams.

use serde_json::Value;
use sqlx::postgres::{PgConnection, Postgres};
use sqlx::{FromRow, QueryBuilder};

use super::StoreError;
use super::terms::{Order, Page, Stamp, Statement, Terms, containing, fetch, limit, total};
use super::usage::{Holder, forget_spent};

/// A team.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct StoredTeam {
    pub(crate) id: String,
    pub(crate) alias: Option<String>,
    pub(crate) aliases: Value,
    pub(crate) member_rpm_limit: Option<i64>,
    pub(crate) member_tpm_limit: Option<i64>,
    pub(crate) member_max_budget: Option<i64>,
    pub(crate) member_budget_duration: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) router_settings: Value,
    #[sqlx(flatten)]
    pub(crate) terms: Terms,
    #[sqlx(flatten)]
    pub(crate) stamp: Stamp,
}

impl StoredTeam {
    fn bind<'q>(&self, statement: Statement<'q>) -> Statement<'q> {
        let statement = statement
            .bind(self.id.clone())
            .bind(self.alias.clone())
            .bind(self.aliases.clone())
            .bind(self.member_rpm_limit)
            .bind(self.member_tpm_limit)
            .bind(self.member_max_budget)
            .bind(self.member_budget_duration.clone())
            .bind(self.tags.clone());
        let statement = self.terms.bind(statement).bind(self.stamp.updated_by.clone());
        statement.bind(self.router_settings.clone())
    }
}

/// Which teams.
#[derive(Debug, Clone, Default)]
pub(crate) struct TeamFilter {
    pub(crate) user_id: Option<String>,
    pub(crate) team_id: Option<String>,
    pub(crate) alias: Option<String>,
}

const SELECT: &str = "select id, alias, aliases, member_rpm_limit, member_tpm_limit, member_max_budget, \
     member_budget_duration, tags, router_settings, models, rpm_limit, tpm_limit, max_parallel_requests, max_budget, \
     soft_budget, budget_duration, spend, spend_generation, blocked, metadata, owner, created_at, created_by, updated_at, \
     updated_by from teams";

/// Teams by their ids; those to change are locked, always in the same order.
pub(crate) async fn by_ids(
    connection: &mut PgConnection,
    ids: &[String],
    lock: bool,
) -> Result<Vec<StoredTeam>, StoreError> {
    let mut query = QueryBuilder::<Postgres>::new(SELECT);
    query.push(" where id = any(").push_bind(ids.to_vec()).push(") order by id");
    fetch(connection, query, lock).await
}

/// Teams, a page of them or all, and how many there are.
pub(crate) async fn list(
    connection: &mut PgConnection,
    filter: &TeamFilter,
    order: Order,
    page: Option<Page>,
) -> Result<(Vec<StoredTeam>, i64), StoreError> {
    let mut query = QueryBuilder::<Postgres>::new("select count(*) as total from teams");
    filter.push(&mut query);
    let total = total(connection, query).await?;
    let mut query = QueryBuilder::<Postgres>::new(SELECT);
    filter.push(&mut query);
    order.push(&mut query, "id");
    limit(&mut query, page);
    Ok((fetch(connection, query, false).await?, total))
}

impl TeamFilter {
    fn push(&self, query: &mut QueryBuilder<Postgres>) {
        query.push(" where true");
        if let Some(user) = &self.user_id {
            query
                .push(" and exists (select from members where members.team_id = teams.id and members.user_id = ")
                .push_bind(user.clone())
                .push(")");
        }
        if let Some(team) = &self.team_id {
            query.push(" and id = ").push_bind(team.clone());
        }
        if let Some(alias) = &self.alias {
            query.push(" and alias ilike ").push_bind(containing(alias));
        }
    }
}

/// Stores a new team.
pub(crate) async fn insert(connection: &mut PgConnection, team: &StoredTeam) -> Result<(), StoreError> {
    let statement = sqlx::query(
        "insert into teams (id, alias, aliases, member_rpm_limit, member_tpm_limit, member_max_budget,
         member_budget_duration, tags, models, rpm_limit, tpm_limit, max_parallel_requests, max_budget, soft_budget,
         budget_duration, spend, spend_generation, blocked, metadata, updated_by, created_by, router_settings)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $20, $21)",
    );
    team.bind(statement.persistent(false)).execute(&mut *connection).await?;
    // There may have been another one of that id.
    forget_spent(connection, Holder::Team(&team.id)).await?;
    Ok(())
}

/// Stores a team that was read and locked before.
pub(crate) async fn update(connection: &mut PgConnection, team: &StoredTeam) -> Result<(), StoreError> {
    let statement = sqlx::query(
        "update teams set alias = $2, aliases = $3, member_rpm_limit = $4, member_tpm_limit = $5,
         member_max_budget = $6, member_budget_duration = $7, tags = $8, models = $9, rpm_limit = $10,
         tpm_limit = $11, max_parallel_requests = $12, max_budget = $13, soft_budget = $14, budget_duration = $15,
         spend = $16, spend_generation = $17, blocked = $18, metadata = $19, updated_by = $20,
         router_settings = $21, updated_at = now()
         where id = $1",
    );
    team.bind(statement.persistent(false)).execute(&mut *connection).await?;
    if team.terms.is_spent_anew {
        forget_spent(connection, Holder::Team(&team.id)).await?;
    }
    Ok(())
}

/// Removes teams; their members and keys go with them.
pub(crate) async fn delete(connection: &mut PgConnection, ids: &[String]) -> Result<(), StoreError> {
    sqlx::query("delete from teams where id = any($1)")
        .persistent(false)
        .bind(ids.to_vec())
        .execute(connection)
        .await?;
    Ok(())
}
