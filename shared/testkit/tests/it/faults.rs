//! Every misbehaviour, as it looks at the socket.

use std::io::Read as _;
use std::time::Duration;

use bulkhead_testkit::body;
use bulkhead_testkit::client::{Answer, Client, End};
use bulkhead_testkit::provider::Outcome;
use bulkhead_testkit::{MockProvider, eventually};
use serde_json::{Value, json};

use crate::{LONG, ask, client, post};

const CHAT: &str = "/v1/chat/completions";

async fn stream(mock: &MockProvider, model: &str) -> Answer {
    ask(mock, CHAT, body::chat(model, "x").stream_with_usage()).await
}

async fn whole(mock: &MockProvider, model: &str) -> Answer {
    ask(mock, CHAT, body::chat(model, "x")).await
}

/// Events with content.
fn pieces(answer: &Answer) -> usize {
    let has =
        |value: Value| value["choices"][0]["delta"]["content"].as_str().is_some_and(|text| !text.is_empty());
    answer.events().iter().filter(|event| has(event.json())).count()
}

fn outcome(mock: &MockProvider) -> Outcome {
    mock.ledger().last().unwrap().outcome
}

#[tokio::test]
async fn streams_are_broken_off_where_ordered() {
    let mock = MockProvider::start();
    for (model, end) in
        [("cut-after-5", End::Reset), ("close-after-5", End::Eof), ("clean-end-after-5", End::Complete)]
    {
        let answer = stream(&mock, model).await;
        assert_eq!((answer.status, pieces(&answer), answer.end), (200, 5, end), "{model}");
        assert!(!answer.text().contains("[DONE]"));
        assert_eq!(outcome(&mock), Outcome::Cut, "{model}");
    }
    let at_once = stream(&mock, "cut-after-0").await;
    assert_eq!((at_once.events().len(), at_once.end), (1, End::Reset));
    let at_the_end = stream(&mock, "close-after-99").await;
    assert_eq!((pieces(&at_the_end), at_the_end.end), (12, End::Eof));
    assert!(!at_the_end.text().contains("finish_reason\":\"stop"));
}

#[tokio::test]
async fn bodies_are_broken_off_in_the_middle() {
    let mock = MockProvider::start();
    for (model, end) in
        [("cut-after-5", End::Reset), ("close-after-5", End::Eof), ("cut-after-5+chunked", End::Reset)]
    {
        let answer = whole(&mock, model).await;
        assert_eq!((answer.status, answer.end), (200, end), "{model}");
        assert!(!answer.body.is_empty() && answer.json().is_null(), "{model}");
    }
    let answer = whole(&mock, "clean-end-after-5").await;
    assert_eq!((answer.end, answer.json()), (End::Complete, Value::Null));
    let head_only = whole(&mock, "close-after-0").await;
    assert!(
        head_only.body.is_empty() && head_only.header("content-length").is_some_and(|length| length != "0")
    );
}

#[tokio::test]
async fn a_terminal_event_can_be_missing() {
    let mock = MockProvider::start();
    let chat = stream(&mock, "no-done").await;
    assert_eq!((chat.end, pieces(&chat)), (End::Complete, 12));
    assert!(chat.text().contains("\"finish_reason\":\"stop\"") && !chat.text().contains("[DONE]"));
    let messages = ask(&mock, "/v1/messages", body::messages("no-done", "x").stream()).await;
    assert_eq!(messages.events().last().unwrap().event.as_deref(), Some("message_delta"));
    let responses = ask(&mock, "/v1/responses", body::responses("no-done", "x").stream()).await;
    assert_eq!(responses.events().last().unwrap().event.as_deref(), Some("response.output_item.done"));
}

#[tokio::test]
async fn error_events_come_first_or_in_the_middle() {
    let mock = MockProvider::start();
    let first = stream(&mock, "error-first-event").await;
    assert_eq!(first.status, 200);
    assert_eq!(first.events()[0].json()["error"]["type"], "server_error");
    let later = stream(&mock, "error-after-3").await;
    assert_eq!((pieces(&later), later.events().len()), (3, 5));
    assert!(later.events()[4].json()["error"]["message"].is_string());
    let messages = ask(&mock, "/v1/messages", body::messages("error-after-3", "x").stream()).await;
    let last = messages.events().pop().unwrap();
    assert_eq!(
        (last.event.as_deref(), &last.json()["error"]["type"]),
        (Some("error"), &json!("overloaded_error"))
    );
    let responses = ask(&mock, "/v1/responses", body::responses("error-after-3", "x").stream()).await;
    assert_eq!(responses.events().pop().unwrap().event.as_deref(), Some("response.failed"));
    let body = whole(&mock, "error-after-3").await;
    assert!(body.status == 200 && body.json()["error"]["message"].is_string());
}

#[tokio::test]
async fn torn_json_wrong_pages_and_nothing_at_all() {
    let mock = MockProvider::start();
    let chunk = stream(&mock, "bad-json-chunk").await;
    let torn = chunk.events().iter().filter(|event| event.json().is_null()).count();
    assert_eq!((torn, pieces(&chunk)), (2, 11), "the torn one and [DONE]");
    let bad = whole(&mock, "bad-json").await;
    assert_eq!(
        (bad.status, bad.json(), bad.header("content-type")),
        (200, Value::Null, Some("application/json"))
    );
    let page = stream(&mock, "html-200").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html")));
    let empty = whole(&mock, "empty-200").await;
    assert_eq!((empty.status, empty.body.len(), empty.end), (200, 0, End::Complete));
    let empty = stream(&mock, "empty-200").await;
    assert_eq!(
        (empty.body.len(), empty.header("content-type")),
        (0, Some("text/event-stream; charset=utf-8"))
    );
}

#[tokio::test]
async fn silence_at_every_place_and_the_clients_going_is_noticed() {
    let mock = MockProvider::start();
    for (model, status, seen) in [
        ("hang", None, 0),
        ("hang-half-head", None, 0),
        ("hang-headers", Some(200), 0),
        ("stall-after-3", Some(200), 4),
    ] {
        for streaming in [true, false] {
            let mut client = client(&mock).await;
            let body = body::chat(model, "x");
            let body = if streaming { body.stream() } else { body };
            client.send(&post(CHAT, body).bytes()).await.unwrap();
            let hung = || {
                mock.ledger().last().is_some_and(|last| last.outcome == Outcome::Hung && last.model == model)
            };
            assert!(eventually(LONG, hung).await, "{model}");
            assert_eq!(mock.stats().in_flight, 1);
            let mut client = client.patience(Duration::from_millis(20));
            let answer = client.answer().await;
            assert_eq!(answer.end, End::TimedOut, "{model}");
            assert_eq!(answer.status, status.unwrap_or(0), "{model}");
            if streaming {
                assert_eq!(answer.events().len(), seen, "{model}");
            }
            assert_eq!(answer.raw.is_empty(), model == "hang");
            drop(client);
            let gone = || outcome(&mock) == Outcome::ClientGone;
            assert!(eventually(Duration::from_millis(100), gone).await, "{model} is not noticed in 100 ms");
            assert_eq!(mock.stats().in_flight, 0);
        }
    }
}

#[tokio::test]
async fn a_reset_can_be_the_only_answer() {
    let mock = MockProvider::start();
    let answer = whole(&mock, "rst").await;
    assert_eq!((answer.raw.len(), answer.end), (0, End::Reset));
    assert_eq!(outcome(&mock), Outcome::Cut);
}

#[tokio::test]
async fn answers_are_slow_where_ordered() {
    let mock = MockProvider::start();
    // Long enough for a busy machine to see the two parts apart.
    let late = Duration::from_millis(200);
    assert!(whole(&mock, "slow-ttft-200").await.first_byte().unwrap() >= late);
    let head = stream(&mock, "slow-event-200").await;
    assert!(head.raw[..head.reads[0].bytes].ends_with(b"\r\n\r\n"), "the head comes alone");
    assert!(head.reads[1].after >= late);
    let opening = stream(&mock, "slow-token-200").await;
    let first = String::from_utf8_lossy(&opening.raw[..opening.reads[0].bytes]).into_owned();
    assert!(first.contains("\"role\":\"assistant\"") && !first.contains("Hello"));
    assert!(opening.reads[1].after >= late);
    let spread = stream(&mock, "slow-chunk-5").await;
    assert!(spread.reads.len() > 2 && spread.reads.last().unwrap().after >= Duration::from_millis(55));
    let spread = whole(&mock, "slow-chunk-5").await;
    assert!(spread.reads.len() > 2 && spread.reads.last().unwrap().after >= Duration::from_millis(35));
    assert_eq!(spread.json()["object"], "chat.completion");
}

#[tokio::test]
async fn answers_have_the_size_ordered() {
    let mock = MockProvider::start();
    assert_eq!(pieces(&stream(&mock, "chunks-200").await), 200);
    let big = whole(&mock, "bytes-1000000").await.json();
    assert_eq!(big["choices"][0]["message"]["content"].as_str().unwrap().len(), 1_000_000);
    assert_eq!(mock.ledger().last().unwrap().content_bytes, 1_000_000);
    let event = stream(&mock, "big-event-200000").await;
    assert!(event.events().iter().any(|event| event.data.len() > 200_000));
    assert_eq!(pieces(&event), 13);
}

#[tokio::test]
async fn echo_says_what_was_asked_and_big_bodies_are_only_outlined() {
    let mock = MockProvider::start();
    let asked = body::chat("echo", "quote \" and \u{1F980}");
    let answer = ask(&mock, CHAT, asked.clone()).await.json();
    assert_eq!(answer["choices"][0]["message"]["content"], asked.text());
    let big = body::chat("ok", &"x".repeat(3 << 20));
    let answer = ask(&mock, CHAT, big.clone()).await;
    assert_eq!(answer.status, 200);
    let logged = mock.last_request().unwrap();
    assert_eq!((logged.body.is_none(), logged.body_bytes), (true, big.text().len() as u64));
}

#[tokio::test]
async fn events_can_be_spelled_differently() {
    let mock = MockProvider::start();
    let plain = stream(&mock, "ok").await.events().len();
    let crlf = stream(&mock, "crlf").await;
    assert_eq!(crlf.events().len(), plain);
    assert!(crlf.text().contains("\r\n\r\n") && !crlf.text().replace("\r\n", "").contains('\n'));
    let comments = stream(&mock, "comments").await;
    assert_eq!(comments.events().len(), plain);
    assert!(comments.text().starts_with(": "));
}

#[tokio::test]
async fn characters_are_torn_between_chunks() {
    let mock = MockProvider::start();
    let answer = stream(&mock, "multibyte").await;
    assert_eq!(pieces(&answer), 10);
    let torn = answer.raw.windows(3).filter(|window| window[0] >= 0xC0 && &window[1..] == b"\r\n").count();
    assert_eq!(torn, 16, "each character of more than one byte, once");
    let json = whole(&mock, "multibyte").await.json();
    assert!(json["choices"][0]["message"]["content"].as_str().unwrap().contains("漢字🦀"));
}

#[tokio::test]
async fn single_bytes_add_up() {
    let mock = MockProvider::start();
    let mut client = client(&mock).await;
    let slow = client.exchange(&post(CHAT, body::chat("one-byte-writes", "x"))).await;
    assert_eq!(slow.json()["choices"][0]["finish_reason"], "stop");
    assert_eq!(client.exchange(&post(CHAT, body::chat("ok", "x"))).await.status, 200);
}

#[tokio::test]
async fn compressed_answers_are_sent_unasked() {
    let mock = MockProvider::start();
    for answer in [whole(&mock, "gzip").await, stream(&mock, "gzip").await] {
        assert_eq!((answer.header("content-encoding"), answer.end), (Some("gzip"), End::Complete));
        let mut text = String::new();
        flate2::read::GzDecoder::new(answer.body.as_slice()).read_to_string(&mut text).unwrap();
        assert!(text.contains("chat.completion"));
    }
    // Every event can be read before the next one has come.
    let unpacked = |body: &[u8]| {
        let mut text = Vec::new();
        let _ = flate2::read::GzDecoder::new(body).read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    };
    let mut client = client(&mock).await;
    client.send(&post(CHAT, body::chat("gzip+stall-after-3", "x").stream()).bytes()).await.unwrap();
    let contents = |body: &[u8]| unpacked(body).matches("\"content\"").count();
    let answer = client.read_until(|so_far| contents(so_far.body()) == 4).await;
    assert_eq!(contents(&answer.body), 4, "{}", unpacked(&answer.body));
}

#[tokio::test]
async fn usage_can_be_missing_or_zero() {
    let mock = MockProvider::start();
    assert!(whole(&mock, "no-usage").await.json().get("usage").is_none());
    assert_eq!(whole(&mock, "zero-usage").await.json()["usage"]["total_tokens"], 0);
    let events = stream(&mock, "no-usage").await.events();
    assert!(events.iter().all(|event| event.json()["usage"].is_null()));
    let record = mock.ledger().last().unwrap();
    assert_eq!((record.reported, record.produced.output), (None, 12));
    let messages = ask(&mock, "/v1/messages", body::messages("no-usage", "x").stream()).await;
    assert!(!messages.text().contains("\"usage\""));
    let chunked = whole(&mock, "chunked").await;
    assert_eq!(
        (chunked.header("transfer-encoding"), chunked.header("content-length")),
        (Some("chunked"), None)
    );
    let shown = whole(&mock, "reasoning-content-64").await.json();
    assert!(shown["choices"][0]["message"]["reasoning_content"].is_string());
}

#[tokio::test]
async fn connections_are_closed_without_a_word() {
    let mock = MockProvider::start();
    let closes = async |client: &mut Client, model: &str| {
        let answer = client.exchange(&post(CHAT, body::chat(model, "x"))).await;
        assert_eq!((answer.end, answer.header("connection")), (End::Complete, None));
        client.until_closed().await
    };
    assert_eq!(closes(&mut client(&mock).await, "refuse-reuse").await, End::Eof);
    assert_eq!(closes(&mut client(&mock).await, "close-idle-20").await, End::Eof);
    let mut patient = client(&mock).await.patience(Duration::from_millis(50));
    assert_eq!(closes(&mut patient, "ok").await, End::TimedOut);
    // Another request in time keeps an idle connection open.
    let mut busy = client(&mock).await;
    let first = busy.exchange(&post(CHAT, body::chat("close-idle-60000", "x"))).await;
    assert_eq!(busy.exchange(&post(CHAT, body::chat("ok", "x"))).await.end, first.end);
    let open = || mock.stats().open == 2;
    assert!(eventually(LONG, open).await, "{:?}", mock.stats());
}
