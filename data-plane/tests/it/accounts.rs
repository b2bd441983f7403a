//! Deployments whose provider is a cloud's: requests are signed, or carry a token that was fetched.

mod clock;
mod fetched;
mod http2;
mod signature;

use bulkhead_dialect::frames::write_event;
use bulkhead_testkit::{GatewayYaml, body, canary};
use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};

use crate::support::{Gateway, MASTER};
use crate::upstream::{Asked, Step, Upstream, answer};
use signature::{Signer, assert_signed, header};

const CHAT: &str = "/v1/chat/completions";
const KEY_ID: &str = "AKIDEXAMPLE0123";
/// A model's name with what is encoded in a path.
const MODEL: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

const STATIC: Signer<'_> = Signer {
    access_key_id: KEY_ID,
    secret: canary::AWS_SECRET,
    session: Some(canary::AWS_SESSION),
    region: "eu-central-1",
    service: "bedrock",
};

/// Bedrock, as far as Converse goes.
fn converse(asked: &Asked) -> Vec<Step> {
    if asked.head.contains("/converse-stream") {
        let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\n";
        let frames = frames();
        let length = format!("content-length: {}\r\n\r\n", frames.len());
        return vec![Step::Send([&head[..], length.as_bytes(), &frames].concat())];
    }
    vec![Step::Send(answer("200 OK", &[("content-type", "application/json")], &said().to_string()))]
}

fn said() -> Value {
    json!({
        "output": {"message": {"role": "assistant", "content": [{"text": "Hello"}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 3, "outputTokens": 1, "totalTokens": 4},
        "metrics": {"latencyMs": 1},
    })
}

fn frames() -> BytesMut {
    let mut out = BytesMut::new();
    for (name, payload) in [
        ("messageStart", json!({"role": "assistant"})),
        ("contentBlockDelta", json!({"contentBlockIndex": 0, "delta": {"text": "Hello"}})),
        ("contentBlockStop", json!({"contentBlockIndex": 0})),
        ("messageStop", json!({"stopReason": "end_turn"})),
        ("metadata", json!({"usage": {"inputTokens": 3, "outputTokens": 1, "totalTokens": 4}})),
    ] {
        write_event(name, Bytes::from(payload.to_string()), &mut out);
    }
    out
}

fn bedrock(upstream: &Upstream) -> GatewayYaml {
    let yaml = GatewayYaml::new().master_key(MASTER).deployment("claude").provider("bedrock").model(MODEL);
    yaml.base(upstream.origin()).param("aws_region_name", STATIC.region)
}

fn with_keys(yaml: GatewayYaml) -> GatewayYaml {
    yaml.param("aws_access_key_id", KEY_ID)
        .param("aws_secret_access_key", canary::AWS_SECRET)
        .param("aws_session_token", canary::AWS_SESSION)
}

fn prompt(text: &str) -> Value {
    json!({"messages": [{"role": "user", "content": [{"text": text}]}]})
}

#[tokio::test]
async fn what_goes_to_bedrock_is_signed_with_static_keys() {
    let upstream = Upstream::start(converse).await;
    let gateway = Gateway::with(with_keys(bedrock(&upstream)).text()).start().await;
    let large = prompt(&"x".repeat(1 << 20));
    for (path, body) in [
        ("/model/claude/converse", prompt("Hi")),
        ("/model/claude/converse-stream", prompt("Hi")),
        ("/model/claude/converse", large),
        (CHAT, serde_json::from_str(&body::chat("claude", "Hi").text()).unwrap()),
        (CHAT, serde_json::from_str(&body::chat("claude", "Hi").stream().text()).unwrap()),
    ] {
        let answer = gateway.post(path, MASTER, body.to_string()).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert!(answer.text().contains("Hello"), "{path}: {}", answer.text());
    }
    let asked = upstream.asked();
    assert_eq!(asked.len(), 5);
    for asked in &asked {
        assert!(asked.head.contains("/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"));
        assert_signed(asked, STATIC);
    }
}

/// Titan takes one text at a time.
#[tokio::test]
async fn each_part_of_a_request_is_signed() {
    let vectors = |_: &Asked| {
        let body = json!({"embedding": [0.5], "inputTextTokenCount": 1}).to_string();
        vec![Step::Send(answer("200 OK", &[("content-type", "application/json")], &body))]
    };
    let upstream = Upstream::start(vectors).await;
    let yaml = GatewayYaml::new().master_key(MASTER).deployment("titan").provider("bedrock");
    let yaml = yaml.model("amazon.titan-embed-text-v2:0").base(upstream.origin());
    let yaml = with_keys(yaml.param("aws_region_name", STATIC.region));
    let gateway = Gateway::with(yaml.text()).start().await;
    let body = json!({"model": "titan", "input": ["a", "b", "c"]}).to_string();
    let answer = gateway.post("/v1/embeddings", MASTER, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["data"].as_array().unwrap().len(), 3);
    let asked = upstream.asked();
    assert_eq!(asked.len(), 3);
    for asked in &asked {
        assert!(asked.head.contains("/model/amazon.titan-embed-text-v2%3A0/invoke "), "{}", asked.head);
        assert_signed(asked, STATIC);
    }
}

#[tokio::test]
async fn what_a_client_signed_for_the_gateway_does_not_go_on() {
    let upstream = Upstream::start(converse).await;
    let yaml = with_keys(bedrock(&upstream)).param("extra_headers", json!({"x-amz-team": "red  blue"}));
    let yaml = yaml.general("forward_client_headers_to_llm_api", true);
    let gateway = Gateway::with(yaml.text()).start().await;
    let request = bulkhead_testkit::client::Request::post("/model/claude/converse").bearer(MASTER);
    let request = request.header("x-amz-content-sha256", "0").header("x-amz-date", "19700101T000000Z");
    let request = request.header("x-amz-security-token", "a client's").header("x-mine", "1");
    let answer = gateway.call(&request.json(prompt("Hi").to_string())).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let asked = &upstream.asked()[0];
    assert_eq!(header(asked, "x-mine").as_deref(), Some("1"));
    assert_eq!(header(asked, "x-amz-content-sha256"), None);
    assert!(header(asked, "x-amz-team").is_some());
    assert_eq!(asked.head.matches("x-amz-date").count(), 2, "the header, and its name among the signed");
}

#[tokio::test]
async fn a_key_of_bedrocks_goes_before_a_signature() {
    let upstream = Upstream::start(converse).await;
    let yaml = with_keys(bedrock(&upstream)).key(canary::OPENAI_KEY);
    let gateway = Gateway::with(yaml.text()).start().await;
    let answer = gateway.post("/model/claude/converse", MASTER, prompt("Hi").to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let bearer = format!("Bearer {}", canary::OPENAI_KEY);
    assert_eq!(header(&upstream.asked()[0], "authorization"), Some(bearer));
    gateway.until_log("that one counts").await;
}

#[tokio::test]
async fn azure_is_asked_with_a_token_where_there_is_no_key() {
    let answered = body_of_a_chat();
    let upstream = Upstream::start(move |_| vec![Step::Send(answered.clone())]).await;
    let yaml = GatewayYaml::new().master_key(MASTER).deployment("gpt").provider("azure").model("gpt-4o");
    let yaml = yaml.base(upstream.origin()).param("api_version", "2024-10-21");
    let yaml = yaml.param("azure_ad_token", canary::ACCESS_TOKEN);
    let gateway = Gateway::with(yaml.text()).start().await;
    let answer = gateway.post(CHAT, MASTER, body::chat("gpt", "Hi").text()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let asked = &upstream.asked()[0];
    assert_eq!(header(asked, "authorization"), Some(format!("Bearer {}", canary::ACCESS_TOKEN)));
    assert_eq!(header(asked, "api-key"), None);
}

fn body_of_a_chat() -> Vec<u8> {
    let body = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
    });
    answer("200 OK", &[("content-type", "application/json")], &body.to_string())
}

/// A provider that repeats what it was sent: as AWS does of a signature that it did not expect.
#[tokio::test]
async fn what_the_provider_repeats_of_a_token_goes_no_further() {
    let upstream = Upstream::start(|asked| {
        let said = json!({"message": format!("The Canonical String should have been {}", asked.head)});
        vec![Step::Send(answer("403 Forbidden", &[("content-type", "application/json")], &said.to_string()))]
    })
    .await;
    let yaml = with_keys(bedrock(&upstream)).setting("bulkhead_settings", "upstream_auth_errors", "litellm");
    let gateway = Gateway::with(yaml.text()).start().await;
    // The gateway of the test looks for canaries in what it answers.
    let answer = gateway.post("/model/claude/converse", MASTER, prompt("Hi").to_string()).await;
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert!(answer.text().contains("Canonical String"), "{}", answer.text());
}
