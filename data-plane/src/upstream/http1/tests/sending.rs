//! Requests on their way out, and who has got what when a connection breaks.

use super::*;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

#[tokio::test(start_paused = true)]
async fn a_request_is_sent_as_it_is_but_for_what_is_the_connections() {
    let (mut connection, mut peer) = pair(64 << 10);
    let mut request = ask();
    let headers = [
        ("x-a", "1"),
        ("x-a", "2"),
        ("connection", "close, x-a"),
        ("content-length", "99"),
        ("transfer-encoding", "chunked"),
        ("te", "trailers"),
        ("upgrade", "h2c"),
        ("keep-alive", "timeout=5"),
        ("expect", "100-continue"),
    ];
    for (name, value) in headers {
        request.headers_mut().append(name, HeaderValue::from_static(value));
    }
    let (answer, heard) = tokio::join!(connection.send(request), async {
        let heard = hear(&mut peer, BODY).await;
        peer.write_all(OK).await.unwrap();
        heard
    });
    let expected = "POST /v1/chat/completions?a=b HTTP/1.1\r\nhost: provider\r\nx-a: 1\r\nx-a: 2\r\ncontent-length: 13\r\n\r\n";
    assert_eq!(heard, format!("{expected}{BODY}"));
    assert_eq!(read(&mut connection, answer.unwrap()).await, got(200, "{}", End::Usable));
}

#[tokio::test(start_paused = true)]
async fn a_body_of_many_segments_comes_whole_however_little_is_taken_at_once() {
    let segments: Vec<Bytes> =
        (0..500u32).map(|n| format!("{n} {}", " ".repeat(n as usize % 70)).into()).collect();
    let body = segments.concat();
    for ahead in [1, 2, 7, 64, 1000, 1 << 20] {
        let (mut connection, mut peer) = pair(ahead);
        let request = request(Method::POST, [segments.clone(), vec!["end".into()]].concat());
        let ours = async {
            let answer = connection.send(request).await.unwrap();
            read(&mut connection, answer).await
        };
        let (outcome, heard) = tokio::join!(ours, async {
            let heard = hear(&mut peer, "end").await;
            peer.write_all(OK).await.unwrap();
            heard
        });
        let (head, sent) = heard.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("content-length: {}", body.len() + 3)), "{head}");
        assert_eq!(sent.as_bytes(), [&body[..], b"end"].concat());
        assert_eq!(outcome, got(200, "{}", End::Usable), "{ahead}");
    }
}

fn large() -> Request<SendBody> {
    request(Method::POST, [vec![b' '; 100_000].into(), "end".into()])
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_refuses_early_gets_no_more_and_the_connection_is_not_used_again() {
    for closes in [false, true] {
        let (mut connection, mut peer) = pair(1000);
        let (answer, peer) = tokio::join!(connection.send(large()), async {
            peer.read_exact(&mut [0; 500]).await.unwrap();
            peer.write_all(b"HTTP/1.1 413 Payload Too Large\r\ncontent-length: 5\r\n\r\nlarge")
                .await
                .unwrap();
            (!closes).then_some(peer)
        });
        assert_eq!(read(&mut connection, answer.unwrap()).await, got(413, "large", End::Used), "{closes}");
        drop(connection);
        if let Some(mut peer) = peer {
            let mut rest = Vec::new();
            peer.read_to_end(&mut rest).await.unwrap();
            assert!(rest.len() <= 2000, "{} bytes after the answer", rest.len());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_begins_to_work_early_gets_the_rest() {
    let (mut connection, mut peer) = pair(1000);
    let ours = async {
        let answer = connection.send(large()).await.unwrap();
        read(&mut connection, answer).await
    };
    let (outcome, heard) = tokio::join!(ours, async {
        peer.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n").await.unwrap();
        let heard = hear(&mut peer, "end").await;
        peer.write_all(b"0\r\n\r\n").await.unwrap();
        heard
    });
    assert_eq!(outcome, got(200, "abc", End::Usable));
    assert!(heard.len() > 100_000);
}

/// How a request fails whose peer does this.
async fn failure(request: Request<SendBody>, reads: usize, says: &[u8]) -> SendError {
    let (mut connection, mut peer) = pair(1000);
    let (answer, ()) = tokio::join!(connection.send(request), async {
        peer.read_exact(&mut vec![0; reads]).await.unwrap();
        peer.write_all(says).await.unwrap();
        drop(peer);
    });
    answer.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn what_the_provider_can_have_got_says_how_a_request_failed() {
    assert!(matches!(failure(large(), 0, b"").await, SendError::Unsent));
    assert!(matches!(failure(large(), 50_000, b"").await, SendError::Unsent));
    assert!(matches!(failure(large(), 50_000, b"H").await, SendError::BadHead(_)));
    assert!(matches!(failure(ask(), 20, b"").await, SendError::NoAnswer(_)));
    assert!(matches!(failure(ask(), 20, b"HTTP/1.1 200 OK\r\n").await, SendError::BadHead(_)));
    assert!(matches!(failure(ask(), 20, b"HTTP/1.1 100 Continue\r\n\r\n").await, SendError::BadHead(_)));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_on_a_connection_that_has_closed_or_spoken() {
    for word in [&b""[..], b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n"] {
        let (mut connection, mut peer) = pair(64 << 10);
        peer.write_all(word).await.unwrap();
        peer.shutdown().await.unwrap();
        assert!(matches!(connection.send(ask()).await, Err(SendError::Unsent)));
        drop(connection);
        let mut heard = Vec::new();
        peer.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"");
    }
}
