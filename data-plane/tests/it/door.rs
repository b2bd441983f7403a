//! What requests pass before their route is looked for: a front proxy's path, browsers, addresses, the limit of the
//! process, spellings; and the line that is written of each.

use std::time::Duration;

use bulkhead_testkit::client::{Http2Client, Request, call};
use bulkhead_testkit::{FrontProxy, GatewayYaml, MockProvider, body, eventually};
use serde_json::{Value, json};

use crate::support::{Builder, Gateway, MASTER, PATIENCE, faulty, yaml};

fn chat(model: &str) -> Request {
    Request::post("/v1/chat/completions").bearer(MASTER).json(body::chat(model, "Hi"))
}

fn stream(model: &str) -> Request {
    Request::post("/v1/chat/completions").bearer(MASTER).json(body::chat(model, "Hi").stream())
}

#[tokio::test]
async fn a_front_proxy_may_have_it_under_any_path_and_strip_that_or_keep_it() {
    let mock = MockProvider::start();
    for (root, path) in [
        ("/api/v1", "/api/v1"),
        ("/llmproxy/", "/llmproxy"),
        ("a/b/c", "/a/b/c"),
        ("", ""),
        ("/", ""),
        ("/v1", "/v1"),
        ("/openai", "/openai"),
    ] {
        let gateway = Gateway::with(yaml(&mock).text()).env("SERVER_ROOT_PATH", root).start().await;
        for strips in [false, true] {
            let front = FrontProxy::start(gateway.addr, path, strips).await.unwrap();
            for (request, status) in [
                (Request::post(&format!("{path}/v1/chat/completions")), 200),
                (
                    Request::post(&format!("{path}/openai/deployments/gpt/chat/completions?api-version=1")),
                    200,
                ),
                (Request::get(&format!("{path}/v1/models")), 200),
                (Request::get(&format!("{path}/v1/models/gpt")), 200),
                (Request::get(&format!("{path}/health/readiness")), 200),
                (Request::get(&format!("{path}/nope")), 404),
                (Request::get(&format!("{path}//v1/models")), 404),
            ] {
                let request = request.bearer(MASTER).json(body::chat("gpt", "Hi"));
                let answer = call(front.addr(), &request).await.unwrap();
                assert_eq!(answer.status, status, "{root} {strips} {request:?}: {}", answer.text());
            }
        }
        // Probes know nothing of it.
        assert_eq!(gateway.get("/health/liveliness", "").await.status, 200);
    }
    let (code, said) = Gateway::with(yaml(&mock).text()).arg("--root-path", "/a/../b").refused();
    assert!(code == Some(64) && said.contains("--root-path"), "{said}");
}

#[tokio::test]
async fn who_may_call_a_route_is_decided_by_the_path_that_is_served() {
    let mock = MockProvider::start();
    let key = "sk-only-models-0123456789";
    let yaml = yaml(&mock).virtual_key(key).limit("allowed_routes", json!(["/v1/models"]));
    let gateway = Gateway::with(yaml.text()).arg("--root-path", "/llm").start().await;
    for path in [
        "/llm/v1/chat/completions",
        "/v1/chat/completions",
        "/llm/engines/gpt/chat/completions",
        "http://elsewhere/v1/chat/completions",
        "http://elsewhere/llm/v1/chat/completions",
    ] {
        let request = Request::post(path).bearer(key).header("x-forwarded-prefix", "/v1/models");
        let request = request.header("x-original-url", "/v1/models").header("x-rewrite-url", "/v1/models");
        let answer = gateway.call(&request.json(body::chat("gpt", "Hi"))).await;
        assert_eq!(answer.status, 403, "{path}: {}", answer.text());
    }
    for path in [
        "/v1/models/../chat/completions",
        "/v1/models/..%2fchat/completions",
        "/v1/models/a%2f..%2f..%2fchat/completions",
        "/v1/models/%2e%2e/chat/completions",
        "/v1/models;/../chat/completions",
        "/v1/models/..;/chat/completions",
        "//v1/chat/completions",
        "/v1//chat/completions",
        "/llm/llm/v1/chat/completions",
        "/engines/../v1/models/chat/completions",
        "/v1\\chat\\completions",
    ] {
        let answer = gateway.post(path, key, body::chat("gpt", "Hi")).await;
        assert_eq!(answer.status, 404, "{path}: {}", answer.text());
        let answer = gateway.get(path, key).await;
        assert_eq!(answer.status, 404, "{path}: {}", answer.text());
    }
    assert_eq!(gateway.get("/llm/v1/models", key).await.status, 200);
    assert_eq!(mock.ledger().count(), 0);
}

#[tokio::test]
async fn a_model_in_a_path_may_have_its_slashes_encoded_as_sdks_do_that() {
    let mock = MockProvider::start();
    let gateway = Gateway::with(faulty(yaml(&mock), &mock, "org/gpt 4", "ok").text()).start().await;
    for name in ["org/gpt%204", "org%2Fgpt%204", "org%2fgpt%204"] {
        let model = gateway.get(&format!("/v1/models/{name}"), MASTER).await;
        assert_eq!(
            (model.status, &model.json()["id"]),
            (200, &json!("org/gpt 4")),
            "{name}: {}",
            model.text()
        );
        let path = format!("/openai/deployments/{name}/chat/completions?api-version=2026-01-01");
        let answer = gateway.post(&path, MASTER, body::chat("another", "Hi")).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
    }
}

#[tokio::test]
async fn browsers_may_call_from_origins_that_are_listed_and_ask_without_a_key() {
    let mock = MockProvider::start();
    let preflight = |origin: &str| {
        Request::new("OPTIONS", "/v1/chat/completions")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type")
    };
    let listed = Gateway::with(yaml(&mock).text()).env("LITELLM_CORS_ORIGINS", "https://app.example.com");
    let listed = listed.start().await;
    let good = listed.call(&preflight("https://app.example.com")).await;
    assert_eq!((good.status, good.text().as_str()), (200, "OK"));
    for (name, value) in [
        ("access-control-allow-origin", "https://app.example.com"),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-headers", "authorization,content-type"),
        ("access-control-allow-methods", "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"),
        ("access-control-max-age", "600"),
        ("vary", "origin"),
    ] {
        assert_eq!(good.header(name), Some(value), "{name}");
    }
    let bad = listed.call(&preflight("https://evil.example.com")).await;
    assert_eq!((bad.status, bad.text().as_str()), (400, "Disallowed CORS origin"));
    assert_eq!(bad.header("access-control-allow-origin"), None);
    for (request, status) in [
        (chat("gpt"), 200),
        (stream("gpt"), 200),
        (Request::get("/v1/models"), 401),
        (Request::get("/nope"), 404),
    ] {
        let answer = listed.call(&request.clone().header("origin", "https://app.example.com")).await;
        let allowed = answer.header("access-control-allow-origin");
        assert_eq!((answer.status, allowed), (status, Some("https://app.example.com")), "{request:?}");
        let answer = listed.call(&request.header("origin", "https://evil.example.com")).await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (status, None));
    }

    let any = Gateway::with(yaml(&mock).text()).arg("--cors-origins", "*").start().await;
    let answer = any.call(&chat("gpt").header("origin", "https://anything.example.com")).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    let none = Gateway::start(&mock).await;
    let answer = none.call(&preflight("https://app.example.com")).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (405, None));
}

#[tokio::test]
async fn addresses_that_are_not_allowed_are_refused_before_their_key_is_looked_at() {
    let mock = MockProvider::start();
    let yaml = yaml(&mock)
        .general("allowed_ips", json!(["198.51.100.0/24", "2001:db8::1"]))
        .general("use_x_forwarded_for", true)
        .general("trusted_proxy_ranges", json!(["127.0.0.0/8", "10.0.0.0/8"]));
    let gateway = Gateway::with(yaml.text()).start().await;
    for (forwarded, status, client) in [
        (None, 403, "127.0.0.1"),
        (Some("198.51.100.7"), 200, ""),
        (Some("198.51.100.7, 10.1.2.3"), 200, ""),
        (Some("198.51.100.7, 203.0.113.5"), 403, "203.0.113.5"),
        (Some("2001:db8::1"), 200, ""),
        (Some("2001:db8::2"), 403, "2001:db8::2"),
        (Some("198.51.100.7, nonsense"), 403, "127.0.0.1"),
    ] {
        let with = |request: Request| match forwarded {
            Some(forwarded) => request.header("x-forwarded-for", forwarded),
            None => request,
        };
        let answer = gateway.call(&with(chat("gpt"))).await;
        assert_eq!(answer.status, status, "{forwarded:?}: {}", answer.text());
        if status == 403 {
            let error = json!({
                "message": format!("Access forbidden: IP address {client} not allowed."),
                "type": "auth_error", "param": "None", "code": "403",
            });
            assert_eq!(answer.json()["error"], error, "{forwarded:?}");
            let nobody = gateway.call(&with(Request::get("/v1/models"))).await;
            assert_eq!(nobody.status, 403, "before the key is looked at");
            let claude = Request::post("/v1/messages").json(body::messages("claude", "Hi"));
            let answer = gateway.call(&with(claude)).await.json();
            assert_eq!(answer["type"], "error", "in the caller's dialect: {answer}");
        }
        assert_eq!(gateway.call(&with(Request::get("/health/readiness"))).await.status, 200);
    }
    assert_eq!(mock.ledger().count(), 3);
    let refused = gateway.metric("bulkhead_requests_total", &["address_denied"]).await
        + gateway.metric("bulkhead_refused_total", &["address_denied"]).await;
    assert!(refused >= 4.0, "{refused}");
}

fn capped(mock: &MockProvider, most: u32) -> GatewayYaml {
    let yaml = faulty(yaml(mock), mock, "gpt-hang", "hang");
    faulty(yaml, mock, "gpt-stall", "chunks-50+stall-after-20")
        .general("max_in_flight_requests_per_worker", most)
}

#[tokio::test]
async fn more_than_the_process_may_take_is_shed_before_its_body_is_read() {
    let mock = MockProvider::start();
    let gateway = Gateway::with(capped(&mock, 2).text()).start().await;
    let mut streaming = gateway.client().await.patience(PATIENCE);
    streaming.send(&stream("gpt-stall").bytes()).await.unwrap();
    assert_eq!(streaming.read_until(|reader| !reader.events().is_empty()).await.status, 200);
    let mut hanging = gateway.client().await;
    hanging.send(&chat("gpt-hang").bytes()).await.unwrap();
    gateway.until_metric("bulkhead_in_flight", &[], 2.0).await;

    let shed = gateway.call(&chat("gpt")).await;
    assert_eq!((shed.status, shed.header("retry-after")), (503, Some("1")), "{}", shed.text());
    let message = "Worker at capacity: 2 in-flight, 0 queued requests. Retry later.";
    assert_eq!(shed.json()["error"]["message"], message);
    assert_eq!(shed.json()["error"]["type"], "overloaded_error");
    let claude = Request::post("/v1/messages").anthropic(MASTER).json(body::messages("claude", "Hi"));
    let shed = gateway.call(&claude).await;
    assert_eq!((shed.status, &shed.json()["type"]), (503, &json!("error")), "{}", shed.text());
    // Whoever waits to be asked for a body is not asked.
    let waits = Request::post("/v1/chat/completions").bearer(MASTER).header("expect", "100-continue");
    let mut client = gateway.client().await.patience(PATIENCE);
    client.send(&waits.header("content-length", "1000").bytes()).await.unwrap();
    assert_eq!(client.answer().await.status, 503);
    let mut http2 = Http2Client::connect(gateway.addr).await.unwrap();
    assert_eq!(http2.exchange(&chat("gpt")).await.unwrap().0, 503);
    for request in [Request::get("/v1/models").bearer(MASTER), Request::get("/health/liveliness")] {
        assert_eq!(gateway.call(&request).await.status, 200);
    }

    drop(hanging);
    gateway.until_metric("bulkhead_in_flight", &[], 1.0).await;
    let mut served = gateway.call(&chat("gpt")).await.status;
    let freed = std::time::SystemTime::now();
    while served == 503 && freed.elapsed().unwrap() < PATIENCE {
        served = gateway.call(&chat("gpt")).await.status;
    }
    assert_eq!(served, 200, "the place of one that left");
    for _ in 0..5 {
        assert_eq!(http2.exchange(&chat("gpt")).await.unwrap().0, 200, "places come back");
    }
}

/// A gateway whose standard output is a file.
fn logged(yaml: &GatewayYaml, file: &std::path::Path) -> Builder {
    Gateway::with(yaml.text())
        .wrapped(&["sh", "-c", "exec \"$0\" \"$@\" > \"$ACCESS_LOG_FILE\""])
        .env("ACCESS_LOG_FILE", file.to_str().unwrap())
}

fn lines(file: &std::path::Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[tokio::test]
async fn each_request_has_a_line_where_an_operator_wants_that() {
    let mock = MockProvider::start();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("access.log");
    let key = "sk-alice-0123456789abcdef";
    let yaml = faulty(yaml(&mock), &mock, "gpt-stall", "chunks-50+stall-after-20")
        .virtual_key(key)
        .limit("key_alias", "alice")
        .setting("bulkhead_settings", "access_log", true);
    let mut gateway = logged(&yaml, &file).start().await;
    let asked = Request::post("/v1/chat/completions?secret=hush").bearer(key).json(body::chat("gpt", "Hi"));
    let whole = gateway.call(&asked).await;
    let streamed = gateway.call(&stream("gpt")).await;
    assert_eq!(gateway.get("/v1/models", "sk-nobody-0123456789").await.status, 401);
    let mut left = gateway.client().await.patience(PATIENCE);
    left.send(&stream("gpt-stall").bytes()).await.unwrap();
    left.read_until(|reader| !reader.events().is_empty()).await;
    drop(left);
    assert!(eventually(PATIENCE, || lines(&file).len() == 4).await, "{:#?}", lines(&file));
    let lines_now = lines(&file);
    let first = &lines_now[0];
    for (name, value) in [
        ("client", json!("127.0.0.1")),
        ("method", json!("POST")),
        ("path", json!("/v1/chat/completions")),
        ("status", json!(200)),
        ("bytes", json!(whole.body.len())),
        ("call_id", json!(whole.header("x-litellm-call-id"))),
        ("model", json!("gpt")),
        ("deployment", json!(whole.header("x-litellm-model-id"))),
        ("key_alias", json!("alice")),
        ("ttft_ms", Value::Null),
    ] {
        assert_eq!(first[name], value, "{name} of {first}");
    }
    assert!(first["time"].as_str().unwrap().starts_with("20") && first["duration_ms"].is_u64(), "{first}");
    assert_eq!(
        (&lines_now[1]["bytes"], &lines_now[1]["key"]),
        (&json!(streamed.body.len()), &json!("master"))
    );
    assert!(lines_now[1]["ttft_ms"].is_u64(), "{}", lines_now[1]);
    assert_eq!((&lines_now[2]["status"], &lines_now[2]["key"]), (&json!(401), &Value::Null));
    assert_eq!((&lines_now[3]["status"], &lines_now[3]["model"]), (&json!(200), &json!("gpt-stall")));
    // The last words are written before the process ends.
    assert_eq!(gateway.call(&chat("gpt")).await.status, 200);
    assert!(gateway.terminate().await.success());
    assert_eq!(lines(&file).len(), 5);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains("hush") && !text.contains(key) && !text.contains(MASTER), "{text}");
}

#[tokio::test]
async fn without_that_nothing_is_written_and_a_flag_is_enough() {
    let mock = MockProvider::start();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("access.log");
    let mut gateway = logged(&yaml(&mock), &file).start().await;
    assert_eq!(gateway.call(&chat("gpt")).await.status, 200);
    let threads = std::fs::read_dir(format!("/proc/{}/task", gateway.pid())).unwrap();
    let named = |name: &str| {
        threads
            .map(|it| std::fs::read_to_string(it.unwrap().path().join("comm")).unwrap())
            .any(|it| it.trim() == name)
    };
    assert!(!named("access-log"));
    assert!(gateway.terminate().await.success());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "");
    let gateway = logged(&yaml(&mock), &file).env("BULKHEAD_ACCESS_LOG", "true").start().await;
    assert_eq!(gateway.call(&chat("gpt")).await.status, 200);
    assert!(eventually(Duration::from_secs(5), || lines(&file).len() == 1).await);
}
