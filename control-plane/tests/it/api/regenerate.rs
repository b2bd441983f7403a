//! New secrets and new counts.

use bulkhead_model::Clock;
use serde_json::{Value, json};

use super::{Api, hash, text};
use crate::support::MASTER;

#[tokio::test]
async fn a_key_gets_a_new_secret_and_keeps_everything_else() {
    let api = Api::start().await;
    let old = api.key(json!({"key_alias": "a", "rpm_limit": 5, "models": ["m"]})).await;
    let made = api.done("/key/regenerate", json!({"key": old, "max_budget": 3})).await;
    let new = text(&made, "key");
    assert_ne!(old, new);
    assert_eq!(
        (&made["rpm_limit"], &made["max_budget"], &made["key_alias"]),
        (&json!(5), &json!(3.0), &json!("a"))
    );
    assert_eq!(api.get(&format!("/key/info?key={old}")).await.0, 404);
    let mut touched = vec![(7, hash(&old)), (7, hash(&new))];
    touched.sort();
    assert_eq!(
        api.last_touched().await,
        touched,
        "nodes hear of the end of the one and the start of the other"
    );
}

#[tokio::test]
async fn within_the_grace_period_both_secrets_are_the_same_key() {
    let api = Api::start().await;
    let old = api.key(json!({"key_alias": "a"})).await;
    let path = format!("/key/{}/regenerate", hash(&old));
    let new =
        text(&api.done(&path, json!({"grace_period": "24h", "new_key": "sk-chosen-by-hand-1"})).await, "key");
    assert_eq!(new, "sk-chosen-by-hand-1");
    for key in [&old, &new] {
        assert_eq!(api.info(key).await["key_alias"], "a");
        assert_eq!(api.ask("GET", "/key/info", key, None).await.status, 200);
    }
    api.done("/key/block", json!({"key": new})).await;
    assert_eq!(api.last_touched().await.len(), 2, "a block reaches the old secret, too");
    assert_eq!(api.ask("GET", "/key/info", &old, None).await.status, 401);
    api.done("/key/unblock", json!({"key": new})).await;

    let last = text(&api.done("/key/regenerate", json!({"key": new})).await, "key");
    for gone in [&old, &new] {
        assert_eq!(
            api.ask("GET", "/key/info", gone, None).await.status,
            401,
            "without grace nothing old is left"
        );
    }
    assert_eq!(api.ask("GET", "/key/info", &last, None).await.status, 200);
    api.table(&[
        ("/key/regenerate", json!({}), 422, "Field required"),
        ("/key/regenerate", json!({"key": old}), 404, "Key not found"),
        ("/key/regenerate", json!({"key": last, "new_key": last}), 400, "already exists"),
        ("/key/regenerate", json!({"key": last, "new_key": MASTER}), 400, "already exists"),
        ("/key/regenerate", json!({"key": last, "new_key": "short"}), 400, "must start with"),
        ("/key/regenerate", json!({"key": last, "new_master_key": "x"}), 400, "new_master_key"),
        ("/key/regenerate", json!({"key": last, "grace_period": "a while"}), 422, "grace_period"),
    ])
    .await;
}

#[tokio::test]
async fn spend_is_counted_anew_from_what_is_said() {
    let api = Api::start().await;
    let key = api.key(json!({"max_budget": 10, "budget_duration": "1d", "spend": 7.5})).await;
    assert_eq!(api.info(&key).await["spend"], 7.5);
    let answer = api.done(&format!("/key/{}/reset_spend", hash(&key)), json!({"reset_to": 1})).await;
    for (name, value) in [
        ("spend", json!(1.0)),
        ("previous_spend", json!(7.5)),
        ("max_budget", json!(10.0)),
        ("key_hash", json!(hash(&key))),
    ] {
        assert_eq!(answer[name], value, "{name}");
    }
    assert_ne!(answer["budget_reset_at"], Value::Null);
    assert_eq!(api.info(&key).await["spend"], 1.0);
    let mut connection = api.database.connect().await;
    let generation: i64 =
        sqlx::query_scalar("select spend_generation from keys").fetch_one(&mut connection).await.unwrap();
    let age = Clock::System.now().0 - generation;
    assert!((0..60_000).contains(&age), "it is when the amount was said: {generation}");
    let path = format!("/key/{key}/reset_spend");
    api.table(&[
        (&path, json!({}), 422, "reset_to"),
        (&path, json!({"reset_to": -1}), 422, "greater_than_equal"),
        (&path, json!({"reset_to": 11}), 400, "max_budget"),
        ("/key/unknown/reset_spend", json!({"reset_to": 0}), 404, "Key not found"),
    ])
    .await;
}
