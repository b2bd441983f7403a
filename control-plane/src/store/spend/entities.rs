//! What keys, teams, users and members spent, in the window of their budget.

use bulkhead_model::UnixMillis;
use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;

use crate::domain::time::stored;
use crate::store::StoreError;

/// Whose spend is asked.
#[derive(Debug)]
pub(crate) struct Asked {
    /// The kind and the id of its row (`Holder::row`).
    pub(crate) row: (i16, String),
    /// What was declared to be spent.
    pub(crate) base: i64,
    /// The start of the window of its budget, where that is not all that is counted.
    pub(crate) window: Option<UnixMillis>,
}

/// What it spent, and when last.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct Spent {
    pub(crate) amount: i64,
    pub(crate) last_active: Option<OffsetDateTime>,
}

/// What all of them spent, in their order, by one query.
///
/// A window is the sum of its whole hours, and of the events before the first of
/// them: windows begin anywhere where a zone is off by half an hour, or the window is shorter than one.
pub(crate) async fn spent(connection: &mut PgConnection, asked: &[Asked]) -> Result<Vec<Spent>, StoreError> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let windows: Vec<_> = asked.iter().map(|asked| asked.window.and_then(stored)).collect();
    let ids: Vec<_> = asked.iter().map(|asked| asked.row.1.clone()).collect();
    let query = format!(
        "select least(greatest(case when asked.window_start is null
             then asked.base + coalesce(counted.amount, 0)::numeric
             else ({hours}) + ({events}) end, 0), 9223372036854775807)::bigint as amount, counted.last_active
         from (select *, date_trunc('hour', window_start + interval '1 hour' - interval '1 microsecond') as whole
             from unnest($1::smallint[], $2::text[], $3::bigint[], $4::timestamptz[])
             with ordinality as asked (kind, id, base, window_start, place)) as asked
         left join entity_spend counted on counted.kind = asked.kind and counted.id = asked.id
         order by asked.place",
        hours = sum("usage_hourly", "hour >= asked.whole"),
        events = sum(
            "usage_events",
            "day between (asked.window_start at time zone 'UTC')::date and (asked.whole at time zone 'UTC')::date
             and at >= asked.window_start and at < asked.whole",
        ),
    );
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(query))
        .persistent(false)
        .bind(asked.iter().map(|asked| asked.row.0).collect::<Vec<_>>())
        .bind(ids)
        .bind(asked.iter().map(|asked| asked.base).collect::<Vec<_>>())
        .bind(windows)
        .fetch_all(connection)
        .await?)
}

/// What a table has of those who are asked for: a query for each kind, so that each uses its index.
fn sum(table: &str, time: &str) -> String {
    let of = |holder: &str| format!("(select sum(cost) from {table} where {holder} and {time})");
    format!(
        "coalesce(case asked.kind when 1 then {} when 2 then {} when 3 then {} when 4 then {} end, 0)",
        of("key_id = asked.id"),
        of("team_id = asked.id and team_id <> ''"),
        of("user_id = asked.id and user_id <> ''"),
        of("team_id = split_part(asked.id, e'\\x1f', 1) and team_id <> ''
            and user_id = split_part(asked.id, e'\\x1f', 2)"),
    )
}

/// What was spent altogether, by whomever.
pub(crate) async fn everything(connection: &mut PgConnection) -> Result<i64, StoreError> {
    let query = sqlx::query_scalar(
        "select least(coalesce(sum(amount), 0), 9223372036854775807)::bigint from entity_spend where kind = 0",
    );
    Ok(query.persistent(false).fetch_one(connection).await?)
}
