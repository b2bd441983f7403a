//! Changes at the same time.

use serde_json::{Value, json};

use super::Api;

#[tokio::test]
async fn changes_of_different_fields_at_once_all_survive() {
    let api = Api::start().await;
    let key = api.key(json!({})).await;
    api.done("/team/new", json!({"team_id": "red"})).await;
    for round in 1..=5 {
        let fields = ["rpm_limit", "tpm_limit", "max_parallel_requests", "max_budget", "soft_budget"];
        let of_key = fields.map(|field| api.done("/key/update", json!({"key": key, field: round})));
        let of_team = fields.map(|field| api.done("/team/update", json!({"team_id": "red", field: round})));
        futures_util::future::join_all(of_key.into_iter().chain(of_team)).await;
        let (info, team) = (api.info(&key).await, api.told("/team/info?team_id=red").await);
        for field in fields {
            assert_eq!(info[field].as_f64(), Some(f64::from(round)), "{field}");
            assert_eq!(team["team_info"][field].as_f64(), Some(f64::from(round)), "{field}");
        }
    }
}

#[tokio::test]
async fn of_several_who_want_a_name_at_once_one_gets_it() {
    let api = Api::start().await;
    for (path, body) in [
        ("/key/generate", json!({"key_alias": "a"})),
        ("/key/generate", json!({"key": "sk-chosen-by-hand-1"})),
        ("/team/new", json!({"team_id": "a"})),
        ("/user/new", json!({"user_id": "a"})),
        ("/user/new", json!({"user_email": "a@b.c"})),
        ("/credentials", json!({"credential_name": "a", "credential_values": {"api_key": "k"}})),
    ] {
        let tries: Vec<_> = (0..6).map(|_| api.post(path, body.clone())).collect();
        let mut statuses: Vec<_> = futures_util::future::join_all(tries).await;
        statuses.sort_by_key(|(status, _)| *status);
        let (winner, losers) = statuses.split_first().unwrap();
        assert_eq!(winner.0, 200, "{path} {body}: {}", winner.1);
        for (status, said) in losers {
            assert!(
                *status == 400 && said.to_string().contains("already exists"),
                "{path} {body}: {status} {said}"
            );
        }
    }
}

#[tokio::test]
async fn a_key_made_while_its_team_goes_is_refused_or_goes_with_it() {
    let api = Api::start().await;
    for _ in 0..10 {
        api.done("/team/new", json!({"team_id": "red"})).await;
        let make = api.post("/key/generate", json!({"team_id": "red"}));
        let (made, gone) = tokio::join!(make, api.post("/team/delete", json!({"team_ids": ["red"]})));
        assert_eq!(gone.0, 200, "{}", gone.1);
        assert!(matches!(made.0, 200 | 400), "{} {}", made.0, made.1);
        let left: Value = api.told("/key/list?team_id=red").await;
        assert_eq!(left["total_count"], 0);
    }
}
