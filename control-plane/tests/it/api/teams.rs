//! Teams and their members.

use serde_json::{Value, json};

use super::{Api, hash};

#[tokio::test]
async fn a_team_is_made_changed_and_shown() {
    let api = Api::start().await;
    let made = api
        .done(
            "/team/new",
            json!({
                "team_id": "red", "team_alias": "Red", "models": ["gpt-4o"], "max_budget": 100, "budget_duration": "7d",
                "rpm_limit": 10, "tpm_limit": 20, "max_parallel_requests": 3, "model_aliases": {"fast": "gpt-4o"},
                "team_member_budget": 5, "team_member_budget_duration": "1d", "team_member_rpm_limit": 2,
                "team_member_tpm_limit": 4, "tags": ["t"], "metadata": {"a": 1},
                "members_with_roles": [{"role": "admin", "user_id": "boss"}, {"role": "user", "user_email": "a@b.c"}],
            }),
        )
        .await;
    for (name, value) in [
        ("team_id", json!("red")),
        ("team_alias", json!("Red")),
        ("models", json!(["gpt-4o"])),
        ("max_budget", json!(100.0)),
        ("rpm_limit", json!(10)),
        ("tpm_limit", json!(20)),
        ("max_parallel_requests", json!(3)),
        ("model_aliases", json!({"fast": "gpt-4o"})),
        ("team_member_budget", json!(5.0)),
        ("team_member_budget_duration", json!("1d")),
        ("team_member_rpm_limit", json!(2)),
        ("team_member_tpm_limit", json!(4)),
        ("tags", json!(["t"])),
        ("metadata", json!({"a": 1})),
        ("blocked", json!(false)),
        ("admins", json!(["boss"])),
    ] {
        assert_eq!(made[name], value, "{name}");
    }
    assert_eq!(made["members_with_roles"][1]["user_email"], "a@b.c");

    let changed =
        api.done("/team/update", json!({"team_id": "red", "rpm_limit": 0, "max_budget": null})).await;
    assert_eq!((&changed["team_id"], &changed["data"]["rpm_limit"]), (&json!("red"), &json!(0)));
    assert_eq!(changed["data"]["max_budget"], 100.0, "null says nothing");
    let (status, changed) = api.patch("/team/red", json!({"team_alias": "Crimson"})).await;
    assert_eq!((status, &changed["data"]["team_alias"]), (200, &json!("Crimson")));
    assert_eq!(api.done("/team/block", json!({"team_id": "red"})).await["blocked"], true);
    assert_eq!(api.done("/team/unblock", json!({"team_id": "red"})).await["blocked"], false);

    let models = json!({"team_id": "red", "models": ["o3", "gpt-4o"]});
    assert_eq!(api.done("/team/model/add", models).await["models"], json!(["gpt-4o", "o3"]));
    let models = json!({"team_id": "red", "models": ["gpt-4o"]});
    assert_eq!(api.done("/team/model/delete", models).await["models"], json!(["o3"]));

    let key = api.key(json!({"team_id": "red", "key_alias": "k"})).await;
    let info = api.told("/team/info?team_id=red").await;
    assert_eq!(info["team_info"]["team_alias"], "Crimson");
    assert_eq!(info["keys"][0]["token"], hash(&key));
    assert_eq!(info["team_memberships"].as_array().unwrap().len(), 2);
    assert_eq!(api.ask("GET", "/team/info?team_id=red", &key, None).await.status, 200, "a key sees its team");

    let detail = |what: &str| json!({"detail": {"error": what}}).to_string();
    api.table(&[
        (
            "/team/new",
            json!({"team_id": "red"}),
            400,
            &detail("Team id = red already exists. Please use a different team id."),
        ),
        ("/team/update", json!({"team_id": "blue"}), 404, &detail("Team not found, passed team_id=blue")),
        ("/team/update", json!({}), 422, r#""loc":["body","team_id"]"#),
        ("/team/delete", json!({"team_ids": ["red", "blue"]}), 404, "passed team_id=blue"),
        ("/team/block", json!({"team_id": "blue"}), 404, "Team not found"),
        ("/team/model/delete", json!({"team_id": "red", "models": ["o3"]}), 400, "last model"),
        ("/team/new", json!({"team_member_key_duration": "1d"}), 400, "team_member_key_duration"),
        (
            "/team/new",
            json!({"members_with_roles": [{"role": "owner", "user_id": "x"}]}),
            422,
            "'admin' or 'user'",
        ),
        ("/team/new", json!({"members_with_roles": [{"role": "user"}]}), 400, "Either user_id or user_email"),
    ])
    .await;
    assert_eq!(api.get("/team/info?team_id=blue").await.0, 404);
    assert_eq!(api.get("/team/info").await.0, 422);
}

#[tokio::test]
async fn a_team_goes_with_its_members_and_its_keys_and_nodes_hear_of_all() {
    let api = Api::start().await;
    api.done("/team/new", json!({"team_id": "red", "members": ["alice"]})).await;
    let key = api.key(json!({"team_id": "red"})).await;
    let other = api.key(json!({})).await;
    let answer = api.done("/team/delete", json!({"team_ids": ["red"]})).await;
    assert_eq!(answer, json!({"deleted_teams": ["red"]}));
    let touched: Vec<_> = api.last_touched().await.into_iter().map(|(_, id)| id).collect();
    assert_eq!(touched, ["red".to_owned(), "red\u{1f}alice".to_owned(), hash(&key)]);
    assert_eq!(api.get(&format!("/key/info?key={key}")).await.0, 404);
    assert_eq!(api.info(&other).await["status"], "active");
}

#[tokio::test]
async fn members_come_change_and_go_with_their_keys() {
    let api = Api::start().await;
    api.done("/team/new", json!({"team_id": "red"})).await;
    let one =
        json!({"team_id": "red", "member": {"role": "user", "user_id": "alice"}, "max_budget_in_team": 3});
    let added = api.done("/team/member_add", one.clone()).await;
    assert_eq!(added["updated_users"][0]["user_id"], "alice");
    assert_eq!(added["updated_team_memberships"][0]["litellm_budget_table"]["max_budget"], 3.0);
    let more = json!([{"role": "admin", "user_email": "b@c.d"}, {"role": "user", "user_id": "carl"}]);
    let added = api.done("/team/member_add", json!({"team_id": "red", "member": more})).await;
    assert_eq!(added["members_with_roles"].as_array().unwrap().len(), 3);

    let changed = json!({"team_id": "red", "user_id": "alice", "rpm_limit": 7, "role": "admin"});
    let changed = api.done("/team/member_update", changed).await;
    for (name, value) in
        [("max_budget_in_team", json!(3.0)), ("rpm_limit", json!(7)), ("role", json!("admin"))]
    {
        assert_eq!(changed[name], value, "{name}");
    }
    assert_eq!(api.last_touched().await, [(6, "red\u{1f}alice".to_owned())]);

    let key = api.key(json!({"team_id": "red", "user_id": "alice"})).await;
    let left = api.done("/team/member_delete", json!({"team_id": "red", "user_id": "alice"})).await;
    assert_eq!(left["members_with_roles"].as_array().unwrap().len(), 2);
    assert_eq!(
        api.get(&format!("/key/info?key={key}")).await.0,
        404,
        "the member's keys of the team go, too"
    );
    api.done("/team/member_delete", json!({"team_id": "red", "user_email": "B@c.d"})).await;

    let bulk = json!({"team_id": "red", "members": [{"role": "user", "user_id": "carl"}, {"role": "user", "user_id": "dora"}]});
    let bulk = api.done("/team/bulk_member_add", bulk).await;
    assert_eq!((&bulk["successful_additions"], &bulk["failed_additions"]), (&json!(1), &json!(1)));
    assert_eq!(bulk["results"][0]["success"], false);
    assert_eq!(bulk["updated_team"]["members_with_roles"].as_array().unwrap().len(), 2);
    api.table(&[
        (
            "/team/member_add",
            json!({"team_id": "blue", "member": {"role": "user", "user_id": "a"}}),
            404,
            "Team not found",
        ),
        (
            "/team/member_add",
            json!({"team_id": "red", "member": {"role": "user", "user_id": "carl"}}),
            400,
            "already a member",
        ),
        ("/team/member_add", json!({"team_id": "red"}), 422, "member"),
        (
            "/team/member_add",
            json!({"team_id": "red", "member": {"role": "user"}}),
            400,
            "Either user_id or user_email",
        ),
        ("/team/member_add", json!({"team_id": "red", "member": {"user_id": "a"}}), 422, "role"),
        (
            "/team/member_update",
            json!({"team_id": "red", "user_id": "nobody"}),
            400,
            "User not found in team",
        ),
        ("/team/member_delete", json!({"team_id": "red"}), 400, "Either user_id or user_email"),
        ("/team/member_delete", json!({"team_id": "red", "user_id": "alice"}), 400, "User not found in team"),
        ("/team/bulk_member_add", json!({"team_id": "red", "all_users": true}), 400, "all_users"),
    ])
    .await;
    assert_ne!(api.told("/user/info?user_id=alice").await["user_info"], Value::Null, "the user stays");
}
