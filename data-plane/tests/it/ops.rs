//! The operations port: probes, metrics, the summary of the snapshot. Metric names are an interface: dashboards and
//! alerts of other people are built on them.

mod list;
mod litellm;
mod metrics;
mod overhead;
mod scrapes;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use bulkhead_testkit::client::{Client, Request, call};
use bulkhead_testkit::exposition::Exposition;
use bulkhead_testkit::{GatewayYaml, MockProvider, body, canary};
use serde_json::Value;
use tokio::time::Instant;

pub(crate) use self::list::{By, assert_listed};
use crate::support::{Gateway, MASTER, faulty, yaml};

pub(crate) async fn scrape(gateway: &Gateway) -> Exposition {
    let page = gateway.ops("/metrics").await;
    assert_eq!(page.status, 200);
    Exposition::parse(&page.text())
}

fn chat(model: &str) -> Request {
    Request::post("/v1/chat/completions").bearer(MASTER).json(body::chat(model, "Hi"))
}

#[tokio::test]
async fn probes_answer_on_the_operations_port_and_only_there() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    for (path, status, text) in [("/livez", 200, "ok"), ("/readyz", 200, "ready"), ("/nothing", 404, "")] {
        let answer = gateway.ops(path).await;
        assert_eq!((answer.status, answer.text().as_str()), (status, text), "{path}");
        let there = gateway.get(path, MASTER).await;
        assert_eq!((there.status, there.text().as_str()), (404, r#"{"detail":"Not Found"}"#), "{path}");
    }
    for path in ["/metrics", "/metrics/"] {
        let answer = gateway.ops(path).await;
        assert_eq!(answer.status, 200);
        let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        assert_eq!(answer.header("content-type"), Some(kind));
    }
    for request in [chat("gpt"), Request::get("/v1/models").bearer(MASTER)] {
        let answer = call(gateway.ops, &request).await.unwrap();
        assert_eq!(answer.status, 404, "no inference here");
    }
}

#[tokio::test]
async fn litellms_probes_answer_on_the_inference_port_without_a_key() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    for (path, text) in [
        ("/health/liveliness", r#""I'm alive!""#),
        ("/health/liveness", r#""I'm alive!""#),
        ("/health/readiness", r#"{"status":"healthy","db":"Not connected"}"#),
    ] {
        let answer = gateway.call(&Request::get(path)).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, text), "{path}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let wrong = gateway.call(&Request::post(path).json("{}")).await;
        assert_eq!((wrong.status, wrong.header("allow")), (405, Some("GET")), "{path}");
    }
}

#[tokio::test]
async fn the_summary_tells_what_is_served_and_no_secret() {
    let mock = MockProvider::start();
    let yaml = yaml(&mock).info("id", "claude-one").virtual_key(canary::VIRTUAL_KEY);
    let gateway = Gateway::with(yaml.text()).start().await;
    let page = gateway.ops("/snapshot").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("application/json")));
    let summary = page.json();
    assert_eq!((&summary["revision"], &summary["keys"]), (&1.into(), &1.into()));
    let groups = summary["model_groups"].as_array().unwrap();
    let names: BTreeSet<_> = groups.iter().map(|group| group["name"].as_str().unwrap()).collect();
    assert_eq!(names, BTreeSet::from(["claude", "embed", "gpt"]));
    let claude = groups.iter().find(|group| group["name"] == "claude").unwrap();
    let deployment = &claude["deployments"][0];
    let (id, provider, host) = (&deployment["id"], &deployment["provider"], &deployment["host"]);
    assert_eq!((id, provider, host), (&"claude-one".into(), &"anthropic".into(), &"127.0.0.1".into()));
    assert_eq!(deployment["priced"], true);
}

/// A group for every endpoint, one without a price, and some that fail.
fn every_kind(mock: &MockProvider) -> GatewayYaml {
    let mut yaml = yaml(mock).param("additional_drop_params", vec!["metadata"]);
    for (group, model) in [("gpt-500", "status-500"), ("gpt-cut", "cut-after-2"), ("gpt-hang", "hang")] {
        yaml = faulty(yaml, mock, group, model);
    }
    let odd = yaml.deployment("odd").provider("openai").model("ok").base(mock.base_url());
    odd.key(canary::OPENAI_KEY)
}

/// A request of each kind, with the route and the group that count it.
fn requests() -> Vec<(Request, &'static str, &'static str)> {
    let post = |path: &str, body: body::Body| Request::post(path).bearer(MASTER).json(body);
    vec![
        (chat("gpt"), "/chat/completions", "gpt"),
        (chat("gpt").json(body::chat("gpt", "Hi").stream()), "/chat/completions", "gpt"),
        (post("/v1/completions", body::completions("gpt", "Hi")), "/completions", "gpt"),
        (post("/v1/responses", body::responses("gpt", "Hi")), "/responses", "gpt"),
        (post("/v1/embeddings", body::embeddings("embed", "Hi")), "/embeddings", "embed"),
        (post("/v1/messages", body::messages("claude", "Hi").stream()), "/messages", "claude"),
        (
            post("/v1/messages/count_tokens", body::messages("claude", "Hi")),
            "/messages/count_tokens",
            "claude",
        ),
    ]
}

fn total(records: &[Value], member: &str) -> f64 {
    records.iter().map(|record| record[member].as_u64().unwrap() as f64).sum()
}

fn assert_near(one: f64, other: f64, what: &str) {
    assert!((one - other).abs() < 1e-9, "{what}: {one}, not {other}");
}

#[tokio::test]
async fn a_request_of_each_kind_moves_every_counter_that_it_should() {
    let mock = MockProvider::start();
    let gateway = Gateway::with(every_kind(&mock).text()).start().await;
    let requests = requests();
    for (request, ..) in &requests {
        let answer = gateway.call(request).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let records = gateway.usage_of(requests.len()).await;
    let now = scrape(&gateway).await;
    for (_, route, group) in &requests {
        let labels = [("route", *route), ("model_group", *group)];
        let count = requests.iter().filter(|(_, other, _)| other == route).count() as f64;
        let ok = [labels[0], labels[1], ("kind", "ok")];
        assert_near(now.sum("bulkhead_requests_total", &ok), count, route);
        assert_near(now.sum("bulkhead_request_seconds_count", &labels), count, route);
        assert_near(now.sum("bulkhead_upstream_seconds_count", &labels), count, route);
        assert!(now.sum("bulkhead_request_seconds_sum", &labels) > 0.0, "{route}");
    }
    // Only the streams have a first piece of content.
    assert_near(now.sum("bulkhead_first_token_seconds_count", &[]), 2.0, "streams");
    assert_near(now.sum("bulkhead_overhead_seconds_count", &[]), requests.len() as f64, "overhead");
    for kind in ["input", "output", "cache_read", "cache_write", "reasoning"] {
        let counted = now.sum("bulkhead_tokens_total", &[("kind", kind)]);
        assert_near(counted, total(&records, &format!("{kind}_tokens")), kind);
    }
    assert!(now.sum("bulkhead_tokens_total", &[("kind", "output")]) > 0.0);
    let cost: f64 = records.iter().map(|it| it["cost"].as_str().unwrap().parse::<f64>().unwrap()).sum();
    assert!(cost > 0.0);
    assert_near(now.sum("bulkhead_spend_usd_total", &[]), cost, "spend");
    assert_near(now.sum("bulkhead_usage_recorded_total", &[]), records.len() as f64, "records");
    assert!(now.sum("bulkhead_upstream_connections", &[]) >= 1.0);
    for still in ["unpriced_total", "refused_total", "dropped_params_total", "in_flight", "body_memory_bytes"]
    {
        assert_near(now.sum(&format!("bulkhead_{still}"), &[]), 0.0, still);
    }
}

#[tokio::test]
async fn what_fails_is_refused_or_is_dropped_is_counted_by_kind() {
    let mock = MockProvider::start();
    let gateway = Gateway::with(every_kind(&mock).text()).start().await;
    let dropping =
        body::messages("claude", "Hi").with("metadata", serde_json::json!({"user_id": "somebody"}));
    for (request, status) in [
        (chat("gpt-500"), 500),
        (chat("gpt-cut").json(body::chat("gpt-cut", "Hi").stream()), 200),
        (chat("odd"), 200),
        (Request::post("/v1/messages").bearer(MASTER).json(dropping), 200),
        (Request::post("/v1/chat/completions").json(body::chat("gpt", "Hi")), 401),
        (Request::post("/v1/messages").bearer(canary::UNKNOWN_KEY).json(body::messages("claude", "Hi")), 401),
        (chat("no-such-model"), 400),
        (chat("gpt").json("{"), 400),
        (Request::get("/key/info").bearer(MASTER), 404),
    ] {
        let answer = gateway.call(&request).await;
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    let mut leaving = gateway.client().await;
    leaving.send(&chat("gpt-hang").bytes()).await.unwrap();
    gateway.until_metric("bulkhead_in_flight", &[], 1.0).await;
    let held = scrape(&gateway).await;
    assert!(held.sum("bulkhead_body_memory_bytes", &[]) > 0.0);
    assert!(held.sum("bulkhead_connections", &[]) >= 1.0);
    assert_near(held.sum("bulkhead_holds", &[]), 0.0, "the master key has no limits");
    leaving.reset().unwrap();
    gateway.until_metric("bulkhead_in_flight", &[], 0.0).await;
    gateway.until_metric("bulkhead_connections", &[], 0.0).await;
    gateway.usage_of(5).await;

    let now = scrape(&gateway).await;
    let chat_route = ("route", "/chat/completions");
    for (name, labels, count) in [
        ("requests", &[("model_group", "gpt-500"), ("kind", "upstream_server")][..], 1.0),
        ("requests", &[("model_group", "gpt-cut"), ("kind", "upstream_truncated")], 1.0),
        ("requests", &[("model_group", "gpt-hang"), ("kind", "client_gone")], 1.0),
        ("requests", &[("model_group", "odd"), ("kind", "ok")], 1.0),
        ("unpriced", &[("model_group", "odd")], 1.0),
        ("dropped_params", &[], 1.0),
        ("refused", &[chat_route, ("kind", "no_key")], 1.0),
        ("refused", &[("route", "/messages"), ("kind", "unknown_key")], 1.0),
        ("refused", &[chat_route, ("kind", "unknown_model")], 1.0),
        ("refused", &[chat_route, ("kind", "bad_json")], 1.0),
        ("refused", &[("route", "other"), ("kind", "not_found")], 1.0),
        ("refused", &[], 5.0),
        ("usage_recorded", &[], 5.0),
        ("panics", &[], 0.0),
    ] {
        assert_near(now.sum(&format!("bulkhead_{name}_total"), labels), count, &format!("{name} {labels:?}"));
    }
    assert_near(now.sum("bulkhead_body_memory_bytes", &[]), 0.0, "body memory");
}

/// Bodies of 100 KB, one after the other, until told to stop; how many were served.
async fn press(addr: SocketAddr, stop: Arc<AtomicBool>) -> u64 {
    let request = Request::post("/v1/chat/completions").bearer(MASTER);
    let request = request.json(body::chat("gpt", &"words and words ".repeat(6400)).stream());
    let mut client = Client::connect(addr).await.unwrap();
    let mut served = 0;
    while !stop.load(Ordering::Relaxed) {
        assert_eq!(client.exchange(&request).await.status, 200);
        served += 1;
    }
    served
}

/// Presses with 32 clients, on a thread of their own so that they do not hold up whoever measures.
fn press_hard(addr: SocketAddr, stop: Arc<AtomicBool>) -> JoinHandle<u64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    std::thread::spawn(move || {
        let clients = (0..32).map(|_| press(addr, stop.clone()));
        runtime.block_on(futures_util::future::join_all(clients)).into_iter().sum()
    })
}

#[tokio::test]
async fn the_operations_port_answers_quickly_while_every_worker_is_busy() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    let stop = Arc::<AtomicBool>::default();
    let load = press_hard(gateway.addr, stop.clone());
    gateway.until_metric("bulkhead_connections", &[], 32.0).await;
    let mut times = Vec::new();
    for path in ["/livez", "/readyz", "/metrics"].iter().cycle().take(200) {
        let asked = Instant::now();
        assert_eq!(call(gateway.ops, &Request::get(path)).await.unwrap().status, 200, "{path}");
        times.push(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stop.store(true, Ordering::Relaxed);
    let served = load.join().unwrap();
    times.sort_unstable();
    let (half, most) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    println!("under {served} requests of 100 KB: {half:?}, p99 {most:?}");
    // 8 ms where this was written; what is asked for (R-005) is 100.
    assert!(most < Duration::from_millis(100), "{half:?}, p99 {most:?}");
}

#[tokio::test]
async fn the_operations_port_answers_while_the_memory_for_bodies_is_used_up() {
    let mock = MockProvider::start();
    let yaml =
        yaml(&mock).general("max_request_size_mb", 2).setting("bulkhead_settings", "body_memory_mb", 4);
    let gateway = Gateway::with(yaml.text()).start().await;
    // Bodies that are announced and do not come: four fit, the fifth waits.
    let announced = Request::post("/v1/chat/completions").bearer(MASTER).json("x".repeat(1_000_000)).head();
    let mut clients = Vec::new();
    for taken in [1e6, 2e6, 3e6, 4e6, 4e6] {
        let mut client = gateway.client().await;
        client.send(&announced).await.unwrap();
        clients.push(client);
        gateway.until_metric("bulkhead_body_memory_bytes", &[], taken).await;
    }
    gateway.until_metric("bulkhead_connections", &[], 5.0).await;
    for path in ["/livez", "/readyz", "/metrics", "/snapshot"] {
        let asked = Instant::now();
        assert_eq!(gateway.ops(path).await.status, 200, "{path}");
        assert!(asked.elapsed() < Duration::from_secs(1), "{path}: {:?}", asked.elapsed());
    }
    assert_eq!(gateway.call(&Request::get("/health/liveliness")).await.status, 200);
    drop(clients);
    gateway.until_metric("bulkhead_body_memory_bytes", &[], 0.0).await;
}
