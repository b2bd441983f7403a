//! Who may do what, and in which words others are refused.

use bulkhead_testkit::client::{Request, call};
use serde_json::json;

use super::{Api, hash, said, text};
use crate::support::MASTER;

#[tokio::test]
async fn the_master_key_comes_in_any_of_the_headers() {
    let api = Api::start().await;
    for (name, value) in [
        ("authorization", format!("Bearer {MASTER}")),
        ("authorization", MASTER.to_owned()),
        ("x-litellm-api-key", MASTER.to_owned()),
        ("x-litellm-api-key", format!("Bearer {MASTER}")),
        ("api-key", MASTER.to_owned()),
        ("x-api-key", MASTER.to_owned()),
    ] {
        let answer = call(api.plane.http, &Request::get("/key/list").header(name, &value)).await.unwrap();
        assert_eq!(answer.status, 200, "{name}");
    }
}

#[tokio::test]
async fn whoever_is_not_known_is_told_so_in_litellms_words() {
    let api = Api::start().await;
    let key = api.key(json!({})).await;
    let cut = key.get(..51).unwrap();
    let wrong = format!("{cut}{}", if key.ends_with('a') { 'b' } else { 'a' });
    let get = Request::get("/key/list");
    let cases: [(Request, &str, &str); 7] = [
        (get.clone(), "auth_error", "Authentication Error, No api key passed in."),
        (get.clone().header("authorization", "Basic abc"), "auth_error", "Malformed API Key passed in."),
        (
            get.clone().bearer("abcdefghijklmnop"),
            "auth_error",
            "Received=abcd****mnop, expected to start with 'sk-'.",
        ),
        (
            get.clone().bearer("sk-unknown-unknown"),
            "token_not_found_in_db",
            "Received API Key = sk-...nown, Key Hash (Token) =",
        ),
        (get.clone().bearer(&wrong), "token_not_found_in_db", "Invalid proxy server token passed."),
        (get.clone().bearer(cut), "token_not_found_in_db", "Invalid proxy server token passed."),
        (get.bearer(&hash(&key)), "auth_error", "expected to start with 'sk-'."),
    ];
    for (request, kind, message) in cases {
        let (status, body) = said(&call(api.plane.http, &request).await.unwrap());
        assert_eq!(
            (status, body["error"]["type"].as_str(), body["error"]["code"].as_str()),
            (401, Some(kind), Some("401"))
        );
        assert!(text(&body["error"], "message").contains(message), "{body}");
    }
}

#[tokio::test]
async fn keys_of_admins_manage_those_of_viewers_look_and_others_see_themselves() {
    let api = Api::start().await;
    let of = async |role: &str| text(&api.done("/user/new", json!({"user_role": role})).await, "key");
    let (admin, viewer, user) =
        (of("proxy_admin").await, of("proxy_admin_viewer").await, of("internal_user").await);
    let nobody = api.key(json!({})).await;
    let writer = text(
        &api.done("/user/new", json!({"user_role": "proxy_admin", "allowed_routes": ["/key/*"]})).await,
        "key",
    );
    let model = json!({"model_name": "m"});
    for (key, method, path, status) in [
        (&admin, "POST", "/key/generate", 200),
        (&admin, "GET", "/team/list", 200),
        (&viewer, "GET", "/team/list", 200),
        (&viewer, "GET", "/model/info", 200),
        (&viewer, "POST", "/key/generate", 403),
        (&viewer, "GET", "/key/info", 200),
        (&user, "GET", "/team/list", 403),
        (&user, "POST", "/key/generate", 403),
        (&user, "GET", "/key/info", 200),
        (&nobody, "GET", "/key/info", 200),
        (&nobody, "GET", "/key/list", 403),
        (&writer, "POST", "/key/generate", 200),
        (&writer, "POST", "/team/new", 403),
    ] {
        let body = (method == "POST").then(|| json!({}));
        let (found, answer) = said(&api.ask(method, path, key, body).await);
        assert_eq!(found, status, "{method} {path}: {answer}");
        if status == 403 {
            assert_eq!(
                (&answer["error"]["type"], &answer["error"]["code"]),
                (&json!("auth_error"), &json!("403")),
                "{answer}"
            );
        }
    }
    let (status, _) = said(&api.ask("POST", "/model/new", &user, Some(model)).await);
    assert_eq!(status, 403, "before the body is looked at");
    let other = api.ask("GET", &format!("/key/info?key={nobody}"), &user, None).await;
    assert_eq!(other.status, 403);
    let own = api.ask("GET", &format!("/key/info?key={}", hash(&user)), &user, None).await;
    assert_eq!(own.status, 200);
    let by = api.done("/key/block", json!({"key": hash(&admin)})).await;
    assert_eq!(by["updated_by"], "default_user_id");
    let refused = said(&api.ask("GET", "/key/info", &admin, None).await);
    assert_eq!(refused.0, 401);
    assert!(text(&refused.1["error"], "message").contains("Key is blocked."), "{}", refused.1);
}

#[tokio::test]
async fn keys_that_are_over_or_whose_team_is_blocked_are_refused() {
    let api = Api::start().await;
    api.done("/team/new", json!({"team_id": "red"})).await;
    let (late, red) = (api.key(json!({"duration": "1h"})).await, api.key(json!({"team_id": "red"})).await);
    api.sql("update keys set expires_at = now() - interval '1 second' where expires_at is not null").await;
    api.done("/team/block", json!({"team_id": "red"})).await;
    for (key, kind, message) in
        [(&late, "expired_key", "Expired Key."), (&red, "auth_error", "Team=red is blocked.")]
    {
        let (status, body) = said(&api.ask("GET", "/key/info", key, None).await);
        assert_eq!((status, body["error"]["type"].as_str()), (401, Some(kind)));
        assert!(text(&body["error"], "message").contains(message), "{body}");
    }
}

#[tokio::test]
async fn a_change_is_made_in_the_name_that_the_client_gives() {
    let api = Api::start().await;
    let seq = api.seq().await;
    let request =
        Request::post("/key/generate").bearer(MASTER).header("litellm-changed-by", "terraform").json("{}");
    let made = call(api.plane.http, &request).await.unwrap();
    assert_eq!(made.json()["created_by"], "terraform");
    assert_eq!(made.header("x-bulkhead-version"), Some(format!("1.{}", seq + 1).as_str()));
    let mut connection = api.database.connect().await;
    let by: String = sqlx::query_scalar("select made_by from change_log order by seq desc limit 1")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(by, "terraform");
}

#[tokio::test]
async fn what_is_not_there_and_what_is_no_json_is_said_as_fastapi_says_it() {
    let api = Api::start().await;
    assert_eq!(api.get("/nothing").await, (404, json!({"detail": "Not Found"})));
    assert_eq!(api.get("/key/generate").await, (405, json!({"detail": "Method Not Allowed"})));
    let request = Request::post("/key/generate").bearer(MASTER).json("{nonsense");
    let (status, body) = said(&call(api.plane.http, &request).await.unwrap());
    assert_eq!(
        (status, &body["detail"][0]["type"], &body["detail"][0]["loc"]),
        (422, &json!("json_invalid"), &json!(["body"]))
    );
    let request = Request::post("/key/generate").bearer(MASTER).json(format!("\"{}\"", "x".repeat(3 << 20)));
    assert_eq!(call(api.plane.http, &request).await.unwrap().status, 413);
    assert_eq!(api.post("/key/generate?wait=soon", json!({})).await.0, 422);
    let seq = api.seq().await;
    let (status, body) = api.post("/key/generate?wait=applied", json!({})).await;
    assert_eq!(
        (status, &body["version"]["seq"], &body["applied"]),
        (200, &json!(seq + 1), &json!([])),
        "{body}"
    );
    assert!(body["key"].is_string());
}
