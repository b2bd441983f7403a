//! What is no change of a resource, and who did it.

use bulkhead_testkit::GatewayYaml;
use bulkhead_testkit::client::Request;
use serde_json::json;

use crate::support::{ControlPlane, Database, MASTER, head, join_token, run};

#[tokio::test]
async fn every_deed_that_is_not_in_the_history_is_noted_once() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let token = join_token(&database, "blue");
    let (_, list, _) = run(&database, &["token", "list"]);
    let id = list.split_whitespace().next().unwrap();
    assert_eq!(run(&database, &["token", "revoke", id]).0, Some(0));
    assert_eq!(run(&database, &["token", "revoke", "nobody"]).0, Some(64));

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gateway.yaml");
    std::fs::write(&file, GatewayYaml::new().master_key(MASTER).text()).unwrap();
    let path = file.to_str().unwrap();
    for _ in 0..2 {
        assert_eq!(run(&database, &["apply", "--config", path]).0, Some(0));
    }
    let another = GatewayYaml::new().master_key(MASTER).deployment("gpt").provider("openai").model("gpt-4o");
    std::fs::write(&file, another.key("sk-provider-0123456789").text()).unwrap();
    let control_plane = ControlPlane::start_with(&database, &["--config", path]).await;

    let now = head(&mut connection).await;
    for _ in 0..2 {
        let body = json!({ "epoch": now.epoch, "seq": now.seq }).to_string();
        let request = Request::post("/nodes/force").header("litellm-changed-by", "alice").json(body);
        assert_eq!(control_plane.call(request).await.status, 200);
    }
    assert_eq!(run(&database, &["epoch", "new"]).0, Some(64));
    assert_eq!(run(&database, &["epoch", "new", "--accept-loss"]).0, Some(0));

    let noted: Vec<(String, String, String)> =
        sqlx::query_as("select actor, action, subject from audit_log order by id")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    let wanted = [
        ("command line", "token create", format!("{id} (blue)")),
        ("command line", "token revoke", id.to_owned()),
        ("command line", "apply", format!("{path} (generation 1)")),
        ("serve", "apply", format!("{path} (generation 2)")),
        ("serve", "master key", "generation 1".to_owned()),
        ("alice", "force", now.to_string()),
        ("epoch new", "epoch new", format!("{}.{}", now.epoch + 1, now.seq + 1)),
    ];
    let wanted = wanted.map(|(actor, action, subject)| (actor.to_owned(), action.to_owned(), subject));
    assert_eq!(noted, wanted);
    assert!(!format!("{noted:?}").contains(&token));
}
