//! What somebody who comes from LiteLLM tries in the first ten minutes.

use std::collections::BTreeSet;

use bulkhead_testkit::client::{Answer, Request};
use bulkhead_testkit::{GatewayYaml, MockProvider, body, canary};
use serde_json::{Value, json};

use crate::support::{Gateway, MASTER, yaml};

const CHAT: &str = "/v1/chat/completions";

fn message(answer: &Answer) -> String {
    answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned()
}

fn ids(answer: &Answer) -> Vec<String> {
    let said = answer.json();
    let data = said["data"].as_array().unwrap_or_else(|| panic!("{said}"));
    data.iter().map(|model| model["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_master_key_works_for_inference() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    assert_eq!(gateway.post(CHAT, MASTER, body::chat("gpt", "hi")).await.status, 200);
    assert_eq!(gateway.post("/v1/messages", MASTER, body::messages("claude", "hi")).await.status, 200);
    assert_eq!(gateway.get("/v1/models", MASTER).await.status, 200);
}

#[tokio::test]
async fn the_master_key_may_come_from_litellms_variable() {
    let mock = MockProvider::start();
    let text = yaml(&mock)
        .text()
        .replace(&format!("  master_key: \"{MASTER}\"\n"), "  litellm_key_header_name: x-key\n");
    assert!(!text.contains("master_key"));
    let gateway = Gateway::with(text).env("LITELLM_MASTER_KEY", MASTER).start().await;
    assert_eq!(gateway.post(CHAT, MASTER, body::chat("gpt", "hi")).await.status, 200);
}

#[tokio::test]
async fn a_master_key_that_anybody_would_try_is_refused_with_the_command_that_makes_a_good_one() {
    for key in ["sk-1234", "", "sk-short", "sk-changeme-changeme", "sk-aaaaaaaaaaaaaaaaaaaaaaaa"] {
        let yaml = GatewayYaml::new().master_key(key).deployment("gpt").provider("openai").key("sk-up");
        let (code, text) = Gateway::with(yaml.text()).refused();
        assert_eq!(code, Some(64), "{text}");
        assert!(text.contains(r#"echo "sk-$(openssl rand -hex 24)""#), "{text}");
        assert!(text.contains("general_settings.master_key"), "{text}");
        assert!(!text.contains("listening"), "{text}");
    }
    let (code, text) =
        Gateway::with(GatewayYaml::new().deployment("gpt").provider("openai").text()).refused();
    assert_eq!(code, Some(64), "{text}");
    assert!(text.contains("openssl rand"), "{text}");
}

#[tokio::test]
async fn the_management_api_says_what_to_run_for_it() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    for (method, path) in [
        ("POST", "/key/generate"),
        ("GET", "/key/info"),
        ("POST", "/user/new"),
        ("GET", "/v2/team/list"),
        ("GET", "/v1/model/info"),
        ("GET", "/global/spend"),
        ("GET", "/health"),
    ] {
        // With the master key, with none, with an unknown one: it is about the gateway, not about the caller.
        for key in [Some(MASTER), None, Some(canary::UNKNOWN_KEY)] {
            let request = Request::new(method, path).json("{}");
            let request = key.into_iter().fold(request, Request::bearer);
            let answer = gateway.call(&request).await;
            assert_eq!(answer.status, 404, "{path}");
            assert_eq!(answer.json()["error"]["type"], "not_found_error", "{path}");
            let said = message(&answer);
            assert!(said.starts_with(&format!("'{path}' is part of the management API")), "{said}");
            for part in ["`virtual_keys`", "`control-plane serve`", "`--control-plane`", "`--management-url`"]
            {
                assert!(said.contains(part), "{said}");
            }
        }
    }
}

#[tokio::test]
async fn metrics_on_the_inference_port_say_where_they_are() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    for path in ["/metrics", "/metrics/"] {
        let answer = gateway.call(&Request::get(path)).await;
        assert_eq!(answer.status, 404);
        let place = format!("http://{}/metrics", gateway.ops);
        assert!(message(&answer).contains(&place), "{}", answer.text());
        assert_eq!(gateway.ops(path).await.status, 200);
    }
}

#[tokio::test]
async fn the_dashboard_is_said_to_be_elsewhere() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    for path in ["/ui", "/ui/", "/ui/login"] {
        let answer = gateway.call(&Request::get(path)).await;
        assert_eq!(answer.status, 404);
        assert!(message(&answer).contains("`control-plane serve`"), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_database_in_the_file_explains_why_its_keys_are_unknown() {
    let mock = MockProvider::start();
    let url = format!("postgres://llm:{}@db/litellm", canary::DATABASE_URL);
    for url in [url.as_str(), "os.environ/DATABASE_URL"] {
        let gateway = Gateway::with(yaml(&mock).general("database_url", url).text()).start().await;
        let answer = gateway.post(CHAT, canary::UNKNOWN_KEY, body::chat("gpt", "hi")).await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.json()["error"]["type"], "token_not_found_in_db");
        let said = message(&answer);
        assert!(said.contains("keys in the database that the file names are not visible to it"), "{said}");
        assert!(said.contains("`virtual_keys`"), "{said}");
        gateway.until_log("not visible to a standalone gateway").await;
    }
    let gateway = Gateway::start(&mock).await;
    let answer = gateway.post(CHAT, canary::UNKNOWN_KEY, body::chat("gpt", "hi")).await;
    assert!(!message(&answer).contains("database that the file names"), "{}", answer.text());
}

#[tokio::test]
async fn the_root_and_the_probes_answer_without_a_key() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    for (path, text) in [
        ("/health/liveliness", r#""I'm alive!""#),
        ("/health/liveness", r#""I'm alive!""#),
        ("/health/readiness", r#"{"status":"healthy","db":"Not connected"}"#),
        ("/", r#"{"name":"bulkhead","inference":"/v1","models":"/v1/models"}"#),
    ] {
        let answer = gateway.call(&Request::get(path)).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, text), "{path}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{path}");
        // A probe of a load balancer may well ask for the head only.
        let mut client = gateway.client().await;
        client.send(&Request::new("HEAD", path).head()).await.unwrap();
        let head = client.read_until(|reader| reader.status().is_some()).await;
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        assert_eq!(head.header("content-length"), Some(text.len().to_string().as_str()), "{path}");
    }
}

#[tokio::test]
async fn a_key_is_taken_from_every_header_that_clients_use() {
    let mock = MockProvider::start();
    let gateway = Gateway::with(yaml(&mock).virtual_key(canary::VIRTUAL_KEY).text()).start().await;
    let bearer = format!("Bearer {}", canary::VIRTUAL_KEY);
    for (name, value) in [
        ("Authorization", bearer.as_str()),
        ("authorization", &bearer.replace("Bearer", "bearer")),
        ("authorization", canary::VIRTUAL_KEY),
        ("API-Key", canary::VIRTUAL_KEY),
        ("api-key", &bearer),
        ("x-api-key", canary::VIRTUAL_KEY),
        ("x-goog-api-key", canary::VIRTUAL_KEY),
        ("Ocp-Apim-Subscription-Key", canary::VIRTUAL_KEY),
        ("x-litellm-api-key", canary::VIRTUAL_KEY),
        ("x-litellm-api-key", &bearer),
    ] {
        let request = Request::post(CHAT).header(name, value).json(body::chat("gpt", "hi"));
        assert_eq!(gateway.call(&request).await.status, 200, "{name}: {value}");
        let request = Request::post("/v1/messages").header(name, value).json(body::messages("claude", "hi"));
        assert_eq!(gateway.call(&request).await.status, 200, "{name}: {value}");
    }
    // A key in the query is none.
    let path = format!("{CHAT}?key={0}&api_key={0}", canary::VIRTUAL_KEY);
    assert_eq!(gateway.call(&Request::post(&path).json(body::chat("gpt", "hi"))).await.status, 401);
    for record in gateway.usage_of(20).await {
        assert_eq!(record["key_hash"], bulkhead_model::KeyHash::of(canary::VIRTUAL_KEY).to_string());
    }
}

#[tokio::test]
async fn litellms_own_header_goes_before_the_others() {
    let mock = MockProvider::start();
    let gateway = Gateway::with(yaml(&mock).virtual_key(canary::VIRTUAL_KEY).text()).start().await;
    let both = |ours: &str, theirs: &str| {
        let request = Request::post(CHAT).header("x-litellm-api-key", ours).bearer(theirs);
        request.json(body::chat("gpt", "hi"))
    };
    assert_eq!(gateway.call(&both(canary::VIRTUAL_KEY, "sk-of-the-provider-itself")).await.status, 200);
    assert_eq!(gateway.call(&both(canary::UNKNOWN_KEY, canary::VIRTUAL_KEY)).await.status, 401);
}

#[tokio::test]
async fn a_header_of_ones_own_can_carry_the_key() {
    let mock = MockProvider::start();
    let yaml = yaml(&mock).virtual_key(canary::VIRTUAL_KEY).general("litellm_key_header_name", "X-My-Key");
    let gateway = Gateway::with(yaml.text()).start().await;
    for value in [canary::VIRTUAL_KEY.to_owned(), format!("Bearer {}", canary::VIRTUAL_KEY)] {
        let request = Request::post(CHAT).header("x-my-key", &value).bearer("sk-for-somebody-else");
        assert_eq!(gateway.call(&request.json(body::chat("gpt", "hi"))).await.status, 200, "{value}");
        // Whatever else the client sent, the provider gets the deployment's key only.
        let sent = mock.last_request().unwrap();
        assert_eq!(sent.header("x-my-key"), None);
        assert_eq!(sent.header("authorization"), Some(format!("Bearer {}", canary::OPENAI_KEY)));
    }
    assert_eq!(gateway.post(CHAT, canary::VIRTUAL_KEY, body::chat("gpt", "hi")).await.status, 200);
}

#[tokio::test]
async fn every_alias_of_every_route_is_served() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    let (chat, text, vector) = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings");
    for (path, endpoint) in [
        ("/v1/chat/completions", chat),
        ("/chat/completions", chat),
        ("/engines/gpt/chat/completions", chat),
        ("/openai/deployments/gpt/chat/completions", chat),
        ("/openai/deployments/gpt/chat/completions?api-version=2024-10-21", chat),
        ("/v1/completions", text),
        ("/completions", text),
        ("/engines/gpt/completions", text),
        ("/openai/deployments/gpt/completions", text),
        ("/v1/embeddings", vector),
        ("/embeddings", vector),
        ("/engines/gpt/embeddings", vector),
        ("/openai/deployments/gpt/embeddings", vector),
        ("/v1/responses", "/v1/responses"),
        ("/responses", "/v1/responses"),
        ("/openai/v1/responses", "/v1/responses"),
        ("/v1/messages", "/v1/messages"),
        ("/v1/messages/count_tokens", "/v1/messages/count_tokens"),
    ] {
        let body = match endpoint {
            "/v1/chat/completions" => body::chat("gpt", "hi"),
            "/v1/completions" => body::completions("gpt", "hi"),
            "/v1/embeddings" => body::embeddings("gpt", "hi"),
            "/v1/responses" => body::responses("gpt", "hi"),
            _ => body::messages("claude", "hi"),
        };
        let answer = gateway.post(path, MASTER, body).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let sent = mock.last_request().unwrap();
        assert_eq!(sent.target(), endpoint, "{path}");
        assert_eq!(mock.ledger().last().unwrap().endpoint, endpoint, "{path}");
    }
    for path in ["/v1/models", "/models", "/v1/models/gpt", "/models/gpt"] {
        assert_eq!(gateway.get(path, MASTER).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn azures_sdk_finds_its_deployment_in_the_path() {
    let mock = MockProvider::start();
    let gateway = Gateway::with(yaml(&mock).virtual_key(canary::VIRTUAL_KEY).text()).start().await;
    let request = Request::post("/openai/deployments/gpt/chat/completions?api-version=2025-01-01-preview")
        .header("api-key", canary::VIRTUAL_KEY)
        .json(r#"{"messages":[{"role":"user","content":"hi"}]}"#);
    let answer = gateway.call(&request).await;
    assert_eq!((answer.status, &answer.json()["model"]), (200, &json!("gpt")), "{}", answer.text());
    let sent = mock.last_request().unwrap();
    assert_eq!(sent.target(), "/v1/chat/completions");
    assert_eq!(sent.body.unwrap(), r#"{"messages":[{"role":"user","content":"hi"}],"model":"ok"}"#);
}

#[tokio::test]
async fn the_model_in_the_path_is_the_one_that_is_checked_and_sent() {
    let mock = MockProvider::start();
    // Here the group has the very name that the provider has for it.
    let yaml = yaml(&mock)
        .deployment("ok")
        .provider("openai")
        .base(mock.base_url())
        .key(canary::OPENAI_KEY)
        .virtual_key(canary::VIRTUAL_KEY)
        .limit("models", vec!["ok", "gpt"]);
    let gateway = Gateway::with(yaml.text()).start().await;
    for (path, model) in
        [("/engines/ok/chat/completions", "\"ok-7x7\""), ("/engines/gpt/chat/completions", "\"ok-7x7\"")]
    {
        for model in [model, "null", "\"ok\""] {
            let body = body::chat("", "hi").raw("model", model);
            let answer = gateway.post(path, canary::VIRTUAL_KEY, body).await;
            assert_eq!(answer.status, 200, "{path} {model}: {}", answer.text());
            assert_eq!(mock.last_request().unwrap().json_body()["model"], "ok", "{path} {model}");
            assert_eq!(mock.ledger().last().unwrap().model, "ok", "{path} {model}");
        }
    }
    let before = mock.ledger().count();
    for path in ["/engines/embed/embeddings", "/openai/deployments/embed/embeddings"] {
        let answer = gateway.post(path, canary::VIRTUAL_KEY, body::embeddings("gpt", "hi")).await;
        assert_eq!(answer.status, 403, "{path}");
    }
    assert_eq!(mock.ledger().count(), before);
}

#[tokio::test]
async fn models_are_listed_in_openais_shape() {
    let mock = MockProvider::start();
    let gateway = Gateway::with(yaml(&mock).virtual_key(canary::VIRTUAL_KEY).text()).start().await;
    for key in [MASTER, canary::VIRTUAL_KEY] {
        let said = gateway.get("/v1/models", key).await.json();
        assert_eq!(said["object"], "list");
        assert_eq!(said["data"].as_array().map(Vec::len), Some(3));
        let gpt = &said["data"][0];
        let expected = json!({
            "id": "gpt",
            "object": "model",
            "created": 1_677_610_602,
            "owned_by": "openai",
            "mode": "chat",
            "max_input_tokens": 128_000,
            "max_output_tokens": 16_384,
        });
        assert_eq!(gpt, &expected);
        assert_eq!(&gateway.get("/v1/models/gpt", key).await.json(), &expected);
        assert_eq!(said["data"][1]["mode"], "embedding");
    }
    assert_eq!(gateway.call(&Request::get("/v1/models")).await.status, 401);
}

#[tokio::test]
async fn models_are_listed_in_anthropics_shape_for_its_sdk() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    let said = gateway.call(&Request::get("/v1/models?limit=20").anthropic(MASTER)).await.json();
    let model = |id: &str| json!({"type": "model", "display_name": id, "created_at": "2023-02-28T18:56:42Z", "id": id});
    let expected = json!({
        "first_id": "gpt",
        "last_id": "claude",
        "has_more": false,
        "data": [model("gpt"), model("embed"), model("claude")],
    });
    assert_eq!(said, expected);
    let one = gateway.call(&Request::get("/v1/models/claude").anthropic(MASTER)).await;
    assert_eq!(one.json(), model("claude"));
}

#[tokio::test]
async fn a_model_that_a_key_may_not_use_is_not_listed_for_it() {
    let mock = MockProvider::start();
    let yaml = yaml(&mock)
        .deployment("grouped")
        .provider("openai")
        .model("ok")
        .base(mock.base_url())
        .key(canary::OPENAI_KEY)
        .info("access_groups", vec!["beta"])
        .virtual_key(canary::VIRTUAL_KEY)
        .limit("models", vec!["gpt", "beta", "claude*"])
        .virtual_key(canary::OTHER_KEY)
        .limit("models", vec!["no-default-models"]);
    let gateway = Gateway::with(yaml.text()).start().await;
    assert_eq!(ids(&gateway.get("/v1/models", MASTER).await), ["gpt", "embed", "claude", "grouped"]);
    assert_eq!(ids(&gateway.get("/v1/models", canary::VIRTUAL_KEY).await), ["gpt", "claude", "grouped"]);
    assert_eq!(ids(&gateway.get("/v1/models", canary::OTHER_KEY).await), Vec::<String>::new());
    let answer = gateway.get("/v1/models/embed", canary::VIRTUAL_KEY).await;
    assert_eq!((answer.status, &answer.json()["error"]["param"]), (404, &json!("model")));
    assert_eq!(gateway.get("/v1/models/grouped", canary::VIRTUAL_KEY).await.status, 200);
}

/// `openai/*` besides the usual ones.
fn with_wildcard(mock: &MockProvider) -> GatewayYaml {
    yaml(mock)
        .deployment("openai/*")
        .provider("openai")
        .model("*")
        .base(mock.base_url())
        .key(canary::OPENAI_KEY)
}

#[tokio::test]
async fn a_wildcard_is_listed_as_the_names_that_it_stands_for() {
    let mock = MockProvider::start();
    let yaml = with_wildcard(&mock)
        .virtual_key(canary::VIRTUAL_KEY)
        .limit("models", vec!["openai/gpt-4o*"])
        .virtual_key(canary::OTHER_KEY)
        .limit("models", vec!["openai/*"]);
    let gateway = Gateway::with(yaml.text()).start().await;
    let all = ids(&gateway.get("/v1/models", MASTER).await);
    let unique: BTreeSet<_> = all.iter().collect();
    assert_eq!(unique.len(), all.len());
    let expanded: Vec<_> = all.iter().filter(|id| id.starts_with("openai/")).collect();
    assert!(expanded.len() > 50 && expanded.len() + 3 == all.len(), "{all:?}");
    assert!(!all.iter().any(|id| id.contains('*') || id.starts_with("openai/openai/")), "{all:?}");
    let some = ids(&gateway.get("/v1/models", canary::VIRTUAL_KEY).await);
    assert!(some.contains(&"openai/gpt-4o".to_owned()), "{some:?}");
    assert!(some.iter().all(|id| id.starts_with("openai/gpt-4o")), "{some:?}");
    // A name without a provider counts as its provider's: `openai/*` is also good for `gpt` and `embed`.
    let openai = ids(&gateway.get("/v1/models", canary::OTHER_KEY).await);
    assert_eq!(openai, all.iter().filter(|id| *id != "claude").cloned().collect::<Vec<_>>());
    let one = gateway.get("/v1/models/openai/gpt-4o", canary::VIRTUAL_KEY).await.json();
    assert_eq!((&one["id"], &one["mode"]), (&json!("openai/gpt-4o"), &json!("chat")));
    assert_eq!(one["max_output_tokens"], 16_384);

    // What the stars stand for goes to the provider; what only looks similar is no model.
    let answer = gateway.post(CHAT, canary::VIRTUAL_KEY, body::chat("openai/gpt-4o-anything", "hi")).await;
    assert_eq!((answer.status, &answer.json()["model"]), (200, &json!("openai/gpt-4o-anything")));
    assert_eq!(mock.last_request().unwrap().json_body()["model"], "gpt-4o-anything");
    let answer = gateway.post(CHAT, canary::VIRTUAL_KEY, body::chat("openai/o3", "hi")).await;
    assert_eq!(answer.status, 403);
    let answer = gateway.post(CHAT, MASTER, body::chat("openai-gpt-4o", "hi")).await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn an_alias_of_a_model_group_is_served_and_listed_unless_it_is_hidden() {
    let mock = MockProvider::start();
    let aliases = json!({
        "fast": "gpt",
        "secret": {"model": "gpt", "hidden": true},
        "shown": {"model": "gpt", "hidden": false},
        "wild": "openai/gpt-4o-mini",
    });
    let yaml = with_wildcard(&mock)
        .router("model_group_alias", aliases)
        .virtual_key(canary::VIRTUAL_KEY)
        .limit("models", vec!["fast", "wild"])
        .virtual_key(canary::OTHER_KEY)
        .limit("models", vec!["gpt"]);
    let gateway = Gateway::with(yaml.text()).start().await;
    for name in ["fast", "secret", "shown"] {
        let answer = gateway.post(CHAT, MASTER, body::chat(name, "hi")).await;
        assert_eq!((answer.status, &answer.json()["model"]), (200, &json!(name)), "{}", answer.text());
        assert_eq!(answer.header("x-litellm-model-group"), Some("gpt"));
        assert_eq!(mock.last_request().unwrap().json_body()["model"], "ok");
    }
    let answer = gateway.post(CHAT, MASTER, body::chat("wild", "hi")).await;
    assert_eq!((answer.status, &answer.json()["model"]), (200, &json!("wild")), "{}", answer.text());
    assert_eq!(mock.last_request().unwrap().json_body()["model"], "gpt-4o-mini");

    let listed = ids(&gateway.get("/v1/models", MASTER).await);
    for (name, is_listed) in [("fast", true), ("shown", true), ("wild", true), ("secret", false)] {
        assert_eq!(
            listed.iter().filter(|id| *id == name).count(),
            usize::from(is_listed),
            "{name}: {listed:?}"
        );
    }
    assert_eq!(ids(&gateway.get("/v1/models", canary::VIRTUAL_KEY).await), ["fast", "wild"]);
    let wild = gateway.get("/v1/models/wild", canary::VIRTUAL_KEY).await.json();
    assert_eq!((&wild["mode"], &wild["max_output_tokens"]), (&json!("chat"), &json!(16_384)), "{wild}");

    // A key that may use an alias may not use its target, and one that may use the target may use its aliases.
    for (key, model, status) in [
        (canary::VIRTUAL_KEY, "fast", 200),
        (canary::VIRTUAL_KEY, "wild", 200),
        (canary::VIRTUAL_KEY, "gpt", 403),
        (canary::VIRTUAL_KEY, "shown", 403),
        (canary::VIRTUAL_KEY, "openai/gpt-4o-mini", 403),
        (canary::OTHER_KEY, "fast", 200),
        (canary::OTHER_KEY, "secret", 200),
        (canary::OTHER_KEY, "wild", 403),
    ] {
        let answer = gateway.post(CHAT, key, body::chat(model, "hi")).await;
        assert_eq!(answer.status, status, "{model}: {}", answer.text());
    }
}

#[tokio::test]
async fn an_alias_of_a_key_means_another_model_for_that_key_only() {
    let mock = MockProvider::start();
    let yaml = yaml(&mock)
        .virtual_key(canary::VIRTUAL_KEY)
        .limit("aliases", json!({"gpt-4": "gpt", "claude": "embed"}))
        .limit("models", vec!["gpt"])
        .virtual_key(canary::OTHER_KEY);
    let gateway = Gateway::with(yaml.text()).start().await;
    let answer = gateway.post(CHAT, canary::VIRTUAL_KEY, body::chat("gpt-4", "hi")).await;
    assert_eq!((answer.status, &answer.json()["model"]), (200, &json!("gpt-4")), "{}", answer.text());
    assert_eq!(gateway.post(CHAT, canary::OTHER_KEY, body::chat("gpt-4", "hi")).await.status, 400);
    // It does not widen what the key may use.
    let answer = gateway.post("/v1/messages", canary::VIRTUAL_KEY, body::messages("claude", "hi")).await;
    assert_eq!(answer.status, 403);
}

#[tokio::test]
async fn a_call_id_of_the_client_is_kept_and_others_are_made() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    let call = |id: &str| {
        Request::post(CHAT).bearer(MASTER).header("x-litellm-call-id", id).json(body::chat("gpt", "hi"))
    };
    let long = "x".repeat(128);
    for id in ["my-call-1", &long] {
        assert_eq!(gateway.call(&call(id)).await.header("x-litellm-call-id"), Some(id));
    }
    let mut made = BTreeSet::new();
    for id in ["", &"x".repeat(129)] {
        let answer = gateway.call(&call(id)).await;
        made.insert(answer.header("x-litellm-call-id").unwrap().to_owned());
    }
    let answer = gateway.post(CHAT, MASTER, body::chat("gpt", "hi").stream()).await;
    made.insert(answer.header("x-litellm-call-id").unwrap().to_owned());
    assert_eq!(made.len(), 3);
    for id in &made {
        let parts: Vec<_> = id.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12], "{id}");
    }
    let recorded: BTreeSet<_> = gateway
        .usage_of(5)
        .await
        .iter()
        .map(|record| record["call_id"].as_str().unwrap().to_owned())
        .collect();
    made.extend(["my-call-1".to_owned(), long]);
    assert_eq!(recorded, made);
    // It is told in errors, too.
    let request = Request::post(CHAT).bearer(MASTER).header("x-litellm-call-id", "my-call-2").json("{}");
    let answer = gateway.call(&request).await;
    assert_eq!((answer.status, answer.header("x-litellm-call-id")), (400, Some("my-call-2")));
}

#[tokio::test]
async fn an_answer_tells_what_litellms_does() {
    let mock = MockProvider::start();
    let yaml = yaml(&mock).virtual_key(canary::VIRTUAL_KEY).limit("max_budget", 5).limit("rpm_limit", 7);
    let gateway = Gateway::with(yaml.text()).start().await;
    for (path, body, group) in [
        (CHAT, body::chat("gpt", "hi"), "gpt"),
        (CHAT, body::chat("gpt", "hi").stream(), "gpt"),
        ("/v1/messages", body::messages("claude", "hi"), "claude"),
    ] {
        let streams = body.text().contains("stream");
        let answer = gateway.post(path, canary::VIRTUAL_KEY, body).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("x-litellm-model-group"), Some(group));
        let base = if group == "gpt" { mock.base_url() } else { mock.origin() };
        assert_eq!(answer.header("x-litellm-model-api-base"), Some(base.as_str()));
        assert!(answer.header("x-litellm-model-id").is_some());
        assert_eq!(answer.header("x-litellm-attempted-retries"), Some("0"));
        assert_eq!(answer.header("x-litellm-attempted-fallbacks"), Some("0"));
        assert_eq!(answer.header("x-litellm-timeout"), Some("6000.0"));
        assert_eq!(answer.header("x-litellm-key-max-budget"), Some("5.0"));
        assert_eq!(answer.header("x-litellm-key-rpm-limit"), Some("7"));
        assert_eq!(answer.header("x-ratelimit-api_key-limit-requests"), Some("7"));
        assert!(answer.header("x-litellm-key-spend").is_some());
        // What a stream costs is not known when its head leaves.
        assert_eq!(answer.header("x-litellm-response-cost").is_none(), streams);
        for name in ["x-litellm-response-duration-ms", "x-litellm-overhead-duration-ms"] {
            let millis: f64 = answer.header(name).unwrap().parse().unwrap();
            assert!((0.0..10_000.0).contains(&millis), "{name}: {millis}");
        }
    }
    let left: Vec<Value> = gateway.usage_of(3).await;
    assert!(left.iter().all(|record| record["status"] == "success"), "{left:?}");
}
