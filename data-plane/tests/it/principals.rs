//! Keys and what they belong to in a gateway that runs from its file: a team and a user are labels there.

use bulkhead_model::virtual_key::{RANDOM_BYTES, generate};
use bulkhead_testkit::client::Request;
use bulkhead_testkit::{GatewayYaml, MockProvider, body};
use serde_json::Value;

use crate::money::priced;
use crate::support::{Gateway, yaml};

const KEY: &str = "sk-principals-0123456789";

fn chat(key: &str, model: &str) -> Request {
    Request::post("/v1/chat/completions").bearer(key).json(body::chat(model, "How are you?"))
}

/// Refusals of a kind so far.
async fn refused(gateway: &Gateway, kind: &str) -> f64 {
    gateway.metric("bulkhead_refused_total", &[&format!("kind=\"{kind}\"")]).await
}

#[tokio::test]
async fn a_team_and_a_user_of_the_file_are_labels_that_nobody_declares() {
    let mock = MockProvider::start();
    let yaml = yaml(&mock).virtual_key(KEY).limit("team_id", "payments").limit("user_id", "ada");
    let gateway = Gateway::with(yaml.text()).start().await;
    let answer = gateway.call(&chat(KEY, "gpt")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let usage = gateway.usage_of(1).await;
    let label = |name: &str| usage[0][name].as_str().map(str::to_owned);
    assert_eq!((label("team_id").as_deref(), label("user_id").as_deref()), (Some("payments"), Some("ada")));
}

#[tokio::test]
async fn a_key_of_the_control_planes_form_has_to_fit_its_checksum() {
    let mock = MockProvider::start();
    let [known, unknown] = [[1; RANDOM_BYTES], [2; RANDOM_BYTES]].map(|random| generate(&random));
    let gateway = Gateway::with(yaml(&mock).virtual_key(known.expose()).text()).start().await;
    assert_eq!(gateway.call(&chat(known.expose(), "gpt")).await.status, 200);

    let answer = gateway.call(&chat(unknown.expose(), "gpt")).await;
    assert_eq!((answer.status, refused(&gateway, "unknown_key").await), (401, 1.0));

    let mistyped: String = known.expose().chars().rev().collect();
    let mistyped = format!("sk-bh-{}", &mistyped[..known.expose().len() - "sk-bh-".len()]);
    let answer = gateway.call(&chat(&mistyped, "gpt")).await;
    let error = answer.json()["error"].clone();
    assert_eq!((answer.status, error["type"].as_str()), (401, Some("token_not_found_in_db")));
    assert_eq!(error["param"], Value::from("key"));
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with("Authentication Error, Invalid proxy server token passed."), "{message}");
    assert_eq!(refused(&gateway, "bad_checksum").await, 1.0);
    assert_eq!(refused(&gateway, "unknown_key").await, 1.0, "a kind of its own");
}

#[tokio::test]
async fn a_window_that_comes_changes_or_goes_gives_no_spent_budget_back() {
    let mock = MockProvider::start();
    let with = |window: Option<&str>| -> GatewayYaml {
        let yaml =
            priced(yaml(&mock), &mock, "gpt-priced", "ok").virtual_key(KEY).limit("max_budget", 0.000_001);
        match window {
            Some(window) => yaml.limit("budget_duration", window),
            None => yaml,
        }
    };
    let gateway = Gateway::with(with(None).text()).start().await;
    assert_eq!(gateway.call(&chat(KEY, "gpt-priced")).await.status, 200);
    for (reload, window) in [Some("365d"), Some("1mo"), None, Some("30d")].into_iter().enumerate() {
        std::fs::write(gateway.config(), with(window).text()).unwrap();
        gateway.signal("HUP");
        gateway.until_metric("bulkhead_config_reloads_total", &[], (reload + 1) as f64).await;
        let answer = gateway.call(&chat(KEY, "gpt-priced")).await;
        assert_eq!(answer.status, 422, "{window:?}: {}", answer.text());
    }
}
