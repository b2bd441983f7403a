//! One HTTP/1.1 connection in use, driven by the exchange that holds it.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use super::body::SendBody;
use super::pool::{Pool, Slot};
use super::wire::{Traffic, Wire};

type Driver = Pin<Box<Connection<TokioIo<Wire>, SendBody>>>;

/// A connection and the place it goes back to.
pub(crate) struct Live {
    sender: SendRequest<SendBody>,
    /// `None` once the connection has ended.
    connection: Option<Driver>,
    traffic: Arc<Traffic>,
    /// True when it has carried a request before this one.
    pub(crate) reused: bool,
    pub(super) slot: Slot,
    pub(super) idle_since: Instant,
}

/// Why a request got no answer.
#[derive(Debug)]
pub(crate) enum SendError {
    /// Nothing of the request was sent.
    Unsent,
    /// The connection broke without a byte of an answer.
    NoAnswer(hyper::Error),
    /// The connection broke within the answer's head, or the head was not HTTP.
    BadHead(hyper::Error),
}

impl Live {
    pub(super) async fn open(wire: Wire, slot: Slot) -> Result<Self, hyper::Error> {
        let traffic = wire.traffic();
        let (sender, connection) = http1::Builder::new().handshake::<_, SendBody>(TokioIo::new(wire)).await?;
        Ok(Self {
            sender,
            connection: Some(Box::pin(connection)),
            traffic,
            reused: false,
            slot,
            idle_since: Instant::now(),
        })
    }

    /// Sends a request and waits for the head of the answer, driving the connection meanwhile.
    pub(crate) async fn send(&mut self, request: Request<SendBody>) -> Result<Response<Incoming>, SendError> {
        let before = self.traffic.read();
        let Self { sender, connection, .. } = self;
        let mut answer = pin!(sender.try_send_request(request));
        let outcome = std::future::poll_fn(|cx| {
            if let Poll::Ready(outcome) = answer.as_mut().poll(cx) {
                return Poll::Ready(outcome);
            }
            drive(connection, cx);
            answer.as_mut().poll(cx)
        });
        outcome.await.map_err(|mut error| match error.take_message() {
            Some(_) => SendError::Unsent,
            None if self.traffic.read() == before => SendError::NoAnswer(error.into_error()),
            None => SendError::BadHead(error.into_error()),
        })
    }

    /// True when the connection can carry another request. Looks at the socket once: a peer that has closed an idle
    /// connection is noticed here.
    pub(super) fn poll_usable(&mut self, cx: &mut Context<'_>) -> bool {
        drive(&mut self.connection, cx);
        self.connection.is_some() && matches!(self.sender.poll_ready(cx), Poll::Ready(Ok(())))
    }
}

/// Lets the connection do its I/O; forgets it when it has ended.
fn drive(connection: &mut Option<Driver>, cx: &mut Context<'_>) {
    if let Some(running) = connection
        && running.as_mut().poll(cx).is_ready()
    {
        *connection = None;
    }
}

/// The body of an answer together with the connection it comes from. Dropping it before its end closes the
/// connection, which stops the provider; at its end the connection goes back to the pool.
pub(crate) struct AnswerBody {
    incoming: Incoming,
    live: Option<Live>,
    pool: Arc<Pool>,
}

impl AnswerBody {
    pub(crate) fn new(incoming: Incoming, live: Live, pool: Arc<Pool>) -> Self {
        Self { incoming, live: Some(live), pool }
    }

    /// The next chunk; `None` at the end. Pending only when the socket has nothing.
    pub(crate) fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, hyper::Error>>> {
        loop {
            let frame = match Pin::new(&mut self.incoming).poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    if let Some(live) = &mut self.live {
                        drive(&mut live.connection, cx);
                    }
                    std::task::ready!(Pin::new(&mut self.incoming).poll_frame(cx))
                }
            };
            match frame {
                None => {
                    self.recycle(cx);
                    return Poll::Ready(None);
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => {
                    // Trailers say nothing that the gateway forwards.
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
            }
        }
    }

    fn recycle(&mut self, cx: &mut Context<'_>) {
        if let Some(mut live) = self.live.take()
            && live.poll_usable(cx)
        {
            live.reused = true;
            live.idle_since = Instant::now();
            self.pool.put(live);
        }
    }
}
