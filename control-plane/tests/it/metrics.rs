//! Every metric of the control plane. Names, types, labels and texts are an interface: renaming one breaks somebody's
//! dashboard. Add a new one instead, and let the old one live for a release.

use std::collections::BTreeSet;

use bulkhead_testkit::client::{Request, call};
use bulkhead_testkit::exposition::{Exposition, documented, to_document};

use crate::support::{ControlPlane, Database, Node, PATIENCE, join_token};

/// Name, type, labels and help, in the order of the page.
#[rustfmt::skip]
const METRICS: &[(&str, &str, &[&str], &str)] = &[
    ("info", "gauge", &["release"], "1, with the release that runs"),
    ("ready", "gauge", &[], "1 while this replica should get requests"),
    ("pool_connections", "gauge", &[], "Connections to the database for requests"),
    ("pool_idle", "gauge", &[], "Connections that nobody uses"),
    ("http_in_flight", "gauge", &[], "Requests of the management API under way"),
    ("http_requests", "counter", &["group", "status"], "Requests of the management API, by what they are about and the class of their status"),
    ("http_request_seconds", "histogram", &["group"], "To the head of the answer"),
    ("history_epoch", "gauge", &[], "The epoch of the last change published"),
    ("history_seq", "gauge", &[], "The number of the last change published"),
    ("history_diverged", "gauge", &[], "1 while nodes or this replica have seen a history that the database does not know"),
    ("publisher_lag_milliseconds", "gauge", &[], "Since the database was looked at; -1 before"),
    ("publisher_look_milliseconds", "gauge", &[], "What the last look took"),
    ("publisher_failures", "counter", &[], "Looks at the database that failed"),
    ("published_deltas", "counter", &[], "Deltas made"),
    ("full_syncs", "counter", &[], "Full syncs read from the database"),
    ("full_syncs_sent", "counter", &[], "Full syncs sent"),
    ("slow_subscribers", "counter", &[], "Subscriptions that ended because the node took too long"),
    ("subscribers", "gauge", &[], "Nodes that are connected to this replica"),
    ("held_nodes", "gauge", &[], "Connected nodes to which nothing is published"),
    ("nodes", "gauge", &["state"], "Nodes that are connected to this replica, by how they are"),
    ("job_runs", "counter", &["job"], "Times that a job was due here"),
    ("job_failures", "counter", &["job"], "Times that it failed"),
    ("job_last_success_timestamp_seconds", "gauge", &["job"], "When it went well last, in Unix time; 0 before"),
    ("usage_senders", "gauge", &[], "Nodes that send usage to this replica"),
    ("usage_waiting_events", "gauge", &[], "Events of usage that wait to be written"),
    ("usage_ingested", "counter", &["outcome"], "Numbers of usage events that nodes sent, by what became of them"),
    ("usage_batches", "counter", &[], "Batches of usage that were answered"),
    ("usage_transactions", "counter", &[], "Transactions of usage that were committed"),
    ("usage_transaction_microseconds", "counter", &[], "What they took"),
    ("usage_failures", "counter", &[], "Transactions of usage that had to be tried again"),
    ("usage_refusals", "counter", &[], "Transactions of usage that the database refused for what is in them"),
];

async fn scrape(control_plane: &ControlPlane, path: &str) -> Exposition {
    let page = call(control_plane.ops, &Request::get(path)).await.unwrap();
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!((page.status, page.header("content-type")), (200, Some(kind)));
    Exposition::parse(&page.text())
}

/// Asserts that a page has these metrics and no others. `whole` after traffic that has moved every one with labels.
fn assert_listed(page: &Exposition, whole: bool) {
    let served = page.families.iter().map(|it| (it.name.clone(), it.kind.as_str(), it.help.as_str()));
    let listed = METRICS.iter().map(|(name, kind, _, help)| (format!("bulkhead_{name}"), *kind, *help));
    assert_eq!(served.collect::<Vec<_>>(), listed.collect::<Vec<_>>());
    for (family, (_, _, labels, _)) in page.families.iter().zip(METRICS) {
        let wanted = BTreeSet::from_iter(labels.iter().copied());
        let has = family.labels();
        assert!(has == wanted || (!whole && has.is_empty()), "{}: {has:?}, not {wanted:?}", family.name);
    }
}

#[test]
fn the_docs_have_every_metric_and_no_other() {
    let listed = METRICS.iter().map(|(name, kind, labels, _)| to_document(name, kind, labels));
    assert_eq!(documented("Control plane"), listed.collect());
}

#[tokio::test]
async fn the_metrics_are_these() {
    let database = Database::migrated().await;
    let control_plane = ControlPlane::launch(&database.url(), &[]);
    assert_listed(&scrape(&control_plane, "/metrics").await, false);
    control_plane.until_ready().await;
    let before = scrape(&control_plane, "/metrics").await.series().len();
    for (request, status) in [
        (Request::get("/key/list"), 200),
        (Request::post("/key/generate").json("{}"), 200),
        (Request::post("/key/generate").json("["), 422),
        (Request::get("/v2/team/list"), 200),
        (Request::get("/nowhere"), 404),
    ] {
        assert_eq!(control_plane.call(request).await.status, status);
    }
    let mut refused = Request::get("/user/list");
    refused = refused.bearer("sk-nobody-knows-this-key-0123456789");
    assert_eq!(call(control_plane.http, &refused).await.unwrap().status, 401);
    let page = scrape(&control_plane, "/metrics/").await;
    assert_listed(&page, true);
    assert!(page.series().len() > before);
    for (group, status, count) in [
        ("key", "2xx", 2.0),
        ("key", "4xx", 1.0),
        ("team", "2xx", 1.0),
        ("user", "4xx", 1.0),
        ("other", "4xx", 1.0),
    ] {
        let labels = [("group", group), ("status", status)];
        assert_near(page.sum("bulkhead_http_requests_total", &labels), count);
    }
    assert_near(page.sum("bulkhead_http_request_seconds_count", &[("group", "key")]), 3.0);
    assert_near(page.sum("bulkhead_http_in_flight", &[]), 0.0);
    // The jobs run as soon as the replica has started.
    until(&control_plane, "bulkhead_job_last_success_timestamp_seconds", &[("job", "history")], |at| {
        at > 1e9
    })
    .await;
    let page = scrape(&control_plane, "/metrics").await;
    assert_near(page.sum("bulkhead_job_failures_total", &[]), 0.0);
}

#[tokio::test]
async fn nodes_are_counted_by_how_they_are() {
    let database = Database::migrated().await;
    let control_plane = ControlPlane::start(&database).await;
    let states = "bulkhead_nodes";
    let node = Node::subscribed("one", &join_token(&database, "a"), control_plane.grpc);
    until(&control_plane, states, &[("state", "current")], |count| count > 0.5).await;
    node.leave();
    until(&control_plane, states, &[], |count| count < 0.5).await;
}

#[tokio::test]
async fn a_thousand_paths_that_callers_make_up_are_no_series() {
    let database = Database::migrated().await;
    let control_plane = ControlPlane::start(&database).await;
    let ask = async |index: usize| {
        for path in [format!("/hostile-{index}"), format!("/credentials/by_name/hostile-{index}")] {
            assert_eq!(control_plane.call(Request::get(&path)).await.status, 404, "{path}");
        }
        control_plane.call(Request::new(&format!("HOSTILE{index}"), "/key/list")).await;
    };
    ask(0).await;
    let before = scrape(&control_plane, "/metrics").await.series();
    for index in 1..340 {
        ask(index).await;
    }
    let page = call(control_plane.ops, &Request::get("/metrics")).await.unwrap().text();
    assert!(!page.to_lowercase().contains("hostile"), "{page}");
    assert_eq!(Exposition::parse(&page).series(), before);
}

fn assert_near(one: f64, other: f64) {
    assert!((one - other).abs() < 1e-9, "{one}, not {other}");
}

async fn until(
    control_plane: &ControlPlane,
    name: &str,
    labels: &[(&str, &str)],
    good: impl Fn(f64) -> bool,
) {
    let began = std::time::SystemTime::now();
    loop {
        let now = scrape(control_plane, "/metrics").await.sum(name, labels);
        if good(now) {
            return;
        }
        assert!(began.elapsed().unwrap() < PATIENCE, "{name} {labels:?} is {now}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
