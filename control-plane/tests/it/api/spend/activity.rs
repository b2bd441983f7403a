//! `/user/daily/activity` and `/team/daily/activity`.

use serde_json::{Value, json};

use super::{Event, as_key, column, insert, roll_up, stable_id};
use crate::api::{Api, hash};

async fn filled(api: &Api) -> (String, String) {
    api.done("/team/new", json!({"team_id": "red", "team_alias": "Red"})).await;
    api.done(
        "/user/new",
        json!({"user_id": "alice", "user_email": "a@example.com", "auto_create_key": false}),
    )
    .await;
    let key = api.key(json!({"key_alias": "one", "team_id": "red", "user_id": "alice"})).await;
    let id = stable_id(api, &key).await;
    let event = Event { key: &id, team: "red", user: "alice", ..Event::default() };
    let events = [
        Event { at: "2026-02-28T23:30:00Z", cost: Some(1), ..event.clone() },
        Event {
            at: "2026-03-01T00:30:00Z",
            cost: Some(20),
            failure: Some("timeout"),
            requests: 3,
            ..event.clone()
        },
        Event { at: "2026-03-01T01:30:00Z", cost: Some(300), model: "claude", ..event.clone() },
        Event {
            at: "2026-03-01T23:30:00Z",
            cost: Some(4_000),
            key: "master",
            user: "",
            team: "",
            ..event.clone()
        },
        Event {
            at: "2026-03-02T00:30:00Z",
            cost: Some(50_000),
            key: "gone",
            team: "blue",
            user: "bob",
            ..event.clone()
        },
    ];
    // Replicas write the same fact in shards of their own.
    roll_up(api, &events).await;
    insert(api, "usage_events", &[Event { key: "gone", team: "blue", ..Event::default() }]).await;
    (key, id)
}

fn days(answer: &Value) -> Vec<(String, f64)> {
    let day = |day: &Value| {
        (
            day.get("date").and_then(Value::as_str).unwrap().to_owned(),
            (day.pointer("/metrics/spend").and_then(Value::as_f64).unwrap() * 1e9).round(),
        )
    };
    answer["results"].as_array().unwrap_or_else(|| panic!("{answer}")).iter().map(day).collect()
}

#[tokio::test]
async fn days_are_those_of_the_zone_and_of_whoever_is_asked_for() {
    let api = Api::start().await;
    let (key, _) = filled(&api).await;
    let march = "start_date=2026-03-01&end_date=2026-03-02";
    let (first, second, last) = ("2026-02-28", "2026-03-01", "2026-03-02");
    for (query, found) in [
        (format!("/user/daily/activity?{march}"), &[(last, 50_000.0), (second, 4_320.0)][..]),
        ("/user/daily/activity?start_date=2026-02-28&end_date=2026-02-28".to_owned(), &[(first, 1.0)]),
        ("/user/daily/activity?start_date=2026-02-27&end_date=2026-02-27".to_owned(), &[]),
        // West of UTC the first hours of March are February's; east of it the last of February are March's.
        (
            "/user/daily/activity?start_date=2026-02-28&end_date=2026-03-01&timezone=60".to_owned(),
            &[(second, 54_300.0), (first, 21.0)],
        ),
        (
            "/user/daily/activity?start_date=2026-03-01&end_date=2026-03-01&timezone=-60".to_owned(),
            &[(second, 321.0)],
        ),
        (format!("/user/daily/activity?{march}&model=claude"), &[(second, 300.0)]),
        (format!("/user/daily/activity?{march}&api_key={key}"), &[(second, 320.0)]),
        (
            format!("/user/daily/activity?{march}&api_key={},litellm_proxy_master_key", hash("x")),
            &[(second, 4_000.0)],
        ),
        (format!("/user/daily/activity?{march}&user_id=bob"), &[(last, 50_000.0)]),
        (format!("/team/daily/activity?{march}"), &[(last, 50_000.0), (second, 320.0)]),
        (format!("/team/daily/activity?{march}&team_ids=red,green"), &[(second, 320.0)]),
        (format!("/team/daily/activity?{march}&exclude_team_ids=red"), &[(last, 50_000.0)]),
        (format!("/user/daily/activity/aggregated?{march}"), &[(last, 50_000.0), (second, 4_320.0)]),
    ] {
        let found: Vec<_> = found.iter().map(|(day, spent)| ((*day).to_owned(), *spent)).collect();
        assert_eq!(days(&api.told(&query).await), found, "{query}");
    }
    for (query, status, part) in [
        ("start_date=2026-03-01", 400, "Please provide"),
        ("start_date=2026-3-1&end_date=x", 400, "Invalid date format"),
        ("start_date=2026-03-01&end_date=2026-03-01&timezone=900", 422, "timezone"),
        ("start_date=2026-03-01&end_date=2026-03-01&page_size=1001", 422, "page_size"),
    ] {
        let (found, answer) = api.get(&format!("/user/daily/activity?{query}")).await;
        assert!(found == status && answer.to_string().contains(part), "{query}: {found} {answer}");
    }
}

#[tokio::test]
async fn a_day_breaks_down_into_models_keys_and_entities() {
    let api = Api::start().await;
    let (key, _) = filled(&api).await;
    let answer = api.told("/team/daily/activity?start_date=2026-03-01&end_date=2026-03-02").await;
    let day = &answer["results"][1];
    let metrics = json!({
        "spend": 3.2e-7, "flat_cost": 0.0, "prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30,
        "cache_read_input_tokens": 4, "cache_creation_input_tokens": 2, "successful_requests": 3, "failed_requests": 1,
        "api_requests": 4, "timed_requests": 4, "total_response_time_ms": 500,
    });
    for (name, value) in metrics.as_object().unwrap() {
        assert_eq!(&day["metrics"][name], value, "{name}");
    }
    let breakdown = &day["breakdown"];
    let token = hash(&key);
    assert_eq!(breakdown["mcp_servers"], json!({}));
    assert_eq!(breakdown["models"]["claude"]["metrics"]["spend"], 3e-7);
    assert_eq!(breakdown["models"]["claude"]["api_key_breakdown"][&token]["metrics"]["spend"], 3e-7);
    assert_eq!(breakdown["model_groups"]["gpt"]["metrics"]["failed_requests"], 1);
    assert_eq!(breakdown["providers"]["openai"]["metrics"]["api_requests"], 4);
    assert_eq!(breakdown["endpoints"]["/v1/chat/completions"]["metrics"]["spend"], 3.2e-7);
    assert_eq!(
        breakdown["api_keys"][&token]["metadata"],
        json!({"key_alias": "one", "team_id": "red", "user_id": "alice", "user_email": "a@example.com", "key_exists": true})
    );
    assert_eq!(breakdown["entities"]["red"]["metadata"], json!({"team_alias": "Red"}));
    let gone = &answer["results"][0]["breakdown"]["api_keys"][hash("gone")]["metadata"];
    assert_eq!(
        (&gone["key_exists"], &gone["team_id"]),
        (&json!(false), &json!("blue")),
        "as its last usage has it"
    );
    let metadata = &answer["metadata"];
    for (name, value) in [
        ("total_spend", json!(5.032e-5)),
        ("total_prompt_tokens", json!(30)),
        ("total_api_requests", json!(5)),
        ("total_successful_requests", json!(4)),
        ("total_failed_requests", json!(1)),
        ("total_tokens", json!(45)),
        ("page", json!(1)),
        ("total_pages", json!(1)),
        ("has_more", json!(false)),
    ] {
        assert_eq!(metadata[name], value, "{name}");
    }
    // A page is of rows; those of all pages are the whole.
    let mut spent = Vec::new();
    for page in 1..=3 {
        let path =
            format!("/team/daily/activity?start_date=2026-03-01&end_date=2026-03-02&page_size=1&page={page}");
        let answer = api.told(&path).await;
        assert_eq!(
            (&answer["metadata"]["total_pages"], &answer["metadata"]["has_more"]),
            (&json!(3), &json!(page < 3))
        );
        spent.push(answer["metadata"]["total_spend"].clone());
    }
    assert_eq!(spent, [json!(5e-5), json!(3e-7), json!(2e-8)]);
}

#[tokio::test]
async fn a_key_sees_what_its_user_used() {
    let api = Api::start().await;
    let (key, _) = filled(&api).await;
    let lonely = api.key(json!({})).await;
    let id = stable_id(&api, &lonely).await;
    roll_up(&api, &[Event { at: "2026-03-01T05:00:00Z", key: &id, cost: Some(9), ..Event::default() }]).await;
    roll_up(
        &api,
        &[Event {
            at: "2026-03-01T05:00:00Z",
            user: "alice",
            key: "second",
            cost: Some(5),
            ..Event::default()
        }],
    )
    .await;
    let path = "/user/daily/activity?start_date=2026-03-01&end_date=2026-03-02";
    assert_eq!(days(&as_key(&api, &key, path).await.1), [("2026-03-01".to_owned(), 325.0)]);
    assert_eq!(days(&as_key(&api, &key, &format!("{path}&user_id=alice")).await.1).len(), 1);
    assert_eq!(as_key(&api, &key, &format!("{path}&user_id=bob")).await.0, 403);
    assert_eq!(days(&as_key(&api, &lonely, path).await.1), [("2026-03-01".to_owned(), 9.0)]);
    assert_eq!(days(&as_key(&api, &lonely, &format!("{path}&api_key={key}")).await.1), []);
    assert_eq!(
        as_key(&api, &key, "/team/daily/activity?start_date=2026-03-01&end_date=2026-03-02").await.0,
        403
    );
    assert_eq!(column(&as_key(&api, &key, "/spend/keys").await.1, "key_alias"), json!(["one"]));
    assert_eq!(as_key(&api, &lonely, "/spend/keys").await, (200, json!([])));
    assert_eq!(column(&as_key(&api, &key, "/spend/users").await.1, "user_id"), json!(["alice"]));
    assert_eq!(as_key(&api, &key, "/spend/users?user_id=bob").await.0, 403);
}
