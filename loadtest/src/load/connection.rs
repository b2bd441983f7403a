//! One connection of the generator: a request at a time, the answer checked as it comes.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::events::EventCounter;
use super::report::Report;

/// Why an exchange failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No connection was free in time.
    NotSent,
    /// No connection.
    Connect,
    /// The connection ended before a head came.
    NoAnswer,
    /// The answer ended before its end.
    Truncated,
    /// Not in time.
    Timeout,
    /// Not 200.
    Status(StatusCode),
    /// A stream without a terminal event.
    NoTerminal,
    /// A stream with an error event.
    ErrorEvent,
    /// A stream with another number of events than it should have.
    Events,
}

impl Failure {
    /// The class in the report.
    pub(crate) fn label(&self) -> String {
        match self {
            Self::NotSent => "not_sent".to_owned(),
            Self::Connect => "connect".to_owned(),
            Self::NoAnswer => "no_answer".to_owned(),
            Self::Truncated => "truncated".to_owned(),
            Self::Timeout => "timeout".to_owned(),
            Self::Status(status) => format!("status_{}", status.as_u16()),
            Self::NoTerminal => "no_terminal_event".to_owned(),
            Self::ErrorEvent => "error_event".to_owned(),
            Self::Events => "event_count".to_owned(),
        }
    }
}

/// What a good answer had.
pub(crate) struct Good {
    pub(crate) first: Instant,
    pub(crate) events: u64,
    pub(crate) bytes: u64,
}

/// A connection that is made when it is needed.
pub(crate) struct Connection {
    addr: SocketAddr,
    sender: Option<SendRequest<Full<Bytes>>>,
    made: u64,
}

impl Connection {
    pub(crate) fn new(addr: SocketAddr) -> Self {
        Self { addr, sender: None, made: 0 }
    }

    /// Forgets the connection, whose state is not known any more.
    pub(crate) fn abandon(&mut self) {
        self.sender = None;
    }

    /// Connections made after the first.
    pub(crate) fn reconnects(&self) -> u64 {
        self.made.saturating_sub(1)
    }

    async fn sender(&mut self) -> Result<&mut SendRequest<Full<Bytes>>, Failure> {
        let usable = match &mut self.sender {
            Some(sender) => sender.ready().await.is_ok(),
            None => false,
        };
        if !usable {
            self.sender = Some(self.connect().await.map_err(|_| Failure::Connect)?);
        }
        self.sender.as_mut().ok_or(Failure::Connect)
    }

    async fn connect(&mut self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(self.addr).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Its errors come out at the exchange that they concern.
        tokio::spawn(connection);
        self.made += 1;
        Ok(sender)
    }

    /// Sends a request and reads the answer to its end. Gaps between pieces go straight into the report.
    pub(crate) async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
        stream: bool,
        report: &Mutex<Report>,
    ) -> Result<Good, Failure> {
        let sent = self.sender().await?.send_request(request).await;
        let Ok(response) = sent else {
            self.abandon();
            return Err(Failure::NoAnswer);
        };
        let status = response.status();
        let mut body = response.into_body();
        let mut counter = EventCounter::default();
        let mut first = None;
        let mut last = Instant::now();
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                self.abandon();
                return Err(Failure::Truncated);
            };
            let Ok(data) = frame.into_data() else { continue };
            bytes += data.len() as u64;
            let now = Instant::now();
            if stream {
                counter.feed(&data);
                if first.is_some() {
                    report.lock().gap.record(now - last);
                }
            }
            first = first.or(Some(now));
            last = now;
        }
        if !status.is_success() {
            return Err(Failure::Status(status));
        }
        match (stream, counter.error, counter.terminal) {
            (true, true, _) => Err(Failure::ErrorEvent),
            (true, _, false) => Err(Failure::NoTerminal),
            _ => Ok(Good { first: first.unwrap_or(last), events: counter.events, bytes }),
        }
    }
}
