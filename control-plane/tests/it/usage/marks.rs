//! Duplicates, overlaps, gaps, sums, losses: what the marks make of them.

use bulkhead_model::KeyHash;
use bulkhead_proto::UsageEvent;
use bulkhead_testkit::client::Request;
use sqlx::Executor;
use tonic::Code;

use super::support::{Sender, event, events, incarnation, lost, mark, number, raw, spent, sums, until};
use crate::support::{ControlPlane, Database, join_token, run};

#[tokio::test]
async fn duplicates_overlaps_gaps_sums_and_losses_count_each_number_once() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let control_plane = ControlPlane::start(&database).await;
    let token = join_token(&database, "a");
    let one = incarnation(1);
    let (mut sender, at) = Sender::open(control_plane.grpc, &token, one).await.unwrap();
    assert_eq!(at, 0, "it is not known");
    let ten = vec![event("k", 5); 10];
    assert_eq!(sender.answered(events(one, 2, &ten)).await, 0, "1 is missing");
    assert_eq!(sender.answered(events(one, 1, &ten)).await, 10);
    assert_eq!(sender.answered(events(one, 1, &ten)).await, 10, "a duplicate is answered");
    assert_eq!(sender.answered(events(one, 6, &ten)).await, 15, "of an overlap what is new is taken");
    assert_eq!(spent(&mut connection, "k").await, (75, 75, 75, 75));
    assert_eq!(sender.answered(events(one, 17, &ten)).await, 15, "16 is missing");
    assert_eq!(sender.answered(lost(one, 12, 20)).await, 20);
    assert_eq!(mark(&mut connection, one).await, (20, 5));
    let mut sum = event("k", 1000);
    (sum.requests, sum.failures) = (7, 2);
    assert_eq!(sender.answered(sums(one, 21, 30, &[sum.clone(), event("other", 1)])).await, 30);
    assert_eq!(sender.answered(sums(one, 21, 30, &[sum.clone(), event("other", 1)])).await, 30);
    assert_eq!(spent(&mut connection, "k").await, (1075, 1076, 1075, 1075));
    // Numbers of which some were taken: nobody knows which money counts already.
    assert_eq!(sender.answered(sums(one, 25, 40, &[sum])).await, 40);
    assert_eq!(spent(&mut connection, "k").await, (1075, 1076, 1075, 1075));
    assert_eq!(number(&mut connection, "select sum(cost)::bigint from usage_rejects").await, 1000);
    control_plane.until_log("some were taken before").await;
    let requests =
        "select sum(requests)::bigint * 100 + sum(failures)::bigint from usage_hourly where key_id = 'k'";
    assert_eq!(number(&mut connection, requests).await, 2202);
    for (outcome, wanted) in [
        ("stored", 15.0),
        ("duplicate", 35.0),
        ("summed", 10.0),
        ("lost", 5.0),
        ("rejected", 1.0),
        ("late", 0.0),
    ] {
        let metric = format!("bulkhead_usage_ingested_total{{outcome=\"{outcome}\"}}");
        assert_eq!(control_plane.metric(&metric).await, wanted, "{outcome}");
    }
    let (_, at) = Sender::open(control_plane.grpc, &token, one).await.unwrap();
    assert_eq!(at, 40);
}

#[tokio::test]
async fn everything_that_is_said_of_an_event_is_stored() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let control_plane = ControlPlane::start(&database).await;
    let one = incarnation(1);
    let mut sender = Sender::opened(&control_plane, &join_token(&database, "a"), one).await;
    let mut said = event("k", 7);
    said.time = said.time / 1000 * 1000 + 123;
    said.stream = true;
    said.failure = Some("timeout".to_owned());
    said.provider_model = "pm".to_owned();
    said.key_hash = KeyHash::of("sk-x").0.to_vec().into();
    said.key_alias = "alias".to_owned();
    (said.team, said.user, said.organization) = ("t".to_owned(), "u".to_owned(), "o".to_owned());
    said.end_user = "e".to_owned();
    said.tags = vec!["a".to_owned(), "ä\"{}".to_owned()];
    said.source = 2;
    (said.cache_read_tokens, said.cache_write_tokens, said.cache_write_1h_tokens) = (3, 4, 5);
    (said.reasoning_tokens, said.input_audio_tokens, said.output_audio_tokens) = (6, 7, 8);
    said.service_tier = "flex".to_owned();
    said.bound = Some(9);
    (said.duration_ms, said.first_byte_ms) = (100, Some(20));
    (said.leg, said.retries, said.fallbacks, said.status) = (3, 1, 1, 503);
    (said.first_token_ms, said.upstream_ms, said.overhead_us) = (Some(30), Some(15), 900);
    said.rule = "default fallback, exact, only one".to_owned();
    sender.answered(events(one, 1, &[said.clone(), event("master", 1)])).await;
    let row: serde_json::Value =
        sqlx::query_scalar("select to_jsonb(usage_events) - 'day' - 'at' from usage_events where seq = 1")
            .fetch_one(&mut connection)
            .await
            .unwrap();
    insta::assert_json_snapshot!(row);
    let times = "select (extract(epoch from at) * 1000)::bigint from usage_events where seq = 1 and day = (at at time zone 'UTC')::date";
    assert_eq!(number(&mut connection, times).await, said.time);
    let hourly: serde_json::Value = sqlx::query_scalar(
        "select to_jsonb(usage_hourly) - 'hour' - 'shard' from usage_hourly where key_id = 'k'",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    insta::assert_json_snapshot!(hourly);
    let spent: Vec<(i16, String, i64)> = sqlx::query_as(
        "select kind, case kind when 0 then '' else id end, amount from entity_spend order by kind, id",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let spent: Vec<_> = spent.iter().map(|(kind, id, amount)| (*kind, id.as_str(), *amount)).collect();
    assert_eq!(
        spent,
        [(0, "", 8), (1, "k", 7), (1, "master", 1), (2, "t", 7), (3, "u", 7), (4, "t\u{1f}u", 7)]
    );
}

#[tokio::test]
async fn a_request_of_several_legs_is_one_request_and_all_its_money_counts() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let control_plane = ControlPlane::start(&database).await;
    let one = incarnation(1);
    let mut sender = Sender::opened(&control_plane, &join_token(&database, "a"), one).await;
    let leg = |leg: u32, cost: Option<i64>, failure: Option<&str>| UsageEvent {
        leg,
        cost,
        handed_on: leg < 3,
        retries: u32::from(leg > 1),
        fallbacks: u32::from(leg > 2),
        failure: failure.map(str::to_owned),
        ..event("k", 0)
    };
    let legs = [
        leg(1, Some(5), Some("upstream_overloaded")),
        leg(2, None, Some("upstream_server")),
        leg(3, Some(7), None),
    ];
    assert_eq!(sender.answered(events(one, 1, &legs)).await, 3);
    assert_eq!(spent(&mut connection, "k").await, (12, 12, 12, 12));
    let sums: (i64, i64, i64, i64) = sqlx::query_as(
        "select sum(requests)::bigint, sum(failures)::bigint, sum(unpriced)::bigint, sum(input_tokens)::bigint
         from usage_hourly where key_id = 'k'",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(sums, (1, 0, 1, 30), "the second leg used tokens at a price that nobody knows");
    let legs: Vec<(i32, bool, i64, i64)> =
        sqlx::query_as("select leg, handed_on, requests, failures from usage_events order by seq")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    assert_eq!(legs, [(1, true, 0, 0), (2, true, 0, 0), (3, false, 1, 0)]);
}

#[tokio::test]
async fn two_streams_of_one_incarnation_count_once() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let (left, right) = tokio::join!(ControlPlane::start(&database), ControlPlane::start(&database));
    let token = join_token(&database, "a");
    let one = incarnation(1);
    let send = async |control_plane: &ControlPlane| {
        let mut sender = Sender::opened(control_plane, &token, one).await;
        let mut at = 0;
        while at < 300 {
            let last = 300.min(at + 7);
            at = sender
                .answered(events(one, at + 1, &vec![event("k", 1); usize::try_from(last - at).unwrap()]))
                .await;
        }
    };
    tokio::join!(send(&left), send(&right), send(&left));
    assert_eq!(spent(&mut connection, "k").await, (300, 300, 300, 300));
}

#[tokio::test]
async fn sums_that_overlap_in_one_transaction_hold_up_nothing() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let control_plane = ControlPlane::start(&database).await;
    let token = join_token(&database, "a");
    let (one, two) = (incarnation(1), incarnation(2));
    let mut left = Sender::opened(&control_plane, &token, one).await;
    let mut right = Sender::opened(&control_plane, &token, one).await;
    let mut other = Sender::opened(&control_plane, &token, two).await;
    assert_eq!(left.answered(lost(one, 1, 5)).await, 5);
    // One batch is being written while the others come, so that they are written together.
    connection.execute("begin; lock table usage_hourly in access exclusive mode").await.unwrap();
    other.send(events(two, 1, &[event("k", 1)])).await;
    let held_up = "select count(*) from pg_locks where relation = 'usage_hourly'::regclass and not granted";
    until(&mut connection, held_up, 1).await;
    left.send(sums(one, 1, 10, &vec![event("k", 1000); 3])).await;
    right.send(sums(one, 1, 20, &vec![event("k", 1000); 3])).await;
    control_plane.until_metric("bulkhead_usage_waiting_events", 7.0).await;
    connection.execute("rollback").await.unwrap();
    assert_eq!(other.mark().await.unwrap(), 1);
    assert_eq!((left.mark().await.unwrap(), right.mark().await.unwrap()), (20, 20));
    assert_eq!(spent(&mut connection, "k").await, (1, 1, 1, 1));
}

#[tokio::test]
async fn what_is_there_behind_a_mark_that_went_back_is_not_counted_again() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let control_plane = ControlPlane::start(&database).await;
    let one = incarnation(1);
    let mut sender = Sender::opened(&control_plane, &join_token(&database, "a"), one).await;
    let mut some = vec![event("k", 1); 20];
    some[3].time = 0;
    let mut encoded: Vec<_> = some.iter().map(prost::Message::encode_to_vec).collect();
    encoded[5].extend([0x3a, 200, 1]);
    assert_eq!(sender.answered(raw(one, 1, encoded.clone())).await, 20);
    // As it was before: the database is restored, and the node sends again.
    connection.execute("update usage_marks set through = 2").await.unwrap();
    encoded.push(prost::Message::encode_to_vec(&event("k", 1)));
    assert_eq!(sender.answered(raw(one, 1, encoded)).await, 21);
    let (key, everything, hourly, rows) = spent(&mut connection, "k").await;
    assert_eq!((key, everything, hourly, rows), (21, 21, 21, 20), "one is among the rejects");
    assert_eq!(number(&mut connection, "select count(*) from usage_late").await, 1);
    assert_eq!(number(&mut connection, "select count(*) from usage_rejects").await, 1);
}

#[tokio::test]
async fn only_nodes_that_joined_may_send_and_only_what_nodes_send() {
    let database = Database::migrated().await;
    let control_plane = ControlPlane::start(&database).await;
    let one = incarnation(1);
    for token in ["bh-join-x", ""] {
        let refused = Sender::open(control_plane.grpc, token, one).await.err().unwrap();
        assert_eq!(refused.code(), Code::Unauthenticated);
    }
    let token = join_token(&database, "a");
    let batch = || events(one, 1, &[event("k", 1)]);
    let sender = Sender::connect(control_plane.grpc, &token).await.unwrap();
    sender.send(batch()).await;
    assert_eq!(sender.ended().await.code(), Code::InvalidArgument, "no hello");
    let mut no_end = batch();
    no_end.last = u64::MAX;
    let mut backwards = batch();
    (backwards.first, backwards.last) = (2, 1);
    let mut zero = batch();
    (zero.first, zero.last) = (0, 0);
    let mut few = batch();
    few.last = 2;
    let mut short = batch();
    short.incarnation = vec![1; 15].into();
    let mut unknown = batch();
    unknown.what = 9;
    // They weigh next to nothing as they are sent, and much as they are read.
    let many = raw(one, 1, vec![Vec::new(); 40_000]);
    for bad in [no_end, backwards, zero, few, short, unknown, many] {
        let sender = Sender::opened(&control_plane, &token, one).await;
        sender.send(bad).await;
        assert_eq!(sender.ended().await.code(), Code::InvalidArgument);
    }
    // The last batches are confirmed though nothing more comes.
    let sender = Sender::opened(&control_plane, &token, one).await;
    for seq in 1..=3 {
        sender.send(events(one, seq, &[event("k", 1)])).await;
    }
    let marks = sender.finish().await;
    assert_eq!((marks.len(), marks.last()), (3, Some(&3)));
    let mut sender = Sender::opened(&control_plane, &token, one).await;
    assert_eq!(sender.answered(events(one, 4, &[event("k", 1)])).await, 4);
    let (code, ids, err) = run(&database, &["token", "list"]);
    assert_eq!(code, Some(0), "{err}");
    run(&database, &["token", "revoke", ids.split_whitespace().next().unwrap()]);
    let ended = sender.ended().await;
    assert_eq!(ended.code(), Code::Unauthenticated, "{ended:?}");
}

#[tokio::test]
async fn spend_that_is_said_anew_starts_the_count_anew() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let control_plane = ControlPlane::start(&database).await;
    let call = async |path: &str, body: serde_json::Value| {
        let answer = control_plane.call(Request::post(path).json(body.to_string())).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    };
    call("/team/new", serde_json::json!({"team_id": "t"})).await;
    call("/user/new", serde_json::json!({"user_id": "u", "auto_create_key": false})).await;
    let key = call("/key/generate", serde_json::json!({"team_id": "t", "user_id": "u"})).await;
    let secret = key["key"].as_str().unwrap();
    let id: String = sqlx::query_scalar("select id from keys").fetch_one(&mut connection).await.unwrap();
    let one = incarnation(1);
    let mut sender = Sender::opened(&control_plane, &join_token(&database, "a"), one).await;
    let mut said = event(&id, 9);
    (said.team, said.user) = ("t".to_owned(), "u".to_owned());
    let count = async |connection: &mut sqlx::PgConnection, kind: i16, id: &str| -> i64 {
        sqlx::query_scalar("select amount from entity_spend where kind = $1 and id = $2")
            .bind(kind)
            .bind(id)
            .fetch_one(connection)
            .await
            .unwrap()
    };
    let mut seq = 0;
    for (kind, entity, path, body) in [
        (1, &*id, format!("/key/{secret}/reset_spend"), serde_json::json!({"reset_to": 0})),
        (1, &*id, "/key/update".to_owned(), serde_json::json!({"key": secret, "spend": 1.5})),
        (2, "t", "/team/update".to_owned(), serde_json::json!({"team_id": "t", "spend": 0})),
        (3, "u", "/user/update".to_owned(), serde_json::json!({"user_id": "u", "spend": 0})),
    ] {
        seq += 1;
        sender.answered(events(one, seq, std::slice::from_ref(&said))).await;
        assert!(count(&mut connection, kind, entity).await > 0, "{path}");
        call(&path, body).await;
        assert_eq!(count(&mut connection, kind, entity).await, 0, "{path}");
    }
    sender.answered(events(one, seq + 1, std::slice::from_ref(&said))).await;
    call("/key/update", serde_json::json!({"key": secret, "max_budget": 5})).await;
    assert!(count(&mut connection, 1, &id).await > 0, "another change leaves it");
    call("/key/delete", serde_json::json!({"keys": [secret]})).await;
    assert!(count(&mut connection, 1, &id).await > 0, "what was used stays");
}
