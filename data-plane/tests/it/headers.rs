//! Headers: what goes to a provider is on a list, what comes back to the client as well (design §5).

use bulkhead_testkit::client::{Answer, Request};
use bulkhead_testkit::{MockProvider, body, canary};
use serde_json::json;

use crate::support::{Gateway, MASTER, yaml};
use crate::upstream::{Step, Upstream, answer, chunk, stream_head};

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";

/// Names and values of a request that reached the mock, sorted.
fn arrived(mock: &MockProvider) -> Vec<(String, String)> {
    let mut headers = mock.last_request().unwrap().headers();
    headers.iter_mut().for_each(|(name, _)| name.make_ascii_lowercase());
    headers.sort();
    headers.retain(|(name, _)| !name.is_empty());
    headers
}

/// A request with everything that a client, a browser or a proxy may send.
fn talkative(path: &str) -> Request {
    [
        ("cookie", canary::CLIENT_COOKIE),
        ("x-forwarded-for", "10.1.2.3"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "gateway.example"),
        ("x-real-ip", "10.1.2.3"),
        ("forwarded", "for=10.1.2.3"),
        ("via", "1.1 proxy"),
        ("user-agent", "OpenAI/Python 9.9.9"),
        ("accept", "application/json"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("accept-language", "de"),
        ("origin", "https://app.example"),
        ("referer", "https://app.example/chat"),
        ("x-litellm-tags", "red, blue"),
        ("x-litellm-timeout", "30"),
        ("x-litellm-spend-logs-metadata", "{}"),
        ("x-litellm-anything", "1"),
        ("x-stainless-lang", "python"),
        ("x-custom", canary::CLIENT_HEADER),
        ("x-api-key", canary::OTHER_KEY),
        ("api-key", canary::OTHER_KEY),
        ("x-goog-api-key", canary::OTHER_KEY),
        ("ocp-apim-subscription-key", canary::OTHER_KEY),
        ("openai-beta", "assistants=v2"),
        ("openai-organization", "org-of-the-client"),
        ("openai-project", "proj-of-the-client"),
        ("idempotency-key", "once-only"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("tracestate", "a=b"),
        ("baggage", "user=alice"),
        ("te", "trailers"),
        ("connection", "keep-alive, x-hop"),
        ("x-hop", "this far"),
        ("keep-alive", "timeout=5"),
        ("proxy-authorization", "Basic c2VjcmV0"),
        ("proxy-connection", "keep-alive"),
        ("content-language", "de"),
        ("range", "bytes=0-1"),
        ("if-none-match", "x"),
        ("authorization", &format!("Bearer {MASTER}")),
    ]
    .iter()
    .fold(Request::post(path), |request, (name, value)| request.header(name, value))
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn only_what_is_on_the_list_goes_to_openai() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    let request = talkative(&format!("{CHAT}?api-version=1&key={}", canary::QUERY_KEY))
        .header("anthropic-version", "2023-06-01")
        .header("anthropic-beta", "files-api-2025-04-14");
    let body = body::chat("gpt", "hi").text();
    assert_eq!(gateway.call(&request.json(body.clone())).await.status, 200);
    let length = (body.len() - 1).to_string();
    let expected = owned(&[
        ("accept", "application/json"),
        ("accept-encoding", "identity"),
        ("authorization", &format!("Bearer {}", canary::OPENAI_KEY)),
        ("content-length", &length),
        ("content-type", "application/json"),
        ("host", &mock.addr().to_string()),
        ("idempotency-key", "once-only"),
        ("openai-beta", "assistants=v2"),
        ("user-agent", concat!("bulkhead/", env!("CARGO_PKG_VERSION"))),
    ]);
    assert_eq!(arrived(&mock), expected);
    assert_eq!(mock.last_request().unwrap().target(), CHAT);
}

#[tokio::test]
async fn only_what_is_on_the_list_goes_to_anthropic() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    let request = talkative(&format!("{MESSAGES}?beta=true&key={}", canary::QUERY_KEY))
        .header("anthropic-version", "2023-01-01")
        .header("anthropic-beta", "files-api-2025-04-14")
        .header("anthropic-dangerous-direct-browser-access", "true");
    let body = body::messages("claude", "hi").text();
    assert_eq!(gateway.call(&request.json(body.clone())).await.status, 200);
    let length = (body.len() - "claude".len() + "ok".len()).to_string();
    let expected = owned(&[
        ("accept", "application/json"),
        ("accept-encoding", "identity"),
        ("anthropic-beta", "files-api-2025-04-14"),
        ("anthropic-version", "2023-01-01"),
        ("content-length", &length),
        ("content-type", "application/json"),
        ("host", &mock.addr().to_string()),
        ("idempotency-key", "once-only"),
        ("openai-beta", "assistants=v2"),
        ("user-agent", concat!("bulkhead/", env!("CARGO_PKG_VERSION"))),
        ("x-api-key", canary::ANTHROPIC_KEY),
    ]);
    assert_eq!(arrived(&mock), expected);
    assert_eq!(mock.last_request().unwrap().target(), MESSAGES);
}

#[tokio::test]
async fn a_silent_client_gets_the_defaults() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    // No content type, no accept, no version.
    let request = Request::post(MESSAGES).bearer(MASTER).body(body::messages("claude", "hi").text());
    assert_eq!(gateway.call(&request).await.status, 200);
    let names: Vec<_> = arrived(&mock).into_iter().map(|(name, _)| name).collect();
    let expected = [
        "accept-encoding",
        "anthropic-version",
        "content-length",
        "content-type",
        "host",
        "user-agent",
        "x-api-key",
    ];
    assert_eq!(names, expected);
    assert_eq!(mock.last_request().unwrap().header("anthropic-version"), Some("2023-06-01".to_owned()));
}

#[tokio::test]
async fn other_headers_of_the_client_are_forwarded_only_where_the_operator_says_so() {
    let mock = MockProvider::start();
    let yaml = yaml(&mock).general("forward_client_headers_to_llm_api", true);
    let gateway = Gateway::with(yaml.general("litellm_key_header_name", "x-my-key").text()).start().await;
    let request = talkative(CHAT)
        .header("X-Mixed-Case", "Kept As It Is")
        .header("x-twice", "1")
        .header("x-twice", "2")
        .header("x-my-key", MASTER);
    assert_eq!(gateway.call(&request.json(body::chat("gpt", "hi"))).await.status, 200);
    let forwarded: Vec<_> = arrived(&mock).into_iter().filter(|(name, _)| name.starts_with("x-")).collect();
    let expected = owned(&[
        ("x-custom", canary::CLIENT_HEADER),
        ("x-mixed-case", "Kept As It Is"),
        ("x-twice", "1"),
        ("x-twice", "2"),
    ]);
    assert_eq!(forwarded, expected);
    let sent = mock.last_request().unwrap();
    for name in
        ["cookie", "forwarded", "via", "te", "connection", "keep-alive", "proxy-authorization", "origin"]
    {
        assert_eq!(sent.header(name), None, "{name}");
    }
}

#[tokio::test]
async fn the_deployments_headers_go_over_everything() {
    let mock = MockProvider::start();
    let headers = json!({
        "X-Team": "red",
        "x-custom": "ours",
        "accept": "text/ours",
        "user-agent": "ours/1",
        "openai-beta": "ours=v1",
        "idempotency-key": "ours",
        "authorization": format!("Bearer {}", canary::EXTRA_HEADER),
    });
    let yaml = yaml(&mock)
        .general("forward_client_headers_to_llm_api", true)
        .deployment("extra")
        .provider("openai")
        .model("ok")
        .base(mock.base_url())
        .key(canary::OPENAI_KEY)
        .param("organization", "org-ours")
        .param("extra_headers", headers)
        .deployment("claude-extra")
        .provider("anthropic")
        .model("ok")
        .base(mock.origin())
        .key(canary::ANTHROPIC_KEY)
        .param("extra_headers", json!({"anthropic-beta": "ours-2026", "anthropic-version": "2024-01-01"}));
    let gateway = Gateway::with(yaml.text()).start().await;
    assert_eq!(gateway.call(&talkative(CHAT).json(body::chat("extra", "hi"))).await.status, 200);
    let sent = arrived(&mock);
    for (name, value) in [
        ("x-team", "red"),
        ("x-custom", "ours"),
        ("accept", "text/ours"),
        ("user-agent", "ours/1"),
        ("openai-beta", "ours=v1"),
        ("openai-organization", "org-ours"),
        ("idempotency-key", "ours"),
        ("authorization", &format!("Bearer {}", canary::EXTRA_HEADER)),
        ("accept-encoding", "identity"),
    ] {
        let values: Vec<_> = sent.iter().filter(|(sent, _)| sent == name).map(|(_, value)| value).collect();
        assert_eq!(values, [value], "{name}");
    }
    let request = talkative(MESSAGES).header("anthropic-beta", "files-api-2025-04-14");
    assert_eq!(gateway.call(&request.json(body::messages("claude-extra", "hi"))).await.status, 200);
    let sent = mock.last_request().unwrap();
    assert_eq!(sent.header("anthropic-beta"), Some("ours-2026".to_owned()));
    assert_eq!(sent.header("anthropic-version"), Some("2024-01-01".to_owned()));
}

#[tokio::test]
async fn settings_go_over_the_table_of_betas_and_are_read_again() {
    let mock = MockProvider::start();
    let with =
        |betas: serde_json::Value| yaml(&mock).setting("bulkhead_settings", "anthropic_beta_headers", betas);
    let file = with(json!({"anthropic": {"brand-new-2030-01-01": null}}));
    let gateway = Gateway::with(file.text()).start().await;
    let call = async || {
        let request =
            Request::post(MESSAGES).anthropic(MASTER).header("anthropic-beta", "brand-new-2030-01-01");
        let answer = gateway.call(&request.json(body::messages("claude", "hi"))).await;
        let dropped = answer.header("x-bulkhead-dropped-params").map(str::to_owned);
        (mock.last_request().unwrap().header("anthropic-beta"), dropped)
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(call().await, (None, some("brand-new-2030-01-01")));
    let newer = with(json!({"anthropic": {"brand-new-2030-01-01": "newer-2031-01-01"}}));
    std::fs::write(gateway.config(), newer.text()).unwrap();
    gateway.until_metric("bulkhead_config_reloads_total", &[], 1.0).await;
    assert_eq!(call().await, (some("newer-2031-01-01"), None));
}

#[tokio::test]
async fn betas_are_filtered_by_the_table_and_the_dropped_ones_named() {
    let mock = MockProvider::start();
    let yaml = yaml(&mock)
        .deployment("vllm")
        .provider("hosted_vllm")
        .model("ok")
        .base(mock.base_url())
        .key(canary::OPENAI_KEY);
    let gateway = Gateway::with(yaml.text()).start().await;
    let call = async |model: &str, betas: &[&str]| {
        let request = Request::post(MESSAGES).anthropic(MASTER);
        let request = betas.iter().fold(request, |request, beta| request.header("anthropic-beta", beta));
        let answer = gateway.call(&request.json(body::messages(model, "hi"))).await;
        let dropped = answer.header("x-bulkhead-dropped-params").map(str::to_owned);
        (mock.last_request().unwrap().header("anthropic-beta"), dropped)
    };
    let some = |text: &str| Some(text.to_owned());
    for (model, betas, kept, dropped) in [
        ("claude", &["files-api-2025-04-14"][..], some("files-api-2025-04-14"), None),
        (
            "claude",
            &["files-api-2025-04-14, brand-new-2030-01-01", "bash_20241022,effort-2025-11-24"],
            some("files-api-2025-04-14,brand-new-2030-01-01,effort-2025-11-24"),
            some("bash_20241022"),
        ),
        ("claude", &["bash_20241022"], None, some("bash_20241022")),
        ("claude", &[" , "], None, None),
    ] {
        assert_eq!(call(model, betas).await, (kept, dropped), "{betas:?}");
    }
    // Who does not define the betas gets only those that the table lists for it.
    let (kept, dropped) = call("vllm", &["files-api-2025-04-14", "brand-new-2030-01-01"]).await;
    assert_eq!((kept, dropped), (None, some("files-api-2025-04-14,brand-new-2030-01-01")));
    assert!((gateway.metric("bulkhead_dropped_params_total", &[]).await - 4.0).abs() < 0.1);
}

/// Everything that a provider, or what stands before it, may send.
const FROM_PROVIDER: &[(&str, &str)] = &[
    ("content-type", "application/json; charset=utf-8"),
    ("set-cookie", canary::PROVIDER_COOKIE),
    ("set-cookie", "b=2"),
    ("Set-Cookie2", "c=3"),
    ("connection", "keep-alive, X-Hop"),
    ("x-hop", "this far"),
    ("keep-alive", "timeout=5"),
    ("proxy-authenticate", "Basic"),
    ("proxy-authentication-info", "x"),
    ("te", "trailers"),
    ("trailer", "x-sum"),
    ("upgrade", "h2c"),
    ("content-encoding", "identity"),
    ("alt-svc", "h3=\":443\""),
    ("strict-transport-security", "max-age=1"),
    ("retry-after", "3"),
    ("request-id", "req-1"),
    ("x-request-id", "req-2"),
    ("x-ratelimit-remaining-tokens", "99"),
    ("anthropic-ratelimit-tokens-remaining", "98"),
    ("server", "cloudflare"),
    ("x-twice", "1"),
    ("x-twice", "2"),
    ("x-litellm-call-id", "of the provider"),
    ("x-litellm-response-cost", "99"),
    ("x-bulkhead-dropped-params", "of the provider"),
    ("cache-control", "public"),
    ("x-accel-buffering", "yes"),
    ("access-control-allow-origin", "*"),
    ("OpenAI-Processing-MS", "12"),
];

/// What of it the client sees, name and value.
const TO_CLIENT: &[(&str, &str)] = &[
    ("anthropic-ratelimit-tokens-remaining", "98"),
    ("llm_provider-access-control-allow-origin", "*"),
    ("llm_provider-cache-control", "public"),
    ("llm_provider-openai-processing-ms", "12"),
    ("llm_provider-server", "cloudflare"),
    ("llm_provider-x-accel-buffering", "yes"),
    ("llm_provider-x-bulkhead-dropped-params", "of the provider"),
    ("llm_provider-x-litellm-call-id", "of the provider"),
    ("llm_provider-x-litellm-response-cost", "99"),
    ("llm_provider-x-twice", "1"),
    ("llm_provider-x-twice", "2"),
    ("request-id", "req-1"),
    ("retry-after", "3"),
    ("x-ratelimit-remaining-tokens", "99"),
    ("x-request-id", "req-2"),
];

/// The headers of an answer but for the gateway's own, sorted.
fn passed_on(answer: &Answer) -> Vec<(String, String)> {
    let ours = ["content-type", "content-length", "transfer-encoding", "date"];
    let mut headers: Vec<_> = answer
        .headers
        .iter()
        .map(|(name, value)| (name.to_lowercase(), value.clone()))
        .filter(|(name, _)| !name.starts_with("x-litellm-") && !ours.contains(&name.as_str()))
        .collect();
    headers.sort();
    headers
}

const ANSWER: &str = r#"{"id":"x","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"model":"m","usage":{"prompt_tokens":1,"completion_tokens":1}}"#;
const EVENT: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"},\"finish_reason\":\"stop\"}]}\n\n";

/// A gateway before such a provider: `whole` answers in one piece, `refuse` with an error, `stream` in events.
async fn before(upstream: &Upstream, mock: &MockProvider) -> Gateway {
    let yaml = ["whole", "refuse", "stream"].iter().fold(yaml(mock), |yaml, model| {
        yaml.deployment(model)
            .provider("openai")
            .model(model)
            .base(upstream.base_url())
            .key(canary::OPENAI_KEY)
    });
    Gateway::with(yaml.text()).start().await
}

#[tokio::test]
async fn the_client_sees_the_providers_headers_under_a_name_that_says_so() {
    let upstream = Upstream::start(|asked| {
        if asked.body.contains("\"refuse\"") {
            return vec![Step::Send(answer("429 Too Many", FROM_PROVIDER, r#"{"error":{"message":"no"}}"#))];
        }
        if asked.body.contains("\"whole\"") {
            return vec![Step::Send(answer("200 OK", FROM_PROVIDER, ANSWER))];
        }
        let events = format!("{EVENT}data: [DONE]\n\n");
        let headers: Vec<_> = std::iter::once(("content-type", "text/event-stream"))
            .chain(FROM_PROVIDER.iter().skip(1).copied())
            .collect();
        vec![Step::Send(answer("200 OK", &headers, &events))]
    })
    .await;
    let mock = MockProvider::start();
    let gateway = before(&upstream, &mock).await;
    for model in ["whole", "refuse"] {
        let answer = gateway.post(CHAT, MASTER, body::chat(model, "hi")).await;
        assert_eq!(answer.status, if model == "whole" { 200 } else { 429 });
        assert_eq!(passed_on(&answer), owned(TO_CLIENT), "{model}");
        let kind = if model == "whole" { "application/json; charset=utf-8" } else { "application/json" };
        assert_eq!(answer.header("content-type"), Some(kind));
        assert_eq!(answer.header("x-litellm-call-id").map(str::len), Some(36), "{model}");
    }
    let answer = gateway.post(CHAT, MASTER, body::chat("stream", "hi").stream()).await;
    assert_eq!(answer.events().len(), 2);
    let mut expected = owned(TO_CLIENT);
    expected.extend(owned(&[("cache-control", "no-cache"), ("x-accel-buffering", "no")]));
    expected.sort();
    assert_eq!(passed_on(&answer), expected);
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert_eq!(answer.header("content-length"), None);
}

#[tokio::test]
async fn an_interim_answer_and_trailers_of_the_provider_stay_with_the_gateway() {
    let upstream = Upstream::start(|asked| {
        let early = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".to_vec();
        let mut steps = vec![Step::Send(early), Step::Send(stream_head()), Step::Send(chunk(EVENT))];
        steps.push(Step::Send(chunk("data: [DONE]\n\n")));
        let trailer = if asked.body.contains("stream") { "x-sum: 1\r\n" } else { "" };
        steps.push(Step::Send(format!("0\r\n{trailer}\r\n").into_bytes()));
        steps
    })
    .await;
    let mock = MockProvider::start();
    let gateway = before(&upstream, &mock).await;
    for _ in 0..2 {
        let answer = gateway.post(CHAT, MASTER, body::chat("stream", "hi").stream()).await;
        assert_eq!((answer.status, answer.events().len()), (200, 2));
        assert!(answer.header("link").is_none() && answer.header("llm_provider-link").is_none());
        assert!(!answer.text().contains("x-sum") && answer.raw.ends_with(b"\r\n0\r\n\r\n"));
    }
    assert_eq!(upstream.asked().len(), 2);
}
