//! Errors that the request itself brings about, and those that a name orders, in the providers' own shapes.

use bulkhead_testkit::MockProvider;
use bulkhead_testkit::body::{self, Body};
use bulkhead_testkit::client::{Answer, Request};
use serde_json::{Value, json};

use crate::{ask, client, post};

#[tokio::test]
async fn keys_are_needed_and_bad_ones_are_refused() {
    let mock = MockProvider::start();
    let body = || body::chat("ok", "Hi");
    let chat = || Request::post("/v1/chat/completions");
    let none = client(&mock).await.exchange(&chat().json(body())).await;
    assert_eq!((none.status, &none.json()["error"]["code"]), (401, &Value::Null));
    let bad = client(&mock).await.exchange(&chat().bearer("bad-key-123456").json(body())).await;
    assert_eq!((bad.status, &bad.json()["error"]["code"]), (401, &json!("invalid_api_key")));
    assert!(!bad.text().contains("bad-key-123456"));
    let messages = Request::post("/v1/messages").anthropic("bad").json(body::messages("ok", "Hi"));
    let bad = client(&mock).await.exchange(&messages).await.json();
    assert_eq!((&bad["type"], &bad["error"]["type"]), (&json!("error"), &json!("authentication_error")));
    let azure =
        Request::post("/openai/deployments/ok/chat/completions").header("api-key", "bad").json(body());
    assert_eq!(client(&mock).await.exchange(&azure).await.json()["error"]["code"], "401");
}

#[tokio::test]
async fn requests_are_checked() {
    let mock = MockProvider::start();
    let messages =
        |json: &str| Body::default().with("model", "ok").raw("messages", json).with("max_tokens", 5);
    let chat = "/v1/chat/completions";
    let anthropic = "/v1/messages";
    let cases: [(&str, Body, &str); 12] = [
        (chat, Body::default().with("model", "ok"), "Missing required parameter: 'messages'."),
        (chat, Body::default().raw("messages", "[]"), "you must provide a model parameter"),
        (chat, messages("[]"), "empty array"),
        (chat, messages(r#"[{"role":"robot","content":"x"}]"#), "Invalid value: 'robot'."),
        (chat, body::chat("ok", "x").with("stream", "yes"), "Invalid type for 'stream'"),
        (chat, body::chat("ok", "x").raw("stream_options", "{}"), "only allowed when 'stream' is enabled"),
        (chat, body::chat("ok", "x").with("max_tokens", 0), "Expected a value >= 1"),
        (anthropic, body::chat("ok", "x"), "max_tokens: Field required"),
        (anthropic, messages(r#"[{"role":"robot","content":"x"}]"#), "messages.0.role: Input should be"),
        (anthropic, messages(r#"[{"role":"user"}]"#), "messages.0.content: Field required"),
        ("/v1/responses", Body::default().with("model", "ok"), "'$.input' is invalid"),
        ("/v1/embeddings", Body::default().with("model", "ok"), "'$.input' is invalid"),
    ];
    for (path, body, message) in cases {
        let text = body.text();
        let answer = ask(&mock, path, body).await;
        let said = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(answer.status == 400 && said.contains(message), "{text} -> {} {said}", answer.status);
    }
    let torn = client(&mock).await.exchange(&Request::post(chat).bearer("k").json("{\"model\":")).await;
    assert_eq!((torn.status, &torn.json()["error"]["type"]), (400, &json!("invalid_request_error")));
    let version = Request::post(anthropic).header("x-api-key", "k").json(body::messages("ok", "x"));
    let version = client(&mock).await.exchange(&version).await;
    assert_eq!(version.json()["error"]["message"], "anthropic-version: header is required");
    let lost = client(&mock).await.exchange(&Request::post("/v1/nothing").bearer("k").json("{}")).await;
    assert_eq!(lost.status, 404);
    let method = client(&mock).await.exchange(&Request::get(chat).bearer("k")).await;
    assert_eq!((method.status, &method.json()["error"]["code"]), (405, &json!("method_not_supported")));
}

#[tokio::test]
async fn the_strict_model_knows_what_it_knows() {
    let mock = MockProvider::start();
    let chat = |body: Body| ask(&mock, "/v1/chat/completions", body);
    assert_eq!(chat(body::chat("strict", "x").with("temperature", 1)).await.status, 200);
    let unknown = chat(body::chat("strict", "x").with("top_k", 1)).await;
    assert_eq!((unknown.status, &unknown.json()["error"]["param"]), (400, &json!("top_k")));
    assert_eq!(chat(body::chat("strict", "x").raw("stop", "null")).await.status, 400);
    assert_eq!(chat(body::chat("ok", "x").with("top_k", 1).raw("stop", "null")).await.status, 200);
    let beta =
        |beta: &str| post("/v1/messages", body::messages("strict", "x")).header("anthropic-beta", beta);
    assert_eq!(client(&mock).await.exchange(&beta("prompt-caching-2024-07-31")).await.status, 200);
    assert_eq!(
        client(&mock).await.exchange(&beta("prompt-caching-2024-07-31,foo-2099-01-01")).await.status,
        400
    );
}

#[tokio::test]
async fn statuses_have_the_providers_bodies() {
    let mock = MockProvider::start();
    for (status, anthropic) in [
        (401, "authentication_error"),
        (402, "billing_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (422, "invalid_request_error"),
        (500, "api_error"),
        (503, "api_error"),
        (529, "overloaded_error"),
    ] {
        let model = format!("status-{status}");
        let chat = ask(&mock, "/v1/chat/completions", body::chat(&model, "x").stream()).await;
        assert_eq!(chat.status, status);
        assert!(chat.json()["error"]["message"].is_string(), "{}", chat.text());
        let messages = ask(&mock, "/v1/messages", body::messages(&model, "x").stream()).await;
        assert_eq!(messages.status, status);
        assert_eq!(messages.json()["error"]["type"], anthropic);
        assert_eq!(messages.json()["request_id"].as_str(), messages.header("request-id"));
    }
    let page = ask(&mock, "/v1/chat/completions", body::chat("status-502", "x")).await;
    assert_eq!((page.status, page.header("content-type")), (502, Some("text/html")));
    assert_eq!(ask(&mock, "/v1/messages", body::messages("529", "x")).await.status, 529);
    let lost = ask(&mock, "/v1/chat/completions", body::chat("unknown-model", "x")).await;
    assert_eq!((lost.status, &lost.json()["error"]["code"]), (404, &json!("model_not_found")));
    assert_eq!(ask(&mock, "/v1/chat/completions", body::chat("cut-aftr-5", "x")).await.status, 404);
}

#[tokio::test]
async fn rate_limits_say_or_do_not_say_until_when() {
    let mock = MockProvider::start();
    let chat = async |model: &str| ask(&mock, "/v1/chat/completions", body::chat(model, "x")).await;
    let plain = chat("status-429").await;
    assert_eq!((plain.status, plain.header("x-ratelimit-remaining-requests")), (429, Some("0")));
    assert_eq!(chat("429-retry-after-7").await.header("retry-after"), Some("7"));
    let date = chat("429-retry-after-date-60").await;
    assert!(date.header("retry-after").unwrap().ends_with(" GMT"));
    let silent = chat("429-no-headers").await;
    let names: Vec<&str> = silent.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((silent.status, names), (429, vec!["content-type", "content-length", "date"]));
    let anthropic = ask(&mock, "/v1/messages", body::messages("429-retry-after-7", "x")).await;
    assert_eq!(anthropic.json()["error"]["type"], "rate_limit_error");
}

#[tokio::test]
async fn window_policy_and_leaky_errors() {
    let mock = MockProvider::start();
    let both = async |model: &str| {
        let chat = ask(&mock, "/v1/chat/completions", body::chat(model, "x")).await;
        (chat, ask(&mock, "/v1/messages", body::messages(model, "x")).await)
    };
    let message = |answer: &Answer| answer.json()["error"]["message"].as_str().unwrap().to_owned();
    let (chat, messages) = both("context-window").await;
    assert_eq!((chat.status, &chat.json()["error"]["code"]), (400, &json!("context_length_exceeded")));
    assert_eq!(message(&messages), "prompt is too long: 208310 tokens > 200000 maximum");
    let (chat, messages) = both("content-policy").await;
    assert_eq!(
        (chat.json()["error"]["code"].as_str(), messages.status),
        (Some("content_policy_violation"), 400)
    );
    let (chat, messages) = both("secret-in-error-401").await;
    assert_eq!((chat.status, messages.status), (401, 401));
    assert!(message(&chat).contains("sk-test-1234") && message(&messages).contains("sk-test-1234"));
}

#[tokio::test]
async fn flapping_models_fail_as_counted() {
    let mock = MockProvider::start();
    let status = async |model: &str, user: &str| {
        ask(&mock, "/v1/chat/completions", body::chat(model, "x").with("user", user)).await.status
    };
    let mut seen = Vec::new();
    for user in ["a", "b", "a", "b", "a", "b"] {
        seen.push(status("fail-2-then-ok", user).await);
    }
    assert_eq!(seen, [500, 500, 500, 500, 200, 200]);
    assert_eq!(
        (status("fail-1-429-then-ok", "a").await, status("fail-1-429-then-ok", "a").await),
        (429, 200)
    );
    let mut seen = Vec::new();
    for _ in 0..6 {
        seen.push(status("every-3-503", "").await);
    }
    assert_eq!(seen, [200, 200, 503, 200, 200, 503]);
    assert_eq!(status("oscillate-429-3600000", "").await, 429);
    mock.reset();
    assert_eq!(status("fail-2-then-ok", "a").await, 500);
}
