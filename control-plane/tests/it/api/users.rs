//! Users.

use serde_json::{Value, json};

use super::{Api, hash, text};

#[tokio::test]
async fn a_user_is_made_with_a_key_changed_shown_and_removed() {
    let api = Api::start().await;
    api.done("/team/new", json!({"team_id": "red"})).await;
    let made = api
        .done(
            "/user/new",
            json!({
                "user_id": "alice", "user_email": "alice@example.com", "user_alias": "Alice", "max_budget": 5,
                "user_role": "internal_user", "key_alias": "of-alice", "teams": ["red"], "send_invite_email": false,
            }),
        )
        .await;
    let key = text(&made, "key");
    for (name, value) in [
        ("user_id", json!("alice")),
        ("user_email", json!("alice@example.com")),
        ("user_role", json!("internal_user")),
        ("max_budget", json!(5.0)),
        ("teams", json!(["red"])),
        ("key_alias", json!("of-alice")),
        ("token", json!(hash(&key))),
    ] {
        assert_eq!(made[name], value, "{name}");
    }
    let without = api.done("/user/new", json!({"auto_create_key": false})).await;
    assert_eq!((&without["key"], text(&without, "user_id").len()), (&Value::Null, 36));

    let changed = api.done("/user/update", json!({"user_id": "alice", "rpm_limit": 3})).await;
    assert_eq!((&changed["user_id"], &changed["data"]["rpm_limit"]), (&json!("alice"), &json!(3)));
    let changed =
        api.done("/user/update", json!({"user_email": "ALICE@example.com", "user_alias": "A"})).await;
    assert_eq!(changed["data"]["user_alias"], "A", "found by the address");
    let info = api.told("/user/info?user_id=alice").await;
    assert_eq!((&info["user_info"]["rpm_limit"], &info["keys"][0]["token"]), (&json!(3), &json!(hash(&key))));
    assert_eq!(info["teams"][0]["team_id"], "red");
    let flat = api.told("/v2/user/info?user_id=alice").await;
    assert_eq!((&flat["user_alias"], &flat["teams"]), (&json!("A"), &json!(["red"])));
    assert_eq!(
        api.ask("GET", "/user/info", &key, None).await.json()["user_id"],
        "alice",
        "its own by default"
    );
    assert_eq!(api.ask("GET", "/user/info?user_id=bob", &key, None).await.status, 403);
    assert!(api.told("/user/available_roles").await["proxy_admin"]["ui_label"].is_string());
    api.table(&[
        ("/user/new", json!({"user_id": "alice"}), 400, "User with id alice already exists"),
        (
            "/user/new",
            json!({"user_email": "Alice@Example.com"}),
            400,
            "User with email Alice@Example.com already exists",
        ),
        ("/user/new", json!({"user_role": "king"}), 422, "proxy_admin"),
        ("/user/new", json!({"teams": ["blue"]}), 404, "Team not found"),
        ("/user/new", json!({"key_alias": "of-alice"}), 400, "already exists"),
        ("/user/update", json!({"user_id": "nobody"}), 404, "User nobody not found"),
        ("/user/update", json!({}), 422, "user_id"),
        ("/user/delete", json!({"user_ids": ["alice", "nobody"]}), 404, "User nobody not found"),
        ("/user/delete", json!({"user_ids": ["alice"]}), 200, "1"),
    ])
    .await;
    let touched: Vec<_> = api.last_touched().await.into_iter().map(|(_, id)| id).collect();
    assert_eq!(touched, ["alice".to_owned(), "red\u{1f}alice".to_owned(), hash(&key)]);
    assert_eq!(api.get("/user/info?user_id=alice").await.0, 404);
    assert_eq!(api.get("/user/info").await.0, 422, "whoever has the master key is no user");
    assert_eq!(api.told("/team/info?team_id=red").await["team_memberships"], json!([]));
}
