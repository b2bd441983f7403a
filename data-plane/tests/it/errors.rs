//! LiteLLM's error table (reference/litellm.md §4.6), row by row and in both dialects.

use bulkhead_model::KeyHash;
use bulkhead_testkit::client::{Answer, Request};
use bulkhead_testkit::{GatewayYaml, MockProvider, body, canary, free_port};
use serde_json::{Value, json};

use crate::support::{Gateway, MASTER, faulty, yaml};

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";

/// What an error answer has to say.
#[derive(Debug, Clone, Copy)]
struct Row {
    status: u16,
    kind: &'static str,
    param: Option<&'static str>,
}

const fn row(status: u16, kind: &'static str, param: Option<&'static str>) -> Row {
    Row { status, kind, param }
}

const BAD_REQUEST: Row = row(400, "invalid_request_error", None);

/// OpenAI's envelope with exactly its four members; returns the message.
fn openai_error(answer: &Answer, row: Row, case: &str) -> String {
    let said = answer.json();
    assert_eq!(answer.status, row.status, "{case}: {said}");
    assert_eq!(answer.header("content-type"), Some("application/json"), "{case}");
    let message = said["error"]["message"].as_str().unwrap_or_default().to_owned();
    let expected = json!({"error": {
        "message": message,
        "type": row.kind,
        "param": row.param,
        "code": row.status.to_string(),
    }});
    assert_eq!(said, expected, "{case}");
    message
}

/// Anthropic's envelope; returns the message.
fn anthropic_error(answer: &Answer, status: u16, kind: &str, case: &str) -> String {
    let said = answer.json();
    assert_eq!(answer.status, status, "{case}: {said}");
    assert_eq!(answer.header("content-type"), Some("application/json"), "{case}");
    let message = said["error"]["message"].as_str().unwrap_or_default().to_owned();
    assert_eq!(said, json!({"type": "error", "error": {"type": kind, "message": message}}), "{case}");
    message
}

fn names_with(answer: &Answer, prefix: &str) -> Vec<String> {
    let names = answer.headers.iter().map(|(name, _)| name.to_lowercase());
    names.filter(|name| name.starts_with(prefix)).collect()
}

/// What every error after authentication carries.
fn has_error_headers(answer: &Answer, case: &str) {
    assert!(answer.header("x-litellm-call-id").is_some_and(|id| id.len() == 36), "{case}");
    assert_eq!(answer.header("x-litellm-response-cost"), Some("0"), "{case}");
}

/// What the errors of a provider carry on top of that.
fn has_provider_headers(answer: &Answer, timeout: &str, case: &str) {
    has_error_headers(answer, case);
    assert_eq!(answer.header("x-litellm-timeout"), Some(timeout), "{case}");
    assert!(answer.header("x-litellm-model-id").is_some(), "{case}");
    assert!(answer.header("x-litellm-key-spend").is_some(), "{case}");
}

fn keys(yaml: GatewayYaml) -> GatewayYaml {
    yaml.virtual_key(canary::VIRTUAL_KEY)
        .limit("key_alias", "works")
        .virtual_key(canary::EXPIRED_KEY)
        .limit("expires", "2020-01-31T12:00:00Z")
        .virtual_key(canary::OTHER_KEY)
        .limit("blocked", true)
}

const LIMITED: &str = "sk-limited-to-one-model-and-route-x7";

/// A header with a key, what is answered, and how the message begins.
type AuthRow = (&'static str, Option<(&'static str, String)>, Row, String);

fn auth_rows() -> Vec<AuthRow> {
    let bearer = |key: &str| Some(("authorization", format!("Bearer {key}")));
    let hash = KeyHash::of(canary::UNKNOWN_KEY);
    vec![
        (
            "no key",
            None,
            row(401, "auth_error", Some("None")),
            "Authentication Error, No api key passed in.".to_owned(),
        ),
        (
            "malformed",
            Some(("authorization", "Basic abc".to_owned())),
            row(401, "auth_error", Some("None")),
            "Authentication Error, Malformed API Key passed in. Ensure Key has `Bearer ` prefix.".to_owned(),
        ),
        (
            "not sk-",
            bearer("abcdefghijklmnopqrstuvwxyz"),
            row(401, "auth_error", Some("None")),
            "Authentication Error, LiteLLM Virtual Key expected. Received=abcd****wxyz, expected to start with 'sk-'."
                .to_owned(),
        ),
        (
            "not sk- and short",
            bearer("hunter2"),
            row(401, "auth_error", Some("None")),
            "Authentication Error, LiteLLM Virtual Key expected. Received=****, expected to start with 'sk-'."
                .to_owned(),
        ),
        (
            "unknown",
            bearer(canary::UNKNOWN_KEY),
            row(401, "token_not_found_in_db", Some("key")),
            format!(
                "Authentication Error, Invalid proxy server token passed. Received API Key = sk-...I-a3, Key Hash (Token) \
                 ={hash}. Unable to find token in cache or `LiteLLM_VerificationTokenTable`"
            ),
        ),
        (
            "blocked",
            bearer(canary::OTHER_KEY),
            row(401, "auth_error", Some("None")),
            "Authentication Error, Key is blocked. Update via `/key/unblock` if you're an admin.".to_owned(),
        ),
        (
            "expired",
            bearer(canary::EXPIRED_KEY),
            row(401, "expired_key", Some("sk-...C-a4")),
            "Authentication Error - Expired Key. Key Expiry time 2020-01-31T12:00:00.000Z and current time 20".to_owned(),
        ),
    ]
}

#[tokio::test]
async fn every_failure_of_a_key_is_litellms_and_tells_nothing_else() {
    let mock = MockProvider::start();
    let gateway = Gateway::with(keys(yaml(&mock)).text()).start().await;
    for (case, header, expected, message) in auth_rows() {
        for path in [CHAT, "/v1/completions", "/v1/embeddings", "/v1/responses", "/v1/models"] {
            let request = if path == "/v1/models" { Request::get(path) } else { Request::post(path) };
            let request = header.iter().fold(request, |request, (name, value)| request.header(name, value));
            let answer = gateway.call(&request.json(body::chat("gpt", "hi"))).await;
            let said = openai_error(&answer, expected, &format!("{case} {path}"));
            assert!(said.starts_with(&message), "{case}: {said}");
            assert!(said == message || case == "expired", "{case}: {said}");
            for prefix in ["x-litellm", "x-ratelimit", "llm_provider", "x-bulkhead", "retry-after"] {
                assert_eq!(names_with(&answer, prefix), Vec::<String>::new(), "{case}");
            }
        }
        let request = header.iter().fold(Request::post(MESSAGES), |it, (name, value)| it.header(name, value));
        let answer = gateway.call(&request.json(body::messages("claude", "hi"))).await;
        let said = anthropic_error(&answer, 401, "authentication_error", case);
        assert!(said.starts_with(&message), "{case}: {said}");
    }
    assert_eq!(mock.ledger().count(), 0);
}

#[tokio::test]
async fn a_key_is_held_to_its_models_and_routes() {
    let mock = MockProvider::start();
    let yaml = yaml(&mock)
        .virtual_key(LIMITED)
        .limit("models", vec!["gpt"])
        .limit("allowed_routes", vec!["/v1/chat/completions", "anthropic_routes"]);
    let gateway = Gateway::with(yaml.text()).start().await;
    let denied = row(403, "key_model_access_denied", Some("model"));
    for model in ["embed", "no-such-model", "gpt-", "GPT"] {
        let answer = gateway.post(CHAT, LIMITED, body::chat(model, "hi")).await;
        let said = openai_error(&answer, denied, model);
        let expected = format!(
            "The requested model '{model}' is not available for this API key, or the model name is invalid. Check the \
             models available to you and try again."
        );
        assert_eq!(said, expected);
        has_error_headers(&answer, model);
    }
    let answer = gateway.post(MESSAGES, LIMITED, body::messages("claude", "hi")).await;
    let said = anthropic_error(&answer, 403, "permission_error", "claude");
    assert!(said.starts_with("The requested model 'claude' is not available"), "{said}");

    for path in ["/v1/embeddings", "/chat/completions", "/v1/models"] {
        let request = if path == "/v1/models" { Request::get(path) } else { Request::post(path) };
        let answer = gateway.call(&request.bearer(LIMITED).json(body::embeddings("gpt", "hi"))).await;
        let said = openai_error(&answer, row(403, "auth_error", Some("None")), path);
        let expected = format!(
            "Virtual key is not allowed to call this route. Only allowed to call routes: ['/v1/chat/completions', \
             'anthropic_routes']. Tried to call route: {path}"
        );
        assert_eq!(said, expected);
    }
    assert_eq!(mock.ledger().count(), 0);
    assert_eq!(gateway.post(CHAT, LIMITED, body::chat("gpt", "hi")).await.status, 200);
}

#[tokio::test]
async fn an_unknown_model_is_told_to_those_who_may_use_all() {
    let mock = MockProvider::start();
    let gateway = Gateway::with(keys(yaml(&mock)).text()).start().await;
    let expected =
        "litellm.BadRequestError: You passed in model=nope. There are no healthy deployments for this model";
    for key in [MASTER, canary::VIRTUAL_KEY] {
        let answer = gateway.post(CHAT, key, body::chat("nope", "hi")).await;
        assert_eq!(openai_error(&answer, BAD_REQUEST, "nope"), expected);
        has_error_headers(&answer, "nope");
        let answer = gateway.post(MESSAGES, key, body::messages("nope", "hi")).await;
        assert_eq!(anthropic_error(&answer, 400, "invalid_request_error", "nope"), expected);
        has_error_headers(&answer, "nope");
    }
}

/// A fault of the mock and what becomes of it: status, type, and how the message begins. `{}` is the provider's name
/// in messages.
type Refusal = (&'static str, u16, &'static str, &'static str, &'static str);

const REFUSALS: &[Refusal] = &[
    (
        "context-window",
        400,
        "invalid_request_error",
        "invalid_request_error",
        "litellm.ContextWindowExceededError: litellm.BadRequestError: ContextWindowExceededError: {} - ",
    ),
    (
        "content-policy",
        400,
        "invalid_request_error",
        "invalid_request_error",
        "litellm.ContentPolicyViolationError: litellm.BadRequestError: ContentPolicyViolationError: {} - ",
    ),
    (
        "status-400",
        400,
        "invalid_request_error",
        "invalid_request_error",
        "litellm.BadRequestError: {} - The request is not valid.",
    ),
    (
        "status-404",
        404,
        "invalid_request_error",
        "not_found_error",
        "litellm.NotFoundError: NotFoundError: {} - ",
    ),
    (
        "status-408",
        408,
        "invalid_request_error",
        "timeout_error",
        "litellm.Timeout: Timeout Error: {} - Request timed out.",
    ),
    (
        "status-409",
        409,
        "invalid_request_error",
        "api_error",
        "litellm.BadRequestError: {} - The resource was changed by another request.",
    ),
    ("status-413", 413, "invalid_request_error", "request_too_large", "litellm.BadRequestError: {} - "),
    (
        "status-422",
        422,
        "invalid_request_error",
        "invalid_request_error",
        "litellm.BadRequestError: {} - The request is not valid.",
    ),
    (
        "status-429",
        429,
        "throttling_error",
        "rate_limit_error",
        "litellm.RateLimitError: RateLimitError: {} - ",
    ),
    (
        "status-500",
        500,
        "internal_server_error",
        "api_error",
        "litellm.InternalServerError: InternalServerError: {} - ",
    ),
    (
        "status-502",
        500,
        "internal_server_error",
        "api_error",
        "litellm.InternalServerError: InternalServerError: {} - 502 Bad Gateway",
    ),
    (
        "status-503",
        503,
        "service_unavailable_error",
        "overloaded_error",
        "litellm.ServiceUnavailableError: ServiceUnavailableError: {} - ",
    ),
    (
        "status-504",
        408,
        "invalid_request_error",
        "timeout_error",
        "litellm.Timeout: Timeout Error: {} - Request timed out.",
    ),
    (
        "529",
        503,
        "service_unavailable_error",
        "overloaded_error",
        "litellm.ServiceUnavailableError: ServiceUnavailableError: {} - Overloaded",
    ),
    (
        "status-307",
        502,
        "internal_server_error",
        "api_error",
        "litellm.InternalServerError: InternalServerError: {} - unexpected status 307",
    ),
    (
        "rst",
        500,
        "internal_server_error",
        "api_error",
        "litellm.InternalServerError: InternalServerError: {} - Connection error.",
    ),
    (
        "empty-200",
        502,
        "internal_server_error",
        "api_error",
        "litellm.InternalServerError: InternalServerError: {} - the answer could not be read",
    ),
    (
        "html-200",
        502,
        "internal_server_error",
        "api_error",
        "litellm.InternalServerError: InternalServerError: {} - the answer could not be read",
    ),
    (
        "bad-json",
        502,
        "internal_server_error",
        "api_error",
        "litellm.InternalServerError: InternalServerError: {} - the answer could not be read",
    ),
];

/// Every refusal as a model group of OpenAI's (`gpt-…`) and of Anthropic's (`claude-…`).
fn refusing(mock: &MockProvider) -> GatewayYaml {
    let yaml = yaml(mock).virtual_key(canary::VIRTUAL_KEY);
    REFUSALS.iter().fold(yaml, |yaml, (model, ..)| {
        let yaml = faulty(yaml, mock, &format!("gpt-{model}"), model);
        faulty(yaml, mock, &format!("claude-{model}"), model)
    })
}

#[tokio::test]
async fn a_providers_refusal_comes_in_openais_dialect_with_litellms_words() {
    let mock = MockProvider::start();
    let gateway = Gateway::with(refusing(&mock).text()).start().await;
    for (model, status, kind, _, message) in REFUSALS {
        let group = format!("gpt-{model}");
        for (path, body) in [
            (CHAT, body::chat(&group, "hi")),
            (CHAT, body::chat(&group, "hi").stream()),
            ("/v1/completions", body::completions(&group, "hi")),
            ("/v1/embeddings", body::embeddings(&group, "hi")),
            ("/v1/responses", body::responses(&group, "hi").stream()),
        ] {
            let streams = body.text().contains("stream");
            if streams && model.ends_with("-200") {
                // A stream that is none is in streams.rs.
                continue;
            }
            let answer = gateway.post(path, canary::VIRTUAL_KEY, body).await;
            let case = format!("{model} {path}");
            let said = openai_error(&answer, row(*status, kind, None), &case);
            assert!(said.starts_with(&message.replace("{}", "OpenAIException")), "{case}: {said}");
            has_provider_headers(&answer, "6000.0", &case);
            // What the provider took is not the gateway's overhead.
            let millis = |name: &str| answer.header(name).and_then(|text| text.parse::<f64>().ok()).unwrap();
            let overhead = millis("x-litellm-overhead-duration-ms");
            assert!(overhead < millis("x-litellm-response-duration-ms"), "{case}");
        }
    }
}

#[tokio::test]
async fn a_providers_refusal_comes_in_anthropics_dialect_with_litellms_words() {
    let mock = MockProvider::start();
    let gateway = Gateway::with(refusing(&mock).text()).start().await;
    for (model, status, _, kind, message) in REFUSALS {
        let group = format!("claude-{model}");
        for (path, body) in [
            (MESSAGES, body::messages(&group, "hi")),
            ("/v1/messages/count_tokens", body::messages(&group, "hi")),
            (MESSAGES, body::messages(&group, "hi").stream()),
        ] {
            if body.text().contains("stream") && model.ends_with("-200") {
                continue;
            }
            let answer = gateway.post(path, canary::VIRTUAL_KEY, body).await;
            let case = format!("{model} {path}");
            let said = anthropic_error(&answer, *status, kind, &case);
            // Anthropic's mock words a few of its errors in its own way.
            let start = message.replace("{}", "AnthropicException");
            let start = start.split_once(" - ").map_or(start.as_str(), |(start, _)| start);
            assert!(said.starts_with(start), "{case}: {said}");
            has_provider_headers(&answer, "6000.0", &case);
        }
    }
}

#[tokio::test]
async fn a_providers_refusal_carries_its_headers() {
    let mock = MockProvider::start();
    let yaml = yaml(&mock).virtual_key(canary::VIRTUAL_KEY);
    let models = ["429-retry-after-7", "429-retry-after-date-7", "429-no-headers", "status-500"];
    let yaml = models.iter().fold(yaml, |yaml, model| faulty(yaml, &mock, model, model));
    let gateway = Gateway::with(yaml.text()).start().await;
    for model in models {
        let answer = gateway.post(CHAT, canary::VIRTUAL_KEY, body::chat(model, "hi")).await;
        let retry_after = answer.header("retry-after");
        match model {
            "429-retry-after-7" => assert_eq!(retry_after, Some("7")),
            "429-retry-after-date-7" => assert!(retry_after.is_some_and(|date| date.ends_with(" GMT"))),
            _ => assert_eq!(retry_after, None, "{model}"),
        }
        assert!(answer.header("set-cookie").is_none() && answer.header("llm_provider-set-cookie").is_none());
        if model == "429-no-headers" {
            continue;
        }
        assert_eq!(answer.header("llm_provider-server"), Some("cloudflare"), "{model}");
        assert_eq!(answer.header("llm_provider-openai-organization"), Some("mock-organization"), "{model}");
        assert!(answer.header("x-request-id").is_some_and(|id| id.starts_with("req_")), "{model}");
        let remaining = if model == "429-retry-after-7" { "0" } else { "499" };
        assert_eq!(answer.header("x-ratelimit-remaining-requests"), Some(remaining), "{model}");
        assert_eq!(answer.headers.iter().filter(|(name, _)| name == "content-type").count(), 1);
    }
}

#[tokio::test]
async fn a_provider_that_refuses_us_is_not_the_callers_fault() {
    let mock = MockProvider::start();
    let yaml = yaml(&mock).virtual_key(canary::VIRTUAL_KEY);
    let yaml = [401, 402, 403].iter().fold(yaml, |yaml, status| {
        let yaml = faulty(yaml, &mock, &format!("gpt-{status}"), &format!("status-{status}"));
        faulty(yaml, &mock, &format!("claude-{status}"), &format!("status-{status}"))
    });
    let gateway = Gateway::with(yaml.text()).start().await;
    for status in [401, 402, 403] {
        let answer =
            gateway.post(CHAT, canary::VIRTUAL_KEY, body::chat(&format!("gpt-{status}"), "hi")).await;
        let said = openai_error(&answer, row(502, "upstream_authentication_error", None), "openai");
        let id = answer.header("x-litellm-model-id").unwrap();
        let expected = format!(
            "The provider of deployment '{id}' refused the gateway's credentials. Please tell the gateway's operator."
        );
        assert_eq!(said, expected);
        has_provider_headers(&answer, "6000.0", "openai");
        let body = body::messages(&format!("claude-{status}"), "hi");
        let answer = gateway.post(MESSAGES, canary::VIRTUAL_KEY, body).await;
        let said = anthropic_error(&answer, 502, "api_error", "anthropic");
        assert!(said.starts_with("The provider of deployment '"), "{said}");
    }
    drop(gateway);

    let gateway = Gateway::with(yaml.setting("bulkhead_settings", "upstream_auth_errors", "litellm").text())
        .start()
        .await;
    for (status, kind, start) in [
        (401, "authentication_error", "litellm.BadRequestError: "),
        (402, "billing_error", "litellm.PermissionDeniedError: "),
        (403, "permission_error", "litellm.PermissionDeniedError: "),
    ] {
        let answer =
            gateway.post(CHAT, canary::VIRTUAL_KEY, body::chat(&format!("gpt-{status}"), "hi")).await;
        let said = openai_error(&answer, row(status, "invalid_request_error", None), "openai");
        assert!(said.starts_with(&format!("{start}OpenAIException - ")), "{said}");
        let body = body::messages(&format!("claude-{status}"), "hi");
        let answer = gateway.post(MESSAGES, canary::VIRTUAL_KEY, body).await;
        let said = anthropic_error(&answer, status, kind, "anthropic");
        assert!(said.starts_with(&format!("{start}AnthropicException - ")), "{said}");
    }
}

#[tokio::test]
async fn a_providers_message_shows_no_key() {
    let mock = MockProvider::start();
    let yaml = ["400", "429", "500"].iter().fold(yaml(&mock), |yaml, status| {
        let yaml = faulty(yaml, &mock, &format!("gpt-{status}"), &format!("secret-in-error-{status}"));
        faulty(yaml, &mock, &format!("claude-{status}"), &format!("secret-in-error-{status}"))
    });
    let gateway = Gateway::with(yaml.text()).start().await;
    let tail = " - Something went wrong while using the credential [redacted]; please check it.";
    for status in ["400", "429", "500"] {
        let answer = gateway.post(CHAT, MASTER, body::chat(&format!("gpt-{status}"), "hi")).await;
        assert!(answer.json()["error"]["message"].as_str().unwrap().ends_with(tail), "{}", answer.text());
        let body = body::messages(&format!("claude-{status}"), "hi");
        let answer = gateway.post(MESSAGES, MASTER, body).await;
        assert!(answer.json()["error"]["message"].as_str().unwrap().ends_with(tail), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_is_a_connection_error() {
    let mock = MockProvider::start();
    let yaml = yaml(&mock)
        .deployment("gone")
        .provider("openai")
        .base(format!("http://127.0.0.1:{}/v1", free_port()))
        .key(canary::OPENAI_KEY)
        .info("base_model", "gpt-4o")
        .deployment("claude-gone")
        .provider("anthropic")
        .base(format!("http://127.0.0.1:{}", free_port()))
        .key(canary::ANTHROPIC_KEY)
        .info("base_model", "claude-sonnet-4-5")
        .deployment("nowhere")
        .provider("openai")
        .base("http://no-such-host.invalid/v1")
        .key(canary::OPENAI_KEY)
        .info("base_model", "gpt-4o");
    let gateway = Gateway::with(yaml.text()).start().await;
    for group in ["gone", "nowhere"] {
        for body in [body::chat(group, "hi"), body::chat(group, "hi").stream()] {
            let answer = gateway.post(CHAT, MASTER, body).await;
            let said = openai_error(&answer, row(500, "internal_server_error", None), group);
            assert_eq!(
                said,
                "litellm.InternalServerError: InternalServerError: OpenAIException - Connection error."
            );
            has_error_headers(&answer, group);
        }
    }
    let answer = gateway.post(MESSAGES, MASTER, body::messages("claude-gone", "hi")).await;
    let said = anthropic_error(&answer, 500, "api_error", "claude-gone");
    assert_eq!(
        said,
        "litellm.InternalServerError: InternalServerError: AnthropicException - Connection error."
    );
    // Nothing was sent, so nothing can have been used.
    for record in gateway.usage_of(5).await {
        assert_eq!((&record["usage"], &record["error"]), (&json!("reported"), &json!("upstream_connection")));
        assert_eq!((&record["input_tokens"], &record["cost"]), (&json!(0), &json!("0.0")));
    }
}

#[tokio::test]
async fn a_silent_provider_is_a_timeout() {
    let mock = MockProvider::start();
    let yaml = faulty(yaml(&mock), &mock, "gpt-hang", "hang").param("timeout", 0.25);
    let yaml = faulty(yaml, &mock, "claude-hang", "hang").param("timeout", 0.25);
    let gateway = Gateway::with(yaml.virtual_key(canary::VIRTUAL_KEY).text()).start().await;
    let start = "litellm.Timeout: APITimeoutError - Request timed out. Error_str: Request timed out. - timeout value=0.25, \
                 time taken=0.";
    for body in [body::chat("gpt-hang", "hi"), body::chat("gpt-hang", "hi").stream()] {
        let streams = body.text().contains("stream");
        let answer = gateway.post(CHAT, canary::VIRTUAL_KEY, body).await;
        let said = openai_error(&answer, row(408, "invalid_request_error", None), "timeout");
        assert!(said.starts_with(start) && said.ends_with(" seconds"), "{said}");
        has_provider_headers(&answer, if streams { "6000.0" } else { "0.25" }, "timeout");
    }
    let answer = gateway.post(MESSAGES, canary::VIRTUAL_KEY, body::messages("claude-hang", "hi")).await;
    let said = anthropic_error(&answer, 408, "timeout_error", "timeout");
    assert!(said.starts_with(start), "{said}");
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_refused() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    let bad_json = row(400, "invalid_request_error", Some("request_body"));
    for body in
        ["", " ", "{", "[]", "null", "\"x\"", "{\"model\":\"gpt\",}", "{'model':1}", "{} {}", "{\"a\":01}"]
    {
        let answer = gateway.post(CHAT, MASTER, body).await;
        let said = openai_error(&answer, bad_json, body);
        assert!(said.starts_with("Invalid JSON payload: "), "{body}: {said}");
        has_error_headers(&answer, body);
        let answer = gateway.post(MESSAGES, MASTER, body).await;
        let said = anthropic_error(&answer, 400, "invalid_request_error", body);
        assert!(said.starts_with("Invalid JSON payload: "), "{body}: {said}");
    }
    assert_eq!(mock.ledger().count(), 0);
}

#[tokio::test]
async fn a_missing_field_is_named_with_its_route() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    for (path, route, body, field) in [
        (CHAT, "/chat/completions", r#"{"model":"gpt"}"#, "messages"),
        (CHAT, "/chat/completions", r#"{"messages":[]}"#, "model"),
        (CHAT, "/chat/completions", r#"{"model":null,"messages":[]}"#, "model"),
        (CHAT, "/chat/completions", r#"{"model":"","messages":[]}"#, "model"),
        (CHAT, "/chat/completions", "{}", "model"),
        ("/chat/completions", "/chat/completions", r#"{"model":"gpt","prompt":"x"}"#, "messages"),
        ("/engines/gpt/chat/completions", "/chat/completions", "{}", "messages"),
        ("/v1/completions", "/completions", r#"{"model":"gpt","messages":[]}"#, "prompt"),
        ("/v1/embeddings", "/embeddings", r#"{"model":"embed"}"#, "input"),
        ("/v1/responses", "/responses", r#"{"input":"x"}"#, "model"),
    ] {
        let answer = gateway.post(path, MASTER, body).await;
        let said = openai_error(&answer, row(400, "invalid_request_error", Some(field)), body);
        assert_eq!(said, format!("{route}: Missing required parameter: '{field}'."));
        has_error_headers(&answer, body);
    }
    for (path, route, body, field) in [
        (MESSAGES, "/messages", r#"{"model":"claude"}"#, "messages"),
        ("/v1/messages/count_tokens", "/messages/count_tokens", r#"{"messages":[]}"#, "model"),
    ] {
        let answer = gateway.post(path, MASTER, body).await;
        let said = anthropic_error(&answer, 400, "invalid_request_error", body);
        assert_eq!(said, format!("{route}: Missing required parameter: '{field}'."));
    }
    assert_eq!(mock.ledger().count(), 0);
}

#[tokio::test]
async fn a_member_of_the_wrong_type_is_named_with_the_right_one() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    let count = "a whole number, zero or more";
    for (name, value, expected) in [
        ("model", "5", "a string"),
        ("model", "[\"gpt\"]", "a string"),
        ("model", "{\"a\":\"gpt\"}", "a string"),
        ("stream", "\"true\"", "true or false"),
        ("stream", "1", "true or false"),
        ("n", "\"2\"", count),
        ("n", "-1", count),
        ("n", "1.5", count),
        ("max_tokens", "\"100\"", count),
        ("max_completion_tokens", "-5", count),
        ("max_output_tokens", "true", count),
        ("timeout", "\"soon\"", "a number of seconds above zero"),
        ("timeout", "0", "a number of seconds above zero"),
        ("timeout", "-1", "a number of seconds above zero"),
        ("stream_timeout", "[]", "a number of seconds above zero"),
    ] {
        let body = body::chat("gpt", "hi").raw(name, value).text();
        let answer = gateway.post(CHAT, MASTER, body.clone()).await;
        let said = openai_error(&answer, row(400, "invalid_request_error", Some(name)), &body);
        assert_eq!(said, format!("Invalid type for '{name}': expected {expected}."), "{body}");
    }
    for (name, value) in [
        ("stream_options", "5"),
        ("stream_options", "{\"include_usage\":1}"),
        ("tags", "\"a\""),
        ("tags", "[1]"),
    ] {
        let body = body::chat("gpt", "hi").raw(name, value).text();
        let answer = gateway.post(CHAT, MASTER, body.clone()).await;
        let said = openai_error(&answer, row(400, "invalid_request_error", Some(name)), &body);
        assert!(said.starts_with(&format!("'{name}' has the wrong shape")), "{body}: {said}");
    }
    assert_eq!(mock.ledger().count(), 0);
}

/// What must not occur twice: the members that decide about routing, limits and prices.
const GOVERNED: &[(&str, &str)] = &[
    ("model", "\"gpt\""),
    ("stream", "false"),
    ("stream_options", "null"),
    ("max_tokens", "5"),
    ("max_completion_tokens", "5"),
    ("max_output_tokens", "5"),
    ("max_tokens_to_sample", "5"),
    ("n", "1"),
    ("best_of", "1"),
    ("user", "\"u\""),
    ("metadata", "{}"),
    ("litellm_metadata", "{}"),
    ("service_tier", "\"auto\""),
    ("previous_response_id", "\"r\""),
    ("conversation", "\"c\""),
    ("timeout", "5"),
    ("request_timeout", "5"),
    ("stream_timeout", "5"),
    ("tags", "[]"),
    ("fallbacks", "[]"),
    ("num_retries", "0"),
    ("cache", "{}"),
    ("mock_response", "\"x\""),
];

/// A name with its second letter spelled as an escape.
fn escaped(name: &str) -> String {
    let second = name.chars().nth(1).map_or(String::new(), |c| format!("\\u{:04X}", u32::from(c)));
    format!("{}{second}{}", &name[..1], &name[2.min(name.len())..])
}

#[tokio::test]
async fn a_governed_member_that_occurs_twice_is_refused_however_it_is_spelled() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    let mut client = gateway.client().await;
    for (name, value) in GOVERNED {
        for twin in
            [(*name).to_owned(), escaped(name), format!("\\u{:04x}{}", name.as_bytes()[0], &name[1..])]
        {
            let model = if *name == "model" { String::new() } else { r#""model":"gpt","#.to_owned() };
            let body = format!(
                r#"{{{model}"{name}":{value},"messages":[{{"role":"user","content":"hi"}}],"{twin}":{value}}}"#
            );
            let request = Request::post(CHAT).bearer(MASTER).json(body.clone());
            let answer = client.exchange(&request).await;
            let said = openai_error(&answer, row(400, "invalid_request_error", Some(name)), &body);
            assert_eq!(said, format!("'{name}' occurs more than once. Send it once."), "{body}");
        }
    }
    let body = r#"{"model":"claude","max_tokens":5,"mod\u0065l":"gpt","messages":[]}"#;
    let answer = gateway.post(MESSAGES, MASTER, body).await;
    let said = anthropic_error(&answer, 400, "invalid_request_error", body);
    assert_eq!(said, "'model' occurs more than once. Send it once.");
    assert_eq!(mock.ledger().count(), 0);
}

#[tokio::test]
async fn a_caller_cannot_choose_where_or_as_whom_a_request_is_sent() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    let mut client = gateway.client().await;
    for name in [
        "api_base",
        "base_url",
        "api_key",
        "api_version",
        "api_type",
        "custom_llm_provider",
        "organization",
        "extra_headers",
        "headers",
        "region_name",
        "litellm_credential_name",
        "model_list",
        "model_info",
        "litellm_params",
        "azure_ad_token",
        "tenant_id",
        "client_id",
        "client_secret",
        "azure_scope",
        "user_config",
        "secret_fields",
        "aws_access_key_id",
        "aws_region_name",
        "aws_anything_at_all",
        "vertex_project",
        "vertex_credentials",
    ] {
        for spelled in [name.to_owned(), escaped(name)] {
            let body = format!(r#"{{"model":"gpt","messages":[],"{spelled}":null}}"#);
            let answer = client.exchange(&Request::post(CHAT).bearer(MASTER).json(body.clone())).await;
            let said = openai_error(&answer, row(400, "invalid_request_error", Some(name)), &body);
            let expected = format!(
                "'{name}' chooses where or as whom a request is sent and may not come from a caller. Declare it in \
                 model_list."
            );
            assert_eq!(said, expected, "{body}");
        }
    }
    assert_eq!(mock.ledger().count(), 0);
}

#[tokio::test]
async fn a_restriction_that_cannot_be_honoured_is_refused_by_name() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    for name in [
        "guardrails",
        "guardrail_config",
        "policies",
        "disable_global_guardrails",
        "max_budget",
        "budget_duration",
    ] {
        let body = body::chat("gpt", "hi").raw(name, "[\"x\"]").text();
        let answer = gateway.post(CHAT, MASTER, body).await;
        let said = openai_error(&answer, row(400, "invalid_request_error", Some(name)), name);
        assert_eq!(said, format!("'{name}' is not available on this gateway. Remove it from the request."));
        let body = body::messages("claude", "hi").raw(name, "[\"x\"]").text();
        let said =
            anthropic_error(&gateway.post(MESSAGES, MASTER, body).await, 400, "invalid_request_error", name);
        assert_eq!(said, format!("'{name}' is not available on this gateway. Remove it from the request."));
    }
    assert_eq!(mock.ledger().count(), 0);
}

#[tokio::test]
async fn a_model_behind_another_endpoint_says_which() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    let wrong = row(400, "invalid_request_error", Some("model"));
    let path = "/v1/embeddings";
    let said = openai_error(&gateway.post(path, MASTER, body::embeddings("claude", "hi")).await, wrong, path);
    assert_eq!(
        said,
        "Model 'claude' is served by anthropic, which has no /v1/embeddings. Use /v1/chat/completions, /v1/completions, \
         /v1/responses, /v1/messages, /v1/messages/count_tokens, /v1beta/models/{model}:generateContent, \
         /model/{model}/converse, /v1beta/models/{model}:countTokens."
    );
    assert_eq!(mock.ledger().count(), 0);
}

#[tokio::test]
async fn an_unknown_path_and_a_wrong_method_answer_like_litellms_framework() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    for path in [
        "/nope",
        "/v1",
        "/v1/nope",
        "/v1/chat/completions/",
        "//v1/chat/completions",
        "/v1/chat%2fcompletions",
        "/v1/responses/resp_1",
    ] {
        let answer = gateway.post(path, MASTER, body::chat("gpt", "hi")).await;
        assert_eq!((answer.status, answer.json()), (404, json!({"detail": "Not Found"})), "{path}");
    }
    for (method, path, allow) in [
        ("GET", CHAT, "POST"),
        ("PUT", CHAT, "POST"),
        ("DELETE", MESSAGES, "POST"),
        ("GET", "/engines/gpt/chat/completions", "POST"),
        ("POST", "/v1/models", "GET"),
        ("POST", "/health/liveliness", "GET"),
        ("DELETE", "/v1/models/gpt", "GET"),
    ] {
        let answer = gateway.call(&Request::new(method, path).bearer(MASTER)).await;
        assert_eq!((answer.status, answer.json()), (405, json!({"detail": "Method Not Allowed"})), "{path}");
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
    }
    assert_eq!(mock.ledger().count(), 0);
}

#[tokio::test]
async fn an_error_body_is_the_same_with_and_without_a_stream() {
    let mock = MockProvider::start();
    let yaml = faulty(yaml(&mock), &mock, "gpt-500", "status-500");
    let gateway = Gateway::with(faulty(yaml, &mock, "claude-500", "status-500").text()).start().await;
    let (once, streamed) = (body::chat("gpt-500", "hi"), body::chat("gpt-500", "hi").stream());
    let answers =
        [gateway.post(CHAT, MASTER, once).await.json(), gateway.post(CHAT, MASTER, streamed).await.json()];
    assert_eq!(answers[0], answers[1]);
    assert_ne!(answers[0], Value::Null);
    let (once, streamed) = (body::messages("claude-500", "hi"), body::messages("claude-500", "hi").stream());
    let answers = [
        gateway.post(MESSAGES, MASTER, once).await.json(),
        gateway.post(MESSAGES, MASTER, streamed).await.json(),
    ];
    assert_eq!(answers[0], answers[1]);
    assert_ne!(answers[0], Value::Null);
}
