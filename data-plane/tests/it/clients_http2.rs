//! Clients that speak HTTP/2 to the gateway, without TLS by prior knowledge.

use std::time::Duration;

use bulkhead_testkit::client::{Client, End, Http2Answer, Http2Client, Request};
use bulkhead_testkit::provider::Outcome;
use bulkhead_testkit::{GatewayYaml, MockProvider, body, eventually};
use tokio::time::Instant;

use crate::support::{Gateway, MASTER, PATIENCE, faulty, yaml};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

fn config(mock: &MockProvider) -> GatewayYaml {
    let models = [
        ("gpt-stall", "chunks-50+stall-after-20"),
        ("gpt-pieces", "slow-chunk-50+chunks-40"),
        ("gpt-hang", "hang"),
        ("gpt-slow", "slow-ttft-1000"),
        ("gpt-long", "chunks-60000"),
        ("claude-stall", "chunks-50+stall-after-20"),
    ];
    models.into_iter().fold(yaml(mock), |yaml, (group, model)| faulty(yaml, mock, group, model))
}

fn chat(model: &str) -> Request {
    Request::post("/v1/chat/completions").bearer(MASTER).json(body::chat(model, "How are you?"))
}

fn stream(model: &str) -> Request {
    Request::post("/v1/chat/completions").bearer(MASTER).json(body::chat(model, "How are you?").stream())
}

async fn start() -> (MockProvider, Gateway, Http2Client) {
    let mock = MockProvider::start();
    let gateway = Gateway::with(config(&mock).text()).start().await;
    let client = Http2Client::connect(gateway.addr).await.unwrap();
    (mock, gateway, client)
}

/// A stream of which the first content has come.
async fn begun(client: &mut Http2Client, request: &Request) -> Http2Answer {
    let mut answer = client.send(request).await.unwrap().answer().await.unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.next().await.unwrap().is_some());
    answer
}

#[tokio::test]
async fn answers_streams_errors_and_pages_come_over_one_connection() {
    let (mock, gateway, mut client) = start().await;
    let (status, headers, text) = client.exchange(&chat("gpt")).await.unwrap();
    assert_eq!(status, 200, "{text}");
    assert_eq!(headers["content-length"], text.len().to_string());
    assert!(headers.contains_key("x-litellm-call-id") && !headers.contains_key("connection"), "{headers:?}");
    let (_, headers, text) = client.exchange(&stream("gpt")).await.unwrap();
    assert_eq!(headers["content-type"], "text/event-stream; charset=utf-8");
    assert!(text.ends_with("data: [DONE]\n\n") && !headers.contains_key("transfer-encoding"), "{text}");
    let anthropic =
        Request::post("/v1/messages").anthropic(MASTER).json(body::messages("claude", "Hi").stream());
    let (status, _, text) = client.exchange(&anthropic).await.unwrap();
    assert!(status == 200 && text.contains("message_stop"), "{text}");

    let long = "0123456789abcdef".repeat(200_000);
    let (status, _, text) = client.exchange(&chat("gpt").json(body::chat("gpt", &long))).await.unwrap();
    assert_eq!(status, 200, "more than all windows hold: {text}");
    for (request, status) in [
        (Request::get("/v1/models").bearer(MASTER), 200),
        (Request::get("/health/liveliness"), 200),
        (Request::post("/v1/chat/completions").bearer("sk-nobody").json("{}"), 401),
        (chat("nothing"), 400),
        (Request::get("/nope"), 404),
    ] {
        let (got, _, text) = client.exchange(&request).await.unwrap();
        assert_eq!(got, status, "{text}");
    }
    let head = Request::new("HEAD", "/v1/models").bearer(MASTER);
    let (status, headers, text) = client.exchange(&head).await.unwrap();
    assert_eq!((status, text.as_str()), (200, ""));
    assert!(headers["content-length"].to_str().unwrap().parse::<usize>().unwrap() > 10);

    assert_eq!((client.streams_allowed(), gateway.metric("bulkhead_connections", &[]).await), (100, 1.0));
    assert_eq!(mock.ledger().count(), 4);
    let usage = gateway.usage_of(4).await;
    assert!(usage.iter().all(|record| record["status"] == "success"), "{usage:#?}");
}

#[tokio::test]
async fn a_hundred_streams_share_a_connection_and_who_does_not_read_stalls_alone() {
    let (mock, gateway, mut client) = start().await;
    let unread = client.send(&stream("gpt-long")).await.unwrap().answer().await.unwrap();
    let mut stalled = Vec::new();
    for _ in 0..90 {
        stalled.push(begun(&mut client, &stream("gpt-stall")).await);
    }
    gateway.until_metric("bulkhead_in_flight", &[], 91.0).await;
    for _ in 0..5 {
        let (status, _, text) = client.exchange(&stream("gpt")).await.unwrap();
        assert!(status == 200 && text.ends_with("data: [DONE]\n\n"), "{text}");
    }
    drop((unread, stalled));
    gateway.until_metric("bulkhead_in_flight", &[], 0.0).await;
    let outcomes: Vec<_> = mock.ledger().records().iter().map(|record| record.outcome).collect();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Complete).count(), 5, "{outcomes:?}");
}

#[tokio::test]
async fn a_stream_that_is_reset_stops_the_provider_and_is_written_down() {
    let (mock, gateway, mut client) = start().await;
    for model in ["gpt-hang", "gpt-stall"] {
        let asked = client.send(&stream(model)).await.unwrap();
        gateway.until_metric("bulkhead_in_flight", &[], 1.0).await;
        let left = Instant::now();
        match model {
            "gpt-hang" => drop(asked),
            _ => drop(asked.answer().await.unwrap()),
        }
        gateway.until_metric("bulkhead_in_flight", &[], 0.0).await;
        assert!(eventually(PATIENCE, || mock.ledger().is_settled()).await);
        assert!(left.elapsed() < Duration::from_secs(5), "of 1 s, five times as long: {:?}", left.elapsed());
    }
    let usage = gateway.usage_of(2).await;
    assert!(usage.iter().all(|record| record["error"] == "client_gone"), "{usage:#?}");
    let (status, _, _) = client.exchange(&chat("gpt")).await.unwrap();
    assert_eq!(status, 200, "the connection goes on");
}

#[tokio::test]
async fn a_preface_in_pieces_is_http_2_and_what_only_begins_like_one_is_not() {
    let (_mock, gateway, _) = start().await;
    for split in [1, 3, 14, 18, 23] {
        let mut client = gateway.client().await.patience(PATIENCE);
        client.send(&PREFACE[..split]).await.unwrap();
        // Sent on its own: nobody answers half of a preface.
        tokio::time::sleep(Duration::from_millis(50)).await;
        client.send(&PREFACE[split..]).await.unwrap();
        let answer = client.read_until(|reader| reader.raw().len() >= 9).await;
        assert_eq!(answer.raw.get(3), Some(&4), "SETTINGS after {split}: {:?}", answer.raw);
    }
    for (first, rest, status) in
        [("P", "OST", 200), ("PRI * HTTP/1.1\r\n", "\r\n", 400), ("PRI * HTTP/2.0\r\n\r\n", "no", 400)]
    {
        let mut client = gateway.client().await.patience(PATIENCE);
        client.send(first.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        client.send(rest.as_bytes()).await.unwrap();
        if status == 200 {
            let bytes = chat("gpt").bytes();
            client.send(&bytes["POST".len()..]).await.unwrap();
        }
        let answer = client.answer().await;
        assert!(
            answer.status == status || status == 400 && answer.end != End::TimedOut,
            "{first}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn requests_that_are_given_up_at_once_end_the_connection_and_nobody_elses() {
    let (mock, gateway, mut client) = start().await;
    let mut flood = Http2Client::connect(gateway.addr).await.unwrap();
    let (mut sent, refused) = (0, Instant::now() + PATIENCE * 2);
    while !flood.is_over() && Instant::now() < refused {
        let Ok(mut asked) = flood.send(&stream("gpt-hang")).await else { break };
        asked.sending.send_reset(h2::Reason::CANCEL);
        sent += 1;
        // What was sent has to leave, and the answer to it to come.
        if sent % 10 == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    assert!(flood.is_over() || Instant::now() < refused, "after {sent} requests");
    assert!(sent < 5000, "{sent}");
    let (status, _, _) = client.exchange(&chat("gpt")).await.unwrap();
    assert_eq!(status, 200);
    gateway.until_metric("bulkhead_in_flight", &[], 0.0).await;
    assert!(eventually(PATIENCE, || mock.ledger().is_settled()).await);
}

#[tokio::test]
async fn requests_that_are_given_up_one_by_one_end_the_connection_as_well() {
    let (mock, gateway, mut client) = start().await;
    let mut flood = Http2Client::connect(gateway.addr).await.unwrap();
    let mut sent = 0;
    while let Ok(asked) = flood.send(&stream("gpt-hang")).await {
        sent += 1;
        assert!(sent <= 250, "nobody minds");
        // Each is with the provider when it is given up.
        assert!(eventually(PATIENCE, || mock.ledger().count() >= sent || flood.is_over()).await);
        drop(asked);
    }
    assert!(sent >= 200, "{sent}");
    gateway.until_metric("bulkhead_connections_flooded_total", &[], 1.0).await;
    let (status, _, _) = client.exchange(&chat("gpt")).await.unwrap();
    assert_eq!(status, 200);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused_and_the_connection_goes_on() {
    let (_mock, _gateway, mut client) = start().await;
    let large = (0..5).fold(chat("gpt"), |request, n| request.header(&format!("x-{n}"), &"y".repeat(15_000)));
    let outcome = client.exchange(&large).await;
    let refused = match &outcome {
        Ok((status, _, _)) => *status == 431,
        // The client's own library may know what the gateway takes.
        Err(_) => false,
    };
    assert!(refused, "{outcome:?}");
    let (status, _, _) = client.exchange(&chat("gpt")).await.unwrap();
    assert_eq!(status, 200);
}

#[tokio::test]
async fn a_connection_without_requests_is_closed_in_order_after_a_while() {
    let mock = MockProvider::start();
    let gateway = Gateway::with(config(&mock).text()).env("KEEPALIVE_TIMEOUT", "1").start().await;
    let mut silent = gateway.client().await.patience(PATIENCE);
    let mut client = Http2Client::connect(gateway.addr).await.unwrap();
    let (_, _, text) = client.exchange(&stream("gpt-pieces")).await.unwrap();
    assert!(text.ends_with("data: [DONE]\n\n"), "longer than that, and not idle: {text}");
    assert!(eventually(PATIENCE, || client.is_over()).await);
    assert_eq!(client.ended().await, None);
    assert_eq!(silent.until_closed().await, End::Eof);
    gateway.until_metric("bulkhead_connections", &[], 0.0).await;
}

#[tokio::test]
async fn a_drain_tells_clients_to_go_and_finishes_their_streams() {
    let (mock, mut gateway, mut client) = start().await;
    let mut pieces = begun(&mut client, &stream("gpt-pieces")).await;
    let slow = client.send(&chat("gpt-slow")).await.unwrap();
    let mut idle = Http2Client::connect(gateway.addr).await.unwrap();
    assert_eq!(idle.exchange(&Request::get("/health/liveliness")).await.unwrap().0, 200);
    gateway.until_metric("bulkhead_in_flight", &[], 2.0).await;
    gateway.signal("TERM");
    assert_eq!(idle.ended().await, None, "told to leave, in order");
    let text = pieces.rest().await.unwrap();
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    assert_eq!(slow.answer().await.unwrap().status, 200);
    assert_eq!(client.ended().await, None);
    assert_eq!(gateway.ended().await.code(), Some(0), "{}", gateway.log());
    assert!(gateway.usage().iter().all(|record| record["status"] == "success"));
    assert!(mock.ledger().is_settled());
}

#[tokio::test]
async fn while_load_balancers_have_not_noticed_requests_are_served_and_their_connection_ends() {
    let mock = MockProvider::start();
    let mut gateway = Gateway::with(config(&mock).text()).arg("--drain-wait", "2s").start().await;
    let mut client = Http2Client::connect(gateway.addr).await.unwrap();
    assert_eq!(client.exchange(&chat("gpt")).await.unwrap().0, 200);
    gateway.signal("TERM");
    gateway.until_log("draining").await;
    assert_eq!(client.exchange(&chat("gpt")).await.unwrap().0, 200);
    assert_eq!(client.ended().await, None);
    let mut another = Client::connect(gateway.addr).await.unwrap();
    assert_eq!(another.exchange(&chat("gpt")).await.status, 200);
    assert_eq!(gateway.ended().await.code(), Some(0));
}

#[tokio::test]
async fn when_there_is_no_more_time_streams_say_so() {
    let mock = MockProvider::start();
    let gateway = Gateway::with(config(&mock).text()).env("GRACEFUL_SHUTDOWN_TIMEOUT", "2");
    let mut gateway = gateway.start().await;
    let mut client = Http2Client::connect(gateway.addr).await.unwrap();
    let claude =
        Request::post("/v1/messages").anthropic(MASTER).json(body::messages("claude-stall", "Hi").stream());
    let mut open_ai = begun(&mut client, &stream("gpt-stall")).await;
    let mut anthropic = begun(&mut client, &claude).await;
    let unanswered = client.send(&chat("gpt-hang")).await.unwrap();
    gateway.until_metric("bulkhead_in_flight", &[], 3.0).await;
    gateway.signal("TERM");
    let (open_ai, anthropic) = (open_ai.rest().await.unwrap(), anthropic.rest().await.unwrap());
    assert!(open_ai.contains("shutting down"), "{open_ai}");
    assert!(anthropic.contains("shutting down"), "{anthropic}");
    let mut refused = unanswered.answer().await.unwrap();
    assert_eq!((refused.status.as_u16(), &refused.headers["retry-after"]), (503, &"1".parse().unwrap()));
    assert!(refused.rest().await.unwrap().contains("shutting down"));
    assert_eq!(gateway.ended().await.code(), Some(0), "{}", gateway.log());
}
