//! Sums out of the fact rollup, by whatever a report asks for.

use sqlx::{FromRow, PgConnection, Postgres, QueryBuilder};
use time::{Date, OffsetDateTime};

use crate::store::StoreError;

/// What sums are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dimension {
    Day,
    Key,
    User,
    Team,
    Model,
    ModelGroup,
    Provider,
    Endpoint,
}

/// The texts, in the order of the columns of the answer.
const TEXTS: [(Dimension, &str); 7] = [
    (Dimension::Key, "key_id"),
    (Dimension::User, "user_id"),
    (Dimension::Team, "team_id"),
    (Dimension::Model, "model"),
    (Dimension::ModelGroup, "model_group"),
    (Dimension::Provider, "provider"),
    (Dimension::Endpoint, "endpoint"),
];

/// The sums of one group. What it is not told apart by is empty.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct Fact {
    pub(crate) day: Date,
    pub(crate) key_id: String,
    pub(crate) user_id: String,
    pub(crate) team_id: String,
    pub(crate) model: String,
    pub(crate) model_group: String,
    pub(crate) provider: String,
    pub(crate) endpoint: String,
    pub(crate) requests: i64,
    pub(crate) failures: i64,
    pub(crate) input_tokens: i64,
    pub(crate) output_tokens: i64,
    pub(crate) cache_read_tokens: i64,
    pub(crate) cache_write_tokens: i64,
    pub(crate) cost: i64,
    pub(crate) duration_ms: i64,
}

/// Of which hours sums are made, and of what.
#[derive(Debug, Clone)]
pub(crate) struct FactFilter {
    /// Inclusive.
    pub(crate) from: OffsetDateTime,
    /// Exclusive.
    pub(crate) to: OffsetDateTime,
    /// Minutes that local time is behind UTC, as browsers say it.
    pub(crate) behind: i32,
    /// Any of these; `None` is all.
    pub(crate) keys: Option<Vec<String>>,
    pub(crate) users: Option<Vec<String>>,
    pub(crate) teams: Option<Vec<String>>,
    pub(crate) not_teams: Vec<String>,
    /// Only what some team pays.
    pub(crate) in_a_team: bool,
    /// As it was asked for, or as it was resolved.
    pub(crate) model: Option<String>,
}

impl FactFilter {
    pub(crate) fn new(from: OffsetDateTime, to: OffsetDateTime) -> Self {
        Self {
            from,
            to,
            behind: 0,
            keys: None,
            users: None,
            teams: None,
            not_teams: Vec::new(),
            in_a_team: false,
            model: None,
        }
    }

    fn push(&self, query: &mut QueryBuilder<Postgres>) {
        query.push(" from usage_hourly where hour >= ").push_bind(self.from);
        query.push(" and hour < ").push_bind(self.to);
        for (column, any) in [("key_id", &self.keys), ("user_id", &self.users), ("team_id", &self.teams)] {
            if let Some(any) = any {
                query.push(" and ").push(column).push(" = any(").push_bind(any.clone()).push(")");
            }
        }
        if !self.not_teams.is_empty() {
            query.push(" and team_id <> all(").push_bind(self.not_teams.clone()).push(")");
        }
        if self.in_a_team || self.teams.is_some() {
            query.push(" and team_id <> ''");
        }
        if let Some(model) = &self.model {
            query.push(" and ").push_bind(model.clone()).push(" in (model, model_group)");
        }
    }
}

/// The groups from `offset`, the newest day first, then the dearest; and how many there are.
pub(crate) async fn facts(
    connection: &mut PgConnection,
    filter: &FactFilter,
    by: &[Dimension],
    offset: i64,
    limit: i64,
) -> Result<(Vec<Fact>, i64), StoreError> {
    let mut query = QueryBuilder::<Postgres>::new("with groups as (select ");
    match by.contains(&Dimension::Day) {
        true => query
            .push("((hour at time zone 'UTC') - make_interval(mins => ")
            .push_bind(filter.behind)
            .push("))::date as day"),
        false => query.push("date '1970-01-01' as day"),
    };
    for (dimension, column) in TEXTS {
        query.push(", ");
        if !by.contains(&dimension) {
            query.push("''::text as ");
        }
        query.push(column);
    }
    for column in [
        "requests",
        "failures",
        "input_tokens",
        "output_tokens",
        "cache_read_tokens",
        "cache_write_tokens",
        "cost",
        "duration_ms",
    ] {
        query.push(format!(", least(sum({column}), 9223372036854775807)::bigint as {column}"));
    }
    filter.push(&mut query);
    query.push(
        " group by 1, 2, 3, 4, 5, 6, 7, 8) select groups.*, count(*) over () as total from groups
         order by day desc, cost desc, key_id, user_id, team_id, model, model_group, provider, endpoint limit ",
    );
    query.push_bind(limit).push(" offset ").push_bind(offset);
    let rows: Vec<Counted> = query.build_query_as().persistent(false).fetch_all(connection).await?;
    let total = rows.first().map_or(0, |row| row.total);
    Ok((rows.into_iter().map(|row| row.fact).collect(), total))
}

#[derive(FromRow)]
struct Counted {
    #[sqlx(flatten)]
    fact: Fact,
    total: i64,
}
