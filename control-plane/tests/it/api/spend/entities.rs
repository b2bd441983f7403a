//! `spend` of keys, teams, users and members.

use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Event, column, count, insert, roll_up, stable_id};
use crate::api::Api;

#[tokio::test]
async fn what_was_spent_is_told_wherever_an_entity_is_shown() {
    let api = Api::start().await;
    api.done(
        "/team/new",
        json!({"team_id": "red", "members_with_roles": [{"role": "user", "user_id": "alice"}]}),
    )
    .await;
    let key = api.key(json!({"team_id": "red", "user_id": "alice", "spend": 2.5})).await;
    let other = api.key(json!({"key_alias": "other"})).await;
    let id = stable_id(&api, &key).await;
    for (kind, id, amount) in [
        (1, id.as_str(), 500_000_000),
        (2, "red", 7_000_000_000),
        (3, "alice", 32_500),
        (4, "red\u{1f}alice", 1),
        // Of somebody who is not asked for.
        (4, "red\u{1f}bob", 9_000_000_000),
    ] {
        count(&api, kind, id, amount).await;
    }
    let info = api.info(&key).await;
    assert_eq!((&info["spend"], &info["last_active"]), (&json!(3.0), &json!("2026-03-10T12:00:00.000Z")));
    let info = api.info(&other).await;
    assert_eq!((&info["spend"], &info["last_active"]), (&json!(0.0), &json!(null)));
    let list = api.told("/key/list?return_full_object=true&sort_by=spend&sort_order=desc").await;
    assert_eq!(column(&list["keys"], "spend"), json!([3.0, 0.0]));
    let team = api.told("/team/info?team_id=red").await;
    assert_eq!(team["team_info"]["spend"], 7.0);
    assert_eq!(column(&team["keys"], "spend"), json!([3.0]));
    assert_eq!(column(&team["team_memberships"], "spend"), json!([1e-9]));
    assert_eq!(column(&api.told("/team/list").await, "spend"), json!([7.0]));
    assert_eq!(column(&api.told("/v2/team/list").await["teams"], "spend"), json!([7.0]));
    let user = api.told("/user/info?user_id=alice").await;
    assert_eq!(user["user_info"]["spend"], 0.0000325);
    assert_eq!(
        (column(&user["keys"], "spend"), column(&user["teams"], "spend")),
        (json!([3.0]), json!([7.0]))
    );
    assert_eq!(api.told("/v2/user/info?user_id=alice").await["spend"], 0.0000325);
    assert_eq!(column(&api.told("/user/list").await["users"], "spend"), json!([0.0000325]));
    let blocked = api.done("/key/block", json!({"key": key})).await;
    assert_eq!(blocked["spend"], 3.0);

    let reset = api.done(&format!("/key/{key}/reset_spend"), json!({"reset_to": 1})).await;
    assert_eq!((&reset["previous_spend"], &reset["spend"]), (&json!(3.0), &json!(1.0)));
    assert_eq!(api.info(&key).await["spend"], 1.0);
    count(&api, 1, &id, 250_000_000).await;
    assert_eq!(api.info(&key).await["spend"], 1.25);
    api.done("/team/update", json!({"team_id": "red", "spend": 0})).await;
    assert_eq!(api.told("/team/info?team_id=red").await["team_info"]["spend"], 0.0);
}

#[tokio::test]
async fn a_budget_with_a_window_shows_what_was_spent_in_it() {
    let api = Api::start().await;
    let key = api.key(json!({"budget_duration": "1mo", "user_id": "alice"})).await;
    let id = stable_id(&api, &key).await;
    count(&api, 1, &id, 100).await;
    assert_eq!(api.info(&key).await["spend"], 1e-7, "made in this window: all of it");
    api.sql("update keys set created_at = '2020-01-01', spend = 5000000000").await;
    assert_eq!(api.info(&key).await["spend"], 0.0, "what was declared belonged to another window");
    let now = OffsetDateTime::now_utc();
    let first = now.date().replace_day(1).unwrap().midnight().assume_utc();
    let text = |time: OffsetDateTime| time.format(&Rfc3339).unwrap();
    let (before, start) = (text(first - time::Duration::HOUR), text(first));
    let event = Event { key: &id, cost: Some(40), ..Event::default() };
    roll_up(&api, &[Event { at: &before, ..event.clone() }, Event { at: &start, ..event.clone() }]).await;
    roll_up(&api, &[Event { at: &start, model: "other", cost: Some(2), ..event.clone() }]).await;
    assert_eq!(api.info(&key).await["spend"], 4.2e-8);
    api.done("/key/update", json!({"key": key, "spend": 1})).await;
    assert_eq!(api.info(&key).await["spend"], 1.0, "said anew in this window");

    // A window that does not begin with an hour: its events up to the next one, and whole hours from then on.
    api.sql("update keys set budget_duration = '77m', spend_generation = 0").await;
    let window = 77 * 60;
    let start = OffsetDateTime::from_unix_timestamp(now.unix_timestamp() / window * window).unwrap();
    let spent = match start.minute() == 0 {
        // The whole hour is in the rollup.
        true => 0.0,
        false => 7e-9,
    };
    let (before, within) = (text(start - time::Duration::MINUTE), text(start));
    insert(
        &api,
        "usage_events",
        &[
            Event { at: &before, seq: 1, cost: Some(1), ..event.clone() },
            Event { at: &within, seq: 2, cost: Some(7), ..event.clone() },
        ],
    )
    .await;
    api.sql("delete from usage_hourly").await;
    assert_eq!(api.info(&key).await["spend"], spent);
}
