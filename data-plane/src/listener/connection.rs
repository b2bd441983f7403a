//! HTTP on one client connection.

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bulkhead_model::ErrorKind;
use futures_util::FutureExt;
use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;

use super::arrival::{Arrival, Noted};
use super::crew::Drain;
use crate::exchange;
use crate::fault::{Fault, shutting_down};
use crate::receive::dialect_of;
use crate::respond::OutBody;
use crate::worker::Worker;

const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a connection without a request is kept when the drain begins: a request may be on its way.
const FAREWELL: Duration = Duration::from_secs(1);
/// The longest head of a request: line and headers.
const LONGEST_HEAD: usize = 64 << 10;
/// What is read and thrown away after an answer to a client that is still sending.
const LINGER_BYTES: u64 = 1 << 20;
const LINGER: Duration = Duration::from_secs(2);

/// Serves a connection that was accepted `at` that time, to its end.
pub(super) async fn serve(
    worker: Arc<Worker>,
    socket: TcpStream,
    at: Instant,
    tls: Option<TlsAcceptor>,
    drain: watch::Receiver<Drain>,
) {
    worker.metrics.connections.add(1);
    match tls {
        None => serve_http(&worker, socket, at, drain).await,
        Some(tls) => match timeout(HANDSHAKE.min(worker.node.patience), tls.accept(socket)).await {
            // What a handshake takes is the client's time as well.
            // On the heap, so that connections without TLS have no room for it.
            Ok(Ok(stream)) => Box::pin(serve_http(&worker, stream, Instant::now(), drain)).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        },
    }
    worker.metrics.connections.sub(1);
}

async fn serve_http<S: AsyncRead + AsyncWrite + Unpin + 'static>(
    worker: &Arc<Worker>,
    stream: S,
    at: Instant,
    mut drain: watch::Receiver<Drain>,
) where
    TokioIo<S>: Read + Write,
{
    let arrival = Arrival::since(at);
    let service = service_fn(|request| Box::pin(answer(worker.clone(), arrival.of_request(), request)));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(worker.node.patience)
        .max_header_size(LONGEST_HEAD)
        .serve_connection(TokioIo::new(Noted::new(stream, arrival.clone())), service);
    let mut phase = Drain::No;
    let outcome = loop {
        // After each phase the connection is polled: what it waits for looks whether time is up.
        tokio::select! {
            biased;
            outcome = std::future::poll_fn(|cx| connection.poll_without_shutdown(cx)) => break outcome,
            next = next_phase(phase, &mut drain), if phase != Drain::Cut => {
                phase = next;
                std::pin::Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    match outcome {
        Ok(()) => linger(connection.into_parts().io.into_inner().into_inner()).await,
        Err(error) => tracing::debug!(%error, "a client connection broke"),
    }
}

/// Waits until a connection is to take no more requests, then until it is to end.
async fn next_phase(phase: Drain, drain: &mut watch::Receiver<Drain>) -> Drain {
    let _ = drain.wait_for(|drain| *drain != phase).await;
    if phase == Drain::No {
        let _ = timeout(FAREWELL, drain.wait_for(|drain| *drain == Drain::Cut)).await;
    }
    *drain.borrow()
}

/// Answers a request, also when serving it panics or when there is no more time.
async fn answer(
    worker: Arc<Worker>,
    arrived: Instant,
    request: Request<Incoming>,
) -> Result<Response<OutBody>, Infallible> {
    let dialect = dialect_of(request.uri().path());
    let mut exchange = pin!(AssertUnwindSafe(exchange::serve(&worker, arrived, request)).catch_unwind());
    let answered = std::future::poll_fn(|cx| match exchange.as_mut().poll(cx) {
        Poll::Ready(served) => Poll::Ready(served.unwrap_or_else(|_| {
            worker.metrics.panics.add(1);
            Fault::new(ErrorKind::Internal, "Internal server error").into_response(dialect)
        })),
        Poll::Pending if worker.node.is_time_up() => Poll::Ready(shutting_down().into_response(dialect)),
        Poll::Pending => Poll::Pending,
    });
    let mut response = answered.await;
    if worker.node.is_draining() {
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
