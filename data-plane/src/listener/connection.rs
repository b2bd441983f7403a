//! HTTP on one client connection.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_model::ErrorKind;
use futures_util::FutureExt;
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

use super::crew::Drain;
use crate::exchange;
use crate::fault::Fault;
use crate::receive::dialect_of;
use crate::respond::OutBody;
use crate::worker::Worker;

const HANDSHAKE: Duration = Duration::from_secs(10);
/// What is read and thrown away after an answer to a client that is still sending.
const LINGER_BYTES: u64 = 1 << 20;
const LINGER: Duration = Duration::from_secs(2);

/// Serves a connection to its end.
pub(super) async fn serve(
    worker: Arc<Worker>,
    socket: TcpStream,
    tls: Option<TlsAcceptor>,
    drain: watch::Receiver<Drain>,
) {
    worker.metrics.connections.add(1);
    match tls {
        None => serve_http(&worker, socket, drain).await,
        Some(tls) => match timeout(HANDSHAKE, tls.accept(socket)).await {
            Ok(Ok(stream)) => serve_http(&worker, stream, drain).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        },
    }
    worker.metrics.connections.sub(1);
}

async fn serve_http<S: AsyncRead + AsyncWrite + Unpin + 'static>(
    worker: &Arc<Worker>,
    stream: S,
    mut drain: watch::Receiver<Drain>,
) where
    TokioIo<S>: Read + Write,
{
    let service = service_fn(|request| Box::pin(answer(worker.clone(), request)));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(worker.node.patience)
        .serve_connection(TokioIo::new(stream), service);
    let mut told = false;
    let outcome = loop {
        tokio::select! {
            biased;
            outcome = std::future::poll_fn(|cx| connection.poll_without_shutdown(cx)) => break outcome,
            _ = drain.wait_for(|drain| *drain != Drain::No), if !told => {
                told = true;
                std::pin::Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    match outcome {
        Ok(()) => linger(connection.into_parts().io.into_inner()).await,
        Err(error) => tracing::debug!(%error, "a client connection broke"),
    }
}

/// Answers a request, also when serving it panics.
async fn answer(worker: Arc<Worker>, request: Request<Incoming>) -> Result<Response<OutBody>, Infallible> {
    let dialect = dialect_of(request.uri().path());
    let served = AssertUnwindSafe(exchange::serve(&worker, request)).catch_unwind().await;
    Ok(served.unwrap_or_else(|_| {
        worker.metrics.panics.add(1);
        Fault::new(ErrorKind::Internal, "Internal server error").into_response(dialect)
    }))
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
