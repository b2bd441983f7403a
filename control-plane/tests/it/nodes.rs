//! What the fleet is said to run, and when a change is in force everywhere.

use std::time::Duration;

use bulkhead_proto::Kind;
use bulkhead_testkit::client::Request;
use serde_json::{Value, json};

use crate::support::{ControlPlane, Database, Node, PATIENCE, commit, head, join_token, team_limit};

/// Looks at `/nodes` until it is as it should be.
async fn until_listed(control_plane: &ControlPlane, good: impl Fn(&Value) -> bool) -> Value {
    let started = std::time::SystemTime::now();
    loop {
        let nodes = control_plane.call(Request::get("/nodes")).await.json();
        if good(&nodes) {
            return nodes;
        }
        assert!(started.elapsed().unwrap() < PATIENCE, "{nodes:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn every_replica_lists_what_every_node_runs_and_rejects() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let (left, right) = tokio::join!(ControlPlane::start(&database), ControlPlane::start(&database));
    let token = join_token(&database, "blue");
    let one = Node::subscribed("one", &token, left.grpc);
    let _two = Node::subscribed("two", &token, right.grpc);
    let poison =
        "insert into deployments (id, group_name, params, resource) values ('bad', 'g', '\\x01', '\\x02')";
    let version = commit(&mut connection, &[poison], &[(Kind::Deployment, "bad")]).await;
    let all = |nodes: &Value| {
        let nodes = nodes["nodes"].as_array().unwrap();
        nodes.len() == 2 && nodes.iter().all(|node| node["current"] == json!(true))
    };
    until_listed(&right, all).await;
    let nodes = until_listed(&left, all).await;
    let listed = &nodes["nodes"][0];
    assert_eq!(
        (&listed["node"], &listed["group"], &listed["connected"]),
        (&json!("one"), &json!("blue"), &json!(true))
    );
    assert_eq!(listed["version"]["seq"], json!(version.seq));
    assert_eq!(listed["rejected"][0]["resource"], json!("deployment bad"));

    one.leave();
    until_listed(&right, |nodes| nodes["nodes"][0]["connected"] == json!(false)).await;
    let refused = bulkhead_testkit::client::call(left.http, &Request::get("/nodes")).await.unwrap();
    assert_eq!(refused.status, 401);
}

#[tokio::test]
async fn a_change_says_when_it_is_in_force_everywhere() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let (left, right) = tokio::join!(ControlPlane::start(&database), ControlPlane::start(&database));
    let token = join_token(&database, "blue");
    let one = Node::subscribed("one", &token, left.grpc);
    let two = Node::subscribed("two", &token, right.grpc);
    let version = team_limit(&mut connection, "red", 1).await;
    one.until_runs(&version).await;
    two.until_runs(&version).await;
    until_listed(&left, |nodes| nodes["nodes"].as_array().unwrap().len() == 2).await;

    let made = left.call(Request::post("/key/generate?wait=applied").json("{}")).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let made = made.json();
    assert_eq!((&made["applied"], &made["pending"]), (&json!(["one", "two"]), &json!([])), "{made:#}");
    let now = head(&mut connection).await;
    assert_eq!(made["version"], json!({ "epoch": now.epoch, "seq": now.seq }));
    assert!(one.runs(&now) && two.runs(&now));

    // A node that left is silent in a while, and holds nothing up then.
    two.leave();
    until_listed(&left, |nodes| {
        nodes["nodes"][1]["connected"] == json!(false)
            && nodes["nodes"][1]["heard_seconds_ago"].as_f64() > Some(3.0)
    })
    .await;
    let blocked = json!({ "key": made["key"] }).to_string();
    let blocked = left.call(Request::post("/key/block?wait=applied").json(blocked)).await;
    assert_eq!(blocked.status, 200, "{}", blocked.text());
    assert_eq!(blocked.json()["silent"], json!(["two"]));
}

#[tokio::test]
async fn a_node_that_does_not_take_a_change_is_named() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let control_plane = ControlPlane::start(&database).await;
    let token = join_token(&database, "blue");
    let one = Node::subscribed("one", &token, control_plane.grpc);
    one.until_runs(&head(&mut connection).await).await;
    until_listed(&control_plane, |nodes| nodes["nodes"].as_array().unwrap().len() == 1).await;
    one.pause(true);
    let made = control_plane.call(Request::post("/key/generate?wait=applied").json("{}")).await;
    assert_eq!(made.status, 202, "{}", made.text());
    assert_eq!(made.json()["pending"], json!(["one"]));
    one.pause(false);
    let made = control_plane.call(Request::post("/key/generate?wait=applied").json("{}")).await;
    assert_eq!(made.status, 200, "{}", made.text());
}
