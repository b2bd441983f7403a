//! `/global/*`, `/spend/keys`, `/spend/users` and `/spend/calculate`.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Event, column, count, roll_up, stable_id};
use crate::api::{Api, hash, model};

#[tokio::test]
async fn everything_is_summed_by_what_stands_out() {
    let api = Api::start().await;
    api.done("/team/new", json!({"team_id": "red", "team_alias": "Red"})).await;
    let key = api.key(json!({"key_alias": "one", "user_id": "alice"})).await;
    let second = api.key(json!({"key_alias": "two"})).await;
    let id = stable_id(&api, &key).await;
    let now = OffsetDateTime::now_utc();
    let text = |days: i64| (now - time::Duration::days(days)).format(&Rfc3339).unwrap();
    let day = |days: i64| (now - time::Duration::days(days)).date().to_string();
    let (today, before, old) = (text(0), text(1), text(40));
    let event = Event { at: &today, key: &id, ..Event::default() };
    roll_up(
        &api,
        &[
            Event { team: "red", cost: Some(100), ..event.clone() },
            Event { at: &before, cost: Some(20), model: "claude", ..event.clone() },
            Event { at: &old, cost: Some(3), ..event.clone() },
            Event { key: "master", cost: Some(7_000), ..event.clone() },
        ],
    )
    .await;
    for (kind, id, amount) in
        [(0, "1", 5_000_000_000), (0, "2", 500_000_000), (1, id.as_str(), 42), (3, "alice", 42)]
    {
        count(&api, kind, id, amount).await;
    }
    assert_eq!(api.told("/global/spend").await, json!({"spend": 5.5, "max_budget": 0.0}), "of all replicas");
    assert_eq!(
        api.told("/global/spend/keys").await,
        json!([
            {"api_key": "litellm_proxy_master_key", "key_alias": null, "key_name": null, "total_spend": 7e-6},
            {"api_key": hash(&key), "key_alias": "one", "key_name": bulkhead_model::hash::masked(&key), "total_spend": 1.2e-7},
        ])
    );
    assert_eq!(api.told("/global/spend/keys?limit=1").await.as_array().unwrap().len(), 1);
    assert_eq!(
        api.told("/global/spend/models").await,
        json!([{"model": "gpt", "total_spend": 7.1e-6}, {"model": "claude", "total_spend": 2e-8}])
    );
    assert_eq!(
        api.told("/global/spend/teams").await,
        json!({
            "daily_spend": [{"date": day(1), "Unassigned": 2e-8}, {"date": day(0), "Red": 1e-7, "Unassigned": 7e-6}],
            "teams": ["Red", "Unassigned"],
            "total_spend_per_team": [{"team_id": "Unassigned", "total_spend": 7.02e-6}, {"team_id": "Red", "total_spend": 1e-7}],
        })
    );
    let range = format!("start_date={}&end_date={}", day(1), day(0));
    assert_eq!(
        api.told(&format!("/global/spend/provider?{range}")).await,
        json!([{"provider": "openai", "spend": 7.12e-6}])
    );
    let report = api.told(&format!("/global/spend/report?{range}")).await;
    assert_eq!(report[1]["group_by_day"], format!("{}T00:00:00.000Z", day(0)));
    assert_eq!(
        report[1]["teams"][1],
        json!({
            "team_name": "Red", "total_spend": 1e-7,
            "metadata": [{"model": "gpt", "api_key": hash(&key), "spend": 1e-7, "total_tokens": 15}],
        })
    );
    let report = api.told(&format!("/global/spend/report?{range}&group_by=api_key")).await;
    assert_eq!(column(&report, "total_cost"), json!([7e-6, 1.2e-7]));
    assert_eq!(report[1]["model_details"].as_array().unwrap().len(), 2);
    let report = api.told(&format!("/global/spend/report?{range}&api_key={}", hash(&key))).await;
    assert_eq!(
        (column(&report, "api_key"), column(&report, "total_input_tokens")),
        (json!([hash(&key)]), json!([20]))
    );
    let activity = api.told(&format!("/global/activity?{range}")).await;
    assert_eq!((&activity["sum_api_requests"], &activity["sum_total_tokens"]), (&json!(3), &json!(45)));
    assert_eq!(column(&activity["daily_data"], "api_requests"), json!([1, 2]));
    let models = api.told(&format!("/global/activity/model?{range}")).await;
    assert_eq!(
        (column(&models, "model"), column(&models, "sum_api_requests")),
        (json!(["gpt", "claude"]), json!([2, 1]))
    );
    for (path, part) in [
        ("/global/activity", "Please provide"),
        ("/global/spend/report?start_date=2026-01-01&end_date=2026-01-01&group_by=customer", "customers"),
    ] {
        let (status, answer) = api.get(path).await;
        assert!(status == 400 && answer.to_string().contains(part), "{path}: {status} {answer}");
    }
    let keys = api.told("/spend/keys").await;
    assert_eq!(column(&keys, "token"), json!([hash(&key), hash(&second)]), "the dearest first");
    assert_eq!(column(&keys, "spend"), json!([4.2e-8, 0.0]));
    api.done("/user/new", json!({"user_id": "bob", "auto_create_key": false, "spend": 1})).await;
    assert_eq!(column(&api.told("/spend/users").await, "user_id")[0], "bob");
}

#[tokio::test]
async fn what_a_request_costs_is_told_by_declared_or_listed_prices() {
    let api = Api::start().await;
    let mut declared = model("mine");
    declared["litellm_params"]["input_cost_per_token"] = json!(0.001);
    declared["litellm_params"]["output_cost_per_token"] = json!(0.01);
    api.done("/model/new", declared).await;
    let usage = |model: &str| json!({"completion_response": {"model": model, "usage": {"prompt_tokens": 9, "completion_tokens": 12}}});
    let table: &[(Value, u16, &str)] = &[
        (usage("mine"), 200, r#"{"cost":0.129}"#),
        (usage("openai/gpt-4o-mini"), 200, r#"{"cost":8.55e-6}"#),
        (usage("gpt-4o-mini"), 200, r#"{"cost":8.55e-6}"#),
        (
            json!({"model": "mine", "messages": [{"role": "user", "content": "12345678"}]}),
            200,
            r#"{"cost":0.003}"#,
        ),
        (usage("nobody-knows"), 400, "isn't mapped yet"),
        (json!({"model": "mine"}), 400, "messages must be provided"),
        (json!({}), 400, "must be provided"),
        (json!({"modell": "mine"}), 422, "extra_forbidden"),
    ];
    for (body, status, part) in table {
        api.table(&[("/spend/calculate", body.clone(), *status, part)]).await;
    }
}
