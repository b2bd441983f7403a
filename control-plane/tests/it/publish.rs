//! The snapshot stream: what was committed reaches every node, in order, whatever comes between.

use bulkhead_model::KeyHash;
use bulkhead_proto::Kind;
use bulkhead_snapshot::wire::{Id, Row};
use sqlx::postgres::PgConnection;

use crate::support::{ControlPlane, Database, Node, commit, head, join_token, team_limit};

/// Adds keys `<prefix>0..count`; their hashes are those of their names.
async fn add_keys(connection: &mut PgConnection, prefix: &str, count: usize) -> bulkhead_snapshot::Version {
    let insert = format!(
        "insert into keys (token, id, name) select sha256(convert_to('{prefix}' || n, 'UTF8')), '{prefix}' || n, 'sk-...'
         from generate_series(0, {count} - 1) n"
    );
    let hashes: Vec<String> = (0..count).map(|n| KeyHash::of(&format!("{prefix}{n}")).to_string()).collect();
    let touched: Vec<_> = hashes.iter().map(|hash| (Kind::Key, hash.as_str())).collect();
    commit(connection, &[&insert], &touched).await
}

fn is_blocked(node: &Node, key: &str) -> Option<bool> {
    match node.rows().get(&Id::Key(KeyHash::of(key)))? {
        Row::Key(key) => Some(key.blocked),
        _ => None,
    }
}

#[tokio::test]
async fn a_new_node_gets_everything_and_then_every_change_in_order() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    add_keys(&mut connection, "k", 2500).await;
    let control_plane = ControlPlane::start(&database).await;
    let token = join_token(&database, "a");
    let node = Node::subscribed("one", &token, control_plane.grpc);
    node.until_runs(&head(&mut connection).await).await;
    assert_eq!(node.look(|seen| (seen.fulls, seen.chunks, seen.largest_chunk)), (1, 3, 1000));
    assert_eq!(node.rows().len(), 2501);

    for limit in 1..=20 {
        team_limit(&mut connection, "red", limit).await;
    }
    let hash = KeyHash::of("k7").to_string();
    let delete = "delete from keys where id = 'k7'";
    node.until_runs(&commit(&mut connection, &[delete], &[(Kind::Key, &hash)]).await).await;
    assert_eq!(node.look(|seen| seen.fulls), 1);
    assert_eq!(is_blocked(&node, "k7"), None);
    assert_eq!(is_blocked(&node, "k8"), Some(false));
    let versions = node.look(|seen| seen.states.iter().map(|(version, _)| version.seq).collect::<Vec<_>>());
    assert!(versions.is_sorted_by(|one, two| one < two), "{versions:?}");
    assert!((control_plane.metric("bulkhead_subscribers").await - 1.0).abs() < 0.1);
}

#[tokio::test]
async fn a_node_that_was_away_gets_what_it_missed_and_no_more() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let mut control_plane = ControlPlane::start(&database).await;
    let token = join_token(&database, "a");
    let mut node = Node::subscribed("one", &token, control_plane.grpc);
    node.until_runs(&team_limit(&mut connection, "red", 1).await).await;

    // From the ring of the same process.
    node.leave();
    team_limit(&mut connection, "red", 2).await;
    let version = team_limit(&mut connection, "blue", 1).await;
    control_plane.until_readiness(|status, _| status == 200).await;
    node.persist(control_plane.grpc, &version).await;
    assert_eq!(node.look(|seen| seen.fulls), 1);

    // From the log, by a new process, which has no ring.
    node.leave();
    control_plane.kill();
    let version = team_limit(&mut connection, "green", 3).await;
    let again = ControlPlane::start(&database).await;
    node.persist(again.grpc, &version).await;
    assert_eq!(node.look(|seen| seen.fulls), 1);

    // The log does not go back so far.
    node.leave();
    team_limit(&mut connection, "green", 4).await;
    let version = team_limit(&mut connection, "green", 5).await;
    sqlx::query("delete from change_log where seq < $1")
        .bind(i64::try_from(version.seq).unwrap())
        .execute(&mut connection)
        .await
        .unwrap();
    drop(again);
    let again = ControlPlane::start(&database).await;
    node.persist(again.grpc, &version).await;
    assert_eq!(node.look(|seen| (seen.fulls, seen.refused.len())), (2, 0));
}

#[tokio::test]
async fn lost_notifications_cost_no_more_than_a_look() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let control_plane = ControlPlane::start_with(&database, &["--no-listen-notify"]).await;
    let node = Node::subscribed("one", &join_token(&database, "a"), control_plane.grpc);
    node.until_runs(&head(&mut connection).await).await;
    for limit in 1..4 {
        node.until_runs(&team_limit(&mut connection, "red", limit).await).await;
    }
    assert_eq!(node.look(|seen| seen.fulls), 1);
}

#[tokio::test]
async fn poison_holds_up_no_revocation_behind_it() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    add_keys(&mut connection, "k", 3).await;
    let control_plane = ControlPlane::start(&database).await;
    let node = Node::subscribed("one", &join_token(&database, "a"), control_plane.grpc);
    node.until_runs(&head(&mut connection).await).await;
    // Nobody can open it: not even the control plane.
    let poison =
        "insert into deployments (id, group_name, params, resource) values ('bad', 'g', '\\x01', '\\x02')";
    commit(&mut connection, &[poison], &[(Kind::Deployment, "bad")]).await;
    // Nobody can understand it.
    commit(&mut connection, &["update settings set resource = '\\xffff'"], &[(Kind::Settings, "")]).await;
    let hash = KeyHash::of("k1").to_string();
    let block = "update keys set blocked = true where id = 'k1'";
    let version = commit(&mut connection, &[block], &[(Kind::Key, &hash)]).await;
    node.until_runs(&version).await;
    assert_eq!(is_blocked(&node, "k1"), Some(true));
    assert_eq!(node.look(|seen| (seen.fulls, seen.refused.len())), (1, 0));
    let rejected = node.rejected();
    assert!(rejected.iter().any(|reason| reason.starts_with("deployment bad")), "{rejected:?}");
    assert!(rejected.iter().any(|reason| reason.starts_with("settings")), "{rejected:?}");
}

#[tokio::test]
async fn two_replicas_say_the_same_and_a_node_may_go_from_one_to_the_other() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let (left, right) = tokio::join!(ControlPlane::start(&database), ControlPlane::start(&database));
    let token = join_token(&database, "a");
    let mut one = Node::subscribed("one", &token, left.grpc);
    let two = Node::subscribed("two", &token, right.grpc);
    let version = team_limit(&mut connection, "red", 1).await;
    one.until_runs(&version).await;
    two.until_runs(&version).await;
    let mut version = version;
    for limit in 2..6 {
        one.subscribe(if limit % 2 == 0 { right.grpc } else { left.grpc });
        version = team_limit(&mut connection, "red", limit).await;
        one.persist(right.grpc, &version).await;
    }
    two.until_runs(&version).await;
    assert!(one.rows() == two.rows());
    assert_eq!((one.look(|seen| seen.fulls), two.look(|seen| seen.fulls)), (1, 1));
}

#[tokio::test]
async fn many_nodes_that_come_at_once_share_what_is_read_and_leave_the_api_alone() {
    const NODES: usize = 50;
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    add_keys(&mut connection, "k", 4000).await;
    let control_plane = ControlPlane::start(&database).await;
    let token = join_token(&database, "a");
    let version = head(&mut connection).await;
    let nodes: Vec<_> =
        (0..NODES).map(|node| Node::subscribed(&format!("n{node}"), &token, control_plane.grpc)).collect();
    while !nodes.iter().all(|node| node.runs(&version)) {
        let answer = control_plane.call(bulkhead_testkit::client::Request::get("/key/list?size=1")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(nodes.iter().all(|node| node.look(|seen| (seen.fulls, seen.refused.len())) == (1, 0)));
    let read = control_plane.metric("bulkhead_full_syncs_total").await;
    assert!(read < 4.0, "{read} full syncs were read for {NODES} nodes");
}
