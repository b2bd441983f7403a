//! Providers that speak HTTP/2.

use std::time::Duration;

use bulkhead_testkit::client::{Client, End, Request};
use bulkhead_testkit::provider::{Http2, Options, Outcome};
use bulkhead_testkit::{GatewayYaml, MockProvider, body, canary, eventually};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::support::{Gateway, MASTER, PATIENCE};
use crate::tls::Authority;

/// A gateway and its provider.
struct Pair {
    mock: MockProvider,
    gateway: Gateway,
    _dir: TempDir,
}

impl Pair {
    /// With a group of its own for each of these models, named like it.
    async fn start(models: &[&str], set: impl Fn(Http2) -> Http2) -> Self {
        let (authority, dir) = (Authority::new("one"), tempfile::tempdir().unwrap());
        let http2 = set(Http2::new(authority.issue("127.0.0.1").server()));
        let mock = MockProvider::with(Options { http2: Some(http2), ..Options::default() }).unwrap();
        let yaml = models.iter().fold(GatewayYaml::new().master_key(MASTER), |yaml, model| {
            yaml.deployment(model)
                .provider("openai")
                .model(model)
                .base(mock.base_url())
                .key(canary::OPENAI_KEY)
        });
        let gateway = Gateway::with(yaml.text()).env("SSL_CERT_FILE", &authority.file(&dir)).start().await;
        Self { mock, gateway, _dir: dir }
    }

    fn complete(&self) -> usize {
        self.mock.ledger().records().iter().filter(|record| record.outcome == Outcome::Complete).count()
    }
}

fn chat(model: &str) -> Request {
    Request::post("/v1/chat/completions").bearer(MASTER).json(body::chat(model, "Hi"))
}

fn stream(model: &str) -> Request {
    Request::post("/v1/chat/completions").bearer(MASTER).json(body::chat(model, "Hi").stream())
}

/// A client that has sent this request and has the first event with content.
async fn with_content(pair: &Pair, request: &Request) -> Client {
    let mut client = pair.gateway.client().await.patience(PATIENCE * 3);
    client.send(&request.bytes()).await.unwrap();
    let answer = client.read_until(|reader| !reader.events().is_empty()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    client
}

#[tokio::test]
async fn requests_and_answers_pass_over_one_connection() {
    let pair = Pair::start(&["ok", "bytes-3000000", "ok+gzip"], |http2| http2).await;
    let mut client = pair.gateway.client().await;
    for request in [chat("ok"), stream("ok"), chat("ok+gzip"), chat("ok")] {
        let answer = client.exchange(&request).await;
        assert_eq!((answer.status, answer.end), (200, End::Complete), "{}", answer.text());
    }
    // More than windows and buffers hold, there and back.
    let long = "0123456789abcdef".repeat(200_000);
    let answer = client.exchange(&chat("bytes-3000000").json(body::chat("bytes-3000000", &long))).await;
    assert!(answer.status == 200 && answer.text().len() > 3_000_000, "{}", answer.text());
    assert_eq!((pair.mock.stats().accepted, pair.complete()), (1, 5));
    let sent = pair.mock.ledger().last().unwrap();
    assert!(sent.body_bytes > long.len() as u64);
}

#[tokio::test]
async fn a_thousand_long_streams_do_not_wait_for_one_another() {
    let pair = Pair::start(&["stall-after-1"], |http2| http2.max_streams(100)).await;
    let mut clients = JoinSet::new();
    let addr = pair.gateway.addr;
    for _ in 0..1000 {
        clients.spawn(async move {
            let mut client = Client::connect(addr).await.unwrap().patience(PATIENCE * 3);
            client.send(&stream("stall-after-1").bytes()).await.unwrap();
            let answer = client.read_until(|reader| !reader.events().is_empty()).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            client
        });
    }
    // Each has its first event while all are open: none ends before.
    let clients = clients.join_all().await;
    assert_eq!(pair.mock.stats().in_flight, 1000);
    assert_eq!(pair.gateway.metric("bulkhead_upstream_streams", &[]).await, 1000.0);
    let workers = std::thread::available_parallelism().unwrap().get() as u64;
    let connections = pair.mock.stats().open;
    assert!((10..=13 + 2 * workers).contains(&connections), "{connections} connections");

    drop(clients);
    assert!(eventually(PATIENCE * 3, || pair.mock.stats().in_flight == 0).await);
    pair.gateway.until_metric("bulkhead_upstream_streams", &[], 0.0).await;
}

#[tokio::test]
async fn a_slow_reader_stalls_only_itself() {
    let pair = Pair::start(&["bytes-8000000", "ok"], |http2| http2).await;
    let mut slow = Vec::new();
    for _ in 0..10 {
        slow.push(with_content(&pair, &stream("bytes-8000000")).await);
    }
    let connections = pair.mock.stats().accepted;
    let workers = std::thread::available_parallelism().unwrap().get() as u64;
    assert!(connections <= workers, "{connections}");
    // None of them has its answer whole: what a stream may have on its way is far less.
    let mut clients = Vec::new();
    for _ in 0..10 {
        clients.push(pair.gateway.client().await);
    }
    for _ in 0..20 {
        for client in &mut clients {
            let answer = client.exchange(&stream("ok")).await;
            assert_eq!((answer.status, answer.end), (200, End::Complete));
        }
    }
    assert_eq!((pair.mock.stats().in_flight, pair.mock.stats().accepted), (10, connections));
    for mut client in slow {
        let answer = client.answer().await;
        assert_eq!(answer.end, End::Complete);
    }
    assert_eq!(pair.complete(), 210);
}

#[tokio::test]
async fn no_request_fails_or_is_sent_twice_when_connections_go_away() {
    let pair = Pair::start(&["ok"], |http2| http2.goaway_after(7)).await;
    let mut clients = JoinSet::new();
    let addr = pair.gateway.addr;
    for _ in 0..16 {
        clients.spawn(async move {
            let mut client = Client::connect(addr).await.unwrap().patience(PATIENCE);
            for request in [chat("ok"), stream("ok")].iter().cycle().take(40) {
                let answer = client.exchange(request).await;
                assert_eq!((answer.status, answer.end), (200, End::Complete), "{}", answer.text());
            }
        });
    }
    clients.join_all().await;
    assert_eq!((pair.mock.ledger().count(), pair.complete()), (640, 640));
    assert!(pair.mock.stats().accepted > 20);
    assert_eq!(pair.gateway.metric("bulkhead_ambiguous_resends_total", &[]).await, 0.0);
}

#[tokio::test]
async fn what_a_provider_refuses_unprocessed_is_sent_again_and_answered_once() {
    let pair = Pair::start(&["refuse-stream-3"], |http2| http2).await;
    let mut client = pair.gateway.client().await;
    for _ in 0..30 {
        let answer = client.exchange(&chat("refuse-stream-3")).await;
        assert_eq!((answer.status, answer.end), (200, End::Complete), "{}", answer.text());
    }
    assert_eq!(pair.complete(), 30);
    assert!(pair.mock.ledger().count() > 40);
    assert_eq!(pair.gateway.metric("bulkhead_ambiguous_resends_total", &[]).await, 0.0);
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_stream_and_not_the_connection() {
    let model = "chunks-1000+slow-chunk-20";
    let pair = Pair::start(&[model, "hang", "ok"], |http2| http2).await;
    let staying = with_content(&pair, &stream(model)).await;
    let accepted = pair.mock.stats().accepted;
    for _ in 0..5 {
        drop(with_content(&pair, &stream(model)).await);
    }
    assert!(eventually(PATIENCE, || pair.mock.stats().in_flight == 1).await);
    // Before the head of the answer as well.
    let mut client = pair.gateway.client().await;
    client.send(&chat("hang").bytes()).await.unwrap();
    assert!(eventually(PATIENCE, || pair.mock.stats().in_flight == 2).await);
    drop(client);
    assert!(eventually(PATIENCE, || pair.mock.stats().in_flight == 1).await);
    let gone = |outcome| outcome == Outcome::ClientGone;
    assert_eq!(pair.mock.ledger().records().iter().filter(|record| gone(record.outcome)).count(), 6);
    let workers = std::thread::available_parallelism().unwrap().get() as u64;
    assert!(pair.mock.stats().accepted < accepted + workers, "no connection was closed");
    drop(staying);
}

#[tokio::test]
async fn a_stale_connection_on_the_same_beat_as_requests_fails_none_and_doubles_none() {
    let idle = Duration::from_millis(50);
    let mock = MockProvider::start();
    let yaml = GatewayYaml::new().master_key(MASTER).deployment("gpt").provider("openai");
    let yaml = yaml.model("close-idle-50").base(mock.base_url()).key(canary::OPENAI_KEY);
    let gateway = Gateway::with(yaml.text()).start().await;
    let mut clients = JoinSet::new();
    for client in 0..8u32 {
        let addr = gateway.addr;
        clients.spawn(async move {
            let mut client_of = Client::connect(addr).await.unwrap().patience(PATIENCE);
            for round in 0..60u32 {
                let answer = client_of.exchange(&chat("gpt")).await;
                assert_eq!((answer.status, answer.end), (200, End::Complete), "{}", answer.text());
                // Around the provider's own time, in steps of a fifth of a millisecond.
                let off = Duration::from_micros(u64::from((round * 7 + client * 3) % 20) * 200);
                tokio::time::sleep(idle + off - Duration::from_millis(2)).await;
            }
        });
    }
    clients.join_all().await;
    assert_eq!(mock.ledger().count(), 480);
    assert!(mock.stats().accepted > 50, "{:?}", mock.stats());
}
