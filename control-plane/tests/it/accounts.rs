//! Accounts with clouds: from the management API to nodes, hidden and sealed on the way.

use bulkhead_model::Secret;
use bulkhead_model::rows::CloudValue;
use bulkhead_snapshot::wire::{Id, Row};
use bulkhead_testkit::canary::{AWS_SECRET, AWS_SESSION};
use bulkhead_testkit::client::Request;
use serde_json::{Value, json};

use crate::support::{ControlPlane, Database, Node, join_token};

fn said(values: &[CloudValue]) -> Vec<(&str, &str)> {
    values.iter().map(|said| (said.name.as_str(), said.value.expose())).collect()
}

async fn done(control_plane: &ControlPlane, request: Request) -> Value {
    let answer = control_plane.call(request).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(!answer.text().contains(AWS_SECRET) && !answer.text().contains(AWS_SESSION), "{}", answer.text());
    answer.json()
}

#[tokio::test]
async fn a_clouds_account_reaches_nodes_and_is_hidden_from_everybody_else() {
    let database = Database::migrated().await;
    let control_plane = ControlPlane::start(&database).await;
    let shared = json!({"credential_name": "aws", "credential_values": {
        "aws_access_key_id": "AKIDSHARED", "aws_secret_access_key": AWS_SECRET, "aws_region_name": "eu-west-1",
    }});
    done(&control_plane, Request::post("/credentials").json(shared.to_string())).await;
    let own = json!({"model_name": "own", "model_info": {"id": "own"}, "litellm_params": {
        "model": "bedrock/us.x", "aws_region_name": "us-east-1", "aws_access_key_id": "AKIDOWN",
        "aws_secret_access_key": AWS_SECRET, "aws_session_token": AWS_SESSION,
    }});
    let sharing = json!({"model_name": "sharing", "model_info": {"id": "sharing"}, "litellm_params": {
        "model": "bedrock/us.x", "litellm_credential_name": "aws",
    }});
    for model in [own, sharing] {
        done(&control_plane, Request::post("/model/new").json(model.to_string())).await;
    }
    let changed = json!({"litellm_params": {"aws_access_key_id": "AKIDNEW"}, "model_info": {"id": "own"}});
    done(&control_plane, Request::post("/model/update").json(changed.to_string())).await;
    let half = json!({"model_name": "half", "litellm_params": {
        "model": "bedrock/us.x", "aws_region_name": "us-east-1", "aws_access_key_id": "AKIDHALF",
    }});
    let refused = control_plane.call(Request::post("/model/new").json(half.to_string())).await;
    assert!(refused.status == 400 && refused.text().contains("aws_secret_access_key"), "{}", refused.text());

    let info = done(&control_plane, Request::get("/model/info")).await;
    let models = info["data"].as_array().unwrap();
    let own = models.iter().find(|model| model["model_name"] == "own").unwrap();
    assert_eq!(own["litellm_params"]["aws_region_name"], "us-east-1");
    assert_eq!(own["litellm_params"]["aws_access_key_id"], "[redacted]");
    done(&control_plane, Request::get("/credentials")).await;

    let mut connection = database.connect().await;
    let dump: Vec<Vec<u8>> = sqlx::query_scalar(
        "select params || resource || convert_to(deployments::text, 'utf8') from deployments union all
         select secret_values || convert_to(credentials::text, 'utf8') from credentials",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let all = dump.concat();
    assert!(dump.len() == 3 && !all.windows(AWS_SECRET.len()).any(|part| part == AWS_SECRET.as_bytes()));

    let node = Node::subscribed("one", &join_token(&database, "a"), control_plane.grpc);
    let wanted =
        [Id::Credential("aws".into()), Id::Deployment("own".into()), Id::Deployment("sharing".into())];
    node.until("told of all", |seen| {
        seen.catalog.rows().filter(|row| wanted.contains(&row.id())).count() == wanted.len()
    })
    .await;
    let rows = node.rows();
    let Row::Deployment(own) = &rows[&wanted[1]] else { panic!("no deployment") };
    assert_eq!(
        said(&own.cloud),
        [
            ("aws_access_key_id", "AKIDNEW"),
            ("aws_secret_access_key", AWS_SECRET),
            ("aws_session_token", AWS_SESSION),
            ("aws_region_name", "us-east-1"),
        ]
    );
    // What is shared stays in the credential; it is one deployment again where requests are signed.
    let Row::Deployment(sharing) = &rows[&wanted[2]] else { panic!("no deployment") };
    assert_eq!(said(&sharing.cloud), []);
    assert!(node.rejected().is_empty(), "{:?}", node.rejected());
    node.look(|seen| {
        let snapshot = seen.catalog.snapshot().unwrap();
        let group = snapshot.models.groups().find(|group| &*group.name == "sharing").unwrap();
        let identity = group.deployments.first().unwrap().identity.as_ref().unwrap();
        assert_eq!(identity.region(), "eu-west-1");
        assert_eq!(identity.said("aws_access_key_id").map(Secret::expose), Some("AKIDSHARED"));
    });
}
