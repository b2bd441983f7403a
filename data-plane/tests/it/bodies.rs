//! What comes in: bodies that are too many, too large, too slow or no JSON, and requests that are no HTTP. The memory
//! for bodies holds, nothing that is refused reaches a provider, and no connection is left behind.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bulkhead_testkit::client::{Answer, Client, End, Request};
use bulkhead_testkit::{MockProvider, body, eventually};
use tokio::task::JoinSet;

use crate::support::{Gateway, MASTER, PATIENCE, faulty, yaml};

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";
const MB: usize = 1 << 20;

/// A chat body of exactly this length.
fn sized(len: usize) -> String {
    sized_for("gpt", len)
}

fn sized_for(model: &str, len: usize) -> String {
    let (before, after) =
        (format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":""#), r#""}]}"#);
    format!("{before}{}{after}", "x".repeat(len - before.len() - after.len()))
}

fn post(path: &str) -> Request {
    Request::post(path).bearer(MASTER).header("content-type", "application/json")
}

fn error(answer: &Answer) -> String {
    answer.json()["error"]["message"].as_str().unwrap_or_else(|| panic!("{}", answer.text())).to_owned()
}

async fn one_second(yaml: String) -> Gateway {
    Gateway::with(yaml).env("KEEPALIVE_TIMEOUT", "1").start().await
}

/// Nothing is left of what a test sent.
async fn at_rest(gateway: &Gateway) {
    for metric in ["bulkhead_connections", "bulkhead_in_flight", "bulkhead_body_memory_bytes"] {
        gateway.until_metric(metric, &[], 0.0).await;
    }
}

/// Memory of a process in bytes, by its name in `/proc/<pid>/status`.
fn memory(gateway: &Gateway, name: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() << 10
}

/// Sends a body that all senders share, with a length or in chunks of a megabyte, and reads the answer.
async fn send_shared(mut client: Client, body: Arc<String>, chunked: bool) -> Answer {
    let framing = match chunked {
        true => "transfer-encoding: chunked".to_owned(),
        false => format!("content-length: {}", body.len()),
    };
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {MASTER}\r\ncontent-type: application/json\r\n\
         {framing}\r\n\r\n"
    );
    client.send(head.as_bytes()).await.unwrap();
    for part in body.as_bytes().chunks(MB) {
        if chunked {
            client.send(format!("{:x}\r\n", part.len()).as_bytes()).await.unwrap();
        }
        client.send(part).await.unwrap();
        if chunked {
            client.send(b"\r\n").await.unwrap();
        }
    }
    if chunked {
        client.send(b"0\r\n\r\n").await.unwrap();
    }
    client.answer().await
}

#[tokio::test]
async fn fifty_bodies_of_100_mb_pass_within_the_memory_for_bodies_which_is_given_back() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    assert_eq!(gateway.post(CHAT, MASTER, sized(1000)).await.status, 200);
    let before = memory(&gateway, "VmRSS");
    let body = Arc::new(sized(100 * MB));
    let mut clients = Vec::new();
    for _ in 0..50 {
        clients.push(gateway.client().await);
    }
    gateway.until_metric("bulkhead_connections", &[], 50.0).await;
    let mut senders = JoinSet::new();
    for (number, client) in clients.into_iter().enumerate() {
        senders.spawn(send_shared(client, body.clone(), number % 2 == 1));
    }
    // A small one does not wait for the large ones.
    let started = SystemTime::now();
    assert_eq!(gateway.post(CHAT, MASTER, sized(1000)).await.status, 200);
    assert!(started.elapsed().unwrap() < Duration::from_secs(5), "{started:?}");
    while let Some(answer) = senders.join_next().await {
        let answer = answer.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let peak = memory(&gateway, "VmHWM");
    assert!(peak - before < (1024 + 128) * MB, "{} MB more than the {} before", peak / MB, before / MB);
    let large = mock.ledger().records().into_iter().filter(|it| it.body_bytes > MB as u64).count();
    assert_eq!(large, 50);
    at_rest(&gateway).await;
    let given_back = eventually(PATIENCE, || memory(&gateway, "VmRSS") < before + 64 * MB).await;
    assert!(given_back, "{} MB of {peak}", memory(&gateway, "VmRSS") / MB);
}

#[tokio::test]
async fn a_body_of_101_mb_is_refused_before_it_is_read_or_where_it_goes_over() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    let (before, peak) = (memory(&gateway, "VmRSS"), || memory(&gateway, "VmHWM"));
    let body = Arc::new(sized(101 * MB));
    let declared = send_shared(gateway.client().await, body.clone(), false).await;
    assert!(peak() < before + 32 * MB, "{} MB were read", peak() / MB);
    let chunked = send_shared(gateway.client().await, body, true).await;
    for answer in [declared, chunked] {
        assert_eq!((answer.status, answer.end), (413, End::Complete), "{}", answer.text());
        assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
        assert!(error(&answer).contains("100 MB") && error(&answer).contains("max_request_size_mb"));
    }
    at_rest(&gateway).await;
    assert_eq!(mock.ledger().count(), 0);
}

#[tokio::test]
async fn the_largest_body_is_what_the_file_says_in_both_dialects() {
    let mock = MockProvider::start();
    let gateway = Gateway::with(yaml(&mock).general("max_request_size_mb", 1).text()).start().await;
    for (path, kind) in [(CHAT, "invalid_request_error"), (MESSAGES, "request_too_large")] {
        let over = sized(MB + 1);
        let halves = [over[..MB].to_owned(), over[MB..].to_owned()];
        for request in [post(path).body(over.clone()), post(path).chunks(halves)] {
            let mut client = gateway.client().await;
            let answer = client.exchange(&request).await;
            assert_eq!(answer.status, 413, "{}", answer.text());
            assert_eq!(answer.json()["error"]["type"], kind, "{}", answer.text());
            // All of it was taken in: the connection goes on.
            let next = client.exchange(&post(CHAT).body(sized(MB))).await;
            assert_eq!(next.status, 200, "{}", next.text());
        }
    }
    assert_eq!(mock.ledger().count(), 4);
}

#[tokio::test]
async fn a_client_that_asks_first_does_not_send_what_is_too_large() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    let head = |len: usize| {
        format!(
            "POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {MASTER}\r\ncontent-length: {len}\r\n\
             expect: 100-continue\r\n\r\n"
        )
    };
    let mut client = gateway.client().await.patience(Duration::from_secs(5));
    client.send(head(101 * MB).as_bytes()).await.unwrap();
    let answer = client.answer().await;
    assert_eq!(answer.status, 413, "{:?}", answer.end);
    assert!(answer.raw.starts_with(b"HTTP/1.1 413"), "it was told to go on");

    let mut client = gateway.client().await;
    let body = sized(1000);
    client.send(head(body.len()).as_bytes()).await.unwrap();
    client.read_until(|reader| reader.raw().ends_with(b"\r\n\r\n")).await;
    client.send(body.as_bytes()).await.unwrap();
    let answer = client.answer().await;
    assert!(answer.raw.starts_with(b"HTTP/1.1 100 Continue\r\n\r\n"), "{}", answer.text());
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_used_up_memory_is_503_and_serves_again_when_some_came_back() {
    let mock = MockProvider::start();
    let yaml = faulty(yaml(&mock), &mock, "gpt-hang", "hang")
        .general("max_request_size_mb", 4)
        .setting("bulkhead_settings", "body_memory_mb", 8)
        .setting("bulkhead_settings", "keepalive_seconds", 0.2);
    let gateway = one_second(yaml.text()).await;
    let mut holder = gateway.client().await;
    holder.send(&post(CHAT).body(sized_for("gpt-hang", 4 * MB)).bytes()).await.unwrap();
    eventually(PATIENCE, || mock.ledger().count() == 1).await;

    // An eighth is for the small ones: a second large one does not fit.
    let large = sized(4 * MB);
    let requests =
        [post(CHAT).body(large.clone()), post(CHAT).chunks([large.clone()]), post(MESSAGES).body(large)];
    for (number, answer) in gateway.at_once(requests.to_vec()).await.iter().enumerate() {
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert!(error(answer).contains("memory for request bodies"), "{}", answer.text());
        let kind = if number == 2 { "overloaded_error" } else { "service_unavailable_error" };
        assert_eq!(answer.json()["error"]["type"], kind, "{}", answer.text());
    }
    assert_eq!(gateway.metric("bulkhead_body_memory_refusals_total", &[]).await as u64, 3);
    assert_eq!(gateway.post(CHAT, MASTER, sized(MB)).await.status, 200, "a small one fits");

    holder.reset().unwrap();
    gateway.until_metric("bulkhead_body_memory_bytes", &[], 0.0).await;
    assert_eq!(gateway.post(CHAT, MASTER, sized(4 * MB)).await.status, 200);
    at_rest(&gateway).await;
}

#[tokio::test]
async fn a_large_body_waits_for_memory_and_passes_when_some_came_back() {
    let mock = MockProvider::start();
    let yaml = faulty(yaml(&mock), &mock, "gpt-slow", "slow-ttft-300")
        .general("max_request_size_mb", 4)
        .setting("bulkhead_settings", "body_memory_mb", 5);
    let gateway = Gateway::with(yaml.text()).start().await;
    let requests = (0..4).map(|_| post(CHAT).body(sized_for("gpt-slow", 4 * MB))).collect();
    for answer in gateway.at_once(requests).await {
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!(gateway.metric("bulkhead_body_memory_refusals_total", &[]).await as u64, 0);
    at_rest(&gateway).await;
}

#[tokio::test]
async fn a_stream_that_waits_for_its_provider_keeps_its_memory_as_long_as_its_body() {
    let mock = MockProvider::start();
    let yaml =
        faulty(yaml(&mock), &mock, "gpt-hang", "hang").setting("bulkhead_settings", "keepalive_seconds", 1);
    let gateway = Gateway::with(yaml.text()).start().await;
    let body = body::chat("gpt-hang", &"x".repeat(MB)).stream().text();
    let mut client = gateway.client().await;
    client.send(&post(CHAT).body(body.clone()).bytes()).await.unwrap();
    client.read_until(|reader| !reader.body().is_empty()).await;
    gateway.until_metric("bulkhead_body_memory_bytes", &[], body.len() as f64).await;
    client.reset().unwrap();
    at_rest(&gateway).await;
}

#[tokio::test]
async fn slow_heads_are_cut() {
    let mock = MockProvider::start();
    let gateway = one_second(yaml(&mock).text()).await;
    let head = format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {MASTER}\r\nx-slow: ");
    let mut slow = JoinSet::new();
    for (part, drips) in [("", false), (&head[..3], false), (&head, false), (&head, true)] {
        let mut client = gateway.client().await.patience(PATIENCE);
        let part = part.to_owned();
        slow.spawn(async move {
            client.send(part.as_bytes()).await.unwrap();
            if drips {
                // Until the gateway has had enough.
                let _ = client.send_slowly(&[b'x'; 300], 1, Duration::from_millis(20)).await;
            }
            client.until_closed().await
        });
    }
    let ends = slow.join_all().await;
    assert!(ends.iter().all(|end| *end != End::TimedOut), "{ends:?}");
    // An idle connection is one as well.
    let mut client = gateway.client().await.patience(PATIENCE);
    assert_eq!(client.exchange(&post(CHAT).body(sized(100))).await.status, 200);
    assert_eq!(client.until_closed().await, End::Eof);
    at_rest(&gateway).await;
}

#[tokio::test]
async fn slow_bodies_are_cut() {
    let mock = MockProvider::start();
    let gateway = one_second(yaml(&mock).text()).await;
    let mut slow = JoinSet::new();
    for path in [CHAT, MESSAGES] {
        let whole = post(path).body(sized(5000)).bytes();
        let chunked = post(path).chunks([sized(5000)]).bytes();
        for (bytes, drips) in
            [(whole.clone(), false), (chunked.clone(), false), (whole, true), (chunked, true)]
        {
            let mut client = gateway.client().await.patience(PATIENCE);
            slow.spawn(async move {
                let (sent, rest) = bytes.split_at(1000);
                client.send(sent).await.unwrap();
                if drips {
                    let _ = client.send_slowly(&rest[..300], 1, Duration::from_millis(20)).await;
                }
                (client.answer().await, client.until_closed().await)
            });
        }
    }
    for (answer, end) in slow.join_all().await {
        assert_eq!(answer.status, 408, "{:?} {}", answer.end, answer.text());
        assert_ne!(end, End::TimedOut);
    }
    at_rest(&gateway).await;
    assert_eq!(mock.ledger().count(), 0);
}

#[tokio::test]
async fn a_client_that_leaves_within_its_body_leaves_nothing_behind() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    for request in [post(CHAT).body(sized(MB)), post(CHAT).chunks([sized(MB)])] {
        let bytes = request.bytes();
        for reset in [false, true] {
            let mut client = gateway.client().await;
            client.send(&bytes[..bytes.len() / 2]).await.unwrap();
            match reset {
                true => client.reset().unwrap(),
                false => drop(client),
            }
        }
    }
    at_rest(&gateway).await;
    assert_eq!(mock.ledger().count(), 0);
}

#[tokio::test]
async fn nesting_is_allowed_to_a_limit_that_the_refusal_names() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    // The body's own object is the first level.
    let nested = |levels: usize| {
        let (open, close) = ("[".repeat(levels - 1), "]".repeat(levels - 1));
        format!(r#"{{"model":"gpt","messages":[{{"role":"user","content":"hi"}}],"x":{open}{close}}}"#)
    };
    assert_eq!(gateway.post(CHAT, MASTER, nested(128)).await.status, 200);
    for levels in [129, 100_000] {
        let answer = gateway.post(CHAT, MASTER, nested(levels)).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert!(error(&answer).contains("nested deeper than 128 levels"), "{}", answer.text());
    }
    assert_eq!(mock.ledger().count(), 1);
}

#[tokio::test]
async fn bytes_that_are_no_json_are_refused_with_their_place() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    let with = |content: &[u8]| {
        [br#"{"model":"gpt","messages":[{"role":"user","content":""#, content, br#""}]}"#].concat()
    };
    let good = sized(100).into_bytes();
    for (case, body, says) in [
        ("a byte order mark", [b"\xef\xbb\xbf", &good[..]].concat(), "expected '{' at byte 0"),
        ("UTF-16", sized(100).encode_utf16().flat_map(u16::to_le_bytes).collect(), "at byte 1"),
        ("a lone byte", with(b"\xff"), "invalid UTF-8 at byte 53"),
        ("an overlong slash", with(b"\xc0\xaf"), "invalid UTF-8 at byte 53"),
        ("a surrogate", with(b"\xed\xa0\x80"), "invalid UTF-8 at byte 53"),
        ("half a character", with(b"\xe6\xbc"), "invalid UTF-8 at byte 53"),
        ("a NUL in a string", with(b"a\0b"), "control character in a string at byte 54"),
        (
            "a NUL after the object",
            [&good[..], b"\0"].concat(),
            "unexpected data after the object at byte 100",
        ),
        ("a second object", [&good[..], b"\n{}"].concat(), "unexpected data after the object at byte 101"),
        ("nothing but NUL", vec![0; 16], "at byte 0"),
    ] {
        for request in [post(CHAT).body(body.clone()), post(CHAT).chunks(body.iter().map(|byte| [*byte]))] {
            let answer = gateway.call(&request).await;
            assert_eq!(answer.status, 400, "{case}: {}", answer.text());
            assert!(error(&answer).contains(says), "{case}: {}", answer.text());
        }
    }
    assert_eq!(mock.ledger().count(), 0);
}

#[tokio::test]
async fn a_body_of_another_type_or_compressed_is_refused_by_name() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    let bare = |path: &str| Request::post(path).bearer(MASTER).body(sized(100));
    for (name, value) in [
        ("content-type", "text/plain"),
        ("content-type", "multipart/form-data; boundary=x"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("content-encoding", "gzip"),
        ("content-encoding", "br"),
    ] {
        let answer = gateway.call(&bare(CHAT).header(name, value)).await;
        assert_eq!(answer.status, 415, "{value}: {}", answer.text());
        assert_eq!(answer.json()["error"]["param"], name);
        assert_eq!(gateway.call(&bare(MESSAGES).header(name, value)).await.status, 415, "{value}");
    }
    assert_eq!(mock.ledger().count(), 0);
    for (name, value) in [
        ("x-nothing", "said"),
        ("content-type", "application/json"),
        ("content-type", "Application/JSON; charset=UTF-8"),
        ("content-type", "application/vnd.api+json"),
        ("content-encoding", "identity"),
    ] {
        let answer = gateway.call(&bare(CHAT).header(name, value)).await;
        assert_eq!(answer.status, 200, "{value}: {}", answer.text());
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let mock = MockProvider::start();
    let gateway = Gateway::with(faulty(yaml(&mock), &mock, "gpt-slow", "slow-ttft-200").text()).start().await;
    let of = |model: &str| post(CHAT).body(body::chat(model, "hi").text()).bytes();
    let get = Request::get("/v1/models").bearer(MASTER).bytes();
    let bad = post(CHAT).body("{").bytes();
    let mut client = gateway.client().await;
    client.send(&[of("gpt-slow"), get, bad, of("gpt"), of("gpt-slow")].concat()).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..5 {
        let answer = client.answer().await;
        seen.push((answer.status, answer.json()["model"].as_str().unwrap_or_default().to_owned()));
    }
    let own = |status: u16, model: &str| (status, model.to_owned());
    assert_eq!(
        seen,
        [own(200, "gpt-slow"), own(200, ""), own(400, ""), own(200, "gpt"), own(200, "gpt-slow")]
    );
}

/// A request whose framing can be read in two ways, with another one hidden in its body.
struct Smuggled {
    case: &'static str,
    headers: &'static str,
    body: &'static str,
    /// The framing is what RFC 9112 says it is; the outer request is served. Otherwise it is refused.
    served: bool,
}

/// The body of the outer request, in one chunk.
const CHUNKED: &str =
    "41\r\n{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\",\"content\":\"hi there\"}]}\r\n0\r\n\r\n";
const PLAIN: &str = "{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\",\"content\":\"hi there\"}]}";

fn smuggled() -> Vec<Smuggled> {
    let refused = |case, headers, body| Smuggled { case, headers, body, served: false };
    let served = |case, headers, body| Smuggled { case, headers, body, served: true };
    vec![
        served("length, then chunks", "content-length: 6\r\ntransfer-encoding: chunked\r\n", CHUNKED),
        served("chunks, then length", "transfer-encoding: chunked\r\ncontent-length: 6\r\n", CHUNKED),
        refused("two lengths", "content-length: 65\r\ncontent-length: 6\r\n", PLAIN),
        refused("a list of lengths", "content-length: 65, 6\r\n", PLAIN),
        refused("a signed length", "content-length: +65\r\n", PLAIN),
        refused("a negative length", "content-length: -1\r\n", PLAIN),
        refused("a length with a space", "content-length: 6 5\r\n", PLAIN),
        refused("a hexadecimal length", "content-length: 0x41\r\n", PLAIN),
        refused("a length beyond all numbers", "content-length: 18446744073709551681\r\n", PLAIN),
        refused("the largest length", "content-length: 18446744073709551615\r\n", PLAIN),
        refused("an empty length", "content-length:\r\n", PLAIN),
        refused("chunked and identity", "transfer-encoding: chunked, identity\r\n", CHUNKED),
        refused("identity", "transfer-encoding: identity\r\n", CHUNKED),
        refused("a coding nobody knows", "transfer-encoding: xchunked\r\n", CHUNKED),
        refused("two codings", "transfer-encoding: chunked\r\ntransfer-encoding: x\r\n", CHUNKED),
        refused("a space before the colon", "transfer-encoding : chunked\r\n", CHUNKED),
        refused("a length with a space before the colon", "content-length : 65\r\n", PLAIN),
        refused("a folded line", "x-folded: a\r\n b\r\ncontent-length: 65\r\n", PLAIN),
        refused("a folded coding", "transfer-encoding:\r\n chunked\r\n", CHUNKED),
        refused("a header without a name", ": x\r\ncontent-length: 65\r\n", PLAIN),
        refused("a line without a colon", "transfer-encoding\r\ncontent-length: 65\r\n", PLAIN),
        refused("a NUL in a header", "x-nul: a\0b\r\ncontent-length: 65\r\n", PLAIN),
        refused("a lone CR", "x-cr: a\rb: c\r\ncontent-length: 65\r\n", PLAIN),
        refused("no size of a chunk", "transfer-encoding: chunked\r\n", "\r\n{}\r\n0\r\n\r\n"),
        refused("a bad size of a chunk", "transfer-encoding: chunked\r\n", "3g\r\n{}\r\n0\r\n\r\n"),
        refused("a negative size of a chunk", "transfer-encoding: chunked\r\n", "-2\r\n{}\r\n0\r\n\r\n"),
        refused("0x before a size of a chunk", "transfer-encoding: chunked\r\n", "0x2\r\n{}\r\n0\r\n\r\n"),
        refused(
            "a size of a chunk beyond all numbers",
            "transfer-encoding: chunked\r\n",
            "10000000000000002\r\n{}\r\n0\r\n\r\n",
        ),
        refused("a chunk longer than its size", "transfer-encoding: chunked\r\n", "2\r\n{}{}\r\n0\r\n\r\n"),
        refused("a chunk that ends in LF", "transfer-encoding: chunked\r\n", "2\r\n{}\n0\r\n\r\n"),
        refused("an extension that ends in LF", "transfer-encoding: chunked\r\n", "2;a\n{}\r\n0\r\n\r\n"),
    ]
}

#[tokio::test]
async fn no_request_hides_in_another() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    let hidden = Request::get("/hidden").bytes();
    for Smuggled { case, headers, body, served } in smuggled() {
        mock.reset();
        let head = format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {MASTER}\r\n");
        let bytes = [head.as_bytes(), headers.as_bytes(), b"\r\n", body.as_bytes(), &hidden].concat();
        let mut client = gateway.client().await.patience(PATIENCE);
        client.send(&bytes).await.unwrap();
        let answer = client.answer().await;
        let expected = if served { &[200][..] } else { &[400, 431] };
        assert!(expected.contains(&answer.status), "{case}: {answer:?}");
        assert_eq!(mock.ledger().count(), u64::from(served), "{case}");
        let next = client.answer().await;
        assert_eq!((next.status, next.end), (0, End::Eof), "{case}: {}", next.text());
    }
    at_rest(&gateway).await;
}

#[tokio::test]
async fn lines_that_end_in_lf_alone_are_one_request() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    let text = format!(
        "POST {CHAT} HTTP/1.1\nhost: x\nauthorization: Bearer {MASTER}\ncontent-length: 65\n\n{PLAIN}"
    );
    let mut client = gateway.client().await;
    client.send(text.as_bytes()).await.unwrap();
    assert_eq!(client.answer().await.status, 200);
    assert_eq!(client.exchange(&Request::get("/v1/models").bearer(MASTER)).await.status, 200);
    assert_eq!(mock.ledger().count(), 1);
}

#[tokio::test]
async fn ten_thousand_chunks_extensions_and_trailers_are_one_body() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    let mut client = gateway.client().await;
    let tiny = post(CHAT).chunks(sized(10_000).bytes().map(|byte| [byte]));
    assert_eq!(client.exchange(&tiny).await.status, 200);
    assert_eq!(mock.ledger().last().unwrap().body_bytes, 10_000 - 1, "`ok` for `gpt`");
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {MASTER}\r\ntransfer-encoding: chunked\r\n"
    );
    let body = CHUNKED.replacen("\r\n", ";name=value;other=\"quoted\"\r\n", 1);
    let body = body.strip_suffix("\r\n").unwrap();
    let request =
        format!("{head}trailer: x-sum\r\n\r\n{body}x-sum: 1\r\nauthorization: Bearer other\r\n\r\n");
    client.send(request.as_bytes()).await.unwrap();
    let answer = client.answer().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent = mock.last_request().unwrap();
    assert!(!format!("{:?}", sent.headers()).contains("x-sum"), "{:?}", sent.headers());
    assert_eq!(client.exchange(&tiny).await.status, 200, "the connection goes on");
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    let many = (0..200).fold(Request::get("/v1/models"), |it, n| it.header(&format!("x-{n}"), "1"));
    let few =
        (0..80).fold(Request::get("/v1/models").bearer(MASTER), |it, n| it.header(&format!("x-{n}"), "1"));
    assert_eq!(gateway.call(&few).await.status, 200);
    for (case, request, statuses) in [
        ("many headers", many, &[431][..]),
        ("a large header", Request::get("/v1/models").header("x-large", &"x".repeat(70_000)), &[431]),
        ("a long name", Request::get("/v1/models").header(&"x".repeat(70_000), "1"), &[431]),
        ("a long path", Request::get(&format!("/{}", "x".repeat(70_000))), &[414, 431]),
    ] {
        let mut client = gateway.client().await.patience(PATIENCE);
        let answer = client.exchange(&request).await;
        assert!(statuses.contains(&answer.status), "{case}: {} {:?}", answer.status, answer.end);
        assert_ne!(client.until_closed().await, End::TimedOut, "{case}");
    }
    let long = Request::post(&format!("{CHAT}?x={}", "y".repeat(8000))).bearer(MASTER).body(sized(100));
    assert_eq!(gateway.call(&long).await.status, 200);
    at_rest(&gateway).await;
}

#[tokio::test]
async fn other_forms_of_http_are_answered_as_they_should_be() {
    let mock = MockProvider::start();
    let gateway = Gateway::start(&mock).await;
    let json = sized(100);
    let with = |line: &str, body: &str| {
        let key = format!("authorization: Bearer {MASTER}\r\n");
        format!("{line}\r\nhost: x\r\n{key}content-length: {}\r\n\r\n{body}", body.len())
    };
    for (case, text, status, closes) in [
        ("HTTP/1.0", with(&format!("POST {CHAT} HTTP/1.0"), &json), 200, true),
        ("an absolute target", with(&format!("POST http://other{CHAT} HTTP/1.1"), &json), 200, false),
        ("an unknown method", with(&format!("BREW {CHAT} HTTP/1.1"), &json), 405, false),
        ("OPTIONS", with(&format!("OPTIONS {CHAT} HTTP/1.1"), ""), 405, false),
        ("OPTIONS of all", with("OPTIONS * HTTP/1.1", ""), 404, false),
        ("HTTP/3.7", with(&format!("POST {CHAT} HTTP/3.7"), &json), 400, true),
        ("no version", format!("GET {CHAT}\r\n\r\n"), 400, true),
        ("no HTTP", "\x16\x03\x01\x02\0\x01\0\r\n\r\n".to_owned(), 400, true),
    ] {
        let mut client = gateway.client().await.patience(PATIENCE);
        client.send(text.as_bytes()).await.unwrap();
        let answer = client.answer().await;
        assert_eq!(answer.status, status, "{case}: {:?} {}", answer.end, answer.text());
        if closes {
            assert_ne!(client.until_closed().await, End::TimedOut, "{case}");
        } else {
            let next = client.exchange(&Request::get("/v1/models").bearer(MASTER)).await;
            assert_eq!(next.status, 200, "{case}");
        }
    }
    let mut client = gateway.client().await;
    client.send(&Request::new("HEAD", "/health/liveliness").bytes()).await.unwrap();
    let answer = client.read_until(|reader| reader.status().is_some()).await;
    assert_eq!(answer.status, 200);
    assert!(answer.raw.ends_with(b"\r\n\r\n"), "a body after HEAD: {answer:?}");
    drop(client);
    at_rest(&gateway).await;
}
