//! Which metrics there are, and that nobody outside can make more of them.

use std::collections::BTreeSet;

use bulkhead_testkit::client::{Client, Request};
use bulkhead_testkit::{MockProvider, body, canary};
use serde_json::json;

use super::*;

fn chat_by(key: &str) -> Request {
    Request::post("/v1/chat/completions").bearer(key).json(body::chat("gpt", "Hi"))
}

#[tokio::test]
async fn the_metrics_are_these() {
    let mock = MockProvider::start();
    let limited = every_kind(&mock).virtual_key(canary::VIRTUAL_KEY).limit("rpm_limit", 1);
    let limited = limited.deployment("cloud").provider("azure").base(mock.origin());
    let limited = limited.param("api_version", "v1").param("azure_ad_token", canary::ACCESS_TOKEN);
    let gateway = Gateway::with(limited.text()).start().await;
    assert_listed(&scrape(&gateway).await, By::Standalone, false);
    for (request, ..) in requests() {
        assert_eq!(gateway.call(&request).await.status, 200);
    }
    for (request, status) in [
        (chat_by(canary::VIRTUAL_KEY), 200),
        (chat_by(canary::VIRTUAL_KEY), 429),
        (chat("gpt-500"), 500),
        (chat("gpt-500").json(body::chat("gpt-500", "Hi").with("fallbacks", json!(["gpt"]))), 200),
        (chat("nobody"), 400),
    ] {
        assert_eq!(gateway.call(&request).await.status, status);
    }
    gateway.until_metric("bulkhead_in_flight", &[], 0.0).await;
    let page = scrape(&gateway).await;
    assert_listed(&page, By::Standalone, true);
    let by = [("scope", "api_key"), ("limit", "requests")];
    assert_near(page.sum("bulkhead_limited_total", &by), 1.0, "the second within a minute");
    assert_near(page.sum("bulkhead_limited_total", &[]), 1.0, "no other");
    assert_near(page.sum("bulkhead_ready", &[]), 1.0, "ready");
}

/// What a caller can say that is not to become a label.
fn hostile(index: usize) -> String {
    let ends =
        ["", "\"", "\\", "\n", "}", "{le=\"1\"}", " 1\n# EOF\n", "é\u{202e}", "\u{0}", "'; drop table"];
    format!("hostile-{index}{}", ends[index % ends.len()])
}

/// One request of each way to say something, with a name that nobody said before.
fn requests_of(index: usize) -> Vec<Request> {
    let name = hostile(index);
    let plain = format!("hostile-{index}");
    let tagged = body::chat("gpt", "Hi").with("user", &*name).with("metadata", json!({"tags": [name]}));
    vec![
        chat(&name),
        chat(&format!("any/{name}")),
        chat("gpt").json(tagged).header("x-litellm-call-id", &plain).header("user-agent", &plain),
        chat_by(&format!("sk-{plain}-0123456789abcdef")),
        Request::get(&format!("/{plain}")).bearer(MASTER),
        Request::get(&format!("/v1/models/{plain}")).bearer(MASTER),
        Request::post(&format!("/engines/{plain}/completions")).bearer(MASTER).json("{}"),
        Request::post(&format!("/key/{plain}")).bearer(MASTER).json("{}"),
    ]
}

#[tokio::test]
async fn a_thousand_names_that_callers_make_up_are_no_series() {
    let mock = MockProvider::start();
    let wildcard = every_kind(&mock).deployment("any/*").provider("openai").model("*").base(mock.base_url());
    let gateway = Gateway::with(wildcard.key(canary::OPENAI_KEY).text()).start().await;
    // Every way once and each that it can end: from here on nothing is new.
    for index in 0..10 {
        ask(&gateway, index).await;
    }
    gateway.until_metric("bulkhead_in_flight", &[], 0.0).await;
    let before = scrape(&gateway).await.series();
    let clients = (0..4).map(|client| {
        let gateway = &gateway;
        async move {
            for index in (10 + client..1010).step_by(4) {
                ask(gateway, index).await;
            }
        }
    });
    futures_util::future::join_all(clients).await;
    gateway.until_metric("bulkhead_in_flight", &[], 0.0).await;
    let page = gateway.ops("/metrics").await.text();
    assert!(!page.to_lowercase().contains("hostile"), "{page}");
    let after = Exposition::parse(&page).series();
    assert!(after.is_subset(&before), "{:#?}", after.difference(&before).collect::<Vec<_>>());
    assert!(before.len() < 500, "{}", before.len());
}

async fn ask(gateway: &Gateway, index: usize) {
    for request in requests_of(index) {
        gateway.call(&request).await;
    }
}

#[tokio::test]
async fn a_method_that_somebody_made_up_is_no_series() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    let made_up = |index: usize| Request::new(&format!("HOSTILE{index}"), "/v1/chat/completions");
    gateway.call(&made_up(0).bearer(MASTER)).await;
    let before = scrape(&gateway).await.series();
    let mut client: Client = gateway.client().await;
    for index in 1..20 {
        client.exchange(&made_up(index).bearer(MASTER)).await;
        client = gateway.client().await;
    }
    let after: BTreeSet<String> = scrape(&gateway).await.series();
    assert_eq!(after, before);
}
