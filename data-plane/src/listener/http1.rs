//! HTTP/1.1 on one client connection: its task polls the exchange, too.

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::{CONNECTION, HeaderValue};
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::LONGEST_HEAD;
use super::answer::answer;
use super::arrival::{Arrival, Noted};
use super::crew::{Drain, next_phase};
use super::door::Door;

/// What is read and thrown away after an answer to a client that is still sending.
const LINGER_BYTES: u64 = 1 << 20;
const LINGER: Duration = Duration::from_secs(2);

/// A connection whose client speaks HTTP/2 though nothing was agreed on, and what was read of it.
pub(super) struct Prior<S> {
    pub(super) stream: S,
    pub(super) read: Bytes,
}

/// Serves a connection that was accepted `at` that time, to its end or until its client turns out to speak HTTP/2.
pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin + 'static>(
    door: &Arc<Door>,
    stream: S,
    at: Instant,
    drain: &mut watch::Receiver<Drain>,
) -> Option<Prior<S>>
where
    TokioIo<Noted<S>>: Read + Write,
{
    let arrival = Arrival::since(at);
    let service = service_fn(|request| Box::pin(respond(door.clone(), arrival.of_request(), request)));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(door.worker.node.patience)
        .max_header_size(LONGEST_HEAD)
        .serve_connection(TokioIo::new(Noted::new(stream, arrival.clone())), service);
    let mut phase = Drain::No;
    let outcome = loop {
        // After each phase the connection is polled: what it waits for looks whether time is up.
        tokio::select! {
            biased;
            outcome = poll_fn(|cx| connection.poll_without_shutdown(cx)) => break outcome,
            next = next_phase(phase, drain), if phase != Drain::Cut => {
                phase = next;
                std::pin::Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    match outcome {
        Ok(()) => linger(connection.into_parts().io.into_inner().into_inner()).await,
        Err(error) if error.is_parse_version_h2() => {
            let parts = connection.into_parts();
            return Some(Prior { stream: parts.io.into_inner().into_inner(), read: parts.read_buf });
        }
        Err(error) => tracing::debug!(%error, "a client connection broke"),
    }
    None
}

async fn respond(
    door: Arc<Door>,
    arrived: Instant,
    request: Request<Incoming>,
) -> Result<http::Response<super::Leaving>, Infallible> {
    let mut response = answer(&door, arrived, request).await;
    if door.worker.node.is_draining() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// Closes politely: a client that is still sending gets to read the answer before its connection is reset.
async fn linger<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let deadline = Instant::now() + LINGER;
    let mut buffer = vec![0; 16 << 10];
    let mut seen = 0;
    while seen < LINGER_BYTES {
        match timeout_at(deadline, stream.read(&mut buffer)).await {
            Ok(Ok(read)) if read > 0 => seen += u64::try_from(read).unwrap_or(LINGER_BYTES),
            _ => return,
        }
    }
}
