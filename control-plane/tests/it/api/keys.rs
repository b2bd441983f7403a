//! Keys: made, changed, removed.

use serde_json::{Value, json};

use super::{Api, hash, text};

#[tokio::test]
async fn a_key_is_made_with_all_that_is_said_and_shown_once() {
    let api = Api::start().await;
    api.done("/team/new", json!({"team_id": "red"})).await;
    let made = api
        .done(
            "/key/generate",
            json!({
                "key_alias": "alice", "team_id": "red", "user_id": "u1", "models": ["gpt-4o", "openai/*"],
                "aliases": {"fast": "gpt-4o"}, "max_budget": 12.5, "soft_budget": 10, "budget_duration": "1mo",
                "rpm_limit": 0, "tpm_limit": 1000, "max_parallel_requests": 3, "duration": "30d",
                "metadata": {"a": {"b": 1}, "tags": ["t1"]}, "allowed_routes": ["/v1/chat/completions"],
                "send_invite_email": true, "guardrails": [], "model_max_budget": {}, "permissions": {},
                "organization_id": null,
            }),
        )
        .await;
    let key = text(&made, "key");
    assert!(key.starts_with("sk-bh-") && key.len() == 52, "{key}");
    assert_eq!(made["token"], hash(&key));
    assert_eq!(made["token_id"], hash(&key));
    assert_eq!(made["key_name"], format!("sk-...{}", key.get(48..).unwrap()));
    let info = api.info(&key).await;
    for (name, value) in [
        ("key_alias", json!("alice")),
        ("team_id", json!("red")),
        ("user_id", json!("u1")),
        ("models", json!(["gpt-4o", "openai/*"])),
        ("aliases", json!({"fast": "gpt-4o"})),
        ("max_budget", json!(12.5)),
        ("soft_budget", json!(10.0)),
        ("budget_duration", json!("1mo")),
        ("rpm_limit", json!(0)),
        ("tpm_limit", json!(1000)),
        ("max_parallel_requests", json!(3)),
        ("tags", json!(["t1"])),
        ("metadata", json!({"a": {"b": 1}, "tags": ["t1"]})),
        ("allowed_routes", json!(["/v1/chat/completions"])),
        ("spend", json!(0.0)),
        ("blocked", json!(false)),
        ("status", json!("active")),
        ("enforcement", json!("per_node")),
        ("created_by", json!("default_user_id")),
    ] {
        assert_eq!(info[name], value, "{name}");
        if name != "status" && name != "enforcement" {
            assert_eq!(made[name], value, "{name}");
        }
    }
    assert!(info["expires"].as_str().unwrap() > info["created_at"].as_str().unwrap());
    assert!(text(&info, "budget_reset_at").ends_with("-01T00:00:00.000Z"), "{info}");
    assert!(!info.to_string().contains(&key), "the key itself is never shown again");
    assert_eq!(info["token"], Value::Null);
    assert_eq!(api.last_touched().await, [(7, hash(&key))]);
}

#[tokio::test]
async fn what_cannot_be_a_key_is_refused_with_the_field() {
    let api = Api::start().await;
    api.done("/key/generate", json!({"key_alias": "taken", "key": "sk-0123456789abcdef"})).await;
    let seq = api.seq().await;
    let make = "/key/generate";
    let long = "x".repeat(257);
    api.table(&[
        (make, json!({"key": "pk-0123456789abcdef"}), 400, "must start with 'sk-'"),
        (make, json!({"key": "sk-short"}), 400, "at least 16"),
        (make, json!({"key": "sk-0123456789abcdef"}), 400, "This key already exists."),
        (make, json!({"key": crate::support::MASTER}), 400, "This key already exists."),
        (make, json!({"key_alias": "taken"}), 400, "Key with alias 'taken' already exists."),
        (make, json!({"team_id": "nobody"}), 400, "Unable to find team object in database. Team ID: nobody"),
        (make, json!({"duration": "1y"}), 422, r#""loc":["body","duration"]"#),
        (make, json!({"budget_duration": "soon"}), 422, r#""loc":["body","budget_duration"]"#),
        (make, json!({"rpm_limit": -1}), 422, "greater_than_equal"),
        (make, json!({"rpm_limit": "many"}), 422, "int_parsing"),
        (make, json!({"max_budget": -0.5}), 422, "greater_than_equal"),
        (make, json!({"models": "gpt-4o"}), 422, "list_type"),
        (make, json!({"models": ["gpt-4o", 7]}), 422, r#""loc":["body","models",1]"#),
        (make, json!({"key_alias": "a\u{7}"}), 422, "control characters"),
        (make, json!({"key_alias": long}), 422, "string_too_long"),
        (make, json!({"metadata": {"a": "x".repeat(70_000)}}), 422, "64 KiB"),
        (make, json!({"metadata": {"a": "\u{0}"}}), 422, "U+0000"),
        (make, json!({"metadata": 7}), 422, "dict_type"),
        (make, json!({"allowed_routes": ["llm_api_route"]}), 422, "did you mean `llm_api_routes`?"),
        (make, json!({"key_type": "robot"}), 422, "'llm_api', 'management', 'read_only' or 'default'"),
        (make, json!({"key_type": "llm_api", "allowed_routes": ["/x"]}), 422, "key_type"),
        (make, json!({"rpm_limt": 5}), 422, "did you mean `rpm_limit`?"),
        (make, json!([]), 422, "model_attributes_type"),
        ("/key/service-account/generate", json!({"key_alias": "robot"}), 400, "team_id is required"),
    ])
    .await;
    let answer = api.ask("POST", make, crate::support::MASTER, None).await;
    assert_eq!(answer.status, 200, "no body says nothing");
    assert_eq!(api.seq().await, seq + 1, "what is refused leaves nothing behind");
}

#[tokio::test]
async fn a_restriction_that_nobody_enforces_is_refused_by_its_name_everywhere() {
    let api = Api::start().await;
    let key = api.key(json!({})).await;
    api.done("/team/new", json!({"team_id": "red"})).await;
    api.done("/user/new", json!({"user_id": "u", "auto_create_key": false})).await;
    let shared = [
        ("model_max_budget", json!({"gpt-4o": {"max_budget": 1}})),
        ("budget_limits", json!([{"budget_duration": "1d", "max_budget": 1}])),
        ("model_rpm_limit", json!({"gpt-4o": 1})),
        ("model_tpm_limit", json!({"gpt-4o": 1})),
        ("tpd_limit", json!(0)),
        ("guardrails", json!(["pii"])),
        ("policies", json!(["p"])),
        ("enforced_params", json!(["user"])),
        ("object_permission", json!({"mcp_servers": ["m"]})),
        ("permissions", json!({"a": true})),
        ("allowed_cache_controls", json!(["no-cache"])),
        ("allowed_passthrough_routes", json!(["/x"])),
        ("allowed_vector_store_indexes", json!(["x"])),
        ("access_group_ids", json!(["g"])),
        ("budget_id", json!("b")),
        ("organization_id", json!("o")),
    ];
    let of_keys = [
        ("end_user_budget_id", json!("b")),
        ("project_id", json!("p")),
        ("agent_id", json!("a")),
        ("mcp_rpm_limit", json!({"a": 1})),
        ("tag_rpm_limit", json!({"a": 1})),
        ("temp_budget_increase", json!(5)),
    ];
    let paths = [
        ("/key/generate", json!({})),
        ("/key/update", json!({"key": key})),
        ("/key/regenerate", json!({"key": key})),
        ("/team/new", json!({})),
        ("/team/update", json!({"team_id": "red"})),
        ("/user/new", json!({})),
        ("/user/update", json!({"user_id": "u"})),
    ];
    let seq = api.seq().await;
    for (path, base) in &paths {
        let own: &[_] = if path.starts_with("/key") { &of_keys } else { &[] };
        for (name, value) in shared.iter().chain(own) {
            let mut body = base.clone();
            body[*name] = value.clone();
            let (status, answer) = api.post(path, body).await;
            assert_eq!(status, 400, "{path} {name}: {answer}");
            assert!(answer.to_string().contains(&format!("`{name}` restricts")), "{path} {name}: {answer}");
        }
        let mut hidden = base.clone();
        hidden["metadata"] = json!({"guardrails": ["pii"]});
        let (status, answer) = api.post(path, hidden).await;
        assert!(status == 400 && answer.to_string().contains("metadata.guardrails"), "{path}: {answer}");
    }
    assert_eq!(api.seq().await, seq);
}

#[tokio::test]
async fn an_update_touches_the_fields_that_are_sent_and_no_other() {
    let api = Api::start().await;
    api.done("/team/new", json!({"team_id": "red"})).await;
    let key = api
        .key(json!({"key_alias": "a", "rpm_limit": 5, "models": ["m"], "metadata": {"x": 1}, "duration": "30d"}))
        .await;
    let volatile = ["updated_at", "updated_by"];
    for (name, sent, shown) in [
        ("key_alias", json!("b"), json!("b")),
        ("rpm_limit", json!(0), json!(0)),
        ("tpm_limit", json!(9), json!(9)),
        ("max_parallel_requests", json!(2), json!(2)),
        ("models", json!(["n"]), json!(["n"])),
        ("aliases", json!({"f": "n"}), json!({"f": "n"})),
        ("max_budget", json!(0.25), json!(0.25)),
        ("budget_duration", json!("24h"), json!("24h")),
        ("team_id", json!("red"), json!("red")),
        ("user_id", json!("u"), json!("u")),
        ("metadata", json!({"y": 2}), json!({"y": 2})),
        ("tags", json!(["t"]), json!(["t"])),
        ("allowed_routes", json!(["llm_api_routes"]), json!(["llm_api_routes"])),
        ("blocked", json!(true), json!(true)),
        ("spend", json!(1.5), json!(1.5)),
    ] {
        let before = api.info(&key).await;
        let answer = api.done("/key/update", json!({"key": key, name: sent, "soft_budget": null})).await;
        assert_eq!((answer["key"].as_str(), &answer[name]), (Some(key.as_str()), &shown), "{name}");
        let after = api.info(&key).await;
        let changed = after.as_object().unwrap().iter().filter(|(field, value)| before[*field] != **value);
        let changed: Vec<_> = changed.map(|(field, _)| field.as_str()).collect();
        let expected = |field: &&str| {
            *field == name
                || volatile.contains(field)
                || (name == "budget_duration" && *field == "budget_reset_at")
                || (name == "blocked" && *field == "status")
        };
        assert!(changed.iter().all(expected), "{name}: {changed:?}");
        assert_eq!(after[name], shown, "{name}");
    }
    let never = api.done("/key/update", json!({"key_alias": "b", "duration": "-1"})).await;
    assert_eq!(never["expires"], Value::Null, "found by its alias");
    api.table(&[
        ("/key/update", json!({"rpm_limit": 1}), 422, r#""loc":["body","key"]"#),
        ("/key/update", json!({"key": "sk-unknown-unknown"}), 404, "Key not found"),
        ("/key/update", json!({"key_alias": "nobody"}), 404, "Key not found"),
        ("/key/update", json!({"key": key, "team_id": "blue"}), 400, "Team ID: blue"),
    ])
    .await;
}

#[tokio::test]
async fn several_keys_are_changed_each_by_itself() {
    let api = Api::start().await;
    let key = api.key(json!({})).await;
    let answer = api
        .done(
            "/key/bulk_update",
            json!({"keys": [{"key": key, "max_budget": 5}, {"key": "sk-unknown-unknown", "max_budget": 5}]}),
        )
        .await;
    assert_eq!(answer["total_requested"], 2);
    assert_eq!(answer["successful_updates"][0]["key_info"]["max_budget"], 5.0);
    assert!(text(&answer["failed_updates"][0], "failed_reason").contains("Key not found"));
    assert_eq!(api.info(&key).await["max_budget"], 5.0);
}

#[tokio::test]
async fn keys_are_blocked_and_deleted_by_themselves_their_hash_or_their_alias() {
    let api = Api::start().await;
    let (one, two) = (api.key(json!({"key_alias": "one"})).await, api.key(json!({"key_alias": "two"})).await);
    let row = api.done("/key/block", json!({"key": hash(&one)})).await;
    assert_eq!((&row["blocked"], &row["token"]), (&json!(true), &json!(hash(&one))));
    assert_eq!(api.info(&one).await["status"], "revoked");
    assert_eq!(api.done("/key/unblock", json!({"key": one})).await["blocked"], false);
    api.table(&[
        ("/key/block", json!({}), 422, "Field required"),
        ("/key/block", json!({"key": "nobody"}), 404, "Key not found"),
        ("/key/delete", json!({}), 400, "Exactly one of keys or key_aliases"),
        ("/key/delete", json!({"keys": [one], "key_aliases": ["two"]}), 400, "Exactly one"),
        ("/key/delete", json!({"keys": [one, "sk-unknown-unknown"]}), 404, "Key not found"),
        ("/key/delete", json!({"key_aliases": ["one", "three"]}), 404, "key_alias=three"),
        ("/key/delete", json!({"keys": [one]}), 200, &format!(r#"{{"deleted_keys":["{one}"]}}"#)),
    ])
    .await;
    assert_eq!(api.last_touched().await, [(7, hash(&one))]);
    api.done("/key/delete", json!({"key_aliases": ["two"]})).await;
    for key in [&one, &two] {
        assert_eq!(api.get(&format!("/key/info?key={key}")).await.0, 404);
    }
}

#[tokio::test]
async fn a_service_account_belongs_to_its_team_alone() {
    let api = Api::start().await;
    api.done("/team/new", json!({"team_id": "red"})).await;
    let made = api
        .done(
            "/key/service-account/generate",
            json!({"team_id": "red", "user_id": "u", "key_alias": "robot"}),
        )
        .await;
    assert_eq!((&made["user_id"], &made["team_id"]), (&Value::Null, &json!("red")));
    assert_eq!(made["metadata"]["service_account_id"], "robot");
}
