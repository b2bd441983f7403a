//! Heads: what is taken, what is refused, and whether the connection lives on.

use proptest::prelude::*;

use super::super::framing::Framing;
use super::super::head;
use super::*;

/// Answers, each with what it says.
fn answers() -> Vec<(String, bool, Got)> {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n";
    vec![
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".into(), false, got(200, "{}", End::Usable)),
        ("HTTP/1.1 429\r\nContent-Length:  0 \r\n\r\n".into(), false, got(429, "", End::Usable)),
        ("HTTP/1.1 200 OK\ncontent-length: 2\n\n{}".into(), false, got(200, "{}", End::Usable)),
        (format!("{chunked}3\r\nabc\r\n2;x=\"y\"\r\nde\r\n0\r\n\r\n"), false, got(200, "abcde", End::Usable)),
        (
            format!("{chunked}00A \t;x\r\n0123456789\r\n0\r\na: b\r\nc: d\r\n\r\n"),
            false,
            got(200, "0123456789", End::Usable),
        ),
        (format!("{chunked}0\r\n\r\n"), false, got(200, "", End::Usable)),
        ("HTTP/1.1 204 No Content\r\n\r\n".into(), false, got(204, "", End::Usable)),
        ("HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n".into(), false, got(304, "", End::Usable)),
        ("HTTP/1.1 200 OK\r\n\r\nall of it".into(), true, got(200, "all of it", End::Used)),
        ("HTTP/1.0 200 OK\r\n\r\nall of it".into(), true, got(200, "all of it", End::Used)),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n\
             HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
                .into(),
            false,
            got(200, "{}", End::Usable),
        ),
    ]
}

#[tokio::test(start_paused = true)]
async fn every_split_of_an_answer_says_the_same() {
    for (text, closes, expected) in answers() {
        let text = text.as_bytes();
        for split in 0..text.len() {
            let (first, second) = text.split_at(split);
            let pieces = [first, second].into_iter().filter(|piece| !piece.is_empty());
            let outcome = answered(Method::POST, pieces, closes).await.unwrap();
            assert_eq!(outcome, expected, "{}|{}", first.escape_ascii(), second.escape_ascii());
        }
        assert_eq!(answered(Method::POST, text.chunks(1), closes).await.unwrap(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn what_could_be_read_in_two_ways_is_no_answer() {
    let heads = [
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.2 200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\n\r\n",
        "\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        "<html>not HTTP at all</html>\r\n\r\n",
        "HTTP/1.1 200 OK\r\n folded: no\r\n\r\n",
        "HTTP/1.1 200 OK\r\na: b\r\n c\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\na: b\r\n\tc\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length : 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: no name\r\n\r\n",
        "HTTP/1.1 200 OK\r\na: \0\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\na: b\rc: d\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length:\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-length: 0x2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551616\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nContent-Length: 1\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ];
    for head in heads {
        let outcome = said(head).await;
        assert!(matches!(outcome, Err(SendError::BadHead(_))), "{head:?}: {outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn heads_are_bounded_in_bytes_in_headers_and_in_number() {
    let headers = |count: usize| "a: b\r\n".repeat(count - 1);
    let long = |len: usize| {
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\na: \r\n\r\n";
        head.replace("a: ", &format!("a: {}", "x".repeat(len - head.len())))
    };
    let interim = |count: usize| "HTTP/1.1 102 Processing\r\n\r\n".repeat(count);
    let end = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n";
    let empty = got(200, "", End::Usable);
    assert_eq!(said(format!("{end}{}\r\n", headers(128))).await.unwrap(), empty);
    assert_eq!(said(long(64 << 10)).await.unwrap(), empty);
    assert_eq!(said(format!("{}{end}\r\n", interim(100))).await.unwrap(), empty);
    let endless = format!("HTTP/1.1 200 OK\r\na: {}", "x".repeat(64 << 10));
    let too_many = format!("{end}{}\r\n", headers(129));
    for refused in [too_many, long((64 << 10) + 1), endless, format!("{}{end}\r\n", interim(101))] {
        assert!(matches!(said(&refused).await, Err(SendError::BadHead(_))), "{} bytes", refused.len());
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_lives_on_only_where_both_would_say_so() {
    let lives = |head: &'static str| async move {
        let outcome = said(format!("{head}content-length: 2\r\n\r\n{{}}")).await.unwrap();
        assert_eq!(outcome.body, b"{}");
        outcome.end == End::Usable
    };
    assert!(lives("HTTP/1.1 200 OK\r\n").await);
    assert!(lives("HTTP/1.1 200 OK\r\nconnection: x-trace\r\n").await);
    assert!(lives("HTTP/1.0 200 OK\r\nconnection: Keep-Alive\r\n").await);
    assert!(!lives("HTTP/1.0 200 OK\r\n").await);
    assert!(!lives("HTTP/1.1 200 OK\r\nConnection: CLOSE\r\n").await);
    assert!(!lives("HTTP/1.1 200 OK\r\nconnection: x-trace , close\r\n").await);
    assert!(!lives("HTTP/1.1 200 OK\r\nconnection: keep-alive\r\nconnection: close\r\n").await);
    assert!(!lives("HTTP/1.0 200 OK\r\nconnection: keep-alive, close\r\n").await);
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_head_has_no_body() {
    let text = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n".as_slice();
    let outcome = answered(Method::HEAD, [text], false).await.unwrap();
    assert_eq!(outcome, got(200, "", End::Usable));
}

#[test]
fn headers_come_as_they_were_sent() {
    let text = b"HTTP/1.1 200 OK\r\nX-Request-Id:  a b \r\nx-ratelimit: 1\r\nx-ratelimit: 2\r\nx-latin: \xe9\r\nempty:\r\n\r\n";
    let head = head::parse(text, &Method::POST).unwrap().unwrap();
    let headers: Vec<_> =
        head.response.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let expected: [(&str, &[u8]); 5] = [
        ("x-request-id", b"a b"),
        ("x-ratelimit", b"1"),
        ("x-ratelimit", b"2"),
        ("x-latin", b"\xe9"),
        ("empty", b""),
    ];
    assert_eq!(headers, expected);
}

/// Bytes that are more often part of a head than others.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        &b"HTTP/1.1 200 OK\r\n"[..],
        b"HTTP/1.0 ",
        b"content-length: ",
        b"transfer-encoding: chunked",
        b"connection: close",
        b"\r\n",
        b"\n",
        b"\r",
        b": ",
        b" ",
        b"7",
        b"\0",
    ]);
    let piece =
        prop_oneof![4 => words.prop_map(<[u8]>::to_vec), 1 => prop::collection::vec(any::<u8>(), 0..8)];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_head_is_read_past_its_end_or_in_two_ways(mut text in bytes(), terminated: bool) {
        if terminated {
            text.extend_from_slice(b"\r\n\r\n");
        }
        let Some(end) = head::end(&text, 0) else { return Ok(()) };
        prop_assert!(text[..end].ends_with(b"\n\n") || text[..end].ends_with(b"\n\r\n"));
        prop_assert_eq!(head::end(&text[..end - 1], 0), None);
        let Ok(Some(head)) = head::parse(&text[..end], &Method::POST) else { return Ok(()) };
        let headers = head.response.headers();
        let lengths = headers.get_all("content-length").iter().count();
        let encodings = headers.get_all("transfer-encoding").iter().count();
        prop_assert!(lengths + encodings <= 1);
        prop_assert!(!head.persistent || head.framing != Framing::UntilClose);
    }
}
