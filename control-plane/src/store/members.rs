//! Users in teams.

use sqlx::postgres::{PgConnection, Postgres};
use sqlx::{FromRow, QueryBuilder};

use super::StoreError;
use super::terms::{Statement, fetch};

/// A user in a team.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct StoredMember {
    pub(crate) team_id: String,
    pub(crate) user_id: String,
    pub(crate) role: String,
    pub(crate) rpm_limit: Option<i64>,
    pub(crate) tpm_limit: Option<i64>,
    pub(crate) max_budget: Option<i64>,
    pub(crate) budget_duration: Option<String>,
    pub(crate) spend: i64,
    /// The user's, for answers.
    pub(crate) email: Option<String>,
}

impl StoredMember {
    fn bind<'q>(&self, statement: Statement<'q>) -> Statement<'q> {
        statement
            .bind(self.team_id.clone())
            .bind(self.user_id.clone())
            .bind(self.role.clone())
            .bind(self.rpm_limit)
            .bind(self.tpm_limit)
            .bind(self.max_budget)
            .bind(self.budget_duration.clone())
    }
}

const SELECT: &str = "select team_id, user_id, members.role, members.rpm_limit, members.tpm_limit, \
     members.max_budget, members.budget_duration, members.spend, users.email from members join users \
     on users.id = members.user_id";

/// The members of teams, in the order in which they came.
pub(crate) async fn of_teams(
    connection: &mut PgConnection,
    teams: &[String],
) -> Result<Vec<StoredMember>, StoreError> {
    let mut query = QueryBuilder::<Postgres>::new(SELECT);
    query.push(" where team_id = any(").push_bind(teams.to_vec());
    query.push(") order by team_id, members.created_at, user_id");
    fetch(connection, query, false).await
}

/// The memberships of users.
pub(crate) async fn of_users(
    connection: &mut PgConnection,
    users: &[String],
) -> Result<Vec<StoredMember>, StoreError> {
    let mut query = QueryBuilder::<Postgres>::new(SELECT);
    query.push(" where user_id = any(").push_bind(users.to_vec());
    query.push(") order by user_id, members.created_at, team_id");
    fetch(connection, query, false).await
}

/// Stores a new member.
pub(crate) async fn insert(connection: &mut PgConnection, member: &StoredMember) -> Result<(), StoreError> {
    let statement = sqlx::query(
        // Several of one transaction keep their order, too.
        "insert into members (team_id, user_id, role, rpm_limit, tpm_limit, max_budget, budget_duration, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, clock_timestamp())",
    );
    member.bind(statement.persistent(false)).execute(connection).await?;
    Ok(())
}

/// Stores a member whose team was locked before.
pub(crate) async fn update(connection: &mut PgConnection, member: &StoredMember) -> Result<(), StoreError> {
    let statement = sqlx::query(
        "update members set role = $3, rpm_limit = $4, tpm_limit = $5, max_budget = $6, budget_duration = $7
         where team_id = $1 and user_id = $2",
    );
    member.bind(statement.persistent(false)).execute(connection).await?;
    Ok(())
}

/// Removes a member.
pub(crate) async fn delete(connection: &mut PgConnection, team: &str, user: &str) -> Result<(), StoreError> {
    sqlx::query("delete from members where team_id = $1 and user_id = $2")
        .persistent(false)
        .bind(team.to_owned())
        .bind(user.to_owned())
        .execute(connection)
        .await?;
    Ok(())
}
