//! A database that lost a part of its history: no node goes back, and somebody hears of it.

use bulkhead_proto::Kind;
use bulkhead_snapshot::Version;
use bulkhead_testkit::client::Request;
use serde_json::json;
use sqlx::postgres::PgConnection;

use crate::support::{ControlPlane, Database, Node, cluster, commit, head, join_token, run, team_limit};

/// Makes the database what it was at a version: what a lossy failover or an older backup does.
async fn go_back(connection: &mut PgConnection, to: &Version, teams: &str) {
    let seq = i64::try_from(to.seq).unwrap();
    sqlx::query("delete from change_log where seq > $1").bind(seq).execute(&mut *connection).await.unwrap();
    sqlx::query("update change_head set seq = $1, hash = $2")
        .bind(seq)
        .bind(to.hash.as_slice())
        .execute(&mut *connection)
        .await
        .unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(teams.to_owned())).execute(connection).await.unwrap();
}

fn limit(node: &Node, team: &str) -> Option<u64> {
    node.look(|seen| seen.states.last().and_then(|(_, teams)| teams.get(team).copied().flatten()))
}

#[tokio::test]
async fn a_failover_that_lost_three_changes_is_noticed_until_an_operator_accepts_it() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let control_plane = ControlPlane::start(&database).await;
    let token = join_token(&database, "a");
    let ahead = Node::subscribed("ahead", &token, control_plane.grpc);
    let mut behind = Node::subscribed("behind", &token, control_plane.grpc);
    let kept = team_limit(&mut connection, "red", 1).await;
    ahead.until_runs(&kept).await;
    behind.until_runs(&kept).await;
    behind.leave();
    for limit in 2..=4 {
        team_limit(&mut connection, "red", limit).await;
    }
    let lost = head(&mut connection).await;
    ahead.until_runs(&lost).await;

    go_back(&mut connection, &kept, "update teams set rpm_limit = 1").await;
    ahead.until("held", |seen| seen.held.as_ref().is_some_and(|reason| reason.contains("ahead"))).await;
    // Other changes take the numbers of the lost ones, and go beyond them.
    for limit in 10..=14 {
        team_limit(&mut connection, "red", limit).await;
    }
    let now = head(&mut connection).await;
    ahead
        .until("held", |seen| seen.held.as_ref().is_some_and(|reason| reason.contains("does not know")))
        .await;
    assert!(ahead.runs(&lost));
    // Whoever was behind the loss has seen nothing that is not there.
    behind.persist(control_plane.grpc, &now).await;
    assert_eq!(behind.look(|seen| seen.fulls), 1);
    control_plane.until_readiness(|_, text| text.contains("epoch new")).await;
    assert!(control_plane.metric("bulkhead_history_diverged").await > 0.5);
    assert!((control_plane.metric("bulkhead_held_nodes").await - 1.0).abs() < 0.1);
    control_plane.until_log("has lost changes").await;

    // Without the word of the operator it only says what differs.
    let (code, out, _) = run(&database, &["epoch", "new"]);
    assert_eq!(code, Some(64));
    assert!(out.contains("ahead (a): runs 1.5 of a history that the database does not know"), "{out}");
    assert!(out.contains("behind (a): runs 1.7, as the database does"), "{out}");
    assert_eq!(head(&mut connection).await, now);

    let (code, out, _) = run(&database, &["epoch", "new", "--accept-loss"]);
    assert_eq!(code, Some(0), "{out}");
    let new = head(&mut connection).await;
    assert_eq!((new.epoch, new.seq), (2, now.seq + 1));
    for node in [&ahead, &behind] {
        node.until_runs(&new).await;
        assert_eq!(limit(node, "red"), Some(14));
        assert_eq!(node.look(|seen| (seen.fulls, seen.held.clone())), (2, None));
    }
    control_plane.until_readiness(|_, text| text == "ready").await;
    let version = team_limit(&mut connection, "red", 15).await;
    ahead.until_runs(&version).await;
    assert_eq!(ahead.look(|seen| seen.fulls), 2);
}

#[tokio::test]
async fn a_node_that_returns_to_an_older_backup_is_held_and_listed() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let control_plane = ControlPlane::start(&database).await;
    let token = join_token(&database, "a");
    let mut node = Node::subscribed("one", &token, control_plane.grpc);
    let old = team_limit(&mut connection, "red", 1).await;
    let new = team_limit(&mut connection, "red", 2).await;
    node.until_runs(&new).await;
    node.leave();
    drop(control_plane);
    go_back(&mut connection, &old, "update teams set rpm_limit = 1").await;
    let control_plane = ControlPlane::start(&database).await;
    node.subscribe(control_plane.grpc);
    node.until("held", |seen| seen.held.is_some()).await;
    let listed = loop {
        let nodes = control_plane.call(Request::get("/nodes")).await.json();
        if !nodes["nodes"][0]["held"].is_null() {
            break nodes;
        }
    };
    assert_eq!(listed["head"]["seq"], json!(old.seq));
    assert_eq!(listed["nodes"][0]["version"]["seq"], json!(new.seq));
    assert_eq!(listed["nodes"][0]["current"], json!(false));
    assert!(node.runs(&new));
}

#[tokio::test]
async fn another_database_is_not_followed() {
    let database = Database::migrated().await;
    let control_plane = ControlPlane::start(&database).await;
    let token = join_token(&database, "a");
    let mut node = Node::subscribed("one", &token, control_plane.grpc);
    let mut connection = database.connect().await;
    let version = head(&mut connection).await;
    node.until_runs(&version).await;

    let empty = Database::migrated().await;
    let other = ControlPlane::start(&empty).await;
    // The token is of the first database, and the second does not know it.
    node.subscribe(other.grpc);
    node.until("refused", |seen| seen.ended.is_some()).await;
    let mut moved = node.with_token(&join_token(&empty, "a"));
    moved.subscribe(other.grpc);
    moved
        .until("held", |seen| seen.held.as_ref().is_some_and(|reason| reason.contains("another cluster")))
        .await;
    assert!(moved.runs(&version));
}

#[tokio::test]
async fn an_emptied_database_takes_a_new_epoch_and_force_to_be_believed() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let control_plane = ControlPlane::start(&database).await;
    let token = join_token(&database, "a");
    let node = Node::subscribed("one", &token, control_plane.grpc);
    let teams: Vec<String> = (0..30).map(|number| format!("team{number}")).collect();
    let touched: Vec<_> = teams.iter().map(|team| (Kind::Team, team.as_str())).collect();
    let insert = "insert into teams (id) select 'team' || n from generate_series(0, 29) n";
    let version = commit(&mut connection, &[insert], &touched).await;
    node.until_runs(&version).await;
    node.leave();
    drop(control_plane);

    // A new database that somebody gave the old one's name.
    let empty = Database::migrated().await;
    let mut connection = empty.connect().await;
    cluster(&mut connection, version.cluster).await;
    let control_plane = ControlPlane::start(&empty).await;
    let mut node = node.with_token(&join_token(&empty, "a"));
    node.subscribe(control_plane.grpc);
    node.until("held", |seen| seen.held.is_some()).await;
    // The table has to know of it, for the epoch to be above it.
    while run(&empty, &["epoch", "new"]).1.lines().count() < 2 {}
    let (code, out, _) = run(&empty, &["epoch", "new", "--accept-loss"]);
    assert_eq!(code, Some(0));
    assert!(out.contains("changes ahead of the database"), "{out}");
    let new = head(&mut connection).await;
    assert_eq!((new.epoch, new.seq), (2, version.seq + 1));
    node.until("refusing", |seen| seen.refused.iter().any(|reason| reason.contains("empty"))).await;
    assert!(node.runs(&version));

    let force = |epoch, seq| {
        let body = json!({ "epoch": epoch, "seq": seq }).to_string();
        control_plane.call(Request::post("/nodes/force").json(body))
    };
    assert_eq!(force(1, version.seq).await.status, 409);
    assert_eq!(force(new.epoch, new.seq).await.status, 200);
    node.until_runs(&new).await;
    assert_eq!(node.look(|seen| seen.forced), 1);
    let audited: i64 =
        sqlx::query_scalar("select count(*) from audit_log where action in ('force', 'epoch new')")
            .fetch_one(&mut connection)
            .await
            .unwrap();
    assert_eq!(audited, 2);
}
