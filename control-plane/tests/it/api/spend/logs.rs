//! `/spend/logs`, in its three forms.

use serde_json::{Value, json};

use super::{Event, START, as_key, column, insert, roll_up, stable_id};
use crate::api::{Api, hash};
use crate::support::MASTER;

const DAYS: &str = "start_date=2026-02-28%2000:00:00&end_date=2026-03-31%2023:59:59";

fn ids(rows: &Value) -> Vec<i64> {
    let id = |row: &Value| row["request_id"].as_str().unwrap().rsplit('-').next().unwrap().parse().unwrap();
    rows.as_array().unwrap_or_else(|| panic!("{rows}")).iter().map(id).collect()
}

async fn filled(api: &Api, key: &str) -> String {
    let id = stable_id(api, key).await;
    let event = Event { key: &id, ..Event::default() };
    let events = [
        Event { seq: 1, at: "2026-02-28T23:59:59.999Z", ..event.clone() },
        Event {
            seq: 2,
            at: "2026-03-01T00:00:00Z",
            team: "red",
            user: "alice",
            cost: Some(3_000_000_000),
            ..event.clone()
        },
        Event { seq: 3, at: "2026-03-01T00:00:00.5Z", model: "claude", cost: None, ..event.clone() },
        Event {
            seq: 4,
            at: "2026-03-31T23:59:59.9Z",
            failure: Some("timeout"),
            cost: Some(0),
            ..event.clone()
        },
        Event { seq: 5, at: "2026-04-01T00:00:00Z", key: "master", ..event.clone() },
        Event {
            seq: 6,
            at: "2026-03-15T00:00:00Z",
            key: "gone",
            requests: 40,
            cost: Some(7),
            ..event.clone()
        },
    ];
    insert(api, "usage_events", &events).await;
    insert(
        api,
        "usage_late",
        &[Event { seq: 7, at: "2026-03-02T00:00:00Z", cost: Some(2_000_000_000), ..event }],
    )
    .await;
    api.sql("update usage_events set key_hash = null where key_id = 'master'").await;
    id
}

#[tokio::test]
async fn logs_are_found_by_filters_in_pages_and_in_order() {
    let api = Api::start().await;
    let key = api.key(json!({"key_alias": "one"})).await;
    let other = api.key(json!({})).await;
    filled(&api, &key).await;
    let gone = hash("gone");
    for (query, found) in [
        ("", &[4, 6, 7, 3, 2, 1][..]),
        ("&sort_order=asc&page_size=2&page=2", &[3, 7]),
        ("&page_size=4&page=2", &[2, 1]),
        ("&page=3", &[]),
        ("&sort_by=spend&page_size=2", &[2, 7]),
        ("&sort_by=model&sort_order=asc&page_size=1", &[3]),
        ("&sort_by=total_tokens&page_size=1", &[1]),
        ("&status_filter=failure", &[4]),
        ("&status_filter=success&page_size=1", &[6]),
        ("&team_id=red", &[2]),
        ("&user_id=alice&team_id=blue", &[]),
        ("&model=claude", &[3]),
        ("&model=claude-2026", &[3]),
        ("&model_group=gpt&model_id=d1&page_size=1", &[4]),
        ("&min_spend=2", &[7, 2]),
        ("&min_spend=2&max_spend=2.5", &[7]),
        ("&max_spend=0", &[4, 3]),
        ("&search=alice", &[2]),
        ("&search=call-6", &[6]),
        ("&request_id=call-6", &[6]),
        ("&exclude_internal_health_checks=true&group_by_session=false&page_size=1", &[4]),
    ] {
        for path in ["/spend/logs/v2", "/spend/logs/ui"] {
            let page = api.told(&format!("{path}?{DAYS}{query}")).await;
            assert_eq!(ids(&page["data"]), found, "{query}");
        }
    }
    let name = format!("node-1-{START}-5");
    for (query, found) in [
        (format!("{DAYS}&api_key={key}"), &[4, 7, 3, 2, 1][..]),
        (format!("{DAYS}&api_key={}", hash(&key)), &[4, 7, 3, 2, 1]),
        (format!("{DAYS}&api_key={other}"), &[]),
        (format!("{DAYS}&api_key={gone}"), &[6]),
        ("start_date=2026-04-01&end_date=2026-04-01&api_key=litellm_proxy_master_key".to_owned(), &[5]),
        (format!("start_date=2026-04-01&end_date=2026-04-01&api_key={MASTER}"), &[5]),
        ("start_date=2026-02-28&end_date=2026-02-28".to_owned(), &[1]),
        (format!("request_id={name}"), &[5]),
        (format!("{DAYS}&request_id={name}"), &[5]),
    ] {
        let page = api.told(&format!("/spend/logs/v2?{query}")).await;
        assert_eq!(ids(&page["data"]), found, "{query}");
        assert_eq!(page["total"], found.len());
    }
    let page = api.told(&format!("/spend/logs/v2?{DAYS}&page_size=4")).await;
    assert_eq!(
        (&page["total"], &page["page"], &page["page_size"], &page["total_pages"], &page["total_is_capped"]),
        (&json!(6), &json!(1), &json!(4), &json!(2), &json!(false))
    );
    assert_eq!(api.told(&format!("/spend/logs/ui/{name}")).await["api_key"], "litellm_proxy_master_key");
    for (path, status, part) in [
        ("/spend/logs/v2", 400, "required"),
        ("/spend/logs/v2?start_date=2026-03-01", 400, "together"),
        ("/spend/logs/v2?start_date=today&end_date=tomorrow", 400, "Invalid date format for start_date"),
        ("/spend/logs/v2?start_date=2026-03-02&end_date=2026-03-01", 400, "must not be before"),
        ("/spend/logs/v2?start_date=2026-03-01&end_date=2026-03-01&session_id=s", 400, "`session_id`"),
        (
            "/spend/logs/v2?start_date=2026-03-01&end_date=2026-03-01&cache_hit_filter=hit",
            400,
            "`cache_hit_filter`",
        ),
        ("/spend/logs/v2?start_date=2026-03-01&end_date=2026-03-01&page_size=1001", 422, "less_than_equal"),
        ("/spend/logs/v2?start_date=2026-03-01&end_date=2026-03-01&page_size=1000&page=102", 400, "100000"),
        ("/spend/logs/v2?start_date=2026-03-01&end_date=2026-03-01&sort_by=node", 400, "Invalid sort column"),
        ("/spend/logs/v2?start_date=2026-03-01&end_date=2026-03-01&status_filter=odd", 422, "'failure'"),
        ("/spend/logs/v2?start_date=2026-03-01&end_date=2026-03-01&min_spend=x", 422, "not a decimal number"),
        ("/spend/logs/ui/nobody", 404, "No such request"),
    ] {
        let (found, answer) = api.get(path).await;
        assert!(found == status && answer.to_string().contains(part), "{path}: {found} {answer}");
    }
}

#[tokio::test]
async fn logs_are_ordered_by_their_end_whatever_durations_say() {
    let api = Api::start().await;
    let key = api.key(json!({})).await;
    filled(&api, &key).await;
    // As the ledger stores a duration that no bigint holds.
    api.sql("update usage_events set duration_ms = 9223372036854775807 where seq = 3").await;
    let page = api.told(&format!("/spend/logs/v2?{DAYS}&sort_by=endTime")).await;
    assert_eq!(ids(&page["data"]), [3, 4, 6, 7, 2, 1]);
}

#[tokio::test]
async fn a_row_is_one_of_litellms_table() {
    let api = Api::start().await;
    let key = api.key(json!({})).await;
    filled(&api, &key).await;
    let page = api.told(&format!("/spend/logs/v2?{DAYS}&sort_order=asc")).await;
    let rows = &page["data"];
    let expected = json!({
        "request_id": format!("node-1-{START}-2"), "litellm_call_id": "call-2", "call_type": "acompletion",
        "spend": 3.0, "total_tokens": 15, "prompt_tokens": 10, "completion_tokens": 5,
        "startTime": "2026-03-01T00:00:00.000Z", "endTime": "2026-03-01T00:00:00.250Z",
        "completionStartTime": "2026-03-01T00:00:00.100Z", "request_duration_ms": 250,
        "model": "gpt-2026", "model_id": "d1", "model_group": "gpt", "custom_llm_provider": "openai",
        "user": "alice", "team_id": "red", "end_user": "", "organization_id": null, "status": "success",
        "request_tags": ["t"], "cache_hit": "False", "cache_key": "", "api_base": "", "messages": {}, "response": {},
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&rows[1][name], value, "{name}");
    }
    let metadata = |row: usize| &rows[row]["metadata"];
    assert_eq!(metadata(1)["usage_object"]["prompt_tokens_details"]["cached_tokens"], 2);
    assert_eq!(
        (&metadata(1)["usage_source"], &metadata(1)["cost_known"]),
        (&json!("reported"), &json!(true))
    );
    assert_eq!((&rows[2]["spend"], &metadata(2)["cost_known"]), (&json!(0.0), &json!(false)), "unknown");
    assert_eq!((&metadata(4)["requests"], &rows[4]["spend"]), (&json!(40), &json!(7e-9)), "a sum of several");
    assert_eq!(
        (&rows[5]["status"], &metadata(5)["error_information"]["error_class"]),
        (&json!("failure"), &json!("timeout"))
    );
}

#[tokio::test]
async fn the_simple_form_lists_rows_or_sums_them_by_day() {
    let api = Api::start().await;
    let key = api.key(json!({})).await;
    let id = filled(&api, &key).await;
    assert_eq!(ids(&api.told("/spend/logs").await), [5, 4, 6, 7, 3, 2, 1]);
    assert_eq!(ids(&api.told("/spend/logs?user_id=alice").await), [2]);
    assert_eq!(ids(&api.told("/spend/logs?request_id=call-3").await), [3]);
    let rows = api.told("/spend/logs?start_date=2026-03-01&end_date=2026-03-02&summarize=false").await;
    assert_eq!(ids(&rows), [7, 3, 2], "the last day is a whole one");
    let event = Event { key: &id, at: "2026-02-28T23:00:00Z", ..Event::default() };
    roll_up(
        &api,
        &[
            Event { cost: Some(100), user: "alice", ..event.clone() },
            Event { cost: Some(20), model: "claude", ..event.clone() },
            Event { at: "2026-03-01T00:00:00Z", cost: Some(3), key: "gone", ..event.clone() },
            Event { at: "2026-03-04T00:00:00Z", cost: Some(5), ..event },
        ],
    )
    .await;
    let sums = api.told("/spend/logs?start_date=2026-02-28&end_date=2026-03-03").await;
    assert_eq!(column(&sums, "startTime"), json!(["2026-02-28", "2026-03-01", "2026-03-02", "2026-03-03"]));
    assert_eq!(column(&sums, "spend"), json!([1.2e-7, 3e-9, 0.0, 0.0]));
    assert_eq!(sums[0]["users"], json!({"": 2e-8, "alice": 1e-7}));
    assert_eq!(sums[0]["models"], json!({"claude": 2e-8, "gpt": 1e-7}));
    assert_eq!(sums[0][hash(&key)], 1.2e-7);
    assert_eq!(sums[1][hash("gone")], 3e-9, "as its last usage has it");
    let sums =
        api.told(&format!("/spend/logs?start_date=2026-02-28&end_date=2026-03-03&api_key={key}")).await;
    assert_eq!(column(&sums, "spend"), json!([1.2e-7, 0.0, 0.0, 0.0]));
}

#[tokio::test]
async fn a_key_sees_only_what_is_its_own() {
    let api = Api::start().await;
    let key = api.key(json!({})).await;
    let other = api.key(json!({})).await;
    let id = filled(&api, &key).await;
    roll_up(&api, &[Event { key: &id, ..Event::default() }, Event::default()]).await;
    let (_, page) = as_key(&api, &key, &format!("/spend/logs/v2?{DAYS}")).await;
    assert_eq!((ids(&page["data"]), &page["total"]), (vec![4, 7, 3, 2, 1], &json!(5)));
    assert_eq!(ids(&as_key(&api, &key, "/spend/logs").await.1), [4, 7, 3, 2, 1]);
    assert_eq!(as_key(&api, &other, "/spend/logs").await, (200, json!([])));
    assert_eq!(as_key(&api, &other, &format!("/spend/logs?api_key={key}")).await, (200, json!([])));
    let days = "/spend/logs?start_date=2026-03-10&end_date=2026-03-10";
    assert_eq!(column(&as_key(&api, &key, days).await.1, "spend"), json!([1e-6]));
    assert_eq!(as_key(&api, &other, &format!("{days}&api_key={key}")).await, (200, json!([])));
    let one = |seq: i64| format!("/spend/logs/ui/node-1-{START}-{seq}");
    assert_eq!(as_key(&api, &key, &one(2)).await.0, 200);
    assert_eq!(as_key(&api, &key, &one(6)).await.0, 404);
    assert_eq!(as_key(&api, &key, &format!("/spend/logs/v2?request_id=call-6&{DAYS}")).await.1["total"], 0);
    for path in
        ["/global/spend", "/global/activity?start_date=2026-03-01&end_date=2026-03-01", "/global/spend/keys"]
    {
        assert_eq!(as_key(&api, &key, path).await.0, 403, "{path}");
    }
}
