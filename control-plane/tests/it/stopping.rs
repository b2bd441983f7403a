//! How a replica stops.

use std::time::Duration;

use bulkhead_testkit::client::{Client, Request};
use tokio::time::Instant;

use crate::support::{ControlPlane, Database, MASTER, PATIENCE};

fn list() -> Request {
    Request::get("/key/list").bearer(MASTER)
}

#[tokio::test]
async fn whoever_has_not_noticed_that_it_is_unready_is_served_for_a_while() {
    let database = Database::migrated().await;
    let wait = Duration::from_secs(2);
    let mut control_plane = ControlPlane::start_with(&database, &["--drain-wait", "2s"]).await;
    let mut kept = Client::connect(control_plane.http).await.unwrap().patience(PATIENCE);
    let first = kept.exchange(&list()).await;
    assert_eq!((first.status, first.header("connection")), (200, None), "{}", first.text());
    let told = Instant::now();
    control_plane.signal("TERM");
    control_plane.until_readiness(|status, text| status == 503 && text == "stopping").await;
    assert!(told.elapsed() < Duration::from_millis(500), "of 100 ms, five times as long");
    assert_eq!(control_plane.call(Request::get("/health/readiness")).await.status, 503);
    assert_eq!(control_plane.call(Request::get("/health/liveliness")).await.status, 200);
    let last = kept.exchange(&list()).await;
    assert_eq!((last.status, last.header("connection")), (200, Some("close")), "{}", last.text());
    while told.elapsed() < wait / 2 {
        assert_eq!(control_plane.call(list()).await.status, 200);
    }
    assert_eq!(control_plane.ended().await.code(), Some(0), "{}", control_plane.log());
    assert!(told.elapsed() >= wait, "{:?}", told.elapsed());
}

#[tokio::test]
async fn whoever_says_stop_twice_does_not_wait_for_load_balancers() {
    let database = Database::migrated().await;
    let mut control_plane = ControlPlane::start_with(&database, &["--drain-wait", "1h"]).await;
    let told = Instant::now();
    control_plane.signal("TERM");
    control_plane.until_readiness(|status, _| status == 503).await;
    assert_eq!(control_plane.terminate().await.code(), Some(0), "{}", control_plane.log());
    assert!(told.elapsed() < Duration::from_secs(15), "{:?}", told.elapsed());
}
