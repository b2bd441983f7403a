//! Files that a control plane goes by, renewed while it serves.

use std::path::Path;

use bulkhead_snapshot::wire::{Id, Row};
use bulkhead_testkit::client::{Request, call};
use bulkhead_testkit::{GatewayYaml, Mounted, eventually};
use sqlx::{AssertSqlSafe, Executor};
use tokio::time::Instant;

use crate::support::{ControlPlane, Database, MASTER, Node, PATIENCE, head, join_token};

const OTHER: &str = "sk-81c6f7da90e3b2143f9c1a7be05d4288";

fn yaml(key: &str) -> String {
    let yaml = GatewayYaml::new().deployment("gpt").provider("openai").model("gpt-4o").key(key);
    yaml.info("id", "gpt").text()
}

/// A replica's own mount: replicas see a change at different times.
struct Replica {
    control_plane: ControlPlane,
    files: Mounted,
    _dir: tempfile::TempDir,
}

impl Replica {
    async fn start(database: &Database, key: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let files = Mounted::at(dir.path(), &[("gateway.yaml", &yaml(key))]);
        let path = files.path("gateway.yaml");
        let control_plane = ControlPlane::start_with(database, &["--config", path.to_str().unwrap()]).await;
        Self { control_plane, files, _dir: dir }
    }

    fn gets(&mut self, key: &str) {
        self.files.swap(&[("gateway.yaml", &yaml(key))]);
    }
}

fn key_of(node: &Node) -> Option<String> {
    node.rows().get(&Id::Deployment("gpt".into())).and_then(|row| match row {
        Row::Deployment(row) => row.api_key.as_ref().map(|key| key.expose().to_owned()),
        _ => None,
    })
}

#[tokio::test]
async fn replicas_that_see_a_change_at_different_times_apply_it_once_and_may_go_back() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let mut first = Replica::start(&database, "sk-provider-one").await;
    let mut second = Replica::start(&database, "sk-provider-one").await;
    let node = Node::subscribed("one", &join_token(&database, "a"), second.control_plane.grpc);
    let is = |key: &'static str| eventually(PATIENCE, || key_of(&node).as_deref() == Some(key));
    assert!(is("sk-provider-one").await);

    first.gets("sk-provider-two");
    assert!(is("sk-provider-two").await);
    let applied = head(&mut connection).await;
    // The other one still has what was replaced; seeing the new file it finds it in force.
    second.gets("sk-provider-two");
    let found = || second.control_plane.log().matches("is in force already").count() == 2;
    assert!(eventually(PATIENCE, found).await, "{}", second.control_plane.log());
    assert_eq!(head(&mut connection).await, applied);
    // Back to what was applied before: whoever sees it first takes it back, once.
    second.gets("sk-provider-one");
    assert!(is("sk-provider-one").await);
    let back = head(&mut connection).await;
    assert_eq!(back.seq, applied.seq + 1);
    first.gets("sk-provider-one");
    // A replica that missed all that and starts with the file before serves the database's state.
    let late = Replica::start(&database, "sk-provider-two").await;
    late.control_plane.until_readiness(|status, text| status == 200 && text.contains("applied before")).await;
    assert_eq!(head(&mut connection).await, back);
}

#[tokio::test]
async fn a_bad_file_changes_nothing_and_readyz_says_so() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let mut replica = Replica::start(&database, "sk-provider-one").await;
    let before = head(&mut connection).await;
    replica.files.swap(&[("gateway.yaml", "model_list: {")]);
    replica.control_plane.until_readiness(|status, text| status == 200 && text.contains("refused")).await;
    assert_eq!(head(&mut connection).await, before);
    replica.gets("sk-provider-two");
    replica.control_plane.until_readiness(|_, text| text == "ready").await;
    assert_eq!(replica.control_plane.log().matches("the files were refused").count(), 1);
}

async fn status_of(control_plane: &ControlPlane, key: &str) -> u16 {
    call(control_plane.http, &Request::get("/key/list").bearer(key)).await.unwrap().status
}

fn write(file: &Path, text: &str) {
    let beside = file.with_extension("new");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(beside, file).unwrap();
}

#[tokio::test]
async fn the_master_key_follows_its_file_where_something_else_encrypts() {
    let database = Database::migrated().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("master-key");
    write(&file, MASTER);
    let flag = ["--master-key-file", file.to_str().unwrap()];
    let salted = [flag[0], flag[1], "--salt-key", "sk-salt-0123456789abcdef"];
    let alone = Database::migrated().await;
    let (control_plane, unsalted) =
        tokio::join!(ControlPlane::start_with(&database, &salted), ControlPlane::start_with(&alone, &flag),);
    let node = Node::subscribed("one", &join_token(&database, "a"), control_plane.grpc);
    let master_key = |node: &Node| match node.rows().get(&Id::Settings) {
        Some(Row::Settings(row)) => row.master_key,
        _ => None,
    };
    let goes_by = |key: &'static str| {
        eventually(PATIENCE, || master_key(&node) == Some(bulkhead_model::KeyHash::of(key)))
    };
    assert!(goes_by(MASTER).await);
    write(&file, OTHER);
    assert!(goes_by(OTHER).await);
    assert_eq!((status_of(&control_plane, OTHER).await, status_of(&control_plane, MASTER).await), (200, 401));
    // What the former master key sealed could not be read after a restart.
    unsalted.until_log("there is no salt key").await;
    assert_eq!((status_of(&unsalted, OTHER).await, status_of(&unsalted, MASTER).await), (401, 200));
    unsalted.until_readiness(|status, text| status == 200 && text.contains("refused")).await;
}

#[tokio::test]
async fn new_connections_go_by_the_file_once_the_database_takes_its_url() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let (user, dir) = (format!("{}_user", database.name()), tempfile::tempdir().unwrap());
    let grant = format!("create role {user} login superuser password 'first'");
    connection.execute(AssertSqlSafe(grant)).await.unwrap();
    let url = |user: &str| database.url().replacen("bulkhead@", &format!("{user}:first@"), 1);
    let file = dir.path().join("url");
    write(&file, &database.url());
    let control_plane =
        ControlPlane::start_with(&database, &["--database-url-file", file.to_str().unwrap()]).await;
    // Nobody of that name yet: what was there before goes on.
    write(&file, &url("nobody_yet"));
    control_plane.until_log("does not take its new URL yet").await;
    assert_eq!(status_of(&control_plane, MASTER).await, 200);
    write(&file, &url(&user));
    control_plane.until_log("new connections to the database go by the file").await;
    // All that is open ends, and what comes is the new user's.
    let end = "select pg_terminate_backend(pid) from pg_stat_activity \
               where datname = current_database() and pid <> pg_backend_pid()";
    connection.execute(end).await.unwrap();
    control_plane.until_ready().await;
    let others = "select count(*) from pg_stat_activity where datname = current_database() \
                  and application_name = 'bulkhead' and usename <> ";
    assert_eq!(status_of(&control_plane, MASTER).await, 200);
    let others = format!("{others} '{user}'");
    // A session that was told to end takes a moment to.
    let deadline = Instant::now() + PATIENCE;
    loop {
        let count = sqlx::query_scalar::<_, i64>(AssertSqlSafe(others.clone()));
        let count = count.fetch_one(&mut connection).await.unwrap();
        if count == 0 {
            break;
        }
        assert!(Instant::now() < deadline, "{count} sessions are not the new user's");
    }
    write(&file, &database.url().replacen(database.name(), "elsewhere", 1));
    control_plane.until_log("another database").await;
    drop(control_plane);
    connection.execute(AssertSqlSafe(format!("drop role {user}"))).await.unwrap();
}
