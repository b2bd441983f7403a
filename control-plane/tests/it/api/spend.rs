//! What was spent, read from rows as the ledger writes them.

mod activity;
mod entities;
mod global;
mod logs;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Api;

/// An event to insert. `at` is RFC 3339.
#[derive(Clone)]
pub(super) struct Event<'e> {
    pub(super) at: &'e str,
    pub(super) seq: i64,
    pub(super) key: &'e str,
    pub(super) team: &'e str,
    pub(super) user: &'e str,
    pub(super) model: &'e str,
    pub(super) cost: Option<i64>,
    pub(super) failure: Option<&'e str>,
    pub(super) requests: i64,
}

impl Default for Event<'_> {
    fn default() -> Self {
        Self {
            at: "2026-03-10T12:00:00Z",
            seq: 1,
            key: "k",
            team: "",
            user: "",
            model: "gpt",
            cost: Some(1_000),
            failure: None,
            requests: 1,
        }
    }
}

pub(super) const START: &str = "00000000000000000000000000000001";

impl Event<'_> {
    fn time(&self) -> OffsetDateTime {
        OffsetDateTime::parse(self.at, &Rfc3339).unwrap()
    }
}

/// Inserts events into a table of them, with a partition for their day.
pub(super) async fn insert(api: &Api, table: &str, events: &[Event<'_>]) {
    let mut connection = api.database.connect().await;
    for event in events {
        let day = event.time().date();
        if table == "usage_events" {
            let name = format!("test_{}_{}", day.year(), day.ordinal());
            let make = format!(
                "create table if not exists {name} partition of usage_events for values from ('{day}') to ('{}')",
                day.next_day().unwrap()
            );
            // The day may have a partition of the server's own.
            let _ = sqlx::raw_sql(sqlx::AssertSqlSafe(make)).execute(&mut connection).await;
        }
        let statement = format!(
            "insert into {table} (day, incarnation, seq, node, at, call_id, call_type, endpoint, stream, failure, model,
             model_group, provider, provider_model, deployment, key_id, key_hash, team_id, user_id, tags, source,
             requests, failures, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
             cache_write_1h_tokens, reasoning_tokens, input_audio_tokens, output_audio_tokens, service_tier, cost,
             duration_ms, first_byte_ms)
             values ($1, '{START}', $2, 'node-1', $3, 'call-' || $2, 'acompletion', '/v1/chat/completions', false, $4,
             $5, $5, 'openai', $5 || '-2026', 'd1', $6, sha256($6::bytea), nullif($7, ''), nullif($8, ''), '{{t}}', 1,
             $9, 0, 10, 5, 2, 1, 0, 0, 0, 0, 'standard', $10, 250, 100)"
        );
        sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(day)
            .bind(event.seq)
            .bind(event.time())
            .bind(event.failure)
            .bind(event.model)
            .bind(event.key)
            .bind(event.team)
            .bind(event.user)
            .bind(event.requests)
            .bind(event.cost)
            .execute(&mut connection)
            .await
            .unwrap();
    }
}

/// Adds to the rollup what the ledger would of an event.
pub(super) async fn roll_up(api: &Api, events: &[Event<'_>]) {
    let mut connection = api.database.connect().await;
    for event in events {
        sqlx::query(
            "insert into usage_hourly values (date_trunc('hour', $1::timestamptz), gen_random_uuid(), 0, $2, $3, $4, '', $5,
             $5, 'd1', 'openai', '/v1/chat/completions', $6, $7, 0, 10, 5, 2, 1, 0, $8, 0, 250)",
        )
        .bind(event.time())
        .bind(event.key)
        .bind(event.user)
        .bind(event.team)
        .bind(event.model)
        .bind(event.requests)
        .bind(i64::from(event.failure.is_some()))
        .bind(event.cost.unwrap_or(0))
        .execute(&mut connection)
        .await
        .unwrap();
    }
}

/// Counts what an entity spent.
pub(super) async fn count(api: &Api, kind: i16, id: &str, amount: i64) {
    let mut connection = api.database.connect().await;
    sqlx::query(
        "insert into entity_spend (kind, id, amount, last_active) values ($1, $2, $3, '2026-03-10T12:00:00Z')
         on conflict (kind, id) do update set amount = entity_spend.amount + excluded.amount",
    )
    .bind(kind)
    .bind(id)
    .bind(amount)
    .execute(&mut connection)
    .await
    .unwrap();
}

/// The stable id of a key.
pub(super) async fn stable_id(api: &Api, key: &str) -> String {
    let mut connection = api.database.connect().await;
    sqlx::query_scalar("select id from keys where token = sha256($1::bytea)")
        .bind(key.as_bytes())
        .fetch_one(&mut connection)
        .await
        .unwrap()
}

pub(super) async fn as_key(api: &Api, key: &str, path: &str) -> (u16, Value) {
    super::said(&api.ask("GET", path, key, None).await)
}

/// A list of one member of each row.
pub(super) fn column(rows: &Value, name: &str) -> Value {
    rows.as_array().unwrap_or_else(|| panic!("no rows: {rows}")).iter().map(|row| row[name].clone()).collect()
}

#[tokio::test]
async fn reports_wait_for_a_place_and_then_are_told_to_come_again() {
    let api = Api::start().await;
    let mut blocker = api.database.connect().await;
    sqlx::raw_sql("begin; lock table usage_hourly in access exclusive mode")
        .execute(&mut blocker)
        .await
        .unwrap();
    let slow = "/global/spend/models";
    let held = async || api.ask("GET", slow, crate::support::MASTER, None).await.status;
    let (first, second, third, fourth, more) = tokio::join!(held(), held(), held(), held(), async {
        let mut waiting = api.database.connect().await;
        let count = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
        let deadline = tokio::time::Instant::now() + crate::support::PATIENCE;
        while sqlx::query_scalar::<_, i64>(count).fetch_one(&mut waiting).await.unwrap() < 4 {
            assert!(tokio::time::Instant::now() < deadline, "four reports run");
            tokio::task::yield_now().await;
        }
        let answer = api.ask("GET", "/global/spend", crate::support::MASTER, None).await;
        assert_eq!(api.get("/key/list").await.0, 200, "what is no report goes on");
        drop(blocker);
        answer
    });
    assert_eq!((more.status, more.header("retry-after")), (503, Some("1")));
    assert!(more.text().contains("Too many reports"), "{}", more.text());
    assert_eq!([first, second, third, fourth], [200; 4]);
    assert_eq!(api.get("/global/spend").await, (200, json!({"spend": 0.0, "max_budget": 0.0})));
}
