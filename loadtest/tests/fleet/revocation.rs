//! A key that was revoked stays revoked, whatever happens to the node.

use std::path::{Path, PathBuf};

use bulkhead_testkit::client::Request;
use serde_json::json;

use crate::support::{Node, Rig, alone};

const TRIES: usize = 10;

/// A node with a good key and one that was deleted and reported as gone everywhere; the control plane is no more.
async fn revoked() -> (Rig, Node, String, String) {
    let rig = Rig::shared();
    let control_plane = rig.control_plane().await;
    let mut api = control_plane.api();
    let good = rig.declare(&mut api).await;
    let mut node = rig.node("node", control_plane.grpc);
    node.until_status("gpt", &good, 200).await;
    // A slow disk may take longer than the API waits: then nothing was promised.
    for _ in 0..TRIES {
        let bad = api.key().await;
        node.until_status("gpt", &bad, 200).await;
        let answer = api.post("/key/delete?wait=applied", json!({"keys": [bad]})).await;
        if answer.status == 200 {
            // Nothing between the answer and the end of the process.
            node.process.kill();
            assert_eq!(answer.json()["applied"], json!(["node"]), "{}", answer.text());
            return (rig, node, good, bad);
        }
        assert_eq!((answer.status, &answer.json()["pending"]), (202, &json!(["node"])), "{}", answer.text());
    }
    panic!("no change was ever reported as applied");
}

#[tokio::test]
async fn a_key_that_was_revoked_everywhere_stays_so_through_a_crash() {
    let _alone = alone().await;
    let (_rig, mut node, good, bad) = revoked().await;
    node.relaunch();
    node.until_ready().await;
    assert_eq!((node.status("gpt", &bad).await, node.status("gpt", &good).await), (401, 200));
}

#[tokio::test]
async fn a_key_that_was_revoked_stays_so_where_the_newest_base_is_damaged() {
    let _alone = alone().await;
    let (_rig, mut node, good, bad) = revoked().await;
    let bases = bases(&node);
    damage(bases.last().unwrap());
    node.relaunch();
    node.until_ready().await;
    assert_eq!((node.status("gpt", &bad).await, node.status("gpt", &good).await), (401, 200));
}

#[tokio::test]
async fn a_node_with_nothing_left_to_trust_lets_nobody_in_and_lives() {
    let _alone = alone().await;
    let (_rig, mut node, good, bad) = revoked().await;
    bases(&node).iter().for_each(|base| damage(base));
    node.relaunch();
    assert_eq!((node.status("gpt", &bad).await, node.status("gpt", &good).await), (503, 503));
    assert_eq!(node.readiness().await.0, 503);
    assert_eq!(node.call(&Request::get("/health/liveliness")).await.status, 200);
}

/// The bases on disk, the newest last.
fn bases(node: &Node) -> Vec<PathBuf> {
    let files = std::fs::read_dir(node.state().join("snapshot")).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let mut bases: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|kind| kind == "base")).collect();
    bases.sort();
    assert!(!bases.is_empty());
    bases
}

/// Flips a bit in the middle.
fn damage(file: &Path) {
    let mut bytes = std::fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    *bytes.get_mut(middle).unwrap() ^= 1;
    std::fs::write(file, bytes).unwrap();
}
