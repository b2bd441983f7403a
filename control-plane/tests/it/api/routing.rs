//! Fallbacks by API: of keys and teams, of models, and an operator's overrides.

use std::time::Duration;

use bulkhead_model::rows::{ChainRow, FallbackPolicy, RoutingRow};
use bulkhead_snapshot::wire::{Id, Row};
use serde_json::{Value, json};

use super::{Api, Said, model, said, text};
use crate::support::{MASTER, Node, join_token};

/// A node that runs what the history stands at.
async fn node(api: &Api) -> Node {
    let node = Node::subscribed("one", &join_token(&api.database, "a"), api.plane.grpc);
    caught_up(api, &node).await;
    node
}

async fn caught_up(api: &Api, node: &Node) {
    let head = crate::support::head(&mut api.database.connect().await).await;
    node.until_runs(&head).await;
}

/// What a node knows of routing now.
async fn routing(api: &Api, node: &Node) -> RoutingRow {
    caught_up(api, node).await;
    let Some(Row::Settings(row)) = node.rows().remove(&Id::Settings) else { panic!("no settings") };
    row.routing
}

fn chain(group: &str, targets: &[&str]) -> ChainRow {
    ChainRow { group: group.into(), targets: targets.iter().map(|target| (*target).to_owned()).collect() }
}

async fn models(api: &Api, names: &[&str]) {
    for name in names {
        api.done("/model/new", model(name)).await;
    }
}

async fn delete(api: &Api, path: &str) -> Said {
    said(&api.ask("DELETE", path, MASTER, None).await)
}

#[tokio::test]
async fn keys_and_teams_say_where_their_requests_go_on_and_nodes_hear_it() {
    let api = Api::start().await;
    let settings = json!({"fallbacks": [{"gpt": ["claude", "llama"]}, {"*": ["llama"]}], "num_retries": 3});
    let kept = json!({"fallbacks": settings["fallbacks"]});
    let team = json!({"team_id": "red", "metadata": {"disable_fallbacks": true}});
    api.done("/team/new", team).await;
    let key = api.key(json!({"team_id": "red", "router_settings": settings})).await;
    let hash = bulkhead_model::KeyHash::of(&key);
    assert_eq!(api.info(&key).await["router_settings"], kept);
    let node = node(&api).await;
    let of_key = |node: &Node| match node.rows().remove(&Id::Key(hash)) {
        Some(Row::Key(row)) => row.fallbacks,
        _ => panic!("no key"),
    };
    let of_team = |node: &Node| match node.rows().remove(&Id::Team("red".into())) {
        Some(Row::Team(row)) => row.fallbacks,
        _ => panic!("no team"),
    };
    let chains = vec![chain("gpt", &["claude", "llama"]), chain("*", &["llama"])];
    assert_eq!(of_key(&node), FallbackPolicy { disabled: false, chains });
    assert_eq!(of_team(&node), FallbackPolicy { disabled: true, chains: Vec::new() });

    // What is not sent stays; what is sent takes the place of what was there.
    api.done("/key/update", json!({"key": key, "metadata": {"disable_fallbacks": true}})).await;
    let update =
        json!({"team_id": "red", "metadata": {}, "router_settings": {"fallbacks": [{"gpt": ["llama"]}]}});
    let updated = api.done("/team/update", update).await;
    assert_eq!(updated["data"]["router_settings"], json!({"fallbacks": [{"gpt": ["llama"]}]}));
    caught_up(&api, &node).await;
    assert!(of_key(&node).disabled && of_key(&node).chains.len() == 2);
    assert_eq!(of_team(&node), FallbackPolicy { disabled: false, chains: vec![chain("gpt", &["llama"])] });

    // A key that a regeneration left valid for a while says the same.
    let path = "/key/regenerate";
    let new = api.done(path, json!({"key": key, "grace_period": "1h", "router_settings": {}})).await;
    caught_up(&api, &node).await;
    assert_eq!(of_key(&node), FallbackPolicy { disabled: true, chains: Vec::new() });
    assert_eq!(new["router_settings"], json!({}));
}

#[tokio::test]
async fn fallbacks_that_mean_nothing_are_refused() {
    let api = Api::start().await;
    let settings = |fallbacks: Value| json!({"router_settings": {"fallbacks": fallbacks}});
    let path = "/key/generate";
    api.table(&[
        (path, settings(json!({"a": ["b"]})), 422, "valid list"),
        (path, settings(json!([{"a": "b"}])), 422, r#"["body","router_settings","fallbacks",0,"a"]"#),
        (path, settings(json!([{"a": ["a"]}])), 422, "goes on to itself"),
        (path, json!({"router_settings": {"fallbaks": []}}), 422, "did you mean `fallbacks`?"),
        (path, json!({"metadata": {"disable_fallbacks": "yes"}}), 422, "metadata.disable_fallbacks"),
        ("/team/new", settings(json!([7])), 422, "valid dictionary"),
    ])
    .await;
}

#[tokio::test]
async fn an_override_is_in_force_until_it_ends_and_is_noted() {
    let api = Api::start().await;
    models(&api, &["gpt", "claude", "groq/*"]).await;
    let node = node(&api).await;
    let ask = |path: &'static str, body: Value| {
        let request = bulkhead_testkit::client::Request::post(path);
        api.plane.call(request.header("litellm-changed-by", "alice").json(body.to_string()))
    };
    let body = json!({"group": "gpt", "targets": ["claude", "groq/llama"], "ttl": "30m", "force": true});
    let made = ask("/router/override", body).await;
    assert_eq!(made.status, 200, "{}", made.text());
    api.done("/router/override", json!({"group": "*", "targets": [], "ttl": "1h"})).await;

    let listed = api.told("/router/override").await;
    let [first, second] = listed["overrides"].as_array().unwrap().as_slice() else { panic!("{listed}") };
    assert_eq!((&first["group"], &first["targets"]), (&json!("gpt"), &json!(["claude", "groq/llama"])));
    assert_eq!((&first["force"], &first["set_by"]), (&json!(true), &json!("alice")));
    assert_eq!(first["expires"], made.json()["expires"]);
    assert!(first["set_at"].is_string());
    assert_eq!((&second["group"], &second["force"]), (&json!("*"), &json!(false)));
    let overrides = routing(&api, &node).await.overrides;
    assert_eq!(overrides[0].targets, ["claude", "groq/llama"]);
    assert!(overrides[0].force && overrides[1].targets.is_empty());
    let left = overrides[0].expires.0 - bulkhead_model::Clock::System.now().0;
    assert!((25 * 60_000..=30 * 60_000).contains(&left), "{left}");

    // One for each group: the later one takes the place of the earlier.
    api.done("/router/override", json!({"group": "gpt", "targets": ["claude"], "ttl": "1h"})).await;
    let overrides = routing(&api, &node).await.overrides;
    assert_eq!(overrides.iter().map(|row| row.group.as_str()).collect::<Vec<_>>(), ["*", "gpt"]);
    assert_eq!((&overrides[1].targets[..], overrides[1].force), (&["claude".to_owned()][..], false));

    let (status, gone) = delete(&api, "/router/override?group=gpt").await;
    assert_eq!((status, &gone["group"]), (200, &json!("gpt")));
    assert_eq!(delete(&api, "/router/override?group=gpt").await.0, 404);
    assert_eq!(delete(&api, "/router/override").await.0, 422);
    assert_eq!(routing(&api, &node).await.overrides.len(), 1);

    let mut connection = api.database.connect().await;
    let noted: Vec<(String, String, String, Value)> = sqlx::query_as(
        "select actor, action, subject, details from audit_log where action like 'override%' order by id",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let deeds: Vec<_> =
        noted.iter().map(|(actor, action, subject, _)| [actor.as_str(), action, subject].join(" ")).collect();
    assert_eq!(deeds[0], "alice override gpt");
    assert!(deeds[1].ends_with("override *") && deeds[3].ends_with("override end gpt"), "{deeds:?}");
    assert_eq!(noted[0].3, made.json());
}

#[tokio::test]
async fn an_override_that_is_over_is_dropped_with_the_next_one() {
    let api = Api::start().await;
    models(&api, &["gpt", "claude"]).await;
    let node = node(&api).await;
    api.done("/router/override", json!({"group": "gpt", "targets": ["claude"], "ttl": "1s"})).await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while api.told("/router/override").await != json!({"overrides": []}) {
        assert!(tokio::time::Instant::now() < deadline, "it does not end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(delete(&api, "/router/override?group=gpt").await.0, 404);
    api.done("/router/override", json!({"group": "claude", "targets": ["gpt"], "ttl": "1h"})).await;
    let overrides = routing(&api, &node).await.overrides;
    assert_eq!(overrides.iter().map(|row| row.group.as_str()).collect::<Vec<_>>(), ["claude"]);
}

#[tokio::test]
async fn an_override_names_what_is_served_and_ends() {
    let api = Api::start().await;
    models(&api, &["gpt", "claude"]).await;
    let seq = api.seq().await;
    let path = "/router/override";
    let with = |name: &str, value: Value| {
        let mut body = json!({"group": "gpt", "targets": ["claude"], "ttl": "30m"});
        body[name] = value;
        body
    };
    api.table(&[
        (path, with("group", Value::Null), 422, r#""loc":["body","group"]"#),
        (path, with("targets", Value::Null), 422, r#""loc":["body","targets"]"#),
        (path, with("ttl", Value::Null), 422, r#""loc":["body","ttl"]"#),
        (path, with("ttl", json!("31d")), 422, "at most 30d"),
        (path, with("ttl", json!("soon")), 422, "not a duration"),
        (path, with("group", json!("gtp")), 400, "did you mean `gpt`?"),
        (path, with("targets", json!(["claud"])), 400, "did you mean `claude`?"),
        (path, with("targets", json!(["gpt"])), 422, "goes on to itself"),
        (path, with("froce", json!(true)), 422, "did you mean `force`?"),
    ])
    .await;
    assert_eq!(api.seq().await, seq);
    let key = api.key(json!({})).await;
    for method in ["POST", "GET", "DELETE"] {
        let answer =
            api.ask(method, "/router/override?group=gpt", &key, Some(with("ttl", json!("1m")))).await;
        assert_eq!(answer.status, 403, "{method}: {}", answer.text());
    }
}

#[tokio::test]
async fn fallbacks_of_models_are_made_changed_and_removed() {
    let api = Api::start().await;
    models(&api, &["gpt", "claude", "llama"]).await;
    let node = node(&api).await;
    let body = |targets: Value| json!({"model": "gpt", "fallback_models": targets});
    let made = api.done("/fallback", body(json!(["claude"]))).await;
    let expected = json!({
        "model": "gpt", "fallback_models": ["claude"], "fallback_type": "general",
        "message": "Fallback configuration created successfully",
    });
    assert_eq!(made, expected);
    let changed = api.done("/fallback", body(json!(["llama", "claude"]))).await;
    assert_eq!(text(&changed, "message"), "Fallback configuration updated successfully");
    let long = json!({"model": "gpt", "fallback_models": ["llama"], "fallback_type": "context_window"});
    api.done("/fallback", long).await;

    let found = routing(&api, &node).await;
    assert_eq!(found.fallbacks, [chain("gpt", &["llama", "claude"])]);
    assert_eq!(found.context_window_fallbacks, Some(vec![chain("gpt", &["llama"])]));
    assert_eq!(found.content_policy_fallbacks, None);
    let general = json!({"model": "gpt", "fallback_models": ["llama", "claude"], "fallback_type": "general"});
    assert_eq!(api.told("/fallback/gpt").await, general);
    let told = api.told("/fallback/gpt?fallback_type=context_window").await;
    assert_eq!(told["fallback_models"], json!(["llama"]));
    assert_eq!(api.get("/fallback/gpt?fallback_type=content_policy").await.0, 404);
    assert_eq!(api.get("/fallback/gpt?fallback_type=other").await.0, 422);

    let (status, gone) = delete(&api, "/fallback/gpt?fallback_type=context_window").await;
    assert_eq!(
        (status, text(&gone, "message").as_str()),
        (200, "Fallback configuration deleted successfully")
    );
    assert_eq!(delete(&api, "/fallback/gpt?fallback_type=context_window").await.0, 404);
    assert_eq!(routing(&api, &node).await.context_window_fallbacks, None, "the general ones hold again");

    let seq = api.seq().await;
    api.table(&[
        ("/fallback", json!({"fallback_models": ["gpt"]}), 422, r#""loc":["body","model"]"#),
        ("/fallback", body(json!([])), 422, "at least one model"),
        ("/fallback", body(json!(["gpt"])), 422, "goes on to itself"),
        (
            "/fallback",
            body(json!(["claud"])),
            400,
            "Model 'claud' not found in router; did you mean `claude`?",
        ),
        ("/fallback", json!({"model": "gp", "fallback_models": ["claude"]}), 400, "did you mean `gpt`?"),
    ])
    .await;
    assert_eq!(api.seq().await, seq);

    api.sql("update settings set owner = 'gateway.yaml'").await;
    let (status, refused) = api.post("/fallback", body(json!(["claude"]))).await;
    assert!(status == 409 && refused.to_string().contains("gateway.yaml"), "{refused}");
    assert_eq!(delete(&api, "/fallback/gpt").await.0, 409);
    api.done("/router/override", json!({"group": "gpt", "targets": ["claude"], "ttl": "1h"})).await;
}

#[tokio::test]
async fn a_deployments_numbers_reach_nodes() {
    let api = Api::start().await;
    let mut body = model("gpt");
    let params = json!({"num_retries": 1, "max_parallel_requests": 4, "cooldown_time": 7, "first_byte_timeout": 2.5,
        "allowed_fails_policy": {"TimeoutErrorAllowedFails": 9}});
    for (name, value) in params.as_object().unwrap() {
        body["litellm_params"][name] = value.clone();
    }
    body["model_info"] = json!({"id": "d", "allowed_fails": 6});
    let made = api.done("/model/new", body).await;
    assert_eq!(made["litellm_params"]["allowed_fails_policy"], params["allowed_fails_policy"]);
    let node = node(&api).await;
    let Some(Row::Deployment(row)) = node.rows().remove(&Id::Deployment("d".into())) else { panic!() };
    assert_eq!((row.num_retries, row.max_parallel, row.allowed_fails), (Some(1), Some(4), Some(6)));
    assert_eq!(row.cooldown_time, Some(Duration::from_secs(7)));
    assert_eq!(row.first_byte_timeout, Some(Duration::from_millis(2500)));
    assert_eq!(row.allowed_fails_policy.timeout, Some(9));
}
