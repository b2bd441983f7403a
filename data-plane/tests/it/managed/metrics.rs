//! The metrics and the log of a node with a control plane.

use bulkhead_model::Secret;
use bulkhead_model::rows::{CloudValue, Limits};
use bulkhead_proto::push::Push;
use bulkhead_testkit::exposition::Exposition;

use super::*;
use crate::ops::{By, assert_listed, scrape};

#[tokio::test]
async fn a_managed_node_has_these_metrics() {
    let mock = MockProvider::start();
    let limited = KeyRow { limits: limits(1), ..key_row(canary::OTHER_KEY) };
    let Row::Deployment(mut failing) = deployment(&mock, "failing") else { panic!("another row") };
    failing.model = "status-503".to_owned();
    let Row::Deployment(mut at_cloud) = deployment(&mock, "at-cloud") else { panic!("another row") };
    (at_cloud.provider, at_cloud.api_key) = ("azure".to_owned(), None);
    at_cloud.cloud = vec![CloudValue { name: "azure_ad_token".to_owned(), value: Secret::new("declared") }];
    let more = [Row::Key(Box::new(limited)), Row::Deployment(failing), Row::Deployment(at_cloud)];
    let fake = Fake::start(rows(&mock).into_iter().chain(more).collect());
    let gateway = follow(&fake).start().await;
    gateway.until_status(KEY, 200).await;
    gateway.until_status(canary::OTHER_KEY, 429).await;
    gateway.until_status(canary::UNKNOWN_KEY, 401).await;
    let chat =
        body::chat("failing", "Hi").with("fallbacks", serde_json::json!(["gpt"])).with("num_retries", 0);
    assert_eq!(gateway.post("/v1/chat/completions", KEY, chat).await.status, 200);
    let page: Exposition = scrape(&gateway).await;
    assert_listed(&page, By::Managed, true);
    assert!(page.sum("bulkhead_usage_recorded_total", &[]) < 100.0);
}

#[tokio::test]
async fn a_deployment_that_is_gone_keeps_its_series_for_a_while() {
    let (mock, fake, gateway) = trio().await;
    fake.change(vec![deployment(&mock, "another")], vec![deployment(&mock, "gpt").id()]);
    fake.until_applied().await;
    let chat = body::chat("another", "Hi");
    assert_eq!(gateway.post("/v1/chat/completions", KEY, chat).await.status, 200);
    let page = scrape(&gateway).await;
    for group in ["gpt", "another"] {
        assert!(page.sum("bulkhead_requests_total", &[("model_group", group)]) > 0.5, "{group}");
    }
}

fn limits(rpm: u64) -> Limits {
    Limits { rpm: Some(rpm), ..Limits::default() }
}

/// How often a line of the log says this.
fn said(gateway: &Gateway, text: &str) -> usize {
    gateway.log().lines().filter(|line| line.contains(text)).count()
}

#[tokio::test]
async fn what_lasts_is_said_once() {
    let (_mock, fake, gateway) = trio().await;
    fake.until_applied().await;
    let before = gateway.log().lines().count();
    let reason = "this node is ahead of the database";
    for _ in 0..20 {
        fake.say(Push::Held(bulkhead_proto::Held { reason: reason.to_owned() }));
    }
    gateway.until_ready(&format!("held: {reason}")).await;
    // From here on it is refused for 20 s.
    fake.take_only("another token");
    let began = Instant::now();
    gateway.until_log("no connection to the control plane").await;
    while began.elapsed() < Duration::from_secs(20) {
        assert_eq!(gateway.status_of(KEY).await, 200);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(said(&gateway, reason), 1, "{}", gateway.log());
    let lines = gateway.log().lines().count() - before;
    assert!(lines <= 6, "{lines} lines of 20 s:\n{}", gateway.log());
    fake.take_only(canary::JOIN_TOKEN);
    gateway.until_metric("bulkhead_snapshot_connected", &[], 1.0).await;
    gateway.until_log("connected to the control plane").await;
    for line in gateway.log().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        for member in ["timestamp", "level", "message", "target"] {
            assert!(line[member].is_string(), "no {member} in {line}");
        }
    }
}
