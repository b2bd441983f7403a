//! `/explain/{call_id}`.

use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::spend::{Event, as_key, insert, stable_id};
use super::{Api, text};

/// Two legs of a request, an hour and a day old.
async fn filled(api: &Api, key: &str, user: &str, team: &str) {
    let id = stable_id(api, key).await;
    for (hours, first) in [(1, 1), (25, 3)] {
        let at = (OffsetDateTime::now_utc() - Duration::hours(hours)).format(&Rfc3339).unwrap();
        let leg = |seq: i64, failure: Option<&'static str>, requests: i64| Event {
            at: &at,
            seq,
            key: &id,
            user,
            team,
            failure,
            requests,
            ..Event::default()
        };
        insert(api, "usage_events", &[leg(first, Some("upstream_overloaded"), 0), leg(first + 1, None, 1)])
            .await;
    }
    api.sql(
        "update usage_events set call_id = case when seq < 3 then 'call-of-two-legs' else 'old' end;
         update usage_events set leg = 2, deployment = 'd2', fallbacks = 1, rule = 'default fallback, exact, only one'
             where seq % 2 = 0;
         update usage_events set leg = 1, handed_on = true, status = 503, upstream_ms = 12, overhead_us = 1500,
             rule = 'exact, simple-shuffle', cost = 0, input_tokens = 0, output_tokens = 0 where seq % 2 = 1",
    )
    .await;
}

#[tokio::test]
async fn a_request_is_told_leg_by_leg_to_those_who_may_know() {
    let api = Api::start().await;
    for user in ["owner", "admin", "member"] {
        api.done("/user/new", json!({"user_id": user, "auto_create_key": false})).await;
    }
    let members = json!([{"user_id": "admin", "role": "admin"}, {"user_id": "member", "role": "user"}]);
    api.done("/team/new", json!({"team_id": "red", "members_with_roles": members})).await;
    let key = api.key(json!({"user_id": "owner", "key_alias": "app"})).await;
    filled(&api, &key, "owner", "red").await;
    let told = api.told("/explain/call-of-two-legs").await;
    for (path, wanted) in [
        ("/status", json!("success")),
        ("/retries", json!(0)),
        ("/fallbacks", json!(1)),
        ("/model", json!("gpt")),
        ("/served_by/deployment", json!("d2")),
        ("/user_id", json!("owner")),
        ("/team_id", json!("red")),
        ("/cost", json!(0.000_001)),
        ("/usage/input_tokens", json!(10)),
        ("/others_with_this_id", json!(0)),
        ("/legs/0/rule", json!("exact, simple-shuffle")),
        ("/legs/0/upstream_status", json!(503)),
        ("/legs/0/timings/upstream_ms", json!(12)),
        ("/legs/0/timings/in_gateway_ms", json!(1.5)),
        (
            "/legs/0/explanation",
            json!(
                "deployment d1: the provider answered 503 after 12 ms; went on to model group gpt at deployment d2"
            ),
        ),
        ("/legs/1/rule", json!("default fallback, exact, only one")),
        ("/legs/2", Value::Null),
    ] {
        assert_eq!(told.pointer(path).unwrap_or(&Value::Null), &wanted, "{path}: {told:#}");
    }
    // The hash that stands in rows of these tests.
    let hash = super::hash(&stable_id(&api, &key).await);
    assert_eq!(text(&told["key"], "hash_ends_with"), *hash.split_at(hash.len() - 8).1, "{told:#}");
    assert!(!told.to_string().contains(&hash), "{told:#}");

    let asked = async |body: Value| as_key(&api, &api.key(body).await, "/explain/call-of-two-legs").await.0;
    assert_eq!(as_key(&api, &key, "/explain/call-of-two-legs").await.0, 200);
    assert_eq!(asked(json!({"user_id": "owner"})).await, 200, "by another key of the owner");
    assert_eq!(asked(json!({"user_id": "admin"})).await, 200, "an admin of the team");
    assert_eq!(asked(json!({"user_id": "member"})).await, 404);
    assert_eq!(asked(json!({})).await, 404);
    assert_eq!(api.get("/explain/old").await.0, 404, "older than a day");
    assert_eq!(api.get("/explain/nothing").await.0, 404);
}
