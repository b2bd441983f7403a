//! `control-plane check` and `apply`, and a `serve` that has a file.

use std::path::PathBuf;

use bulkhead_snapshot::wire::{Id, Row};
use bulkhead_testkit::GatewayYaml;
use bulkhead_testkit::client::Request;
use serde_json::json;
use sqlx::postgres::PgConnection;
use tempfile::TempDir;

use crate::support::{ControlPlane, Database, MASTER, Node, head, join_token, run};

const ALICE: &str = "sk-alice-3f9c1a7be05d42886cb1";

struct File {
    _dir: TempDir,
    path: PathBuf,
}

impl File {
    fn of(yaml: impl Into<String>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gateway.yaml");
        std::fs::write(&path, yaml.into()).unwrap();
        Self { _dir: dir, path }
    }

    fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }

    fn apply(&self, database: &Database) -> (Option<i32>, String) {
        let (code, _, said) = run(database, &["apply", "--config", self.path()]);
        (code, said)
    }
}

fn yaml(groups: &[&str]) -> GatewayYaml {
    groups.iter().fold(GatewayYaml::new().master_key(MASTER), |yaml, group| {
        yaml.deployment(group)
            .provider("openai")
            .model("gpt-4o")
            .key("sk-provider-0123456789")
            .info("id", *group)
    })
}

async fn count(connection: &mut PgConnection, what: &'static str) -> i64 {
    sqlx::query_scalar(what).fetch_one(connection).await.unwrap()
}

#[tokio::test]
async fn what_a_file_declares_reaches_nodes_and_goes_with_the_file() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let with_key =
        yaml(&["gpt", "old"]).virtual_key(ALICE).limit("key_alias", "alice").limit("team_id", "red");
    let file = File::of(with_key.limit("rpm_limit", 60).text());
    let (code, said) = file.apply(&database);
    assert_eq!(code, Some(0), "{said}");
    let applied = head(&mut connection).await;
    let control_plane = ControlPlane::start(&database).await;
    let node = Node::subscribed("one", &join_token(&database, "a"), control_plane.grpc);
    node.until("there", |seen| seen.catalog.version().is_some()).await;
    let rows = node.rows();
    let key = rows.values().find_map(|row| if let Row::Key(key) = row { Some(key) } else { None }).unwrap();
    assert_eq!(
        (key.alias.as_deref(), key.limits.rpm, key.team_id.as_deref()),
        (Some("alice"), Some(60), Some("red"))
    );
    assert!(rows.contains_key(&Id::Deployment("old".into())) && rows.contains_key(&Id::Team("red".into())));
    assert!(node.rejected().is_empty(), "{:?}", node.rejected());

    // The same once more changes nothing, however it is spelt.
    let (code, said) =
        File::of(format!("# spelt anew\n{}", std::fs::read_to_string(&file.path).unwrap())).apply(&database);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("in force already"), "{said}");
    assert_eq!(head(&mut connection).await, applied);

    // The API does not change what the file declares.
    let change = json!({ "model_info": { "id": "gpt" }, "model_name": "other" }).to_string();
    let refused = control_plane.call(Request::post("/model/update").json(change)).await;
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert!(refused.text().contains("gateway.yaml"), "{}", refused.text());

    let (code, said) = File::of(yaml(&["gpt", "new"]).text()).apply(&database);
    assert_eq!(code, Some(0), "{said}");
    let version = head(&mut connection).await;
    node.until_runs(&version).await;
    let rows = node.rows();
    let deployment = |id: &str| rows.contains_key(&Id::Deployment(id.into()));
    assert_eq!((deployment("gpt"), deployment("new"), deployment("old")), (true, true, false));
    assert!(!rows.keys().any(|id| matches!(id, Id::Key(_))));
    assert_eq!(count(&mut connection, "select max(generation) from applied_files").await, 2);
    // Only what is another was touched: two deployments, and the key.
    let touched = "select cardinality(ids)::bigint from change_log order by seq desc limit 1";
    assert_eq!(count(&mut connection, touched).await, 3);
}

#[tokio::test]
async fn what_the_api_manages_is_not_taken_over() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let control_plane = ControlPlane::start(&database).await;
    let body = json!({ "key": ALICE, "key_alias": "alice" }).to_string();
    let made = control_plane.call(Request::post("/key/generate").json(body)).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let before = head(&mut connection).await;
    let file = File::of(yaml(&["gpt"]).virtual_key(ALICE).text());
    let (code, said) = file.apply(&database);
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("key alice"), "{said}");
    assert_eq!(head(&mut connection).await, before);
    assert_eq!(count(&mut connection, "select count(*) from deployments").await, 0);

    let serving = ControlPlane::start_with(&database, &["--config", file.path()]).await;
    serving.until_readiness(|status, text| status == 200 && text.contains("key alice")).await;
}

#[tokio::test]
async fn overrides_outlive_a_file_and_fallbacks_of_the_api_are_not_taken_over() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let control_plane = ControlPlane::start(&database).await;
    let post = async |path: &str, body: serde_json::Value| {
        let answer = control_plane.call(Request::post(path).json(body.to_string())).await;
        assert_eq!(answer.status, 200, "{path} {}", answer.text());
    };
    let params = json!({ "model": "openai/gpt-4o", "api_key": "sk-provider-0123456789" });
    for name in ["one", "two"] {
        post("/model/new", json!({ "model_name": name, "litellm_params": params })).await;
    }
    post("/router/override", json!({ "group": "one", "targets": ["two"], "ttl": "1h" })).await;
    post("/fallback", json!({ "model": "one", "fallback_models": ["two"] })).await;
    let before = head(&mut connection).await;
    let file = |retries: u32| {
        let fallbacks = json!([{ "gpt": ["new"] }]);
        File::of(yaml(&["gpt", "new"]).router("num_retries", retries).router("fallbacks", fallbacks).text())
    };
    let (code, said) = file(1).apply(&database);
    assert!(code == Some(64) && said.contains("fallbacks of one"), "{said}");
    assert_eq!(head(&mut connection).await, before);

    let gone = control_plane.call(Request::new("DELETE", "/fallback/one")).await;
    assert_eq!(gone.status, 200, "{}", gone.text());
    let node = Node::subscribed("one", &join_token(&database, "a"), control_plane.grpc);
    for retries in [1, 2] {
        let (code, said) = file(retries).apply(&database);
        assert_eq!(code, Some(0), "{said}");
        node.until_runs(&head(&mut connection).await).await;
        let Some(Row::Settings(row)) = node.rows().remove(&Id::Settings) else { panic!("settings") };
        assert_eq!((row.routing.num_retries, row.routing.overrides.len()), (Some(retries), 1));
        assert_eq!(row.routing.fallbacks[0].targets, ["new"]);
    }
    // The same once more is in force already, whatever is overridden.
    assert!(file(2).apply(&database).1.contains("in force already"));
}

#[tokio::test]
async fn a_replica_with_an_older_file_serves_the_newer_state() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let (old, new) = (File::of(yaml(&["old"]).text()), File::of(yaml(&["new"]).text()));
    let first = ControlPlane::start_with(&database, &["--config", old.path()]).await;
    let second = ControlPlane::start_with(&database, &["--config", new.path()]).await;
    assert_eq!(
        (first.readiness().await.1, second.readiness().await.1),
        ("ready".to_owned(), "ready".to_owned())
    );
    let version = head(&mut connection).await;
    drop(first);
    let first = ControlPlane::start_with(&database, &["--config", old.path()]).await;
    first.until_readiness(|status, text| status == 200 && text.contains("applied before another")).await;
    assert_eq!(head(&mut connection).await, version);
    // Somebody who says so gets it.
    assert_eq!(old.apply(&database).0, Some(0));
    assert_eq!(count(&mut connection, "select count(*) from deployments where id = 'old'").await, 1);
}

#[tokio::test]
async fn replicas_that_start_at_once_apply_a_file_once() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let file = File::of(yaml(&["gpt"]).virtual_key(ALICE).text());
    let flags = ["--config", file.path()];
    let start = || ControlPlane::start_with(&database, &flags);
    let _all = tokio::join!(start(), start(), start());
    assert_eq!(count(&mut connection, "select count(*) from applied_files where kind = 'config'").await, 1);
    assert_eq!(head(&mut connection).await.seq, 1);
}

#[tokio::test]
async fn everything_that_is_wrong_with_a_file_is_said_at_once() {
    let database = Database::migrated().await;
    let good = File::of(yaml(&["gpt"]).text());
    assert_eq!(run(&database, &["check", "--config", good.path()]).0, Some(0));
    let bad = File::of("model_list:\n  - model_name: g\n  - modle_name: h\nvirtual_keys: 7\n");
    for command in ["check", "apply", "serve"] {
        let (code, _, said) = run(&database, &[command, "--config", bad.path()]);
        assert_eq!(code, Some(64), "{said}");
        assert!(said.contains("model_name") && said.contains("virtual_keys"), "{said}");
    }
    let other = File::of(yaml(&["gpt"]).text().replace(MASTER, "sk-81c6f7da90e3b2143f9c1a7be05d4288"));
    let (code, _, said) = run(&database, &["apply", "--config", other.path()]);
    assert_eq!((code, said.contains("another master key")), (Some(64), true), "{said}");
}
