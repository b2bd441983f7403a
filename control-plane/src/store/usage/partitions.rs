//! The partitions of events, one a day (UTC).
//!
//! A new one is made as a table of its own and then attached, an old one detached `concurrently` and then dropped, so
//! that nobody who writes or reads waits for more than a moment. Whoever waits for a lock gives up soon and comes again
//!

use std::collections::BTreeSet;

use bulkhead_model::UnixMillis;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};

const MILLIS_OF_DAY: i64 = 86_400_000;
const PREFIX: &str = "usage_events_";

/// In the session, because detaching concurrently cannot be part of a transaction.
const LIMITS: &str = "set statement_timeout = '10s'; set lock_timeout = '300ms'";
/// For all who make partitions.
const MAKING: &str = "select pg_advisory_xact_lock(hashtext('bulkhead.usage_partitions'))";

/// Days that have a partition, counted from 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Days(BTreeSet<i64>);

/// A table of a day.
struct Partition {
    day: i64,
    name: String,
    is_attached: bool,
    /// Somebody began to detach it.
    is_leaving: bool,
}

impl Days {
    pub(crate) fn contains(&self, day: i64) -> bool {
        self.0.contains(&day)
    }
}

/// The day of a time, counted from 1970.
pub(crate) fn day(now: UnixMillis) -> i64 {
    now.0.div_euclid(MILLIS_OF_DAY)
}

/// The days that have a partition now.
pub(crate) async fn days(connection: &mut PgConnection) -> Result<Days, sqlx::Error> {
    let attached = |it: &Partition| it.is_attached && !it.is_leaving;
    Ok(Days(list(connection).await?.iter().filter(|it| attached(it)).map(|it| it.day).collect()))
}

/// Makes what is missing of some days.
pub(crate) async fn make(
    connection: &mut PgConnection,
    days: std::ops::RangeInclusive<i64>,
) -> Result<(), sqlx::Error> {
    connection.execute(LIMITS).await?;
    for day in days {
        let mut transaction = connection.begin().await?;
        transaction.execute(MAKING).await?;
        let known = list(&mut transaction).await?.into_iter().find(|it| it.day == day);
        if known.as_ref().is_some_and(|it| it.is_attached) {
            continue;
        }
        let (name, from, to) = (name(day), date(day), date(day + 1));
        if known.is_none() {
            run(&mut transaction, format!("create table {name} (like usage_events including all)")).await?;
        }
        let attach = format!(
            "alter table usage_events attach partition {name} for values from ('{from}') to ('{to}')"
        );
        run(&mut transaction, attach).await?;
        transaction.commit().await?;
    }
    Ok(())
}

/// Drops the partitions of all days before one; how many.
pub(crate) async fn drop_before(connection: &mut PgConnection, first: i64) -> Result<usize, sqlx::Error> {
    connection.execute(LIMITS).await?;
    let mut dropped = 0;
    for Partition { day, name, is_attached, is_leaving } in list(connection).await? {
        if day >= first {
            continue;
        }
        if is_attached {
            let how = if is_leaving { "finalize" } else { "concurrently" };
            run(connection, format!("alter table usage_events detach partition {name} {how}")).await?;
        }
        run(connection, format!("drop table if exists {name}")).await?;
        dropped += 1;
    }
    Ok(dropped)
}

/// Deletes what came late or could not be stored and is older than so many days; true where there may be more.
pub(crate) async fn forget_others(
    connection: &mut PgConnection,
    days: i64,
    most: i64,
) -> Result<bool, sqlx::Error> {
    let mut more = false;
    for statement in [
        "delete from usage_late where ctid = any(array(select ctid from usage_late
         where received_at < now() - make_interval(days => $1::int) limit $2))",
        "delete from usage_rejects where ctid = any(array(select ctid from usage_rejects
         where received_at < now() - make_interval(days => $1::int) limit $2))",
    ] {
        let deleted =
            sqlx::query(statement).persistent(false).bind(days).bind(most).execute(&mut *connection).await?;
        more |= deleted.rows_affected() >= most.unsigned_abs();
    }
    Ok(more)
}

/// All tables of days, the oldest first.
async fn list(connection: &mut PgConnection) -> Result<Vec<Partition>, sqlx::Error> {
    let rows = sqlx::query(
        "select relname::text as name, inhrelid is not null as attached, coalesce(inhdetachpending, false) as leaving
         from pg_class left join pg_inherits on inhrelid = pg_class.oid and inhparent = 'usage_events'::regclass
         where relkind = 'r' and relname like 'usage\\_events\\_%'
             and relnamespace = (select relnamespace from pg_class where oid = 'usage_events'::regclass)
         order by relname",
    )
    .persistent(false)
    .fetch_all(connection)
    .await?;
    let partition = |row: &PgRow| {
        let name: String = row.try_get("name")?;
        let Some(day) = day_of(&name) else { return Ok(None) };
        let (is_attached, is_leaving) = (row.try_get("attached")?, row.try_get("leaving")?);
        Ok(Some(Partition { day, name, is_attached, is_leaving }))
    };
    rows.iter().filter_map(|row| partition(row).transpose()).collect()
}

/// Runs a statement of which every part is ours.
async fn run(connection: &mut PgConnection, statement: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await.map(drop)
}

fn civil(day: i64) -> jiff::civil::Date {
    let second = day.saturating_mul(MILLIS_OF_DAY / 1000);
    let time = jiff::Timestamp::from_second(second).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.to_zoned(jiff::tz::TimeZone::UTC).date()
}

fn date(day: i64) -> String {
    civil(day).to_string()
}

fn name(day: i64) -> String {
    format!("{PREFIX}{}", date(day).replace('-', ""))
}

fn day_of(name: &str) -> Option<i64> {
    let date = jiff::civil::Date::strptime("%Y%m%d", name.strip_prefix(PREFIX)?).ok()?;
    let midnight = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    let day = midnight.as_second().div_euclid(MILLIS_OF_DAY / 1000);
    (self::name(day) == name).then_some(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_named_by_its_day() {
        for (day, wanted) in [(0, "usage_events_19700101"), (20_778, "usage_events_20261121")] {
            assert_eq!((name(day).as_str(), day_of(wanted)), (wanted, Some(day)));
        }
        assert_eq!(date(20_778), "2026-11-21");
        for other in ["usage_events_2026112", "usage_events_20261341", "usage_events_old", "usage_late"] {
            assert_eq!(day_of(other), None, "{other}");
        }
        assert_eq!(super::day(UnixMillis(86_400_000)), 1);
    }
}
