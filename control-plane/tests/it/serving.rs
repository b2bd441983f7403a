//! `control-plane serve` from its flags to its end, with a database that comes and goes.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use bulkhead_model::KeyHash;
use bulkhead_snapshot::wire::Id;
use bulkhead_testkit::client::Request;
use bulkhead_testkit::proxy::{FaultProxy, Mode};
use serde_json::json;
use sqlx::postgres::PgConnection;
use tonic::transport::{Certificate, ClientTlsConfig};

use crate::support::{
    ControlPlane, Database, MASTER, Node, PATIENCE, control_plane, head, join_token, team_limit,
};

fn refusal(args: &[&str]) -> String {
    let output = control_plane().arg("serve").args(args).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(64), "{text}");
    text
}

#[test]
fn what_is_wrong_is_said_at_once_and_ends_with_64() {
    let url = ["--database-url", "postgres://me:hush@127.0.0.1:1/x"];
    let said = refusal(&[]);
    assert!(said.contains("--database-url") && said.contains("openssl rand -hex 24"), "{said}");
    let said = refusal(&[&url[..], &["--master-key", "sk-1234", "--grpc-listen", "0.0.0.0:4002"]].concat());
    assert!(said.contains("default or example"), "{said}");
    assert!(said.contains("--grpc-cert") && said.contains("--insecure-plaintext"), "{said}");
    assert!(!said.contains("hush") && !said.contains("sk-1234"), "{said}");
    let said = refusal(&["--database-url", "mysql://me:hush@x", "--master-key", MASTER]);
    assert!(said.contains("not the URL") && !said.contains("hush"), "{said}");
    let files = ["--tls-cert", "/nowhere/cert", "--tls-key", "/nowhere/key"];
    let said = refusal(&[&url[..], &["--master-key", MASTER], &files].concat());
    assert!(said.contains("/nowhere/cert:1:1: --tls-cert: cannot be read"), "{said}");
    let said = refusal(&[&url[..], &["--master-key-file", "/nowhere/secret"]].concat());
    assert!(said.contains("/nowhere/secret cannot be read"), "{said}");
}

/// Where the server of a database listens, and the URL by another address.
fn by_way_of(url: &str, proxy: impl FnOnce(SocketAddr) -> SocketAddr) -> String {
    let (start, rest) = url.split_once('@').unwrap();
    let (address, name) = rest.split_once('/').unwrap();
    format!("{start}@{}/{name}", proxy(address.parse().unwrap()))
}

#[tokio::test]
async fn a_database_that_comes_later_or_goes_for_a_while_is_waited_for() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let mut proxy = None;
    let url = by_way_of(&database.url(), |address| {
        let started = FaultProxy::start(address);
        started.set(Mode::CutEvery(1));
        proxy.insert(started).addr()
    });
    let proxy = proxy.unwrap();
    let control_plane = ControlPlane::launch(&url, &[]);
    control_plane.until_readiness(|status, text| status == 503 && text.contains("not available")).await;
    let answer = control_plane.call(Request::get("/key/list")).await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    for (path, status) in
        [("/health/liveliness", 200), ("/health/liveness", 200), ("/health/readiness", 503), ("/health", 503)]
    {
        let answer = control_plane.call(Request::get(path)).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
    }
    let token = join_token(&database, "a");
    let mut node = Node::subscribed("one", &token, control_plane.grpc);
    node.until("turned away", |seen| {
        seen.ended.as_ref().is_some_and(|ended| ended.code() == tonic::Code::Unavailable)
    })
    .await;

    proxy.set(Mode::Pass);
    control_plane.until_ready().await;
    let version = head(&mut connection).await;
    node.persist(control_plane.grpc, &version).await;

    // Gone with all connections, then a hole that answers nothing.
    proxy.set(Mode::CutEvery(1));
    proxy.reset_connections();
    control_plane.until_readiness(|status, _| status == 503).await;
    let version = team_limit(&mut connection, "red", 1).await;
    assert!(node.look(|seen| seen.ended.is_none()));
    proxy.set(Mode::Pass);
    node.until_runs(&version).await;
    control_plane.until_ready().await;

    proxy.set(Mode::Blackhole);
    let version = team_limit(&mut connection, "red", 2).await;
    control_plane.until_readiness(|status, _| status == 503).await;
    assert!(node.look(|seen| seen.ended.is_none()));
    proxy.reset_connections();
    proxy.set(Mode::Pass);
    node.until_runs(&version).await;
    control_plane.until_ready().await;
    assert_eq!(node.look(|seen| seen.fulls), 1);
}

#[tokio::test]
async fn that_nobody_listens_is_said_at_once() {
    let database = Database::migrated().await;
    let mut proxy = None;
    let url = by_way_of(&database.url(), |address| proxy.insert(FaultProxy::start(address)).addr());
    let proxy = proxy.unwrap();
    let control_plane = ControlPlane::launch(&url, &[]);
    control_plane.until_ready().await;
    proxy.set(Mode::Refuse);
    proxy.reset_connections();
    for request in [Request::get("/key/list"), Request::post("/key/generate").json("{}")] {
        let asked = SystemTime::now();
        let answer = control_plane.call(request).await;
        let took = asked.elapsed().unwrap();
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert!(answer.text().contains("database is temporarily unreachable"), "{}", answer.text());
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
}

#[tokio::test]
async fn nodes_elsewhere_are_served_in_plaintext_where_that_is_said() {
    let database = Database::migrated().await;
    let flags = ["--grpc-listen", "0.0.0.0:0", "--insecure-plaintext"];
    let control_plane = ControlPlane::start_with(&database, &flags).await;
    let address = SocketAddr::from(([127, 0, 0, 1], control_plane.grpc.port()));
    let node = Node::subscribed("one", &join_token(&database, "a"), address);
    node.until_runs(&head(&mut database.connect().await).await).await;
    let url = ["--database-url", "postgres://me@127.0.0.1:1/x", "--master-key", MASTER];
    let said = refusal(&[&url[..], &flags[..2]].concat());
    assert!(said.contains("--grpc-listen") && said.contains("--insecure-plaintext"), "{said}");
}

#[tokio::test]
async fn a_schema_that_is_not_the_one_it_knows_is_waited_for() {
    let database = Database::empty().await;
    let control_plane = ControlPlane::launch(&database.url(), &[]);
    control_plane.until_readiness(|status, text| status == 503 && text.contains("too old")).await;
    assert_eq!(control_plane.call(Request::get("/key/list")).await.status, 503);
    database.migrate();
    control_plane.until_ready().await;

    let mut connection = database.connect().await;
    sqlx::query(
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
         values (29991231000000, 'later', true, '\\x', 0)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    let later = ControlPlane::launch(&database.url(), &[]);
    later.until_readiness(|status, text| status == 503 && text.contains("newer")).await;
    // Whoever serves goes on: schemas grow beside a running fleet.
    assert_eq!(control_plane.readiness().await.0, 200);
}

#[tokio::test]
async fn another_salt_key_is_noticed_before_anything_is_published() {
    let database = Database::migrated().await;
    drop(ControlPlane::start(&database).await);
    let mut connection = database.connect().await;
    let sealed = "insert into credentials (name, secret_values) values ('c', '\\x0102')";
    sqlx::query(sealed).execute(&mut connection).await.unwrap();
    let control_plane = ControlPlane::launch(&database.url(), &[]);
    control_plane.until_readiness(|status, text| status == 503 && text.contains("another salt key")).await;
}

#[tokio::test]
async fn nodes_subscribe_by_tls() {
    let database = Database::migrated().await;
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let paths = [cert.to_str().unwrap(), key.to_str().unwrap()];
    let flags =
        ["--grpc-cert", paths[0], "--grpc-key", paths[1], "--tls-cert", paths[0], "--tls-key", paths[1]];
    let control_plane = ControlPlane::start_with(&database, &flags).await;
    let token = join_token(&database, "a");
    let mut node = Node::new("one", &token);
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(made.cert.pem()))
        .domain_name("localhost");
    node.subscribe_securely(control_plane.grpc, tls);
    node.until_runs(&head(&mut database.connect().await).await).await;
    let plain = Node::subscribed("two", &token, control_plane.grpc);
    plain.until("turned away", |seen| seen.ended.is_some()).await;
    assert!(control_plane.log().contains("management listening on https://"));
}

#[tokio::test]
async fn it_stops_when_told_and_says_that_its_nodes_are_not_connected_any_more() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let mut control_plane = ControlPlane::start(&database).await;
    let node = Node::subscribed("one", &join_token(&database, "a"), control_plane.grpc);
    node.until_runs(&head(&mut connection).await).await;
    assert!(control_plane.terminate().await.success());
    node.until("told to leave", |seen| seen.ended.is_some()).await;
    let connected: bool =
        sqlx::query_scalar("select connected from nodes").fetch_one(&mut connection).await.unwrap();
    assert!(!connected);
}

#[tokio::test]
async fn what_is_too_old_is_deleted_from_the_history() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    for limit in 0..3 {
        team_limit(&mut connection, "red", limit).await;
    }
    sqlx::query("update change_log set made_at = now() - interval '8 days' where seq < 3")
        .execute(&mut connection)
        .await
        .unwrap();
    let _control_plane = ControlPlane::start(&database).await;
    until_first(&mut connection, 3).await;
}

/// Lets the next replica do the jobs: the one that had the lease is gone.
async fn end_leases(connection: &mut PgConnection) {
    sqlx::query("update job_leases set until = now()").execute(connection).await.unwrap();
}

/// Waits until the history begins with this change.
async fn until_first(connection: &mut PgConnection, seq: u64) {
    let started = SystemTime::now();
    loop {
        let first: i64 =
            sqlx::query_scalar("select min(seq) from change_log").fetch_one(&mut *connection).await.unwrap();
        if first.cast_unsigned() == seq {
            return;
        }
        assert!(started.elapsed().unwrap() < PATIENCE, "{first}, not {seq}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn of_the_history_no_more_is_kept_than_was_said() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    // Settings are there: a second start changes nothing.
    drop(ControlPlane::start(&database).await);
    for limit in 0..9 {
        team_limit(&mut connection, "red", limit).await;
    }
    let last = head(&mut connection).await.seq;
    end_leases(&mut connection).await;
    let _control_plane = ControlPlane::start_with(&database, &["--keep-changes", "5"]).await;
    until_first(&mut connection, last - 4).await;
    assert_eq!(head(&mut connection).await.seq, last);
    let said = refusal(&["--keep-changes", "0"]);
    assert!(said.contains("--keep-changes"), "{said}");
}

#[tokio::test]
async fn an_old_secret_is_deleted_some_time_after_its_grace() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let mut control_plane = ControlPlane::start(&database).await;
    let key = async |path: &str, body: String| {
        let answer = control_plane.call(Request::post(path).json(body)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["key"].as_str().unwrap().to_owned()
    };
    let mut secrets = vec![key("/key/generate", "{}".to_owned()).await];
    for _ in 0..2 {
        let body = json!({ "key": secrets.last(), "grace_period": "24h" }).to_string();
        secrets.push(key("/key/regenerate", body).await);
    }
    let ids: Vec<_> = secrets.iter().map(|secret| Id::Key(KeyHash::of(secret))).collect();
    let node = Node::subscribed("one", &join_token(&database, "a"), control_plane.grpc);
    node.until("told of all three", |seen| {
        seen.catalog.rows().filter(|row| ids.contains(&row.id())).count() == 3
    })
    .await;
    node.leave();
    // The grace of the first has been over for long, that of the second for a moment.
    for (secret, ago) in [(&secrets[0], "2 hours"), (&secrets[1], "1 minute")] {
        sqlx::query("update old_tokens set expires_at = now() - $1::text::interval where token = $2")
            .bind(ago)
            .bind(KeyHash::of(secret).0.as_slice())
            .execute(&mut connection)
            .await
            .unwrap();
    }
    control_plane.kill();
    end_leases(&mut connection).await;
    let again = ControlPlane::start(&database).await;
    let mut node = node;
    node.subscribe(again.grpc);
    node.until("without the first", |seen| !seen.catalog.rows().any(|row| row.id() == ids[0])).await;
    let rows = node.rows();
    assert!(rows.contains_key(&ids[1]) && rows.contains_key(&ids[2]));
    let left: i64 =
        sqlx::query_scalar("select count(*) from old_tokens").fetch_one(&mut connection).await.unwrap();
    assert_eq!(left, 1);
}
