//! Clients at models whose provider speaks another dialect.

mod corpus;
pub(crate) mod embeddings;
mod native;
mod same;

use bulkhead_testkit::client::{Answer, End, Request};
use bulkhead_testkit::{GatewayYaml, MockProvider, body, canary};
use serde_json::{Value, json};

use crate::support::{Gateway, MASTER, faulty, yaml};
use crate::upstream::{Step, Upstream, answer};

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";

/// The data of a stream's events.
fn data(answer: &Answer) -> Vec<Value> {
    let text = answer.text();
    let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
    lines.filter_map(|data| serde_json::from_str(data).ok()).collect()
}

#[tokio::test]
async fn what_reaches_the_provider_is_its_own_dialect() {
    let mock = MockProvider::start();
    let yaml = faulty(yaml(&mock), &mock, "claude-strict", "strict");
    let gateway = Gateway::with(faulty(yaml, &mock, "gpt-strict", "strict").text()).start().await;
    let request = Request::post(CHAT)
        .bearer(MASTER)
        .header("openai-beta", "x")
        .json(body::chat("claude-strict", "hi").with("max_completion_tokens", 77).with("user", "u").text());
    let answer = gateway.call(&request).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent = mock.last_request().unwrap();
    assert_eq!(sent.target(), "/v1/messages");
    assert_eq!(sent.header("x-api-key").as_deref(), Some(canary::ANTHROPIC_KEY));
    assert_eq!(sent.header("anthropic-version").as_deref(), Some("2023-06-01"));
    assert_eq!(
        sent.json_body(),
        json!({"model": "strict", "max_tokens": 77, "metadata": {"user_id": "u"},
            "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]})
    );
    let request = Request::post(MESSAGES)
        .header("x-api-key", MASTER)
        .header("anthropic-version", "2023-06-01")
        .header("anthropic-beta", "interleaved-thinking-2025-05-14,context-1m-2025-08-07")
        .json(body::messages("gpt-strict", "hi").stream().text());
    let answer = gateway.call(&request).await;
    assert_eq!((answer.status, answer.end), (200, End::Complete), "{}", answer.text());
    let sent = mock.last_request().unwrap();
    assert_eq!((sent.target(), sent.header("anthropic-beta")), ("/v1/chat/completions".to_owned(), None));
    assert_eq!(sent.header("anthropic-version"), None);
    let sent = sent.json_body();
    assert_eq!((&sent["model"], &sent["stream"]), (&json!("strict"), &json!(true)));
    assert_eq!(sent["stream_options"], json!({"include_usage": true}));
    assert_eq!(sent["messages"], json!([{"role": "user", "content": "hi"}]));
    assert!(sent["max_completion_tokens"].is_u64() && sent.get("max_tokens").is_none(), "{sent}");
}

#[tokio::test]
async fn answers_records_and_costs_are_as_if_nothing_was_translated() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    let plain = gateway.post(CHAT, MASTER, body::chat("claude", "hi")).await;
    let native = gateway.post(MESSAGES, MASTER, body::messages("claude", "hi")).await;
    assert_eq!(plain.status, 200, "{}", plain.text());
    let (said, known) = (plain.json(), native.json());
    assert_eq!((&said["object"], &said["model"]), (&json!("chat.completion"), &json!("claude")));
    assert_eq!(said["choices"][0]["message"]["content"], known["content"][0]["text"]);
    assert_eq!(said["usage"]["completion_tokens"], known["usage"]["output_tokens"]);
    for header in ["x-litellm-model-id", "x-litellm-model-group"] {
        assert_eq!(plain.header(header), native.header(header), "{header}");
    }
    let streamed = gateway.post(CHAT, MASTER, body::chat("claude", "hi").stream_with_usage()).await;
    assert_eq!((streamed.status, streamed.end), (200, End::Complete));
    assert!(streamed.header("content-type").unwrap().starts_with("text/event-stream"));
    let events = data(&streamed);
    let text: String =
        events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(said["choices"][0]["message"]["content"], text);
    assert_eq!(events.last().unwrap()["usage"], said["usage"]);
    assert!(streamed.text().ends_with("data: [DONE]\n\n"));
    let records = gateway.usage_of(3).await;
    for record in &records {
        assert_eq!(
            (&record["status"], &record["usage"]),
            (&json!("success"), &json!("reported")),
            "{record}"
        );
        assert!(record["cost"].as_str().unwrap().parse::<f64>().unwrap() > 0.0, "{record}");
        for member in ["output_tokens", "model_id", "provider"] {
            assert_eq!(record[member], records[0][member], "{member}");
        }
    }
}

#[tokio::test]
async fn what_a_provider_cannot_be_asked_is_refused_by_name_or_dropped() {
    let mock = MockProvider::start();
    let yaml = yaml(&mock);
    let yaml = faulty(yaml, &mock, "claude-drop", "strict").param("drop_params", true);
    let gateway = Gateway::with(yaml.text()).start().await;
    let odd =
        |model: &str| body::chat(model, "hi").with("seed", 7).with("logprobs", true).with("store", false);
    let answer = gateway.post(CHAT, MASTER, odd("claude")).await;
    assert_eq!(answer.status, 400);
    let said = answer.json()["error"]["message"].as_str().unwrap().to_owned();
    let expected = "litellm.UnsupportedParamsError: anthropic does not support parameters: ['seed', 'logprobs'], for \
                    model=claude. To drop these, set";
    assert!(said.starts_with(expected), "{said}");
    assert_eq!(mock.ledger().count(), 0, "nothing was sent");
    let answer = gateway.post(CHAT, MASTER, odd("claude-drop")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let dropped = answer.header("x-bulkhead-dropped-params").unwrap();
    assert!(["seed", "logprobs"].iter().all(|name| dropped.contains(name)), "{dropped}");
    assert!(gateway.metric("bulkhead_dropped_params_total", &[]).await >= 2.0);
    let wrong = body::chat("claude", "hi").with("reasoning_effort", "a lot");
    let answer = gateway.post(CHAT, MASTER, wrong).await;
    assert_eq!((answer.status, &answer.json()["error"]["param"]), (400, &json!("reasoning_effort")));
}

/// An operator's parameters are in LiteLLM's names, which are chat's; `extra_body` is in the provider's.
#[tokio::test]
async fn what_an_operator_adds_arrives() {
    let mock = MockProvider::start();
    let yaml = yaml(&mock);
    let yaml = faulty(yaml, &mock, "claude-more", "ok")
        .param("temperature", 0.3)
        .param("stop", json!(["END"]))
        .param("extra_body", json!({"top_k": 5}));
    let yaml = faulty(yaml, &mock, "gpt-more", "ok").param("seed", 9).param("temperature", 0.3);
    let gateway = Gateway::with(yaml.text()).start().await;
    assert_eq!(gateway.post(CHAT, MASTER, body::chat("claude-more", "hi")).await.status, 200);
    let sent = mock.last_request().unwrap().json_body();
    assert_eq!((&sent["temperature"], &sent["stop_sequences"]), (&json!(0.3), &json!(["END"])));
    assert_eq!((&sent["top_k"], sent.get("stop")), (&json!(5), None));
    let body = body::messages("gpt-more", "hi").with("temperature", 0.7);
    assert_eq!(gateway.post(MESSAGES, MASTER, body).await.status, 200);
    let sent = mock.last_request().unwrap().json_body();
    assert_eq!((&sent["seed"], &sent["temperature"]), (&json!(9), &json!(0.7)), "the client's goes before");
}

#[tokio::test]
async fn a_request_falls_back_to_another_dialect() {
    let mock = MockProvider::start();
    let yaml =
        yaml(&mock).router("fallbacks", json!([{"gpt-status-503": ["claude"]}, {"claude-529": ["gpt"]}]));
    let yaml = faulty(yaml, &mock, "gpt-status-503", "status-503");
    let gateway = Gateway::with(faulty(yaml, &mock, "claude-529", "529").text()).start().await;
    for stream in [false, true] {
        let (chat, messages) = (body::chat("gpt-status-503", "hi"), body::messages("claude-529", "hi"));
        let (chat, messages) = if stream { (chat.stream(), messages.stream()) } else { (chat, messages) };
        let answer = gateway.post(CHAT, MASTER, chat).await;
        assert_eq!((answer.status, answer.header("x-litellm-model-group")), (200, Some("claude")));
        assert!(answer.text().contains("chat.completion"), "{}", answer.text());
        let answer = gateway.post(MESSAGES, MASTER, messages).await;
        assert_eq!((answer.status, answer.header("x-litellm-model-group")), (200, Some("gpt")));
        assert!(answer.text().contains("\"role\":\"assistant\""), "{}", answer.text());
    }
}

/// A large prompt is translated beside the worker.
#[tokio::test]
async fn a_large_prompt_arrives_whole() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    let text: String = (0..400_000).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
    let answer = gateway.post(CHAT, MASTER, body::chat("claude", &text)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent = mock.last_request().unwrap().json_body();
    assert_eq!(sent["messages"][0]["content"][0]["text"], text);
}

/// What is no answer of the provider's dialect is none for the client.
#[tokio::test]
async fn an_answer_that_is_none_is_a_failure() {
    for text in ["{}", "{\"choices\":[]}", "[]", "<html>"] {
        let upstream = Upstream::start(move |_| {
            vec![Step::Send(answer("200 OK", &[("content-type", "application/json")], text))]
        })
        .await;
        let yaml = GatewayYaml::new().master_key(MASTER).deployment("claude").provider("anthropic");
        let gateway = Gateway::with(yaml.base(upstream.origin()).key("k").text()).start().await;
        let answer = gateway.post(CHAT, MASTER, body::chat("claude", "hi")).await;
        assert_eq!(answer.status, 502, "{text}: {}", answer.text());
        let record = &gateway.usage_of(1).await[0];
        assert_eq!(record["error"], "upstream_bad_answer", "{record}");
    }
}

/// Who cannot be asked to count is not: the answer says that it is an estimate.
#[tokio::test]
async fn tokens_are_estimated_where_the_provider_cannot_count_them() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    let path = "/v1/messages/count_tokens";
    let counted = gateway.post(path, MASTER, body::messages("claude", "hi")).await;
    assert_eq!((counted.status, counted.header("x-bulkhead-estimated")), (200, None));
    assert_eq!(mock.ledger().count(), 1);
    let few = gateway.post(path, MASTER, body::messages("gpt", "hi")).await;
    let many = gateway.post(path, MASTER, body::messages("gpt", &"word ".repeat(1000))).await;
    assert_eq!((few.status, few.header("x-bulkhead-estimated")), (200, Some("input_tokens")));
    let tokens = |answer: &Answer| answer.json()["input_tokens"].as_u64().unwrap();
    assert!(tokens(&few) > 0 && (1000..2000).contains(&tokens(&many)), "{}", many.text());
    assert_eq!(mock.ledger().count(), 1, "nobody was asked");
    let unknown = gateway.post(path, MASTER, body::messages("nobody-has-this", "hi")).await;
    assert_eq!(unknown.status, 400);
    assert_eq!(gateway.post(path, "sk-nobody-has-this-key", body::messages("gpt", "hi")).await.status, 401);
}

/// Clients of responses count events, also the one that says that there will be no more.
#[tokio::test]
async fn a_cut_stream_of_responses_ends_with_an_event_that_has_its_number() {
    let mock = MockProvider::start();
    let yaml = faulty(yaml(&mock), &mock, "gpt-cut", "cut-after-3");
    let gateway = Gateway::with(faulty(yaml, &mock, "claude-cut", "cut-after-3").text()).start().await;
    for (model, last) in [("gpt-cut", "error"), ("claude-cut", "response.failed")] {
        let answer = gateway.post("/v1/responses", MASTER, body::responses(model, "hi").stream()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let events = data(&answer);
        for (number, event) in events.iter().enumerate() {
            assert_eq!(event["sequence_number"], number, "{model}: {event}");
        }
        assert_eq!(events.last().unwrap()["type"], last, "{}", answer.text());
        assert!(events.iter().any(|event| event["type"] == "error"), "{}", answer.text());
    }
}
