//! An HTTP/2 client on one connection, by prior knowledge or over TLS that somebody else has made.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Request;

/// Nothing takes longer than this.
const PATIENCE: Duration = Duration::from_secs(30);
const CONNECTION_WINDOW: u32 = 16 << 20;

/// One connection.
pub struct Http2Client {
    sender: SendRequest<Bytes>,
    driver: JoinHandle<Result<(), h2::Error>>,
}

/// A request that was sent.
pub struct Http2Stream {
    /// Ends the stream when it is told to, or dropped while the body is not wholly sent.
    pub sending: SendStream<Bytes>,
    answer: ResponseFuture,
}

/// The head of an answer, and its body.
pub struct Http2Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    body: RecvStream,
}

impl Http2Client {
    /// Connects and begins with HTTP/2 at once.
    pub async fn connect(addr: SocketAddr) -> io::Result<Self> {
        let socket = TcpStream::connect(addr).await?;
        socket.set_nodelay(true)?;
        Self::over(socket).await.map_err(io::Error::other)
    }

    /// Begins with HTTP/2 on a connection.
    pub async fn over(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Result<Self, h2::Error> {
        let mut builder = h2::client::Builder::new();
        // Who does not read one answer still reads the others.
        builder.initial_connection_window_size(CONNECTION_WINDOW);
        let (sender, connection) = builder.handshake(io).await?;
        Ok(Self { sender, driver: tokio::spawn(connection) })
    }

    /// Sends a request; its body, too.
    pub async fn send(&mut self, request: &Request) -> Result<Http2Stream, h2::Error> {
        let (head, body) = request.over_http2();
        self.sender = self.sender.clone().ready().await?;
        let (answer, mut sending) = self.sender.send_request(head, body.is_none())?;
        if let Some(body) = body {
            sending.send_data(body, true)?;
        }
        Ok(Http2Stream { sending, answer })
    }

    /// Sends a request and reads the answer: status, headers, body.
    pub async fn exchange(&mut self, request: &Request) -> Result<(u16, HeaderMap, String), h2::Error> {
        let mut answer = self.send(request).await?.answer().await?;
        let body = answer.rest().await?;
        Ok((answer.status.as_u16(), answer.headers, body))
    }

    /// How many streams the other side allows at a time, as far as it has said so.
    pub fn streams_allowed(&self) -> usize {
        self.sender.current_max_send_streams()
    }

    /// Waits until the connection has ended, and says for which reason where it was not in order.
    pub async fn ended(self) -> Option<Reason> {
        // Whoever still can send keeps it open.
        drop(self.sender);
        let ended = timeout(PATIENCE, self.driver).await.ok().and_then(Result::ok);
        ended.and_then(Result::err).and_then(|error| error.reason())
    }

    /// True once the connection has ended, whoever could still send on it.
    pub fn is_over(&self) -> bool {
        self.driver.is_finished()
    }
}

impl Http2Stream {
    /// Waits for the head of the answer.
    pub async fn answer(self) -> Result<Http2Answer, h2::Error> {
        let answer = timeout(PATIENCE, self.answer).await.map_err(|_| h2::Error::from(Reason::CANCEL))??;
        let (head, body) = answer.into_parts();
        Ok(Http2Answer { status: head.status, headers: head.headers, body })
    }
}

impl Http2Answer {
    /// The next bytes of the body; `None` at its end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, h2::Error> {
        let next = timeout(PATIENCE, self.body.data()).await.map_err(|_| h2::Error::from(Reason::CANCEL))?;
        let Some(bytes) = next.transpose()? else { return Ok(None) };
        self.body.flow_control().release_capacity(bytes.len())?;
        Ok(Some(bytes))
    }

    /// The rest of the body.
    pub async fn rest(&mut self) -> Result<String, h2::Error> {
        let mut text = Vec::new();
        while let Some(bytes) = self.next().await? {
            text.extend_from_slice(&bytes);
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}
