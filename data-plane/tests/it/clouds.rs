//! Claude where clouds serve it: asked as they want it, answered as Anthropic answers.

mod recorded;

use bulkhead_testkit::client::{Answer, End, Request};
use bulkhead_testkit::{GatewayYaml, MockProvider, body, canary};
use serde_json::{Value, json};

use crate::support::{Gateway, MASTER, yaml};

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";
const COUNT: &str = "/v1/messages/count_tokens";
const PROJECT: &str = "/v1/projects/p/locations/us-east5";
const ON_VERTEX: &str = "claude-sonnet-4-5@20250929";
const ON_BEDROCK: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

/// Adds a group for Claude at Vertex; `behaves` is what the mock knows the model by.
fn at_vertex(yaml: GatewayYaml, mock: &MockProvider, group: &str, behaves: &str) -> GatewayYaml {
    let yaml = yaml.deployment(group).provider("vertex_ai").model(&format!("claude+{behaves}"));
    let yaml = yaml.base(format!("{}{PROJECT}", mock.origin())).key(canary::ANTHROPIC_KEY);
    yaml.info("base_model", ON_VERTEX)
}

/// The same at Bedrock, behind LiteLLM's word for how.
fn at_bedrock(
    yaml: GatewayYaml,
    mock: &MockProvider,
    group: &str,
    route: &str,
    behaves: &str,
) -> GatewayYaml {
    let model = format!("{route}us.anthropic.claude+{behaves}");
    let yaml = yaml.deployment(group).provider("bedrock").model(&model).base(mock.origin());
    yaml.key(canary::ANTHROPIC_KEY).info("base_model", ON_BEDROCK)
}

fn clouds(mock: &MockProvider) -> GatewayYaml {
    let yaml = at_vertex(yaml(mock), mock, "vertex", "ok");
    let yaml = at_bedrock(yaml, mock, "bedrock", "", "ok");
    at_bedrock(yaml, mock, "invoke", "invoke/", "ok")
}

fn asks(model: &str, stream: bool) -> Request {
    let body = body::messages(model, "hi").with("system", json!([{"type": "text", "text": " é \n"}]));
    let body = if stream { body.stream() } else { body };
    Request::post(MESSAGES)
        .header("x-api-key", MASTER)
        .header("anthropic-version", "2023-06-01")
        .header("anthropic-beta", "context-1m-2025-08-07,interleaved-thinking-2025-05-14")
        .header("anthropic-beta", "nobody-knows-2030-01-01")
        .json(body.text())
}

/// Names and data of a stream's events, without what tells one answer from another.
fn events(answer: &Answer) -> Vec<(String, Value)> {
    let text = answer.text();
    let events = text.split("\n\n").filter_map(|event| {
        let line = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
        let mut data: Value = serde_json::from_str(line("data: ")?).ok()?;
        if let Some(message) = data.get_mut("message").and_then(Value::as_object_mut) {
            message.retain(|name, _| !["id", "model"].contains(&name.as_str()));
        }
        Some((line("event: ")?.to_owned(), data))
    });
    events.collect()
}

#[tokio::test]
async fn vertex_is_asked_in_its_path_and_body() {
    let mock = MockProvider::start();
    let gateway = Gateway::with(clouds(&mock).text()).start().await;
    let native = gateway.call(&asks("claude", true)).await;
    for (stream, action) in [(false, "rawPredict"), (true, "streamRawPredict")] {
        let asked = asks("vertex", stream);
        let answer = gateway.call(&asked).await;
        assert_eq!((answer.status, answer.end), (200, End::Complete), "{}", answer.text());
        assert_eq!(answer.header("x-bulkhead-dropped-params"), Some("nobody-knows-2030-01-01"));
        let sent = mock.last_request().unwrap();
        assert_eq!(sent.target(), format!("{PROJECT}/publishers/anthropic/models/claude%2Bok:{action}"));
        assert_eq!(sent.header("authorization"), Some(format!("Bearer {}", canary::ANTHROPIC_KEY)));
        let betas = "context-1m-2025-08-07,interleaved-thinking-2025-05-14";
        assert_eq!(sent.header("anthropic-beta").as_deref(), Some(betas));
        let body = sent.json_body();
        assert_eq!((&body["anthropic_version"], body.get("model")), (&json!("vertex-2023-10-16"), None));
        assert_eq!(body["stream"].as_bool(), stream.then_some(true));
        // What a provider caches is the beginning of these.
        let text = String::from_utf8(sent.body.unwrap().to_vec()).unwrap();
        let given =
            body::messages("vertex", "hi").with("system", json!([{"type": "text", "text": " é \n"}])).text();
        let prompt = given.split_once("\"messages\"").unwrap().1.trim_end_matches('}');
        assert!(text.contains(prompt), "{text}\n{prompt}");
        match stream {
            true => assert_eq!(events(&answer), events(&native)),
            false => assert_eq!(answer.json()["model"], "vertex"),
        }
    }
    let counted = gateway.post(COUNT, MASTER, body::messages("vertex", "hi")).await;
    assert_eq!((counted.status, counted.header("x-bulkhead-estimated")), (200, None), "{}", counted.text());
    assert!(counted.json()["input_tokens"].as_u64().unwrap() > 0);
    let sent = mock.last_request().unwrap();
    assert_eq!(sent.target(), format!("{PROJECT}/publishers/anthropic/models/count-tokens:rawPredict"));
    assert_eq!(sent.json_body()["model"], "claude+ok");
}

#[tokio::test]
async fn bedrock_is_asked_in_its_path_and_body_and_its_frames_become_events() {
    let mock = MockProvider::start();
    let gateway = Gateway::with(clouds(&mock).text()).start().await;
    let native = gateway.call(&asks("claude", true)).await;
    for group in ["bedrock", "invoke"] {
        for (stream, action) in [(false, "invoke"), (true, "invoke-with-response-stream")] {
            let answer = gateway.call(&asks(group, stream)).await;
            assert_eq!((answer.status, answer.end), (200, End::Complete), "{}", answer.text());
            let sent = mock.last_request().unwrap();
            assert_eq!(sent.target(), format!("/model/us.anthropic.claude%2Bok/{action}"));
            assert_eq!((sent.header("anthropic-beta"), sent.header("anthropic-version")), (None, None));
            let body = sent.json_body();
            assert_eq!((body.get("model"), body.get("stream")), (None, None), "{body}");
            assert_eq!(body["anthropic_version"], "bedrock-2023-05-31");
            assert_eq!(body["anthropic_beta"], json!(["context-1m-2025-08-07"]));
            let dropped = answer.header("x-bulkhead-dropped-params");
            assert_eq!(dropped, Some("interleaved-thinking-2025-05-14,nobody-knows-2030-01-01"));
            match stream {
                true => {
                    assert!(answer.header("content-type").unwrap().starts_with("text/event-stream"));
                    assert_eq!(events(&answer), events(&native));
                }
                false => assert_eq!(answer.json()["model"], group),
            }
        }
    }
}

#[tokio::test]
async fn a_chat_client_is_translated_and_asked_by_converse_unless_said_otherwise() {
    let mock = MockProvider::start();
    let yaml = at_bedrock(clouds(&mock), &mock, "betas", "invoke/", "ok")
        .param("extra_headers", json!({"anthropic-beta": "one-2025-01-01, two-2025-01-01"}));
    let gateway =
        Gateway::with(yaml.param("anthropic_beta", json!(["three-2025-01-01"])).text()).start().await;
    for (group, target) in [
        ("vertex", format!("{PROJECT}/publishers/anthropic/models/claude%2Bok:streamRawPredict")),
        ("invoke", "/model/us.anthropic.claude%2Bok/invoke-with-response-stream".to_owned()),
    ] {
        let plain = gateway.post(CHAT, MASTER, body::chat(group, "hi")).await;
        assert_eq!(plain.status, 200, "{}", plain.text());
        let streamed = gateway.post(CHAT, MASTER, body::chat(group, "hi").stream_with_usage()).await;
        assert_eq!((streamed.status, streamed.end), (200, End::Complete), "{}", streamed.text());
        assert!(streamed.header("content-type").unwrap().starts_with("text/event-stream"));
        let chunks: Vec<Value> = streamed
            .text()
            .lines()
            .filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok())
            .collect();
        let text: String =
            chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
        assert_eq!(plain.json()["choices"][0]["message"]["content"], text);
        assert_eq!(chunks.last().unwrap()["usage"], plain.json()["usage"]);
        let sent = mock.last_request().unwrap();
        assert_eq!((sent.target(), sent.json_body().get("model")), (target, None));
    }
    let records = gateway.usage_of(4).await;
    for record in &records {
        assert_eq!(
            (&record["status"], &record["usage"]),
            (&json!("success"), &json!("reported")),
            "{record}"
        );
        assert_eq!(record["output_tokens"], records[0]["output_tokens"], "{record}");
        assert!(record["cost"].as_str().unwrap().parse::<f64>().unwrap() > 0.0, "{record}");
    }
    gateway.post(CHAT, MASTER, body::chat("bedrock", "hi")).await;
    assert_eq!(mock.last_request().unwrap().target(), "/model/us.anthropic.claude%2Bok/converse");
    // What an operator asks for, wherever it is written.
    let answer = gateway.call(&asks("betas", false)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let betas = &mock.last_request().unwrap().json_body()["anthropic_beta"];
    assert_eq!(betas.as_array().unwrap().len(), 4, "{betas}");
    let answer = gateway.post(CHAT, MASTER, body::chat("betas", "hi")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let betas = &mock.last_request().unwrap().json_body()["anthropic_beta"];
    assert_eq!(betas, &json!(["one-2025-01-01", "two-2025-01-01", "three-2025-01-01"]));
}

#[tokio::test]
async fn usage_and_cost_are_those_of_anthropics_own() {
    let mock = MockProvider::start();
    let gateway = Gateway::with(clouds(&mock).text()).start().await;
    for group in ["claude", "vertex", "bedrock", "invoke"] {
        for stream in [false, true] {
            assert_eq!(gateway.call(&asks(group, stream)).await.status, 200);
        }
    }
    let records = gateway.usage_of(8).await;
    for record in &records {
        assert_eq!(record["usage"], "reported", "{record}");
        assert_eq!(record["output_tokens"], records[0]["output_tokens"], "{record}");
    }
    // The same price at all of them, but for the cross-region tenth of Bedrock's; bodies differ by some tokens.
    let costs: Vec<f64> =
        records.iter().map(|record| record["cost"].as_str().unwrap().parse().unwrap()).collect();
    let (least, most) =
        (costs.iter().copied().fold(f64::MAX, f64::min), costs.iter().copied().fold(0.0, f64::max));
    assert!(least > 0.0 && most < least * 1.3, "{costs:?}");
}

#[tokio::test]
async fn bedrock_counts_the_tokens_of_claude_and_where_it_does_not_they_are_estimated() {
    let mock = MockProvider::start();
    let yaml = at_bedrock(clouds(&mock), &mock, "converse", "converse/", "ok");
    let yaml = at_bedrock(yaml, &mock, "unknown", "", "status-400");
    let yaml = at_bedrock(yaml, &mock, "forbidden", "", "status-403");
    let yaml = at_bedrock(yaml, &mock, "busy", "", "status-429").param("num_retries", 0);
    let yaml = yaml.deployment("nova").provider("bedrock").model("amazon.nova+ok").base(mock.origin());
    let gateway = Gateway::with(yaml.key(canary::ANTHROPIC_KEY).text()).start().await;
    let prompt = |group: &str| body::messages(group, "hi").with("system", json!("Be brief."));
    for group in ["bedrock", "invoke", "converse"] {
        let counted = gateway.post(COUNT, MASTER, prompt(group)).await;
        assert_eq!(
            (counted.status, counted.header("x-bulkhead-estimated")),
            (200, None),
            "{}",
            counted.text()
        );
        assert!(counted.json()["input_tokens"].as_u64().unwrap() > 0);
        let sent = mock.last_request().unwrap();
        assert_eq!(sent.target(), "/model/anthropic.claude%2Bok/count-tokens");
        let messages = json!([{"role": "user", "content": [{"text": "hi"}]}]);
        let asked = json!({"messages": messages, "system": [{"text": "Be brief."}]});
        assert_eq!(sent.json_body(), json!({"input": {"converse": asked}}));
    }
    let path = "/v1beta/models/bedrock:countTokens";
    let asked = json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]});
    let counted = gateway.post(path, MASTER, asked.to_string()).await;
    assert_eq!((counted.status, counted.header("x-bulkhead-estimated")), (200, None), "{}", counted.text());
    assert!(counted.json()["totalTokens"].as_u64().unwrap() > 0);
    // Of a model, in a region or to an account for which it does not count.
    let before = mock.ledger().records().len();
    for group in ["unknown", "forbidden", "unknown", "nova"] {
        let counted = gateway.post(COUNT, MASTER, prompt(group)).await;
        let estimated = counted.header("x-bulkhead-estimated");
        assert_eq!((counted.status, estimated), (200, Some("input_tokens")), "{group}: {}", counted.text());
        assert!(counted.json()["input_tokens"].as_u64().unwrap() > 0);
    }
    assert_eq!(mock.ledger().records().len(), before + 3, "nobody is asked about other makers' models");
    assert_eq!(gateway.post(COUNT, MASTER, prompt("busy")).await.status, 429);
    let records = gateway.usage_of(8).await;
    let failed: Vec<_> = records.iter().filter(|record| record["status"] != "success").collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(records.iter().all(|record| record["input_tokens"] == 0), "{records:?}");
}

#[tokio::test]
async fn what_fails_in_frames_fails_as_anywhere() {
    let mock = MockProvider::start();
    let yaml = at_bedrock(clouds(&mock), &mock, "first", "", "error-first-event");
    let yaml = at_bedrock(yaml, &mock, "later", "", "error-after-3");
    let yaml = at_bedrock(yaml, &mock, "cut", "", "close-after-3");
    let yaml = at_bedrock(yaml, &mock, "ends", "", "clean-end-after-3");
    let yaml = at_bedrock(yaml, &mock, "bytes", "", "one-byte-writes");
    let yaml = at_bedrock(yaml, &mock, "busy", "", "status-429");
    let gateway =
        Gateway::with(yaml.router("fallbacks", json!([{"first": ["claude"]}])).text()).start().await;
    // Before there is content another can answer.
    let answer = gateway.call(&asks("first", true)).await;
    assert_eq!((answer.status, answer.header("x-litellm-model-group")), (200, Some("claude")));
    let bytes = gateway.call(&asks("bytes", true)).await;
    assert_eq!((bytes.status, bytes.end), (200, End::Complete));
    for group in ["later", "cut", "ends"] {
        let answer = gateway.call(&asks(group, true)).await;
        assert_eq!(answer.status, 200, "{group}");
        let (name, data) = events(&answer).pop().unwrap();
        assert_eq!((name.as_str(), &data["type"]), ("error", &json!("error")), "{group}: {}", answer.text());
        let kind = if group == "later" { "overloaded_error" } else { "api_error" };
        assert_eq!(data["error"]["type"], kind, "{group}: {}", answer.text());
        assert_eq!(answer.text().matches("content_block_delta\n").count(), 3, "{group}: {}", answer.text());
    }
    let busy = gateway.call(&asks("busy", true)).await;
    assert_eq!((busy.status, &busy.json()["error"]["type"]), (429, &json!("rate_limit_error")));
}
