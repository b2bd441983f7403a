//! What only one deployment has goes back to it, and only for whom it was.

mod keeper;

use bulkhead_testkit::client::{Answer, Request};
use bulkhead_testkit::{GatewayYaml, MockProvider, canary};
use serde_json::{Value, json};

use crate::sdk::{pass, pytest};
use crate::support::{Gateway, MASTER, yaml as mock_yaml};
use keeper::Keeper;

const PATH: &str = "/v1/responses";
/// Keys of one user in one team, of another user there, and of nobody.
const ANN: &str = "sk-stored-ann-4f9d2c";
const ANN_TOO: &str = "sk-stored-ann-8b3e1a";
const BOB: &str = "sk-stored-bob-7c6a5d";
const NOBODY: &str = "sk-stored-nobody-1e2f";

/// A gateway whose group `gpt` has a deployment at each of two providers, with `other` to fall back to at the second.
struct Two {
    one: Keeper,
    two: Keeper,
    gateway: Gateway,
}

fn yaml(one: &Keeper, two: &Keeper) -> GatewayYaml {
    let deployment = |yaml: GatewayYaml, group: &str, keeper: &Keeper, id: &str| {
        yaml.deployment(group)
            .provider("openai")
            .model("up")
            .base(keeper.provider.base_url())
            .key(canary::OPENAI_KEY)
            .info("id", id)
            .info("base_model", "gpt-4o")
    };
    let yaml = deployment(GatewayYaml::new().master_key(MASTER), "gpt", one, "one");
    let yaml = deployment(deployment(yaml, "gpt", two, "two"), "other", two, "other");
    let yaml = yaml.litellm("fallbacks", json!([{"gpt": ["other"]}]));
    [(ANN, "ann"), (ANN_TOO, "ann"), (BOB, "bob")]
        .into_iter()
        .fold(yaml, |yaml, (key, user)| yaml.virtual_key(key).limit("user_id", user).limit("team_id", "t"))
        .virtual_key(NOBODY)
}

impl Two {
    async fn start(change: impl FnOnce(GatewayYaml) -> GatewayYaml) -> Self {
        let (one, two) = (Keeper::start("a").await, Keeper::start("b").await);
        let gateway = Gateway::with(change(yaml(&one, &two)).text()).start().await;
        Self { one, two, gateway }
    }

    async fn ask(&self, key: &str, body: Value) -> Answer {
        self.gateway.post(PATH, key, body.to_string()).await
    }

    /// A first answer, and which provider gave it.
    async fn first(&self, key: &str) -> (Value, &Keeper, &Keeper) {
        let before = self.one.bodies().len();
        let answer = self.ask(key, json!({"model": "gpt", "input": "Hi"})).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        match self.one.bodies().len() > before {
            true => (answer.json(), &self.one, &self.two),
            false => (answer.json(), &self.two, &self.one),
        }
    }

    async fn about(&self, method: &str, key: &str, path: &str) -> Answer {
        self.gateway.call(&Request::new(method, path).bearer(key)).await
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn error(answer: &Answer, status: u16, code: &str) -> String {
    let body = answer.json();
    let error = &body["error"];
    assert_eq!(
        (answer.status, text(&error["type"]), text(&error["code"])),
        (status, "invalid_request_error", code)
    );
    text(&error["message"]).to_owned()
}

#[tokio::test]
async fn an_answer_goes_on_where_it_is_kept_and_only_for_its_owner() {
    let two = Two::start(|yaml| yaml).await;
    for round in 0..6 {
        let (first, home, away) = two.first(ANN).await;
        let id = text(&first["id"]).to_owned();
        assert!(id.starts_with("resp_") && id.len() < 300 && !id.contains("_a_"), "{id}");
        let raw = format!("\"resp_{}_", if std::ptr::eq(home, &two.one) { "a" } else { "b" });
        let calls = away.bodies().len();
        let body = json!({"model": "gpt", "input": "And?", "previous_response_id": id});
        for key in [ANN, ANN_TOO, MASTER] {
            let next = two.ask(key, body.clone()).await;
            assert_eq!(
                (next.status, next.json()["previous_response_id"].is_string()),
                (200, true),
                "{round}"
            );
            assert!(key == MASTER || next.json()["previous_response_id"] == json!(id));
            let asked = home.bodies().pop().unwrap();
            assert!(asked.contains(&raw) && !asked.contains(&id), "{asked}");
        }
        for key in [BOB, NOBODY] {
            let said = error(&two.ask(key, body.clone()).await, 404, "previous_response_not_found");
            assert!(said.starts_with(&format!("Previous response with id '{id}' not found.")), "{said}");
        }
        assert_eq!(away.bodies().len(), calls);
    }
}

#[tokio::test]
async fn what_the_gateway_did_not_give_out_is_not_found() {
    let two = Two::start(|yaml| yaml).await;
    let (first, ..) = two.first(ANN).await;
    let (id, calls) = (text(&first["id"]).to_owned(), two.one.bodies().len() + two.two.bodies().len());
    let long = "x".repeat(9000);
    for id in ["resp_a_1", "resp_", "", &id[..id.len() - 1], &format!("{id}A"), &long] {
        let body = json!({"model": "gpt", "input": "x", "previous_response_id": id});
        error(&two.ask(ANN, body).await, 404, "previous_response_not_found");
        if !id.is_empty() {
            error(&two.about("GET", ANN, &format!("{PATH}/{id}")).await, 404, "404");
        }
    }
    let body = json!({"model": "gpt", "input": "x", "conversation": {"id": "conv_1"}});
    assert!(
        error(&two.ask(ANN, body.clone()).await, 404, "404").starts_with("Conversation with id 'conv_1'")
    );
    assert_eq!(two.one.bodies().len() + two.two.bodies().len(), calls);
    assert_eq!(two.ask(MASTER, body).await.status, 200);
}

#[tokio::test]
async fn the_operator_can_let_others_ids_through() {
    let two = Two::start(|yaml| yaml.general("allow_unmanaged_response_ids", true)).await;
    let body = json!({"model": "other", "input": "x", "previous_response_id": "resp_b_9"});
    let answer = two.ask(ANN, body).await;
    assert!(answer.text().contains("resp_b_9") && answer.status == 400, "{}", answer.text());
    let (first, ..) = two.first(ANN).await;
    let body = json!({"model": "gpt", "input": "x", "previous_response_id": first["id"]});
    error(&two.ask(BOB, body.clone()).await, 404, "previous_response_not_found");
    let two = Two::start(|yaml| yaml.general("disable_responses_id_security", true)).await;
    let (first, ..) = two.first(ANN).await;
    let body = json!({"model": "gpt", "input": "x", "previous_response_id": first["id"]});
    assert_eq!(two.ask(BOB, body).await.status, 200);
}

#[tokio::test]
async fn what_goes_on_from_an_answer_does_not_fall_back() {
    let two = Two::start(|yaml| yaml.router("cooldown_time", 60)).await;
    let (first, home, away) = two.first(ANN).await;
    home.breaks(true);
    let calls = away.bodies().len();
    let body = json!({"model": "gpt", "input": "x", "previous_response_id": first["id"], "num_retries": 1});
    let answer = two.ask(ANN, body.clone()).await;
    assert_eq!(
        (answer.status, answer.header("x-litellm-attempted-fallbacks")),
        (500, Some("0")),
        "{}",
        answer.text()
    );
    assert_eq!(away.bodies().len(), calls);
    // Another model's deployment does not have it, except on the same account.
    home.breaks(false);
    let other = json!({"model": "other", "input": "x", "previous_response_id": first["id"]});
    let answer = two.ask(ANN, other).await;
    match std::ptr::eq(home, &two.two) {
        true => assert_eq!(answer.status, 200),
        false => assert!(error(&answer, 400, "400").contains("kept by a deployment of 'gpt'")),
    }
    assert_eq!(two.ask(ANN, body).await.status, 200);
}

#[tokio::test]
async fn every_event_of_a_stream_has_the_same_id_and_it_works() {
    let two = Two::start(|yaml| yaml).await;
    let answer = two.ask(ANN, json!({"model": "gpt", "input": "Hi", "stream": true})).await;
    let events: Vec<Value> =
        answer.events().iter().map(|event| serde_json::from_str(&event.data).unwrap()).collect();
    let ids: Vec<&Value> =
        events.iter().map(|event| &event["response"]["id"]).filter(|id| id.is_string()).collect();
    assert!(ids.len() == 2 && ids[0] == ids[1], "{ids:?}");
    let contents: Vec<&Value> = [&events[1]["item"], &events[2]["item"], &events[6]["response"]["output"][0]]
        .map(|item| &item["encrypted_content"])
        .to_vec();
    assert!(text(contents[0]).starts_with("bulkhead-sealed."));
    assert!(contents.iter().all(|content| *content == contents[0]), "{contents:?}");
    assert!(events[5]["delta"] == "Hi" && events[6]["response"]["model"] == "gpt");
    let body = json!({"model": "gpt", "input": "x", "previous_response_id": ids[0]});
    assert_eq!(two.ask(ANN, body).await.status, 200);
}

/// The whole conversation in the input, as an agent sends it that stores nothing.
#[tokio::test]
async fn encrypted_reasoning_goes_back_to_where_it_is_from_byte_for_byte() {
    let two = Two::start(|yaml| yaml).await;
    let (first, home, away) = two.first(ANN).await;
    let calls = away.bodies().len();
    let mut input = vec![json!({"role": "user", "content": "Hi"})];
    let mut output = first["output"].as_array().unwrap().clone();
    let mut prefix = String::new();
    for turn in 0..4 {
        input.append(&mut output);
        input.push(json!({"role": "user", "content": format!("turn {turn}")}));
        let body = json!({"model": "gpt", "store": false, "input": input, "include": ["reasoning.encrypted_content"]});
        let answer = two.ask(ANN, body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        output = answer.json()["output"].as_array().unwrap().clone();
        let asked = home.bodies().pop().unwrap();
        assert!(!asked.contains("bulkhead-sealed") && asked.contains("/+=="), "{asked}");
        let start = asked.find("\"input\":[").unwrap();
        let items = asked[start..].rsplit_once(']').unwrap().0.to_owned();
        assert!(items.starts_with(&prefix), "{prefix}\n{items}");
        prefix = items;
    }
    assert_eq!(away.bodies().len(), calls);
    let said =
        error(&two.ask(BOB, json!({"model": "gpt", "input": input})).await, 400, "invalid_encrypted_content");
    assert!(said.contains("input[1]"), "{said}");
}

#[tokio::test]
async fn elsewhere_encrypted_reasoning_is_left_out_and_said_so() {
    let two = Two::start(GatewayYaml::retries).await;
    let (first, home, away) = two.first(ANN).await;
    home.breaks(true);
    let mut input = vec![json!({"role": "user", "content": "Hi"})];
    input.extend(first["output"].as_array().unwrap().clone());
    let answer = two.ask(ANN, json!({"model": "gpt", "input": input})).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-bulkhead-dropped-params"), Some("encrypted_content"));
    let asked: Value = serde_json::from_str(&away.bodies().pop().unwrap()).unwrap();
    let kinds: Vec<&Value> = asked["input"].as_array().unwrap().iter().map(|item| &item["type"]).collect();
    assert_eq!(kinds, [&Value::Null, &json!("message")]);
}

#[tokio::test]
async fn stored_answers_are_read_cancelled_and_deleted_by_their_owner() {
    let two = Two::start(|yaml| yaml).await;
    let (first, home, _) = two.first(ANN).await;
    let id = text(&first["id"]).to_owned();
    for before in ["/v1/responses", "/responses", "/openai/v1/responses"] {
        let found =
            two.about("GET", ANN_TOO, &format!("{before}/{id}?include[]=x&stream=false&nope=1")).await;
        assert_eq!((found.status, &found.json()), (200, &first), "{before}");
        assert!(home.lines().pop().unwrap().ends_with("_1?include[]=x"), "{:?}", home.lines().pop());
        assert_eq!(found.header("x-litellm-model-group"), Some("gpt"));
    }
    for key in [BOB, NOBODY] {
        for (method, below) in [("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/input_items")] {
            let said = error(&two.about(method, key, &format!("{PATH}/{id}{below}")).await, 404, "404");
            assert!(said.starts_with(&format!("Response with id '{id}' not found.")), "{said}");
        }
    }
    let items = two.about("GET", ANN, &format!("{PATH}/{id}/input_items?limit=1&order=asc")).await.json();
    assert!(text(&items["data"][0]["encrypted_content"]).starts_with("bulkhead-sealed."), "{items}");
    assert!(home.lines().pop().unwrap().ends_with("/input_items?limit=1&order=asc"));
    let cancelled = two.about("POST", ANN, &format!("{PATH}/{id}/cancel")).await.json();
    assert_eq!((&cancelled["status"], &cancelled["id"]), (&json!("cancelled"), &json!(id)));
    let streamed = two.about("GET", ANN, &format!("{PATH}/{id}?stream=true")).await;
    assert!(error(&streamed, 400, "400").contains("streamed"));
    let deleted = two.about("DELETE", ANN, &format!("{PATH}/{id}")).await.json();
    assert_eq!(deleted, json!({"id": id, "object": "response", "deleted": true}));
    // What the provider no longer has is not found by the client's own id.
    for method in ["GET", "DELETE"] {
        let said = error(&two.about(method, ANN, &format!("{PATH}/{id}")).await, 404, "404");
        assert!(said.contains(&id) && !said.contains("resp_a_") && !said.contains("resp_b_"), "{said}");
    }
    let body = json!({"model": "gpt", "input": "x", "previous_response_id": id});
    let answer = two.ask(ANN, body).await;
    assert!(answer.status == 400 && answer.text().contains(&id), "{}", answer.text());
    // One answer was made, and one that failed; nothing else is in the records.
    assert_eq!(two.gateway.usage_of(2).await.len(), 2);
}

#[tokio::test]
async fn a_stored_answer_is_for_who_may_use_its_model_and_counts_as_a_request() {
    let two = Two::start(|yaml| {
        yaml.virtual_key("sk-stored-few-1")
            .limit("models", json!(["none"]))
            .limit("user_id", "ann")
            .limit("team_id", "t")
            .virtual_key("sk-stored-rpm-1")
            .limit("rpm_limit", 2)
    });
    let two = two.await;
    let (first, ..) = two.first(ANN).await;
    let path = format!("{PATH}/{}", text(&first["id"]));
    let denied = two.about("GET", "sk-stored-few-1", &path).await;
    assert_eq!((denied.status, &denied.json()["error"]["type"]), (403, &json!("key_model_access_denied")));
    let (first, ..) = two.first("sk-stored-rpm-1").await;
    let path = format!("{PATH}/{}", text(&first["id"]));
    let statuses =
        [two.about("GET", "sk-stored-rpm-1", &path).await, two.about("GET", "sk-stored-rpm-1", &path).await];
    assert_eq!(statuses.map(|answer| answer.status), [200, 429]);
}

#[tokio::test]
async fn ids_outlive_a_restart_and_not_their_deployment() {
    let two = Two::start(|yaml| yaml).await;
    let (first, ..) = two.first(ANN).await;
    let (other, path) = (first.clone(), format!("{PATH}/{}", text(&first["id"])));
    let Two { one, two: second, gateway } = two;
    let gateway = gateway.restart().await;
    assert_eq!(gateway.get(&path, ANN).await.json(), other);
    let yaml = yaml(&one, &second).text().replace("one", "uno").replace("two", "due");
    drop(gateway);
    let gateway = Gateway::with(yaml).start().await;
    let said = error(&gateway.get(&path, ANN).await, 404, "404");
    assert!(said.contains("no longer declared"), "{said}");
    let body = json!({"model": "gpt", "input": "x", "previous_response_id": first["id"]}).to_string();
    let said = error(&gateway.post(PATH, ANN, body).await, 404, "previous_response_not_found");
    assert!(said.contains("no longer declared"), "{said}");
}

#[tokio::test]
async fn a_translated_answer_cannot_be_gone_on_from() {
    let mock = MockProvider::start();
    let gateway = Gateway::with(mock_yaml(&mock).virtual_key(NOBODY).text()).start().await;
    let body = json!({"model": "claude", "input": "Hi"}).to_string();
    let first = gateway.post(PATH, NOBODY, body).await.json();
    let body = json!({"model": "claude", "input": "Hi", "previous_response_id": first["id"]}).to_string();
    let said = error(&gateway.post(PATH, NOBODY, body).await, 404, "previous_response_not_found");
    assert!(said.contains("translated are not stored"), "{said}");
}

/// What it uses later is told to nobody, so what was reserved for it counts.
#[tokio::test]
async fn an_answer_in_the_background_is_not_free() {
    let two = Two::start(|yaml| yaml).await;
    let body = json!({"model": "gpt", "input": "Hi", "background": true, "max_output_tokens": 500});
    let queued = two.ask(ANN, body).await.json();
    assert_eq!(queued["status"], "queued");
    let found = two.about("GET", ANN, &format!("{PATH}/{}", text(&queued["id"]))).await.json();
    assert_eq!(found, queued);
    let usage = two.gateway.usage_of(1).await;
    assert_eq!((&usage[0]["usage"], &usage[0]["output_tokens"]), (&json!("estimated"), &json!(500)));
}

#[tokio::test]
async fn the_openai_sdk_works_with_stored_answers() {
    let two = Two::start(|yaml| yaml.virtual_key(canary::VIRTUAL_KEY)).await;
    let url = two.gateway.url();
    tokio::task::spawn_blocking(move || pass(&mut pytest("test_stored.py"), &url)).await.unwrap();
}
