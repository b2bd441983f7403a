//! What is recorded of a request that was tried at several deployments.

use bulkhead_testkit::client::Request;
use bulkhead_testkit::{MockProvider, body};
use serde_json::json;

use crate::support::{Gateway, MASTER, faulty, yaml};

#[tokio::test]
async fn each_leg_has_a_record_and_only_the_last_is_the_request() {
    let mock = MockProvider::start();
    let declared = faulty(yaml(&mock), &mock, "main", "status-503")
        .router("fallbacks", json!([{"main": ["gpt"]}]))
        .router("num_retries", 1)
        .router("retry_after", 0);
    let gateway = Gateway::with(declared.text()).start().await;
    let request = Request::post("/v1/chat/completions").bearer(MASTER).json(body::chat("main", "Hi"));
    let answer = gateway.call(&request.header("x-litellm-call-id", "several")).await;
    assert_eq!((answer.status, answer.header("x-litellm-attempted-retries")), (200, Some("1")));
    let records = gateway.usage_of(3).await;
    for (index, name, wanted) in [
        (0, "leg", json!(1)),
        (0, "handed_on", json!(true)),
        (0, "status", json!("failure")),
        (0, "error", json!("upstream_overloaded")),
        (0, "upstream_status", json!(503)),
        (0, "rule", json!("exact, only one")),
        (0, "model_group", json!("main")),
        (1, "leg", json!(2)),
        (1, "handed_on", json!(true)),
        (1, "retries", json!(1)),
        (2, "leg", json!(3)),
        (2, "handed_on", json!(false)),
        (2, "status", json!("success")),
        (2, "retries", json!(1)),
        (2, "fallbacks", json!(1)),
        (2, "upstream_status", json!(null)),
        (2, "model", json!("main")),
        (2, "model_group", json!("gpt")),
        (2, "rule", json!("fallback of the model group, exact, only one")),
        (2, "call_id", json!("several")),
    ] {
        assert_eq!(records[index][name], wanted, "{index} {name}: {records:#?}");
    }
    for record in &records {
        let number = |name: &str| record[name].as_u64().unwrap_or_else(|| panic!("{name}: {record}"));
        assert!(number("upstream_ms") <= number("duration_ms"), "{record}");
        assert!(number("overhead_us") / 1000 <= number("duration_ms"), "{record}");
    }
}

#[tokio::test]
async fn what_another_provider_took_is_not_the_gateways_overhead() {
    let mock = MockProvider::start();
    let declared = faulty(yaml(&mock), &mock, "main", "slow-ttft-300+status-503")
        .router("fallbacks", json!([{"main": ["gpt"]}]));
    let gateway = Gateway::with(declared.text()).start().await;
    let request = Request::post("/v1/chat/completions").bearer(MASTER).json(body::chat("main", "Hi"));
    let answer = gateway.call(&request).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let millis = |name: &str| answer.header(name).unwrap().parse::<f64>().unwrap();
    let total = millis("x-litellm-response-duration-ms");
    assert!(total >= 300.0, "{total}");
    assert!(
        total - millis("x-litellm-overhead-duration-ms") >= 300.0,
        "the first provider's time is a provider's"
    );
}
