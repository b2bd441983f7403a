//! One client connection: TLS, and which HTTP is spoken on it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;

use super::crew::Drain;
use super::door::Door;
use super::rewound::Rewound;
use super::{http1, http2};
use crate::worker::Worker;

const HANDSHAKE: Duration = Duration::from_secs(10);

/// A connection as it was accepted.
pub(super) struct Accepted<S> {
    pub(super) socket: S,
    pub(super) peer: IpAddr,
    pub(super) at: Instant,
}

/// Serves a connection to its end.
pub(super) async fn serve(
    worker: Arc<Worker>,
    accepted: Accepted<TcpStream>,
    tls: Option<TlsAcceptor>,
    drain: watch::Receiver<Drain>,
) {
    let Accepted { socket, peer, at } = accepted;
    let door = Arc::new(Door { worker, peer: peer.to_canonical() });
    let node = &door.worker.node;
    door.worker.metrics.connections.add(1);
    match tls {
        None => serve_any(&door, socket, at, drain).await,
        Some(tls) => match timeout(HANDSHAKE.min(node.patience), tls.accept(socket)).await {
            // What a handshake takes is the client's time as well.
            // On the heap, so that connections without TLS have no room for it.
            Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
                Box::pin(http2::serve(&door, stream, drain)).await;
            }
            Ok(Ok(stream)) => Box::pin(serve_any(&door, stream, Instant::now(), drain)).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        },
    }
    door.worker.metrics.connections.sub(1);
}

/// HTTP/1.1, unless the client begins with HTTP/2.
async fn serve_any<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    door: &Arc<Door>,
    stream: S,
    at: Instant,
    mut drain: watch::Receiver<Drain>,
) {
    if let Some(http1::Prior { stream, read }) = http1::serve(door, stream, at, &mut drain).await {
        Box::pin(http2::serve(door, Rewound::new(read, stream), drain)).await;
    }
}
