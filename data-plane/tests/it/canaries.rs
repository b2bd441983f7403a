//! Twenty-four secrets, each wherever it can be, through every kind of request and every way to fail: none comes out
//! where it does not belong.

use bulkhead_model::KeyHash;
use bulkhead_testkit::canary::{self, Canary};
use bulkhead_testkit::client::{Answer, Request};
use bulkhead_testkit::{GatewayYaml, body};
use serde_json::json;

use crate::support::{Gateway, MASTER, PATIENCE};
use crate::upstream::{Asked, Step, Upstream, answer, chunk, stream_head};

const CHAT: &str = "/v1/chat/completions";
/// Every route that takes a body, with the model group that speaks its dialect.
const ROUTES: [(&str, &str); 6] = [
    (CHAT, "talk"),
    ("/v1/completions", "talk"),
    ("/v1/embeddings", "talk"),
    ("/v1/responses", "talk"),
    ("/v1/messages", "claude"),
    ("/v1/messages/count_tokens", "claude"),
];
/// What the provider does, by the prompt's first word.
const BEHAVIOURS: [&str; 24] = [
    "answers",
    "400",
    "401",
    "402",
    "403",
    "404",
    "408",
    "409",
    "413",
    "422",
    "429",
    "500",
    "502",
    "503",
    "529",
    "302",
    "html",
    "garbage",
    "bad-head",
    "error-event",
    "late-error",
    "cut",
    "torn",
    "resets",
];
/// What a client may see in answers to its own requests.
const ITS_OWN: [&str; 4] = [canary::PROMPT, canary::ANSWER, canary::TOOL_ARGUMENTS, canary::METADATA];

/// All that was ever sent into a gateway, to prove that every secret was there.
#[derive(Default)]
struct Planted(Vec<u8>);

impl Planted {
    fn add(&mut self, text: impl AsRef<[u8]>) {
        self.0.extend_from_slice(text.as_ref());
        self.0.push(b'\n');
    }
}

fn leaked(bytes: &[u8], allowed: &[&str]) -> Vec<Canary> {
    canary::scan(bytes).into_iter().filter(|it| !allowed.contains(&it.secret)).collect()
}

fn assert_clean(bytes: &[u8], allowed: &[&str], place: &str) {
    let found = leaked(bytes, allowed);
    assert!(found.is_empty(), "{found:?} in {place}:\n{}", String::from_utf8_lossy(bytes));
}

/// A provider that says all it knows, whatever happens.
async fn blabbing() -> Upstream {
    Upstream::start(|asked| {
        let behaviour = BEHAVIOURS.iter().find(|it| asked.body.contains(&format!("\"{it} "))).unwrap();
        blab(behaviour, asked)
    })
    .await
}

fn blab(behaviour: &str, asked: &Asked) -> Vec<Step> {
    // What the gateway sent, keys and all, on one line.
    let echo = asked.head.replace("\r\n", " ");
    let said =
        json!({"type": "error", "error": {"type": "some_error", "message": echo, "code": null}}).to_string();
    let cookie = format!("session={}; HttpOnly", canary::PROVIDER_COOKIE);
    let headers =
        [("content-type", "application/json"), ("set-cookie", cookie.as_str()), ("x-echo", echo.as_str())];
    let event = |text: &str| Step::Send(chunk(&format!("data: {text}\n\n")));
    let part = json!({"choices": [{"index": 0, "delta": {"content": canary::ANSWER}}]}).to_string();
    let begun = || vec![Step::Send(stream_head()), event(&part)];
    match behaviour {
        "answers" if asked.body.contains("\"stream\":true") => {
            [begun(), vec![event("[DONE]"), Step::Send(chunk(""))]].concat()
        }
        "answers" => vec![Step::Send(answer("200 OK", &headers, &said_well()))],
        "html" => vec![Step::Send(answer("200 OK", &[("content-type", "text/html")], &echo))],
        "garbage" => vec![Step::Send(answer("200 OK", &headers, &format!("{{\"oops\": {echo}")))],
        "bad-head" => {
            vec![Step::Send(format!("HTTP/1.1 200 OK\r\n{echo}\0\r\n\r\n").into_bytes()), Step::Close]
        }
        "error-event" => vec![Step::Send(stream_head()), event(&said), Step::Close],
        "late-error" => [begun(), vec![event(&said), Step::Close]].concat(),
        "cut" => [begun(), vec![Step::Close]].concat(),
        "torn" => [begun(), vec![event(&format!("{{\"choices\": {}", canary::ANSWER)), Step::Close]].concat(),
        "resets" => vec![Step::Reset],
        "302" => vec![Step::Send(answer("302 Found", &[("location", "http://127.0.0.1:1/")], &said))],
        status => vec![Step::Send(answer(&format!("{status} X"), &headers, &said))],
    }
}

fn said_well() -> String {
    let call = json!({"id": "call_1", "type": "function",
        "function": {"name": "f", "arguments": canary::TOOL_ARGUMENTS}});
    let message = json!({"role": "assistant", "content": canary::ANSWER, "tool_calls": [call]});
    json!({"id": "1", "model": "m", "choices": [{"index": 0, "message": message}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1}})
    .to_string()
}

/// Every secret that a file can hold.
fn file(upstream: &Upstream) -> GatewayYaml {
    let headers = json!({"x-extra": canary::EXTRA_HEADER, "api-key": canary::AZURE_KEY});
    let yaml = [("talk", "openai", canary::OPENAI_KEY), ("claude", "anthropic", canary::ANTHROPIC_KEY)]
        .into_iter()
        .fold(GatewayYaml::new().master_key(MASTER), |yaml, (group, provider, key)| {
            yaml.deployment(group)
                .provider(provider)
                .model("m")
                .base(upstream.origin())
                .key(key)
                .param("extra_headers", headers.clone())
                .param("extra_body", json!({"extra": canary::EXTRA_BODY}))
        });
    yaml.deployment("away")
        .provider("openai")
        .model("m")
        .base("http://127.0.0.1:1")
        .key("os.environ/PROVIDER_KEY")
        .general("database_url", format!("postgresql://u:{}@127.0.0.1:1/db", canary::DATABASE_URL))
        .router("redis_url", format!("redis://:{}@127.0.0.1:1", canary::REDIS_URL))
        .setting("environment_variables", "SOME_SECRET", canary::ENVIRONMENT_KEY)
        .virtual_key(canary::VIRTUAL_KEY)
        .virtual_key_from("OTHER_KEY")
        .limit("rpm_limit", 1)
        .virtual_key(canary::EXPIRED_KEY)
        .limit("expires", "2020-01-01T00:00:00Z")
}

const ENVIRONMENT: [(&str, &str); 6] = [
    ("PROVIDER_KEY", canary::ENVIRONMENT_KEY),
    ("OTHER_KEY", canary::OTHER_KEY),
    ("BULKHEAD_JOIN_TOKEN", canary::JOIN_TOKEN),
    ("BULKHEAD_STATE_KEY", canary::STATE_KEY),
    ("DATABASE_URL", canary::DATABASE_URL),
    ("REDIS_URL", canary::REDIS_URL),
];

/// A request with every secret that a client can send.
fn request(path: &str, key: &str, body: impl Into<String>) -> Request {
    Request::post(&format!("{path}?key={0}&api_key={0}", canary::QUERY_KEY))
        .bearer(key)
        .header("cookie", &format!("session={}", canary::CLIENT_COOKIE))
        .header("x-unknown", canary::CLIENT_HEADER)
        .header("user-agent", canary::CLIENT_HEADER)
        .header("x-litellm-spend-logs-metadata", &json!({"note": canary::METADATA}).to_string())
        .json(body)
}

fn talk(path: &str, model: &str, behaviour: &str) -> body::Body {
    let prompt = format!("{behaviour} {}", canary::PROMPT);
    let call = json!({"id": "c", "type": "function", "function": {"name": "f", "arguments": canary::TOOL_ARGUMENTS}});
    let body = match path {
        "/v1/completions" => body::completions(model, &prompt),
        "/v1/embeddings" => body::embeddings(model, &prompt),
        "/v1/responses" => body::responses(model, &prompt),
        _ => body::messages(model, &prompt).with("tool_calls", json!([call])),
    };
    body.with("metadata", json!({"note": canary::METADATA, "user_api_key": canary::UNKNOWN_KEY}))
}

/// Requests that never reach a provider.
fn hopeless() -> Vec<Request> {
    let good = || talk(CHAT, "talk", "answers");
    let mut all: Vec<Request> =
        ["authorization", "x-api-key", "api-key", "x-goog-api-key", "x-litellm-api-key"]
            .into_iter()
            .flat_map(|name| [(name, canary::UNKNOWN_KEY), (name, canary::EXPIRED_KEY)])
            .map(|(name, key)| Request::post(CHAT).header(name, key).json(good()))
            .collect();
    let basic = format!("Basic {}", canary::UNKNOWN_KEY);
    all.push(Request::post(CHAT).header("authorization", &basic).json(good()));
    let member = |name: &str, value: serde_json::Value| good().with(name, value).text();
    let bad = [
        good().text().replacen("\"messages\"", "\"messages", 1),
        format!("{}{}", good().text(), canary::PROMPT),
        format!("{{\"{}\":1", canary::PROMPT),
        member("api_key", canary::UNKNOWN_KEY.into()),
        member("api_base", format!("http://u:{}@h", canary::UNKNOWN_KEY).into()),
        member("max_tokens", canary::PROMPT.into()),
        member("stream", canary::PROMPT.into()),
        member("tags", canary::METADATA.into()),
        member("n", canary::METADATA.into()),
        member("timeout", canary::METADATA.into()),
        talk(CHAT, "nothing", "answers").text(),
        good().text().replacen('{', "{\"model\":\"talk\",", 1),
        talk(CHAT, "away", "answers").text(),
        talk(CHAT, "away", "answers").stream().text(),
    ];
    all.extend(bad.map(|body| request(CHAT, canary::VIRTUAL_KEY, body)));
    all.push(request(CHAT, canary::VIRTUAL_KEY, good()).header("content-encoding", "gzip"));
    all.extend(
        ["/key/generate", "/metrics", "/nowhere", "/ui"]
            .map(|path| request(path, canary::VIRTUAL_KEY, good())),
    );
    all.extend([canary::OTHER_KEY; 2].map(|key| request(CHAT, key, good())));
    all
}

async fn ask(gateway: &Gateway, planted: &mut Planted, request: &Request) -> Answer {
    planted.add(request.bytes());
    let mut client = gateway.client().await.patience(PATIENCE);
    let answer = client.exchange(request).await;
    assert_clean(
        &answer.raw,
        &ITS_OWN,
        &format!("the answer to {}", String::from_utf8_lossy(&request.bytes())),
    );
    answer
}

#[tokio::test]
async fn no_secret_comes_out_where_it_does_not_belong() {
    let upstream = blabbing().await;
    let yaml = file(&upstream).text();
    let mut planted = Planted::default();
    planted.add(format!("{yaml}{ENVIRONMENT:?}"));
    // The file has hashes of keys; the keys themselves come in with the requests.
    let mut builder = Gateway::with(yaml.clone()).env("BULKHEAD_LOG", "trace");
    for (name, value) in ENVIRONMENT {
        builder = builder.env(name, value);
    }
    let gateway = builder.start().await;

    let mut statuses = Vec::new();
    for (path, model) in ROUTES {
        for behaviour in BEHAVIOURS {
            let body = talk(path, model, behaviour);
            for body in [body.clone(), body.stream()] {
                statuses.push(
                    ask(&gateway, &mut planted, &request(path, canary::VIRTUAL_KEY, body)).await.status,
                );
            }
        }
    }
    assert!(upstream.asked().len() >= statuses.len(), "every one of them reached the provider");
    assert!(statuses.contains(&200) && statuses.contains(&502) && statuses.contains(&429), "{statuses:?}");
    let mut refused = Vec::new();
    for request in hopeless() {
        refused.push(ask(&gateway, &mut planted, &request).await.status);
    }
    let served = refused.iter().filter(|status| **status == 200).count();
    assert_eq!(served, 1, "all but the first of the key with one request a minute: {refused:?}");
    for path in ["/v1/models", "/v1/models/talk", "/health/readiness", "/health/liveliness", "/"] {
        gateway.get(path, canary::VIRTUAL_KEY).await;
    }
    // No HTTP, but full of secrets.
    for line in ["GET / HTTP/1.1\r\nauthorization : Bearer", "POST /v1/models\r\nx-api-key:", "BREW"] {
        let text = format!("{line} {}\r\n\r\n", canary::UNKNOWN_KEY);
        let mut client = gateway.client().await.patience(PATIENCE);
        client.send(text.as_bytes()).await.unwrap();
        assert_clean(&client.answer().await.raw, &[], line);
    }
    for head in upstream.asked() {
        planted.add(blab_bytes(&head));
    }

    let password = format!("http://user:{}@127.0.0.1:1", canary::BASE_URL);
    let bad = yaml.replace("rpm_limit", "rpm_limmit").replace("http://127.0.0.1:1", &password);
    planted.add(&bad);
    std::fs::write(gateway.config(), bad).unwrap();
    gateway.signal("HUP");
    gateway.until_log("rpm_limmit").await;
    for path in ["/metrics", "/snapshot", "/readyz", "/livez", "/nowhere"] {
        assert_clean(&gateway.ops(path).await.raw, &[], path);
    }
    assert!(gateway.log().contains("\"level\":\"DEBUG\""), "the log tells nothing:\n{}", gateway.log());
    assert_clean(gateway.log().as_bytes(), &[], "the log");
    let records: String = gateway.usage().iter().map(ToString::to_string).collect();
    assert!(records.contains(&KeyHash::of(canary::VIRTUAL_KEY).to_string()), "{records}");
    assert_clean(records.as_bytes(), &[], "the usage records");
    let missing: Vec<_> = canary::ALL.iter().filter(|it| !canary::scan(&planted.0).contains(it)).collect();
    assert!(missing.is_empty(), "{missing:?} was never sent in");
    every_secret_would_be_found_in(&gateway.log());
    every_secret_would_be_found_in(&records);
}

fn blab_bytes(asked: &Asked) -> Vec<u8> {
    let behaviour = BEHAVIOURS.iter().find(|it| asked.body.contains(&format!("\"{it} "))).unwrap();
    blab(behaviour, asked)
        .into_iter()
        .flat_map(|step| match step {
            Step::Send(bytes) => bytes,
            _ => Vec::new(),
        })
        .collect()
}

/// The scan finds what it looks for in the very text in which it has found nothing.
fn every_secret_would_be_found_in(text: &str) {
    let middle = text.char_indices().nth(text.chars().count() / 2).unwrap().0;
    for canary in canary::ALL {
        let spoilt = format!("{}{}{}", &text[..middle], canary.secret, &text[middle..]);
        assert_eq!(canary::scan(spoilt.as_bytes()), [canary]);
    }
}

#[tokio::test]
async fn a_file_that_is_refused_is_described_without_its_secrets() {
    let upstream = blabbing().await;
    let good = file(&upstream).text();
    let credentials = format!("http://user:{}@127.0.0.1:1/v1", canary::BASE_URL);
    for (case, bad) in [
        ("a base URL with a password", good.replace(&upstream.origin(), &credentials)),
        (
            "a base URL with a query",
            good.replace(
                "\"http://127.0.0.1:1\"",
                &format!("\"http://127.0.0.1:1?key={}\"", canary::BASE_URL),
            ),
        ),
        ("an unknown setting", good.replace("master_key", "master_keyy")),
        ("an unknown section", good.replace("environment_variables", "environment_variable")),
        ("headers that are a text", good.replace("{\"api-key\"", "\"x\" # {\"api-key\"")),
        (
            "a key that is a list",
            good.replace(&format!("\"{}\"", canary::OPENAI_KEY), &format!("[{}]", canary::OPENAI_KEY)),
        ),
        ("a short master key with a secret beside it", good.replace(MASTER, "sk-1")),
        ("a virtual key in plain text", good.replace("key_hash: \"", "key_hash: \"sk-")),
        (
            "a key instead of its hash",
            good.replace(&KeyHash::of(canary::VIRTUAL_KEY).to_string(), canary::VIRTUAL_KEY),
        ),
        ("a line that is no YAML", good.replace("api_key:", "api_key")),
        ("a text that does not end", good.replace(&format!("{}\"", canary::OPENAI_KEY), canary::OPENAI_KEY)),
        ("the same key twice", format!("{good}  - key_hash: \"{}\"\n", KeyHash::of(canary::VIRTUAL_KEY))),
        ("a variable that is not there", good.replace("os.environ/OTHER_KEY", "os.environ/NO_KEY")),
    ] {
        assert_ne!(bad, good, "{case}");
        let mut builder = Gateway::with(bad).env("BULKHEAD_LOG", "trace");
        for (name, value) in ENVIRONMENT {
            builder = builder.env(name, value);
        }
        let (code, said) = builder.refused();
        assert_eq!(code, Some(64), "{case}: {said}");
        assert_clean(said.as_bytes(), &[], case);
        every_secret_would_be_found_in(&said);
    }
}
