//! An HTTP/1.1 client on a bare socket: it sends at any pace and in any pieces, keeps every byte that comes back with
//! the time of its arrival, and leaves whenever a test wants it to.

mod answer;
mod http2;
mod request;
mod sse;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

pub use answer::{Answer, End, Read};
pub use http2::{Http2Answer, Http2Client, Http2Stream};
pub use request::Request;
pub use sse::{SseEvent, events};

use answer::Reader;

/// One connection.
pub struct Client {
    stream: TcpStream,
    /// Bytes that came after the last answer.
    rest: Vec<u8>,
    /// When the first byte of the current request was sent.
    asked: Option<Instant>,
    /// An answer of which only a part was wanted so far.
    partial: Option<Reader>,
    patience: Option<Duration>,
}

/// Sends one request over a connection of its own and reads the answer.
pub async fn call(addr: SocketAddr, request: &Request) -> io::Result<Answer> {
    let mut client = Client::connect(addr).await?;
    Ok(client.exchange(request).await)
}

impl Client {
    /// Connects.
    pub async fn connect(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, rest: Vec::new(), asked: None, partial: None, patience: None })
    }

    /// From now on an answer whose end does not come within `limit` ends as [`End::TimedOut`]. Not for tests with a
    /// paused clock: it runs ahead while the client waits for the network.
    #[must_use]
    pub fn patience(mut self, limit: Duration) -> Self {
        self.patience = Some(limit);
        self
    }

    /// The socket's address on this side.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.asked.get_or_insert_with(Instant::now);
        self.stream.write_all(bytes).await
    }

    /// Sends bytes in pieces with a pause after each.
    pub async fn send_slowly(&mut self, bytes: &[u8], piece: usize, pause: Duration) -> io::Result<()> {
        for part in bytes.chunks(piece.max(1)) {
            self.send(part).await?;
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    /// Sends a request and reads the answer. A failure to send shows in how the answer ends.
    pub async fn exchange(&mut self, request: &Request) -> Answer {
        // An answer may have come before the request was wholly sent, such as 413.
        let _ = self.send(&request.bytes()).await;
        self.answer().await
    }

    /// Reads one answer to its end, or to the connection's.
    pub async fn answer(&mut self) -> Answer {
        self.read_until(|_| false).await
    }

    /// Reads until the answer's end or until `enough` holds for what has come so far, whichever is first. What is read
    /// next continues the same answer and begins with what was read before.
    pub async fn read_until(&mut self, mut enough: impl FnMut(&Reader) -> bool) -> Answer {
        let start = Instant::now();
        let mut reader = match self.partial.take() {
            Some(reader) => reader,
            None => Reader::new(std::mem::take(&mut self.rest), self.asked.take().unwrap_or(start)),
        };
        let end = loop {
            if let Some(end) = reader.end() {
                break end;
            }
            if enough(&reader) {
                break End::Stopped;
            }
            let left = self.patience.map(|limit| limit.saturating_sub(start.elapsed()));
            match self.read_some(left).await {
                Some(Ok(bytes)) if bytes.is_empty() => break reader.at_eof(),
                Some(Ok(bytes)) => reader.feed(&bytes, Instant::now()),
                Some(Err(error)) => break End::of(&error),
                None => break End::TimedOut,
            }
        };
        if matches!(end, End::Stopped | End::TimedOut) {
            self.partial = Some(reader.clone());
        }
        let (answer, rest) = reader.finish(end);
        self.rest = rest;
        answer
    }

    /// Waits until the other side closes, and says how.
    pub async fn until_closed(&mut self) -> End {
        loop {
            match self.read_some(self.patience).await {
                Some(Ok(bytes)) if bytes.is_empty() => return End::Eof,
                Some(Ok(_)) => {}
                Some(Err(error)) => return End::of(&error),
                None => return End::TimedOut,
            }
        }
    }

    /// Says that nothing more will be sent (FIN), and can still read.
    pub async fn finish_sending(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    /// Leaves with a reset instead of an orderly end.
    pub fn reset(self) -> io::Result<()> {
        self.stream.set_zero_linger()
    }

    /// One read: `None` when time is up, no bytes at the other side's end.
    async fn read_some(&mut self, limit: Option<Duration>) -> Option<io::Result<Vec<u8>>> {
        let mut bytes = vec![0; 64 << 10];
        let read = self.stream.read(&mut bytes);
        let read = match limit {
            Some(limit) => tokio::time::timeout(limit, read).await.ok()?,
            None => read.await,
        };
        Some(read.map(|count| {
            bytes.truncate(count);
            bytes
        }))
    }
}
