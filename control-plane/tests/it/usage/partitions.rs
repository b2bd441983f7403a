//! Partitions come ahead and go after the retention, whoever makes them.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor};

use super::support::{Sender, event, events, incarnation, number, until};
use crate::support::{ControlPlane, Database, join_token};

const ATTACHED: &str = "select count(*) from pg_inherits where inhparent = 'usage_events'::regclass";
const TABLES: &str = "select count(*) from pg_class where relname ~ '^usage_events_[0-9]{8}$'";

/// A table of a day, so many before today.
async fn table(connection: &mut PgConnection, days_ago: i32, attach: bool) -> String {
    let name: String = sqlx::query_scalar(
        "select 'usage_events_' || to_char((now() at time zone 'UTC')::date - $1, 'YYYYMMDD')",
    )
    .bind(days_ago)
    .fetch_one(&mut *connection)
    .await
    .unwrap();
    let mut statement = format!("create table {name} (like usage_events including all);");
    if attach {
        let day = format!("(now() at time zone 'UTC')::date - {days_ago}");
        statement += &format!(
            "do $$ begin execute format('alter table usage_events attach partition {name} for values from (%L) to (%L)',
             {day}, {day} + 1); end $$"
        );
    }
    connection.execute(sqlx::raw_sql(AssertSqlSafe(statement))).await.unwrap();
    name
}

#[tokio::test]
async fn replicas_that_start_at_once_make_each_partition_once_and_drop_old_ones() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    // Old ones, one that was detached and not dropped, and one that was made and not attached.
    table(&mut connection, 40, true).await;
    table(&mut connection, 39, true).await;
    table(&mut connection, 38, false).await;
    table(&mut connection, 20, true).await;
    let half_made = table(&mut connection, -3, false).await;
    // Nothing of ours: it stays.
    connection.execute("create table usage_events_20200230 ()").await.unwrap();
    let replicas = tokio::join!(
        ControlPlane::start(&database),
        ControlPlane::start(&database),
        ControlPlane::start(&database)
    );
    // Two days back, today, seven ahead, and the one within the retention.
    until(&mut connection, ATTACHED, 11).await;
    until(&mut connection, TABLES, 12).await;
    let is_attached = format!(
        "select count(*) from pg_inherits where inhrelid = '{half_made}'::regclass and not inhdetachpending"
    );
    assert_eq!(number(&mut connection, &is_attached).await, 1);
    let one = incarnation(1);
    let mut sender = Sender::opened(&replicas.0, &join_token(&database, "a"), one).await;
    assert_eq!(sender.answered(events(one, 1, &[event("k", 1)])).await, 1);
    assert_eq!(number(&mut connection, "select count(*) from usage_events").await, 1);
}

#[tokio::test]
async fn the_retention_can_be_set_and_late_events_and_rejects_go_too() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    table(&mut connection, 5, true).await;
    table(&mut connection, 4, true).await;
    connection
        .execute(
            "insert into usage_rejects select gen_random_uuid(), 1, 'n', now() - interval '5 days', 'r', null, ''
             from generate_series(1, 6000);
             insert into usage_rejects values (gen_random_uuid(), 1, 'n', now(), 'r', null, '')",
        )
        .await
        .unwrap();
    let _control_plane = ControlPlane::start_with(&database, &["--usage-retention-days", "4"]).await;
    until(&mut connection, ATTACHED, 11).await;
    until(&mut connection, TABLES, 11).await;
    until(&mut connection, "select count(*) from usage_rejects", 1).await;
}

#[tokio::test]
async fn who_reads_or_writes_does_not_stop_the_making_nor_wait_for_it() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let mut reader = database.connect().await;
    // A long look at everything, and a write that is not committed.
    reader
        .execute("begin; select count(*) from usage_events; lock table usage_events in row exclusive mode")
        .await
        .unwrap();
    let _control_plane = ControlPlane::start(&database).await;
    until(&mut connection, ATTACHED, 10).await;
    reader.execute("commit").await.unwrap();
}
