//! Metrics with LiteLLM's names.

use bulkhead_testkit::client::Request;
use bulkhead_testkit::exposition::Exposition;
use bulkhead_testkit::{GatewayYaml, MockProvider, body, canary};
use serde_json::json;

use super::{assert_near, scrape};
use crate::support::{Gateway, faulty, yaml};

fn asked_of(model: &str) -> Request {
    Request::post("/v1/chat/completions").bearer(canary::VIRTUAL_KEY).json(body::chat(model, "Hi"))
}

fn declared(mock: &MockProvider) -> GatewayYaml {
    faulty(faulty(yaml(mock), mock, "main", "status-503"), mock, "any/*", "status-500")
        .router("fallbacks", json!([{"main": ["gpt"]}, {"any/*": ["gpt"]}]))
        .virtual_key(canary::VIRTUAL_KEY)
        .limit("key_alias", "app")
        .limit("team_id", "red")
        .limit("max_budget", 2)
}

/// Waits until the recorder has counted so many requests.
async fn counted(gateway: &Gateway, requests: f64) -> Exposition {
    gateway.until_metric("litellm_requests_metric_total", &[], requests).await;
    scrape(gateway).await
}

#[tokio::test]
async fn requests_are_counted_by_key_and_deployment_with_both_legs_of_a_fallback() {
    let mock = MockProvider::start();
    let gateway =
        Gateway::with(declared(&mock).litellm("callbacks", json!(["prometheus"])).text()).start().await;
    for (request, status) in [
        (asked_of("main").header("user-agent", "hostile"), 200),
        (asked_of("gpt").json(body::chat("gpt", "Hi").with("user", "hostile").with("stream", true)), 200),
        (asked_of("gpt-nobody"), 400),
        (Request::post("/v1/chat/completions").bearer("sk-nobody").json(body::chat("gpt", "Hi")), 401),
    ] {
        assert_eq!(gateway.call(&request).await.status, status);
    }
    let page = counted(&gateway, 2.0).await;
    let hash = bulkhead_model::KeyHash::of(canary::VIRTUAL_KEY).to_string();
    let key = [("hashed_api_key", &*hash), ("api_key_alias", "app"), ("team", "red"), ("end_user", "")];
    let (app, main) = (("api_key_alias", "app"), ("requested_model", "main"));
    let failed = [("exception_status", "503"), ("exception_class", "Openai.ServiceUnavailableError")];
    for (name, labels, wanted) in [
        ("requests_metric_total", &key[..], 2.0),
        ("proxy_total_requests_metric_total", &[], 4.0),
        (
            "proxy_total_requests_metric_total",
            &[app, ("status_code", "200"), ("route", "/v1/chat/completions")],
            2.0,
        ),
        ("proxy_total_requests_metric_total", &[("status_code", "401")], 1.0),
        ("proxy_failed_requests_metric_total", &[], 2.0),
        ("proxy_failed_requests_metric_total", &[("exception_class", "ProxyException")], 2.0),
        ("deployment_total_requests_total", &[], 3.0),
        ("deployment_total_requests_total", &[main], 2.0),
        ("deployment_success_responses_total", &[app, ("litellm_model_name", "ok")], 2.0),
        ("deployment_failure_responses_total", &failed, 1.0),
        ("deployment_successful_fallbacks_total", &[main, ("fallback_model", "gpt")], 1.0),
        ("deployment_failed_fallbacks_total", &[], 0.0),
        ("request_total_latency_metric_count", &key, 2.0),
        ("llm_api_latency_metric_bucket", &[app, ("le", "+Inf")], 2.0),
        ("llm_api_time_to_first_token_metric_count", &[("service_tier", "standard")], 1.0),
        ("overhead_latency_metric_count", &[("model_group", "gpt")], 2.0),
        ("api_key_max_budget_metric", &[app], 2.0),
        ("in_flight_requests", &[], 0.0),
    ] {
        assert_near(page.sum(&format!("litellm_{name}"), labels), wanted, &format!("{name} {labels:?}"));
    }
    let spent = page.sum("litellm_spend_metric_total", &key);
    assert!(spent > 0.0);
    assert_near(page.sum("litellm_remaining_api_key_budget_metric", &key[..2]), 2.0 - spent, "what is left");
    let tokens = |name: &str| page.sum(&format!("litellm_{name}_tokens_metric_total"), &key);
    assert!(tokens("input") > 0.0 && tokens("output") > 0.0);
    assert_near(tokens("total"), tokens("input") + tokens("output"), "all tokens");
    assert_eq!(gateway.call(&asked_of("any/hostile")).await.status, 200);
    let page = counted(&gateway, 3.0).await;
    assert_near(
        page.sum("litellm_requests_metric_total", &[("requested_model", "any/*")]),
        1.0,
        "by the wildcard",
    );
    let text = gateway.ops("/metrics/").await.text();
    assert!(!text.contains("hostile") && !text.contains(canary::VIRTUAL_KEY), "{text}");
}

#[tokio::test]
async fn without_the_callback_there_are_none() {
    let mock = MockProvider::start();
    let gateway = Gateway::with(declared(&mock).text()).start().await;
    assert_eq!(gateway.call(&asked_of("gpt")).await.status, 200);
    gateway.usage_of(1).await;
    assert!(!gateway.ops("/metrics").await.text().contains("litellm_"));
}

#[tokio::test]
async fn a_deployment_whose_last_answer_was_a_failure_is_told() {
    let mock = MockProvider::start();
    let gateway =
        Gateway::with(declared(&mock).litellm("callbacks", json!(["prometheus"])).text()).start().await;
    assert_eq!(gateway.call(&asked_of("main")).await.status, 200);
    let page = counted(&gateway, 1.0).await;
    let state = |model: &str| page.sum("litellm_deployment_state", &[("litellm_model_name", model)]);
    assert_near(state("status-503"), 1.0, "its last answer was a failure");
    assert_near(state("ok"), 0.0, "these are well");
}
