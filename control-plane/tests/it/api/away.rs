//! The database away: 503 that says so, never 401.

use std::net::SocketAddr;

use bulkhead_testkit::FaultProxy;
use bulkhead_testkit::client::{Request, call};
use bulkhead_testkit::proxy::Mode;
use serde_json::json;

use super::said;
use crate::support::{ControlPlane, Database, MASTER};

/// The database behind a proxy: its URL, and the proxy.
fn behind_a_proxy(database: &Database) -> (String, FaultProxy) {
    let url = database.url();
    let (user, rest) = url.split_once('@').unwrap();
    let (address, name) = rest.split_once('/').unwrap();
    let proxy = FaultProxy::start(address.parse::<SocketAddr>().unwrap());
    (format!("{user}@{}/{name}", proxy.addr()), proxy)
}

#[tokio::test]
async fn without_a_database_every_question_is_503_and_all_is_well_when_it_is_back() {
    let database = Database::migrated().await;
    let (url, proxy) = behind_a_proxy(&database);
    let plane = ControlPlane::launch(&url, &[]);
    plane.until_ready().await;
    let made = plane.call(Request::post("/key/generate").json("{}")).await.json();
    let key = made["key"].as_str().unwrap();

    proxy.set(Mode::Refuse);
    proxy.reset_connections();
    let questions = [
        ("GET", "/key/list", MASTER),
        ("POST", "/key/generate", MASTER),
        ("GET", "/key/info", key),
        ("GET", "/key/info", "sk-unknown-unknown"),
        ("POST", "/team/new", MASTER),
        ("GET", "/team/list", MASTER),
        ("GET", "/model/info", MASTER),
    ];
    let ask = async |(method, path, who): (&str, &str, &str)| {
        let mut request = Request::new(method, path).bearer(who);
        if method == "POST" {
            request = request.json("{}");
        }
        let (status, body) = said(&call(plane.http, &request).await.unwrap());
        assert_eq!(
            (status, &body["error"]["type"]),
            (503, &json!("no_db_connection")),
            "{path} {who}: {body}"
        );
    };
    futures_util::future::join_all(questions.map(ask)).await;
    let line = "\"the database is not available\"";
    plane.until_log(line).await;
    assert_eq!(plane.log().matches(line).count(), 1, "{}", plane.log());
    let readiness = said(&call(plane.http, &Request::get("/health/readiness")).await.unwrap());
    assert_eq!(readiness, (503, json!({"status": "unhealthy", "db": "Not connected"})));
    for (request, status) in [
        (Request::get("/health/liveliness"), 200),
        (Request::get("/key/list"), 401),
        (Request::get("/key/list").bearer("not-a-key"), 401),
        (Request::post("/key/generate").bearer(MASTER).json("{\"rpm_limit\": \"x\"}"), 422),
        (Request::get("/nothing"), 404),
    ] {
        assert_eq!(call(plane.http, &request).await.unwrap().status, status, "what needs no database");
    }

    proxy.set(Mode::Pass);
    let found = call(plane.http, &Request::get("/key/info").bearer(key)).await.unwrap();
    assert_eq!(found.status, 200, "{}", found.text());
}
