//! Connections whose other end the test plays.

mod bodies;
mod heads;
mod sending;

use std::time::Duration;

use bulkhead_dialect::json::Segments;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::timeout;

use super::error::Http1Error;
use super::{Connection, SendError};
use crate::upstream::body::SendBody;
use crate::upstream::wire::Wire;

const PATIENCE: Duration = Duration::from_secs(60);
const BODY: &str = r#"{"model":"m"}"#;

/// A connection, and its other end, each of which may be so many bytes ahead.
fn pair(ahead: usize) -> (Connection, DuplexStream) {
    let (ours, theirs) = tokio::io::duplex(ahead);
    (Connection::new(Wire::scripted(ours, false)), theirs)
}

fn request(method: Method, segments: impl IntoIterator<Item = Bytes>) -> Request<SendBody> {
    let mut body = Segments::default();
    segments.into_iter().for_each(|segment| body.push(segment));
    let mut request = Request::new(SendBody::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = "/v1/chat/completions?a=b".parse().unwrap();
    request.headers_mut().insert("host", HeaderValue::from_static("provider"));
    request
}

fn ask() -> Request<SendBody> {
    request(Method::POST, [Bytes::from_static(BODY.as_bytes())])
}

/// Reads until this has come.
async fn hear(peer: &mut DuplexStream, end: &str) -> String {
    let mut text = Vec::new();
    while !text.ends_with(end.as_bytes()) {
        let read = timeout(PATIENCE, peer.read_buf(&mut text)).await.expect("no request").unwrap();
        assert_ne!(read, 0, "closed within a request: {}", String::from_utf8_lossy(&text));
    }
    String::from_utf8(text).unwrap()
}

/// Lets the other side read what was written. Nothing outside of the runtime takes part.
async fn turns() {
    for _ in 0..4 {
        tokio::task::yield_now().await;
    }
}

/// What came of an answer.
#[derive(Debug, PartialEq, Eq)]
struct Got {
    status: StatusCode,
    body: Vec<u8>,
    end: End,
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    /// The connection can carry another request.
    Usable,
    Used,
    Broken,
}

fn got(status: u16, body: &str, end: End) -> Got {
    Got { status: StatusCode::from_u16(status).unwrap(), body: body.as_bytes().to_vec(), end }
}

/// Reads to the end of an answer.
async fn read(connection: &mut Connection, answer: Response<()>) -> Got {
    let (mut body, mut end) = (Vec::new(), None);
    while end.is_none() {
        let next = std::future::poll_fn(|cx| connection.poll_chunk(cx));
        match timeout(PATIENCE, next).await.expect("no end") {
            Some(Ok(chunk)) => body.extend_from_slice(&chunk),
            Some(Err(_)) => end = Some(End::Broken),
            None if usable(connection).await => end = Some(End::Usable),
            None => end = Some(End::Used),
        }
    }
    Got { status: answer.status(), body, end: end.unwrap() }
}

async fn usable(connection: &mut Connection) -> bool {
    std::future::poll_fn(|cx| std::task::Poll::Ready(connection.poll_usable(cx))).await
}

/// Asks, and is answered in these pieces, each of which is read before the next is there.
async fn answered<'a>(
    method: Method,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    closes: bool,
) -> Result<Got, SendError> {
    let (mut connection, mut peer) = pair(256 << 10);
    let ours = async {
        let answer =
            timeout(PATIENCE, connection.send(request(method, [BODY.into()]))).await.expect("no head")?;
        Ok(read(&mut connection, answer).await)
    };
    let theirs = async {
        hear(&mut peer, BODY).await;
        for piece in pieces {
            peer.write_all(piece).await.unwrap();
            turns().await;
        }
        (!closes).then_some(peer)
    };
    tokio::join!(ours, theirs).0
}

/// Asks, and is answered with this.
async fn said(text: impl AsRef<[u8]>) -> Result<Got, SendError> {
    answered(Method::POST, [text.as_ref()], false).await
}
