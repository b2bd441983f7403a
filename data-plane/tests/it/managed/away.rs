//! No control plane: gone, hung, or not to be trusted. The node serves what it knows, also when it is started anew.

use bulkhead_snapshot::Version;

use super::*;
use crate::crash::limit_files;

#[tokio::test]
async fn a_revoked_key_stays_revoked_through_kill_9_right_after_the_ack() {
    let mock = MockProvider::start();
    let fake = Fake::start(rows(&mock).into_iter().chain([key(canary::OTHER_KEY)]).collect());
    let gateway = follow(&fake).start().await;
    gateway.until_status(canary::OTHER_KEY, 200).await;
    // The base is on disk and holds the key; what takes it away is only in the journal.
    fake.until_applied().await;
    fake.change(Vec::new(), vec![key_id(canary::OTHER_KEY)]);
    fake.until_applied().await;
    gateway.signal("KILL");
    drop(fake);
    let gateway = gateway.crash_and_restart().await;
    assert_eq!(gateway.ops("/readyz").await.status, 200, "ready at once");
    assert_eq!(gateway.status_of(canary::OTHER_KEY).await, 401);
    assert_eq!(gateway.status_of(KEY).await, 200);
    assert_eq!(gateway.call(&Request::get("/health/readiness")).await.status, 200);
    assert!(mock.ledger().count() >= 2);
}

#[tokio::test]
async fn a_node_that_comes_back_says_what_it_has_and_gets_no_more_than_it_lacks() {
    let (_mock, fake, gateway) = trio().await;
    fake.until_applied().await;
    let had = fake.version();
    let gateway = gateway.restart().await;
    fake.until_hellos(2, PATIENCE).await;
    assert_eq!(Version::decode(fake.hellos()[1].version.as_ref()), Some(had));
    assert_ne!(fake.hellos()[1].incarnation, fake.hellos()[0].incarnation);
    gateway.until_ready("version 1.1, connected").await;
    assert_eq!(gateway.metric("bulkhead_snapshot_applied_total", &[]).await, 0.0);
    assert_eq!(gateway.status_of(KEY).await, 200);
}

#[tokio::test]
async fn without_a_snapshot_a_node_lives_and_is_not_ready_until_there_is_one() {
    let mock = MockProvider::start();
    let addr = ([127, 0, 0, 1], bulkhead_testkit::free_port()).into();
    let gateway = follow_url(&format!("http://{addr}")).start().await;
    let answer = gateway.post("/v1/chat/completions", KEY, body::chat("gpt", "Hi")).await;
    assert_eq!(answer.status, 503, "and not 401");
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(gateway.get("/v1/models", KEY).await.status, 503);
    assert_eq!(gateway.ops("/livez").await.status, 200);
    let ready = gateway.ops("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.text().starts_with("no snapshot\nversion none, not connected"), "{}", ready.text());
    assert_eq!(gateway.call(&Request::get("/health/readiness")).await.status, 503);
    gateway.until_log("no connection to the control plane").await;
    let _fake = Fake::start_at(addr, rows(&mock), None);
    let late = gateway.until_status(KEY, 200).await;
    assert!(late < PATIENCE, "{late:?}");
    assert_eq!(gateway.ops("/readyz").await.status, 200);
    assert_eq!(gateway.log().matches("no connection to the control plane").count(), 1, "once per reason");
}

#[tokio::test]
async fn a_hung_control_plane_is_noticed_and_traffic_is_not_disturbed() {
    let (_mock, fake, gateway) = trio().await;
    let hung = Instant::now();
    let frozen = fake.freeze();
    while gateway.metric("bulkhead_snapshot_connected", &[]).await > 0.0 {
        assert!(hung.elapsed() < Duration::from_secs(15), "{}", gateway.log());
        assert_eq!(gateway.status_of(KEY).await, 200);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(gateway.ops("/readyz").await.status, 200);
    drop(frozen);
    fake.until_hellos(2, Duration::from_secs(20)).await;
    fake.change(vec![key(canary::OTHER_KEY)], Vec::new());
    gateway.until_status(canary::OTHER_KEY, 200).await;
}

#[tokio::test]
async fn a_control_plane_that_only_answers_pings_is_hung_too() {
    let (_mock, fake, gateway) = trio().await;
    fake.mute();
    let muted = Instant::now();
    fake.until_hellos(2, Duration::from_secs(15)).await;
    assert!(muted.elapsed() > Duration::from_secs(5), "silence is not the end at once");
    gateway.until_log("nothing was heard").await;
}

#[tokio::test]
async fn a_join_token_that_is_refused_keeps_a_node_serving() {
    let (_mock, fake, gateway) = trio().await;
    fake.until_applied().await;
    fake.take_only("another");
    gateway.until_ready("it refuses the join token").await;
    assert_eq!(gateway.status_of(KEY).await, 200);
    let gateway = gateway.crash_and_restart().await;
    gateway.until_ready("it refuses the join token").await;
    assert_eq!((gateway.status_of(KEY).await, gateway.ops("/readyz").await.status), (200, 200));
    assert_eq!(fake.hellos().len(), 1);
    fake.take_only(canary::JOIN_TOKEN);
    gateway.until_ready("connected").await;
    fake.until_hellos(2, PATIENCE).await;
}

#[tokio::test]
async fn a_disk_that_refuses_is_told_to_all_and_mended_when_it_can_be() {
    let mock = MockProvider::start();
    let fake = Fake::start(rows(&mock).into_iter().chain([key(canary::OTHER_KEY)]).collect());
    let trap = ["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"];
    let gateway = follow(&fake).wrapped(&trap).start().await;
    fake.until_applied().await;
    assert_eq!(gateway.status_of(canary::OTHER_KEY).await, 200);
    limit_files(gateway.pid(), Some(10));
    fake.change(Vec::new(), vec![key_id(canary::OTHER_KEY)]);
    gateway.until_status(canary::OTHER_KEY, 401).await;
    fake.until_applied().await;
    let said = fake.applied().last().unwrap().rejected.last().map(|rejected| rejected.reason.clone());
    assert!(said.as_ref().is_some_and(|said| said.starts_with("in force, but not on disk")), "{said:?}");
    gateway.until_ready("disk: ").await;
    assert!(gateway.metric("bulkhead_snapshot_disk_errors_total", &[]).await > 0.0);
    assert_eq!((gateway.status_of(KEY).await, gateway.ops("/readyz").await.status), (200, 200));
    limit_files(gateway.pid(), None);
    let clean = || fake.applied().last().is_some_and(|applied| applied.rejected.is_empty());
    assert!(eventually(PATIENCE, clean).await, "{}", gateway.log());
    assert!(!gateway.ops("/readyz").await.text().contains("disk: "));
    drop(fake);
    let gateway = gateway.crash_and_restart().await;
    assert_eq!((gateway.status_of(canary::OTHER_KEY).await, gateway.status_of(KEY).await), (401, 200));
}

/// Starts a node that thinks two seconds are long, and lets it wait for longer; what it answers then.
async fn outlive(action: &str) -> u16 {
    let mock = MockProvider::start();
    let fake = Fake::start(rows(&mock));
    let builder = follow(&fake).env("BULKHEAD_MAX_STALE", "2s").env("BULKHEAD_MAX_STALE_ACTION", action);
    let gateway = builder.start().await;
    gateway.until_status(KEY, 200).await;
    let frozen = fake.freeze();
    gateway.until_log("nothing was heard of the control plane").await;
    let answer = gateway.post("/v1/chat/completions", KEY, body::chat("gpt", "Hi")).await;
    let status = answer.status;
    assert_eq!(
        answer.text().contains("has not heard of its control plane"),
        status == 503,
        "{}",
        answer.text()
    );
    assert_eq!(gateway.ops("/readyz").await.status, status, "{action}");
    assert_eq!(gateway.call(&Request::get("/health/liveliness")).await.status, 200);
    let gateway = gateway.crash_and_restart().await;
    gateway.until_log("nothing was heard of the control plane").await;
    assert_eq!(gateway.status_of(KEY).await, status, "a new process does not begin to count anew");
    drop(frozen);
    gateway.until_status(KEY, 200).await;
    gateway.until_log("the control plane is heard again").await;
    assert_eq!(gateway.ops("/readyz").await.status, 200);
    status
}

#[tokio::test]
async fn what_is_too_old_is_served_where_the_operator_did_not_choose() {
    assert_eq!(outlive("serve").await, 200);
}

#[tokio::test]
async fn what_is_too_old_is_not_served_where_the_operator_chose_so() {
    assert_eq!(outlive("stop").await, 503);
}
