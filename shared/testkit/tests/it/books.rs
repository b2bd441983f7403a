//! The ledger, the request log and the counters say what happened at the socket.

use std::time::Duration;

use bulkhead_model::Usage;
use bulkhead_testkit::body;
use bulkhead_testkit::client::{Client, End, Request};
use bulkhead_testkit::provider::{Options, Outcome};
use bulkhead_testkit::{MockProvider, eventually};
use serde_json::{Value, json};

use crate::{LONG, ask, client, post};

const CHAT: &str = "/v1/chat/completions";

#[tokio::test]
async fn the_ledger_equals_what_clients_were_told() {
    let mock = MockProvider::start();
    let (mut input, mut output) = (0, 0);
    for n in 0..30_u64 {
        let model = format!("ok-{}x{}", 10 + n, 1 + n);
        let usage = match n % 4 {
            0 => ask(&mock, CHAT, body::chat(&model, "x")).await.json()["usage"].clone(),
            1 => {
                let events = ask(&mock, CHAT, body::chat(&model, "x").stream_with_usage()).await.events();
                events[events.len() - 2].json()["usage"].clone()
            }
            2 => ask(&mock, "/v1/messages", body::messages(&model, "x")).await.json()["usage"].clone(),
            _ => {
                let events =
                    ask(&mock, "/v1/responses", body::responses(&model, "x").stream()).await.events();
                events.last().unwrap().json()["response"]["usage"].clone()
            }
        };
        let count = |names: [&str; 2]| names.iter().find_map(|name| usage[name].as_u64()).unwrap();
        input += count(["prompt_tokens", "input_tokens"]);
        output += count(["completion_tokens", "output_tokens"]);
    }
    let sum = |pick: fn(&Usage) -> u64| -> u64 {
        mock.ledger().totals().values().map(|totals| pick(&totals.reported)).sum()
    };
    assert_eq!((sum(|usage| usage.input), sum(|usage| usage.output)), (input, output));
    assert!(mock.ledger().records().iter().all(|record| record.outcome == Outcome::Complete));
    assert_eq!((mock.ledger().count(), mock.ledger().is_settled()), (30, true));
}

#[tokio::test]
async fn what_was_produced_is_counted_up_to_the_cut() {
    let mock = MockProvider::start();
    ask(&mock, CHAT, body::chat("ok-1000x120+cut-after-5", "x").stream_with_usage()).await;
    let record = mock.ledger().last().unwrap();
    assert_eq!((record.reported, record.produced.input, record.produced.output), (None, 1000, 50));
    assert_eq!(record.content_bytes, "Hello! This is a".len() as u64);
    ask(&mock, "/v1/messages", body::messages("ok-1000x120+cut-after-6", "x").stream()).await;
    let record = mock.ledger().last().unwrap();
    assert_eq!(record.reported, Some(Usage { input: 1000, output: 1, ..Usage::default() }));
    assert_eq!(record.produced, Usage { input: 1000, output: 60, ..Usage::default() });
    ask(&mock, CHAT, body::chat("status-500", "x")).await;
    assert_eq!(mock.ledger().last().unwrap().produced, Usage::default());
}

#[tokio::test]
async fn a_client_that_leaves_a_stream_is_in_the_ledger_with_what_it_got() {
    let mock = MockProvider::start();
    let mut client = client(&mock).await;
    client.send(&post(CHAT, body::chat("chunks-1000+slow-chunk-1", "x").stream()).bytes()).await.unwrap();
    client.read_until(|so_far| so_far.events().len() >= 4).await;
    let more = client.read_until(|so_far| so_far.events().len() >= 6).await;
    assert_eq!((more.status, more.end, more.events().len() >= 6), (200, End::Stopped, true));
    client.reset().unwrap();
    assert!(eventually(LONG, || mock.ledger().is_settled()).await);
    let record = mock.ledger().last().unwrap();
    assert_eq!(record.outcome, Outcome::ClientGone);
    assert!((3..500).contains(&record.produced.output), "{record:?}");
}

#[tokio::test]
async fn a_client_that_never_reads_a_big_answer_is_gone_and_not_served() {
    let mock = MockProvider::start();
    let mut client = client(&mock).await;
    client.send(&post(CHAT, body::chat("bytes-30000000", "x")).bytes()).await.unwrap();
    assert!(eventually(LONG, || mock.ledger().last().is_some_and(|record| record.status == 200)).await);
    drop(client);
    assert!(eventually(LONG, || mock.ledger().last().unwrap().outcome == Outcome::ClientGone).await);
}

#[tokio::test]
async fn a_client_that_leaves_while_sending_is_gone() {
    let mock = MockProvider::start();
    let mut client = client(&mock).await;
    let bytes = post(CHAT, body::chat("ok", "x")).bytes();
    client.send(&bytes[..bytes.len() - 3]).await.unwrap();
    assert!(eventually(LONG, || mock.stats().in_flight == 1).await);
    drop(client);
    assert!(eventually(LONG, || mock.ledger().is_settled()).await);
    let record = mock.ledger().last().unwrap();
    assert_eq!((record.outcome, record.status), (Outcome::ClientGone, 0));
    assert!(eventually(LONG, || mock.stats().open == 0).await);
}

#[tokio::test]
async fn requests_are_logged_byte_for_byte() {
    let mock = MockProvider::start();
    let request = Request::post("/v1/chat/completions?x=1")
        .header("X-Odd-CASE", "  spaced  ")
        .header("authorization", "Bearer sk-secret-9876")
        .header("x-odd-case", "again");
    let text = r#"{ "model":"ok","messages":[{"role":"user","content":"\u00e9"}],"temperature":1.0e0,"temperature":2 }"#;
    let mut client = client(&mock).await;
    for request in [request.clone().json(text), request.chunks(text.as_bytes().chunks(10))] {
        assert_eq!(client.exchange(&request).await.status, 200);
        let logged = mock.last_request().unwrap();
        assert_eq!((logged.head.to_vec(), logged.body.as_deref()), (request.head(), Some(text.as_bytes())));
        assert_eq!(
            (logged.target().as_str(), logged.header("x-ODD-case").as_deref()),
            ("/v1/chat/completions?x=1", Some("spaced"))
        );
        let names: Vec<String> = logged.headers().into_iter().map(|(name, _)| name).take(4).collect();
        assert_eq!(names, ["host", "X-Odd-CASE", "authorization", "x-odd-case"]);
    }
    let record = mock.ledger().last().unwrap();
    assert_eq!((record.key.as_str(), record.body_bytes), ("9876", text.len() as u64));
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    assert_eq!(record.body_sha256, digest.as_ref());
}

#[tokio::test]
async fn the_books_are_open_over_http() {
    let mock = MockProvider::start();
    ask(&mock, CHAT, body::chat("ok-7x3", "x")).await;
    let get = async |path: &str| client(&mock).await.exchange(&Request::get(path)).await.json();
    let ledger = get("/_mock/ledger").await;
    assert_eq!((&ledger["count"], &ledger["records"][0]["outcome"]), (&json!(1), &json!("complete")));
    assert_eq!(ledger["totals"]["ok-7x3"]["reported"]["input"], 7);
    let requests = get("/_mock/requests").await;
    assert_eq!(requests[0]["target"], CHAT);
    assert!(requests[0]["body"].as_str().unwrap().contains("ok-7x3"));
    let stats = get("/_mock/stats").await;
    assert_eq!((&stats["in_flight"], &stats["accepted"]), (&json!(0), &json!(4)));
    client(&mock).await.exchange(&Request::post("/_mock/reset").body("")).await;
    assert_eq!(get("/_mock/ledger").await["records"], Value::Array(Vec::new()));
    assert_eq!(client(&mock).await.exchange(&Request::get("/_mock/nothing")).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_paused_clock_does_not_pause_the_mock() {
    let mock = MockProvider::start();
    let mut client = Client::connect(mock.addr()).await.unwrap();
    let answer = client.exchange(&post(CHAT, body::chat("slow-ttft-20", "x"))).await;
    assert_eq!(answer.status, 200);
    assert!(eventually(Duration::from_secs(5), || mock.ledger().is_settled()).await);
}

#[tokio::test]
async fn workers_share_their_books_and_end_with_the_mock() {
    let mock = MockProvider::with(Options { workers: 3, ..Options::default() }).unwrap();
    let addr = mock.addr();
    let mut clients = Vec::new();
    for _ in 0..9 {
        let mut client = client(&mock).await;
        assert_eq!(client.exchange(&post(CHAT, body::chat("ok", "x"))).await.status, 200);
        clients.push(client);
    }
    assert_eq!((mock.ledger().count(), mock.stats().open), (9, 9));
    mock.shutdown();
    assert!(Client::connect(addr).await.is_err());
    let again = MockProvider::with(Options { listen: addr, ..Options::default() }).unwrap();
    assert_eq!(ask(&again, CHAT, body::chat("ok", "x")).await.status, 200);
}
