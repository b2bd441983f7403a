//! Models.

use serde_json::{Value, json};

use super::{Api, model, text};
use crate::support::MASTER;

const SECRET: &str = "sk-provider-0123456789abcdef";

#[tokio::test]
async fn a_model_is_declared_changed_and_removed_and_its_secrets_are_hidden() {
    let api = Api::start().await;
    let made = api.done("/model/new", model("gpt")).await;
    let id = text(&made, "model_id");
    assert_eq!((&made["model_name"], &made["litellm_params"]["rpm"]), (&json!("gpt"), &json!(10)));
    assert_eq!((&made["model_info"]["id"], &made["model_info"]["db_model"]), (&json!(id), &json!(true)));
    assert_eq!(api.last_touched().await, [(3, id.clone())]);

    let (status, changed) =
        api.patch(&format!("/model/{id}/update"), json!({"litellm_params": {"rpm": 20}})).await;
    assert_eq!((status, &changed["litellm_params"]["rpm"]), (200, &json!(20)), "{changed}");
    let shown = changed["litellm_params"].clone();
    let changed =
        json!({"model_info": {"id": id, "mode": "chat"}, "litellm_params": shown, "model_name": "gpt-4o"});
    let changed = api.done("/model/update", changed).await;
    assert_eq!((&changed["model_name"], &changed["model_info"]["mode"]), (&json!("gpt-4o"), &json!("chat")));
    assert_eq!(api.done("/model/block", json!({"id": id})).await["blocked"], true);
    assert_eq!(api.told("/model_group/info").await, json!({"data": []}));
    assert_eq!(api.done("/model/unblock", json!({"model_id": id})).await["blocked"], false);

    for path in
        ["/model/info", "/v1/model/info", "/v2/model/info", &format!("/model/info?litellm_model_id={id}")]
    {
        let list = api.told(path).await;
        let row = &list["data"][0];
        assert_eq!((&row["model_name"], &row["model_info"]["id"]), (&json!("gpt-4o"), &json!(id)), "{path}");
        assert_eq!(row["litellm_params"]["api_key"], "****cdef", "{path}");
        assert_eq!(row["model_info"]["input_cost_per_token"], 2.5e-6, "{path}");
        assert!(!list.to_string().contains(SECRET), "{path}");
    }
    let group = api.told("/model_group/info").await["data"][0].clone();
    for (name, value) in [
        ("model_group", json!("gpt-4o")),
        ("providers", json!(["openai"])),
        ("rpm", json!(20)),
        ("mode", json!("chat")),
        ("output_cost_per_token", json!(1e-5)),
    ] {
        assert_eq!(group[name], value, "{name}");
    }
    assert!(!made.to_string().contains(SECRET) && !changed.to_string().contains(SECRET));

    let deleted = api.done("/model/delete", json!({"id": id})).await;
    assert_eq!(deleted, json!({"message": format!("Model: {id} deleted successfully")}));
    assert_eq!(api.told("/model/info").await, json!({"data": []}));
    let mut connection = api.database.connect().await;
    let everything: Vec<String> = sqlx::query_scalar("select change_log::text from change_log")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    assert!(!everything.concat().contains(SECRET));
}

#[tokio::test]
async fn secrets_are_sealed_in_the_database() {
    let api = Api::start().await;
    api.done("/model/new", model("gpt")).await;
    let values = json!({"credential_name": "c", "credential_values": {"api_key": SECRET}});
    api.done("/credentials", values).await;
    let mut connection = api.database.connect().await;
    let dump: Vec<Vec<u8>> = sqlx::query_scalar(
        "select params || resource || convert_to(deployments::text, 'utf8') from deployments union all
         select secret_values || convert_to(credentials::text, 'utf8') from credentials",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let all = dump.concat();
    assert!(dump.len() == 2 && !all.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()));
}

#[tokio::test]
async fn what_no_file_could_declare_is_refused_with_the_same_words() {
    let api = Api::start().await;
    let mut named = model("gpt");
    named["model_info"] = json!({"id": "one"});
    api.done("/model/new", named.clone()).await;
    let seq = api.seq().await;
    let new = |params: Value| json!({"model_name": "m", "litellm_params": params});
    let key = "sk-provider-0123456789abcdef";
    let path = "/model/new";
    api.table(&[
        (path, json!({"litellm_params": {"model": "openai/gpt-4o"}}), 422, r#""loc":["body","model_name"]"#),
        (path, json!({"model_name": "m"}), 422, r#""loc":["body","litellm_params"]"#),
        (path, named, 400, "already exists"),
        (path, new(json!({"model": "opnai/gpt-4o", "api_key": key})), 400, "did you mean `openai`?"),
        (
            path,
            new(json!({"model": "openai/gpt-4o", "api_key": key, "max_budget": 1})),
            400,
            "litellm_params.max_budget",
        ),
        (
            path,
            new(json!({"model": "openai/gpt-4o", "api_key": key, "rpm": "many"})),
            400,
            "litellm_params.rpm",
        ),
        (
            path,
            new(json!({"model": "openai/gpt-4o", "api_key": key, "api_base": "ftp://x"})),
            400,
            "litellm_params.api_base",
        ),
        (path, new(json!({"model": "openai/gpt-4o", "api_key": "os.environ/NOT_SET"})), 400, "NOT_SET"),
        (
            path,
            new(json!({"model": "openai/gpt-4o", "api_key": "os.environ/LITELLM_MASTER_KEY"})),
            400,
            "LITELLM_MASTER_KEY",
        ),
        (
            path,
            new(json!({"model": "openai/gpt-4o", "litellm_credential_name": "nobody"})),
            400,
            "There is no credential `nobody`",
        ),
        ("/model/update", json!({"model_info": {"id": "two"}}), 404, "Model not found"),
        ("/model/update", json!({}), 422, "model_info.id"),
        ("/model/update", json!({"model_info": {"id": "one", "team_id": "red"}}), 400, "model_info.team_id"),
        ("/model/delete", json!({"id": "two"}), 404, "Model not found"),
        ("/model/block", json!({}), 422, "Field required"),
    ])
    .await;
    let (status, answer) = api.post(path, new(json!({"model": "opnai/x", "api_key": MASTER}))).await;
    assert!(status == 400 && !answer.to_string().contains(MASTER), "{answer}");
    assert_eq!(api.get("/model/info?litellm_model_id=two").await.0, 404);
    assert_eq!(api.seq().await, seq);
}

#[tokio::test]
async fn models_are_listed_in_pages() {
    let api = Api::start().await;
    for n in 0..5 {
        api.done("/model/new", model(&format!("m{n}"))).await;
    }
    for (query, names, total) in [
        ("size=2&page=2", &["m2", "m3"][..], 5),
        ("model=m4", &["m4"], 1),
        ("search=M", &["m0", "m1", "m2", "m3", "m4"], 5),
        ("search=nothing", &[], 0),
    ] {
        let list = api.told(&format!("/v2/model/info?{query}")).await;
        let found: Vec<_> =
            list["data"].as_array().unwrap().iter().map(|row| row["model_name"].as_str().unwrap()).collect();
        assert_eq!((found.as_slice(), list["total_count"].as_i64()), (names, Some(total)), "{query}");
    }
}
