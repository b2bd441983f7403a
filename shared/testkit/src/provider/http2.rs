//! HTTP/2 over TLS.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::serve::{self, Provider};
use super::wire::Line;

/// How a mock provider speaks HTTP/2.
#[derive(Debug, Clone)]
pub struct Http2 {
    tls: Arc<ServerConfig>,
    max_streams: u32,
    goaway_after: u64,
}

impl Http2 {
    /// With this certificate and key; 100 streams on a connection.
    pub fn new(mut tls: ServerConfig) -> Self {
        tls.alpn_protocols = vec![b"h2".to_vec()];
        Self { tls: Arc::new(tls), max_streams: 100, goaway_after: u64::MAX }
    }

    /// Allows so many streams on a connection.
    pub fn max_streams(mut self, max_streams: u32) -> Self {
        self.max_streams = max_streams;
        self
    }

    /// Says GOAWAY with the n-th request of a connection, and answers what it has.
    pub fn goaway_after(mut self, requests: u64) -> Self {
        self.goaway_after = requests;
        self
    }

    pub(crate) async fn serve(self, socket: TcpStream, provider: &Arc<Provider>) {
        // Who does not trust the certificate goes away; tests see that at their end.
        let Ok(socket) = TlsAcceptor::from(self.tls).accept(socket).await else { return };
        let (began, enough) = (AtomicU64::new(0), Notify::new());
        let service = service_fn(|request| {
            if began.fetch_add(1, Ordering::Relaxed) + 1 == self.goaway_after {
                enough.notify_one();
            }
            serve::answer(Arc::clone(provider), Line::of_a_stream(), request)
        });
        let connection = Builder::new(TokioExecutor::new())
            .max_concurrent_streams(self.max_streams)
            .serve_connection(TokioIo::new(Lingering(socket)), service);
        tokio::pin!(connection);
        // An error is the client's going; what it left is in the ledger.
        tokio::select! {
            _ = &mut connection => {}
            () = enough.notified() => {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
        }
    }
}

/// A socket that, as those of real servers, closes only after its client: closed with something unread, a frame that
/// crossed the GOAWAY, it would be reset, and the answers before it lost.
struct Lingering(TlsStream<TcpStream>);

impl AsyncRead for Lingering {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Lingering {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(Pin::new(&mut self.0).poll_shutdown(cx))?;
        let mut unread = [0; 4096];
        loop {
            let mut unread = ReadBuf::new(&mut unread);
            std::task::ready!(Pin::new(&mut self.0).poll_read(cx, &mut unread))?;
            if unread.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}
