//! A database that was put back to an older state: no node goes back with it, and the operator decides.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::support::{Api, ControlPlane, Database, Node, PATIENCE, Rig, Server, alone, until};

/// Two control planes, and a node at each.
struct Fleet {
    nodes: Vec<Node>,
    control_planes: Vec<ControlPlane>,
    rig: Rig,
    _server: Server,
}

async fn fleet() -> Fleet {
    let server = Server::start();
    let rig = Rig::on(Database::on(&server.url()));
    let control_planes = vec![rig.control_plane().await, rig.control_plane().await];
    let followed = control_planes.iter().zip(["one", "two"]);
    let nodes = followed.map(|(control_plane, name)| rig.node(name, control_plane.grpc)).collect();
    Fleet { nodes, control_planes, rig, _server: server }
}

impl Fleet {
    async fn until(&self, key: &str, status: u16) {
        for node in &self.nodes {
            node.until_status("gpt", key, status).await;
        }
    }

    async fn statuses(&self, key: &str) -> Vec<u16> {
        let mut statuses = Vec::new();
        for node in &self.nodes {
            statuses.push(node.status("gpt", key).await);
        }
        statuses
    }

    /// Runs `epoch new`: whether it did something, and what it said.
    fn epoch_new(&self, flags: &[&str]) -> (bool, String) {
        let args = [&["epoch", "new"], flags].concat();
        let output = self.rig.database.control_plane(&args).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }
}

/// How many nodes `/nodes` says are held.
async fn held(api: &mut Api) -> usize {
    let told = api.get("/nodes").await;
    told["nodes"].as_array().unwrap().iter().filter(|node| node["held"].is_string()).count()
}

#[tokio::test]
async fn no_node_goes_back_with_a_restored_backup_until_the_operator_says_so() {
    let _alone = alone().await;
    let fleet = fleet().await;
    let mut api = fleet.control_planes.first().unwrap().api();
    let good = fleet.rig.declare(&mut api).await;
    let revoked = api.key().await;
    fleet.until(&revoked, 200).await;
    let backup = fleet.nodes.first().unwrap().state().join("backup.sql");
    fleet.rig.database.dump(&backup);
    // Three transactions that the backup does not have.
    api.change("/key/delete", json!({"keys": [revoked]})).await;
    let lost = api.key().await;
    api.change("/model/new", fleet.rig.model("lost")).await;
    fleet.until(&revoked, 401).await;
    fleet.until(&lost, 200).await;

    fleet.rig.database.restore(&backup);
    // The history goes on, and one of its numbers means something else now.
    let mut api = fleet.control_planes.last().unwrap().api();
    until("the database is there again", || async {
        fleet.control_planes.last().unwrap().readiness().await.0 == 200
    })
    .await;
    let new = api.key().await;
    for node in &fleet.nodes {
        until("the node is held", || async { node.readiness().await.1.contains("held: ") }).await;
        assert!(node.metric("bulkhead_snapshot_held").await > 0.0);
        assert_eq!(node.readiness().await.0, 200);
    }
    for control_plane in &fleet.control_planes {
        until("the control plane says so", || async {
            control_plane.readiness().await.1.contains("control-plane epoch new")
        })
        .await;
        assert!(control_plane.metric("bulkhead_history_diverged").await > 0.0);
    }
    // The table of nodes was put back, too, until they are heard the next time.
    let began = Instant::now();
    while held(&mut api).await != 2 {
        assert!(began.elapsed() < PATIENCE, "{:#}", api.get("/nodes").await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(fleet.statuses(&revoked).await, [401, 401], "no node goes back");
    assert_eq!(fleet.statuses(&lost).await, [200, 200]);
    assert_eq!(fleet.statuses(&new).await, [401, 401], "nor does one take a history that lost something");
    // Whoever waits for a change is not told that all is well.
    let waited = api.post("/key/generate?wait=applied", json!({})).await;
    assert_eq!(waited.status, 202, "{}", waited.text());
    assert_eq!(waited.json()["rejected"].as_array().map(Vec::len), Some(2), "{}", waited.text());

    let (done, said) = fleet.epoch_new(&[]);
    assert!(!done && said.contains("--accept-loss"), "{said}");
    assert!(said.contains("one (test): ") && said.contains("two (test): "), "{said}");
    assert_eq!(fleet.statuses(&revoked).await, [401, 401], "asking changes nothing");
    let (done, said) = fleet.epoch_new(&["--accept-loss"]);
    assert!(done, "{said}");
    fleet.until(&new, 200).await;
    // The loss was accepted: what the backup says holds, everywhere.
    assert_eq!(fleet.statuses(&revoked).await, [200, 200]);
    assert_eq!(fleet.statuses(&lost).await, [401, 401]);
    assert_eq!(fleet.statuses(&good).await, [200, 200]);
    for node in &fleet.nodes {
        until("the node is held no more", || async { !node.readiness().await.1.contains("held: ") }).await;
    }
    for control_plane in &fleet.control_planes {
        until("the alarm ends", || async { control_plane.metric("bulkhead_history_diverged").await < 0.5 })
            .await;
    }
    let waited = api.post("/key/generate?wait=applied", json!({})).await;
    assert_eq!(waited.status, 200, "{}", waited.text());
}
