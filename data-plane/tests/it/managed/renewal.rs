//! Files that are renewed while a node runs: each connection goes by what they hold then.

use std::net::Ipv4Addr;

use super::start::authority;
use super::*;

#[tokio::test]
async fn a_join_token_that_was_renewed_is_sent_with_the_next_connection() {
    let mock = MockProvider::start();
    let fake = Fake::start(rows(&mock));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, canary::JOIN_TOKEN).unwrap();
    let gateway = Gateway::managed()
        .env("BULKHEAD_CONTROL_PLANE", &fake.url())
        .env("BULKHEAD_JOIN_TOKEN_FILE", file.to_str().unwrap())
        .start()
        .await;
    gateway.until_status(KEY, 200).await;

    fake.take_only("another");
    gateway.until_ready("it refuses the join token").await;
    std::fs::write(&file, "another\n").unwrap();
    fake.until_hellos(2, PATIENCE).await;

    std::fs::write(&file, "").unwrap();
    for hellos in [3, 4] {
        fake.hang_up();
        fake.until_hellos(hellos, PATIENCE).await;
    }
    gateway.until_log("is empty").await;
    assert_eq!(gateway.log().matches("is empty").count(), 1, "once: {}", gateway.log());
    assert_eq!(gateway.status_of(KEY).await, 200);
}

#[tokio::test]
async fn authorities_that_were_renewed_are_trusted_by_the_next_connection() {
    let (dir, others) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (ca, tls) = authority(&dir);
    let (another, _) = authority(&others);
    let good = std::fs::read(&ca).unwrap();
    std::fs::copy(&another, &ca).unwrap();
    let mock = MockProvider::start();
    let fake = Fake::start_at((Ipv4Addr::LOCALHOST, 0).into(), rows(&mock), Some(tls));
    let url = format!("https://localhost:{}", fake.addr.port());
    let gateway = follow_url(&url).env("BULKHEAD_GRPC_CA", ca.to_str().unwrap()).start().await;
    gateway.until_log("TLS failed").await;

    std::fs::write(&ca, good).unwrap();
    gateway.until_status(KEY, 200).await;

    std::fs::write(&ca, "-----BEGIN CERTIFICATE-----\nhalf of it").unwrap();
    for hellos in [2, 3] {
        fake.hang_up();
        fake.until_hellos(hellos, PATIENCE).await;
    }
    gateway.until_log("what was read before stays in force").await;
    assert_eq!(gateway.log().matches("what was read before stays in force").count(), 1, "{}", gateway.log());
}
