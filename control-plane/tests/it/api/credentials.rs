//! Credentials.

use serde_json::json;

use super::{Api, said, text};
use crate::support::MASTER;

const SECRET: &str = "sk-shared-0123456789abcdef";

#[tokio::test]
async fn a_credential_is_shared_rotated_and_kept_while_somebody_uses_it() {
    let api = Api::start().await;
    let values = json!({"api_key": SECRET, "api_base": "http://gpu:8000/v1"});
    let made = api
        .done(
            "/credentials",
            json!({"credential_name": "c", "credential_values": values, "credential_info": {"a": 1}}),
        )
        .await;
    assert_eq!(made, json!({"success": true, "message": "Credential created successfully"}));
    let params = json!({"model": "hosted_vllm/llama", "litellm_credential_name": "c"});
    let model = api.done("/model/new", json!({"model_name": "llama", "litellm_params": params})).await;
    let id = text(&model, "model_id");

    for path in ["/credentials/by_name/c", &format!("/credentials/by_model/{id}")] {
        let shown = api.told(path).await;
        assert_eq!(shown["credential_name"], "c", "{path}");
        assert_eq!(
            shown["credential_values"],
            json!({"api_key": "****cdef", "api_base": "http://gpu:8000/v1"}),
            "{path}"
        );
    }
    let list = api.told("/credentials").await;
    assert_eq!(
        (&list["success"], &list["credentials"][0]["credential_info"]),
        (&json!(true), &json!({"a": 1}))
    );

    let new_key = json!({"credential_values": {"api_key": "sk-rotated-0123456789abcdef"}});
    assert_eq!(api.patch("/credentials/c", new_key).await.0, 200);
    assert_eq!(api.last_touched().await, [(2, "c".to_owned())], "a new key changes the credential alone");
    let moved = json!({"credential_values": {"api_base": "http://other:8000/v1"}});
    assert_eq!(api.patch("/credentials/c", moved).await.0, 200);
    assert_eq!(api.last_touched().await, [(2, "c".to_owned()), (3, id.clone())]);
    let bad = api.patch("/credentials/c", json!({"credential_values": {"api_base": "ftp://x"}})).await;
    assert_eq!(bad.0, 400, "what its models could not use is refused: {}", bad.1);

    let delete = async |path: &str| said(&api.ask("DELETE", path, MASTER, None).await);
    let (status, answer) = delete("/credentials/c").await;
    assert!(status == 400 && answer.to_string().contains(&id), "{answer}");
    api.done("/model/delete", json!({"id": id})).await;
    let gone = json!({"success": true, "message": "Credential deleted successfully"});
    assert_eq!(delete("/credentials/c").await, (200, gone));
    assert_eq!(delete("/credentials/c").await.0, 404);
    assert_eq!(api.get("/credentials/by_name/c").await.0, 404);
    assert_eq!(api.patch("/credentials/c", json!({})).await.0, 404);
    api.done("/credentials", json!({"credential_name": "d", "credential_values": {"api_key": "k"}})).await;
    api.table(&[
        (
            "/credentials",
            json!({"credential_name": "d", "credential_values": {"api_key": "k"}}),
            400,
            "already exists",
        ),
        ("/credentials", json!({"credential_name": "e"}), 422, "credential_values"),
        ("/credentials", json!({"credential_values": {}}), 422, "credential_name"),
        (
            "/credentials",
            json!({"credential_name": "e", "credential_values": {"apikey": "k"}}),
            400,
            "did you mean `api_key`?",
        ),
        (
            "/credentials",
            json!({"credential_name": "e", "credential_values": {"api_key": 7}}),
            422,
            "api_key",
        ),
        ("/credentials", json!({"credential_name": "e", "model_id": "nobody"}), 404, "Model not found"),
    ])
    .await;
}
