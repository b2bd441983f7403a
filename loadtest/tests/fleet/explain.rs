//! What a control plane tells of a request that a node had to send to two providers.

use std::time::Duration;

use bulkhead_model::Clock;
use bulkhead_testkit::client::Request;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::management::both;
use crate::support::alone;

#[tokio::test]
async fn a_request_that_fell_back_is_explained_with_both_legs() {
    let _alone = alone().await;
    let began = today();
    let (rig, control_plane, node) = both().await;
    let mut api = control_plane.api();
    let failing = json!({"model_info": {"id": "failing"}, "litellm_params": {"model": "openai/status-503"}});
    for (name, changes) in [("main", failing), ("backup", json!({"model_info": {"id": "backup"}}))] {
        let mut model = rig.model(name);
        for (part, members) in changes.as_object().unwrap() {
            for (member, value) in members.as_object().unwrap() {
                model[part][member] = value.clone();
            }
        }
        api.change("/model/new?wait=applied", model).await;
    }
    let key = api.key_with(json!({"key_alias": "app"})).await;
    node.until_status("backup", &key, 200).await;
    let body = json!({
        "model": "main", "fallbacks": ["backup"], "num_retries": 0,
        "messages": [{"role": "user", "content": "Hi"}],
    });
    let request = Request::post("/v1/chat/completions").bearer(&key).json(body.to_string());
    let answer = node.call(&request.header("x-litellm-call-id", "call-that-fell-back")).await;
    assert_eq!(
        (answer.status, answer.header("x-litellm-attempted-fallbacks")),
        (200, Some("1")),
        "{}",
        answer.text()
    );
    let told = until_told(node.addr, &key).await;
    for (path, wanted) in [
        ("/model", json!("main")),
        ("/status", json!("success")),
        ("/fallbacks", json!(1)),
        ("/key/alias", json!("app")),
        ("/served_by/deployment", json!("backup")),
        ("/legs/0/deployment", json!("failing")),
        ("/legs/0/rule", json!("exact, only one")),
        ("/legs/0/error", json!("upstream_overloaded")),
        ("/legs/0/upstream_status", json!(503)),
        ("/legs/1/rule", json!("fallback of the request, exact, only one")),
        ("/legs/1/outcome", json!("success")),
        ("/legs/2", Value::Null),
    ] {
        assert_eq!(told.pointer(path).unwrap_or(&Value::Null), &wanted, "{path}: {told:#}");
    }
    let said = told["legs"][0]["explanation"].as_str().unwrap();
    let (start, end) = (
        "deployment failing: the provider answered 503 after ",
        "went on to model group backup at deployment backup",
    );
    assert!(said.starts_with(start) && said.ends_with(end), "{said}");
    let activity = api.get(&format!("/global/activity?start_date={began}&end_date={}", today())).await;
    assert_eq!(activity["sum_api_requests"], 2, "the probe of the key and this one: {activity}");
}

/// The date, in UTC as reports have it.
fn today() -> String {
    Clock::System.now().rfc3339().chars().take(10).collect()
}

/// Asks the control plane through the node, by the key itself, until it knows.
async fn until_told(node: std::net::SocketAddr, key: &str) -> Value {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let request = Request::get("/explain/call-that-fell-back").bearer(key);
        let answer = bulkhead_testkit::client::call(node, &request).await.unwrap();
        if answer.status == 200 {
            return answer.json();
        }
        assert!(answer.status == 404 && Instant::now() < deadline, "{}", answer.text());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
