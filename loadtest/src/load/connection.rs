//! A connection of the generator: where it leads, and how requests get onto it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use super::exchange::Failure;
use super::tls::Tls;

/// Where connections lead.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) addr: SocketAddr,
    pub(super) tls: Option<Tls>,
    pub(super) http2: bool,
}

/// Requests can be sent on it.
enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Sender {
    async fn is_usable(&mut self) -> bool {
        match self {
            Self::Http1(sender) => sender.ready().await.is_ok(),
            Self::Http2(sender) => sender.ready().await.is_ok(),
        }
    }
}

/// A connection that is made when it is needed. With HTTP/2, several drivers share it.
pub(super) struct Connection {
    target: Target,
    sender: Mutex<Option<Sender>>,
    made: AtomicU64,
}

impl Connection {
    pub(super) fn new(target: Target) -> Arc<Self> {
        Arc::new(Self { target, sender: Mutex::new(None), made: AtomicU64::new(0) })
    }

    /// Connections made after the first.
    pub(super) fn reconnects(&self) -> u64 {
        self.made.load(Ordering::Relaxed).saturating_sub(1)
    }

    /// After an exchange that broke off in the middle: of HTTP/1, nothing more can be sent on this connection. With
    /// HTTP/2, only a stream is lost, and a connection that is gone says so itself.
    pub(super) async fn abandon(&self) {
        if !self.target.http2 {
            *self.sender.lock().await = None;
        }
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Failure> {
        // Of HTTP/1, one request at a time is under way, and one driver has it: nobody waits for this lock.
        let mut slot = self.sender.lock().await;
        let usable = match slot.as_mut() {
            Some(sender) => sender.is_usable().await,
            None => false,
        };
        if !usable {
            *slot = Some(self.connect().await.map_err(|_| Failure::Connect)?);
            self.made.fetch_add(1, Ordering::Relaxed);
        }
        let sent = match slot.as_mut() {
            Some(Sender::Http1(sender)) => sender.send_request(request).await,
            Some(Sender::Http2(sender)) => {
                let answer = sender.send_request(request);
                drop(slot);
                answer.await
            }
            None => return Err(Failure::Connect),
        };
        sent.map_err(|_| Failure::NoAnswer)
    }

    async fn connect(&self) -> anyhow::Result<Sender> {
        let stream = TcpStream::connect(self.target.addr).await?;
        stream.set_nodelay(true)?;
        match &self.target.tls {
            None => self.handshake(stream).await,
            Some(tls) => self.handshake(tls.connect(stream).await?).await,
        }
    }

    /// The errors of what is spawned here come out at the exchanges that they concern.
    async fn handshake<S>(&self, stream: S) -> anyhow::Result<Sender>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let io = TokioIo::new(stream);
        Ok(if self.target.http2 {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
            tokio::spawn(connection);
            Sender::Http2(sender)
        } else {
            let (sender, connection) = http1::handshake(io).await?;
            tokio::spawn(connection);
            Sender::Http1(sender)
        })
    }
}
