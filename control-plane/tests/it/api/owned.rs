//! What a file declares only the file changes.

use serde_json::{Value, json};

use super::{Api, hash, model};

#[tokio::test]
async fn every_write_to_what_a_file_declares_is_409_and_names_the_file() {
    let api = Api::start().await;
    let key = api.key(json!({"key_alias": "k"})).await;
    api.done("/team/new", json!({"team_id": "t"})).await;
    api.done("/user/new", json!({"user_id": "u", "auto_create_key": false})).await;
    let mut deployment = model("m");
    deployment["model_info"] = json!({"id": "d"});
    api.done("/model/new", deployment).await;
    api.done("/credentials", json!({"credential_name": "c", "credential_values": {"api_key": "k"}})).await;
    api.sql(
        "update keys set owner = 'gateway.yaml'; update teams set owner = 'gateway.yaml';
         update users set owner = 'gateway.yaml'; update deployments set owner = 'gateway.yaml';
         update credentials set owner = 'gateway.yaml'",
    )
    .await;
    let seq = api.seq().await;
    let names_it = |(status, body): (u16, Value)| status == 409 && body.to_string().contains("gateway.yaml");
    for (path, body) in [
        ("/key/update", json!({"key": key, "rpm_limit": 1})),
        ("/key/update", json!({"key_alias": "k", "rpm_limit": 1})),
        ("/key/delete", json!({"keys": [key]})),
        ("/key/block", json!({"key": key})),
        ("/key/regenerate", json!({"key": key})),
        ("/team/update", json!({"team_id": "t", "rpm_limit": 1})),
        ("/team/block", json!({"team_id": "t"})),
        ("/team/delete", json!({"team_ids": ["t"]})),
        ("/team/model/add", json!({"team_id": "t", "models": ["m"]})),
        ("/user/update", json!({"user_id": "u", "rpm_limit": 1})),
        ("/user/delete", json!({"user_ids": ["u"]})),
        ("/model/update", json!({"model_info": {"id": "d"}, "model_name": "n"})),
        ("/model/delete", json!({"id": "d"})),
        ("/model/block", json!({"id": "d"})),
    ] {
        let said = api.post(path, body).await;
        assert!(names_it(said.clone()), "{path}: {said:?}");
    }
    assert!(names_it(api.patch("/team/t", json!({"rpm_limit": 1})).await));
    assert!(names_it(api.patch("/credentials/c", json!({"credential_values": {"api_key": "x"}})).await));
    assert!(names_it(super::said(&api.ask("DELETE", "/credentials/c", crate::support::MASTER, None).await)));
    assert_eq!(api.seq().await, seq);
    assert_eq!(api.info(&key).await["declared_in"], "gateway.yaml");
    api.done(&format!("/key/{}/reset_spend", hash(&key)), json!({"reset_to": 0})).await;
}
