//! What no node should send: it holds up nothing, and its money counts.

use std::time::SystemTime;

use prost::Message;
use sqlx::{Executor, Row};
use tonic::Code;

use super::support::{Sender, event, events, incarnation, now, number, raw, spent, sums};
use crate::support::{ControlPlane, Database, PATIENCE, join_token};

#[tokio::test]
async fn absurd_events_hold_up_nothing_and_their_money_counts() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let control_plane = ControlPlane::start(&database).await;
    let one = incarnation(1);
    let mut sender = Sender::opened(&control_plane, &join_token(&database, "a"), one).await;
    let with = |change: &dyn Fn(&mut bulkhead_proto::UsageEvent)| {
        let mut said = event("k", 1);
        change(&mut said);
        said.encode_to_vec()
    };
    let batch = vec![
        with(&|_| {}),
        with(&|said| {
            said.model = "\0".to_owned();
            said.user = "a\0b".to_owned();
        }),
        with(&|said| said.tags = vec!["\0tag\0".to_owned(); 1000]),
        with(&|said| said.call_id = "x".repeat(6 << 20)),
        with(&|said| (said.input_tokens, said.duration_ms) = (u64::MAX, u64::MAX)),
        with(&|said| (said.input_tokens, said.requests, said.failures) = (u64::MAX, u64::MAX, u64::MAX)),
        with(&|said| said.time = 0),
        with(&|said| said.time = i64::MIN),
        with(&|said| said.time = 4_102_444_800_000),
        with(&|said| said.time = i64::MAX),
        with(&|said| (said.source, said.bound) = (77, Some(i64::MIN))),
        // The cost can be read, and the key; the model cannot.
        [with(&|_| {}), vec![0x32, 2, 0xff, 0xfe]].concat(),
        with(&|said| said.cost = Some(-1000)),
        b"\xff\xff\xff".to_vec(),
        Vec::new(),
        with(&|_| {}),
    ];
    let count = i64::try_from(batch.len()).unwrap();
    assert_eq!(sender.answered(raw(one, 1, batch)).await, count.unsigned_abs());
    let (key, everything, hourly, rows) = spent(&mut connection, "k").await;
    assert_eq!((key, everything, hourly, rows), (13, 13, 13, 12));
    assert_eq!(
        number(&mut connection, "select count(*) from usage_late").await,
        5,
        "1970, 2100, 9999, and no time"
    );
    let rejects = sqlx::query("select seq, reason, cost, event from usage_rejects order by seq")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    let rejects: Vec<(i64, String, Option<i64>)> =
        rejects.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    let undecodable = || "it cannot be decoded".to_owned();
    assert_eq!(
        rejects,
        [
            (12, undecodable(), Some(1)),
            (13, "its cost is negative".to_owned(), Some(0)),
            (14, undecodable(), None)
        ]
    );
    let user: String = sqlx::query_scalar("select user_id from usage_events where seq = 2")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(user, "a b");
    let most = "select max(input_tokens)::bigint from usage_hourly";
    assert_eq!(number(&mut connection, most).await, i64::MAX);

    // The largest amounts, twice, on top of what is there.
    let rich = event("rich", i64::MAX);
    assert_eq!(sender.answered(events(one, 17, &[rich.clone(), rich.clone()])).await, 18);
    assert_eq!(sender.answered(events(one, 19, &[rich])).await, 19);
    let amounts = "select min(amount) from entity_spend where kind = 0 or id = 'rich'";
    assert_eq!(number(&mut connection, amounts).await, i64::MAX);
    let hourly = "select min(cost) from usage_hourly where key_id = 'rich'";
    assert_eq!(number(&mut connection, hourly).await, i64::MAX);
    let poor = "select amount from entity_spend where kind = 1 and id = 'k'";
    assert_eq!(number(&mut connection, poor).await, 13);
}

#[tokio::test]
async fn a_message_that_is_too_large_ends_its_own_stream_only() {
    let database = Database::migrated().await;
    let control_plane = ControlPlane::start(&database).await;
    let token = join_token(&database, "a");
    let (one, two) = (incarnation(1), incarnation(2));
    let mut other = Sender::opened(&control_plane, &token, two).await;
    let sender = Sender::opened(&control_plane, &token, one).await;
    let mut said = event("k", 1);
    said.call_id = "x".repeat(10 << 20);
    sender.send(events(one, 1, &[said])).await;
    assert_eq!(sender.ended().await.code(), Code::OutOfRange);
    assert_eq!(other.answered(events(two, 1, &[event("k", 1)])).await, 1);
}

/// A constraint that nobody of ours knows stands for whatever the database may refuse one day.
const REFUSES: &str = "alter table usage_events add constraint no_poison check (model <> 'poison')";

#[tokio::test]
async fn one_event_that_the_database_refuses_is_found_among_thousands() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let control_plane = ControlPlane::start(&database).await;
    let one = incarnation(1);
    let mut sender = Sender::opened(&control_plane, &join_token(&database, "a"), one).await;
    connection.execute(REFUSES).await.unwrap();
    let mut some = vec![event("k", 1); 1000];
    for bad in [0, 500, 501, 999] {
        some[bad].model = "poison".to_owned();
    }
    assert_eq!(sender.answered(events(one, 1, &some)).await, 1000);
    assert_eq!(sender.answered(events(one, 1, &some)).await, 1000);
    assert_eq!(spent(&mut connection, "k").await, (1000, 1000, 1000, 996));
    let rejected =
        "select string_agg(seq::text, ',' order by seq) from usage_rejects where reason like '%no_poison%'";
    let rejected: String = sqlx::query_scalar(rejected).fetch_one(&mut connection).await.unwrap();
    assert_eq!(rejected, "1,501,502,1000");
    // Sums are one: all of them are rejects, and count.
    assert_eq!(sender.answered(sums(one, 1001, 2000, &some[..10])).await, 2000);
    assert_eq!(spent(&mut connection, "k").await, (1010, 1010, 1010, 996));
    let rejected = "select count(*) from usage_rejects where seq > 1000";
    assert_eq!(number(&mut connection, rejected).await, 10);
}

#[tokio::test]
async fn what_cannot_even_be_rejected_is_counted_as_lost() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let control_plane = ControlPlane::start(&database).await;
    let one = incarnation(1);
    let mut sender = Sender::opened(&control_plane, &join_token(&database, "a"), one).await;
    connection
        .execute("alter table usage_hourly add constraint no_poison check (model <> 'poison')")
        .await
        .unwrap();
    let mut bad = event("k", 1);
    bad.model = "poison".to_owned();
    assert_eq!(sender.answered(events(one, 1, &[event("k", 1), bad, event("k", 1)])).await, 3);
    assert_eq!(super::support::mark(&mut connection, one).await, (3, 1));
    assert_eq!(spent(&mut connection, "k").await, (2, 2, 2, 2));
}

#[tokio::test]
async fn late_events_find_a_partition_that_is_gone() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let control_plane = ControlPlane::start(&database).await;
    let one = incarnation(1);
    let mut sender = Sender::opened(&control_plane, &join_token(&database, "a"), one).await;
    assert_eq!(sender.answered(events(one, 1, &[event("k", 1)])).await, 1);
    // The ingest knows of it, and it goes.
    let name: String = sqlx::query_scalar(
        "select tableoid::regclass::text from usage_events where day = (now() at time zone 'UTC')::date",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    let drop = format!("drop table {name}");
    connection.execute(sqlx::AssertSqlSafe(drop)).await.unwrap();
    let started = SystemTime::now();
    assert_eq!(sender.answered(events(one, 2, &[event("k", 1)])).await, 2);
    assert!(started.elapsed().unwrap() < PATIENCE);
    assert_eq!(number(&mut connection, "select count(*) from usage_late").await, 1);
    let mut old = event("k", 1);
    old.time = now() - 40 * 86_400_000;
    assert_eq!(sender.answered(events(one, 3, &[old])).await, 3);
    assert_eq!(number(&mut connection, "select count(*) from usage_late").await, 2);
    assert_eq!(spent(&mut connection, "k").await.0, 3);
}
