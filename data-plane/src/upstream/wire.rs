//! A socket with or without TLS, which counts what goes by.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// Bytes read so far: tells whether a connection broke before any byte of an answer, and whether its peer is alive.
/// Only the task that does the I/O adds to them.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    read: AtomicU64,
}

impl Traffic {
    pub(crate) fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }
}

/// Without a locked instruction: nobody else writes.
fn count(sum: &AtomicU64, more: usize) {
    let more = u64::try_from(more).unwrap_or(u64::MAX);
    sum.store(sum.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}

pub(crate) struct Wire {
    socket: Socket,
    traffic: Arc<Traffic>,
}

enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// A connection that a test plays the other end of, and whether it speaks HTTP/2.
    #[cfg(test)]
    Scripted(tokio::io::DuplexStream, bool),
}

impl Wire {
    pub(crate) fn plain(socket: TcpStream) -> Self {
        Self { socket: Socket::Plain(socket), traffic: Arc::default() }
    }

    pub(crate) fn tls(socket: TlsStream<TcpStream>) -> Self {
        Self { socket: Socket::Tls(Box::new(socket)), traffic: Arc::default() }
    }

    #[cfg(test)]
    pub(super) fn scripted(socket: tokio::io::DuplexStream, http2: bool) -> Self {
        Self { socket: Socket::Scripted(socket, http2), traffic: Arc::default() }
    }

    /// True when HTTP/2 was agreed upon in the TLS handshake.
    pub(super) fn speaks_http2(&self) -> bool {
        match &self.socket {
            Socket::Plain(_) => false,
            Socket::Tls(socket) => socket.get_ref().1.alpn_protocol() == Some(b"h2"),
            #[cfg(test)]
            Socket::Scripted(_, http2) => *http2,
        }
    }

    pub(crate) fn traffic(&self) -> Arc<Traffic> {
        self.traffic.clone()
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let outcome = match &mut self.socket {
            Socket::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            Socket::Tls(socket) => Pin::new(socket).poll_read(cx, buf),
            #[cfg(test)]
            Socket::Scripted(socket, _) => Pin::new(socket).poll_read(cx, buf),
        };
        let more = buf.filled().len().saturating_sub(before);
        if more > 0 {
            count(&self.traffic.read, more);
        }
        outcome
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.socket {
            Socket::Plain(socket) => Pin::new(socket).poll_write(cx, buf),
            Socket::Tls(socket) => Pin::new(socket).poll_write(cx, buf),
            #[cfg(test)]
            Socket::Scripted(socket, _) => Pin::new(socket).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Socket::Tls(socket) => Pin::new(socket).poll_flush(cx),
            #[cfg(test)]
            Socket::Scripted(socket, _) => Pin::new(socket).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Socket::Tls(socket) => Pin::new(socket).poll_shutdown(cx),
            #[cfg(test)]
            Socket::Scripted(socket, _) => Pin::new(socket).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.socket {
            Socket::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, bufs),
            Socket::Tls(socket) => Pin::new(socket).poll_write_vectored(cx, bufs),
            #[cfg(test)]
            Socket::Scripted(socket, _) => Pin::new(socket).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.socket {
            Socket::Plain(socket) => socket.is_write_vectored(),
            Socket::Tls(socket) => socket.is_write_vectored(),
            #[cfg(test)]
            Socket::Scripted(socket, _) => socket.is_write_vectored(),
        }
    }
}
