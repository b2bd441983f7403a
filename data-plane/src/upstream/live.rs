//! One HTTP/1.1 connection in use, driven by the exchange that holds it.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use super::body::SendBody;
use super::counts::Slot;
use super::send::{Broken, SendError};
use super::wire::{Traffic, Wire};

type Driver = Pin<Box<Connection<TokioIo<Wire>, SendBody>>>;

/// A connection and the place it goes back to.
pub(crate) struct Live {
    sender: SendRequest<SendBody>,
    /// `None` once the connection has ended.
    connection: Option<Driver>,
    traffic: Arc<Traffic>,
    /// True when it was idle before this request: the provider may have closed it meanwhile.
    pub(super) reused: bool,
    pub(super) slot: Slot,
    pub(super) idle_since: Instant,
    /// From then on it takes no request.
    pub(super) retires: Instant,
}

impl Live {
    pub(super) async fn open(wire: Wire, slot: Slot, retires: Instant) -> Result<Self, hyper::Error> {
        let traffic = wire.traffic();
        let (sender, connection) = http1::Builder::new().handshake::<_, SendBody>(TokioIo::new(wire)).await?;
        Ok(Self {
            sender,
            connection: Some(Box::pin(connection)),
            traffic,
            reused: false,
            slot,
            idle_since: Instant::now(),
            retires,
        })
    }

    /// Sends a request and waits for the head of the answer, driving the connection meanwhile.
    pub(super) async fn send(&mut self, request: Request<SendBody>) -> Result<Response<Incoming>, SendError> {
        let (read, written, length) = (self.traffic.read(), self.traffic.written(), request.body().left());
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
            None if self.traffic.read() != read => SendError::BadHead(Broken::Http1(error.into_error())),
            // Head and body are longer than the body: with fewer bytes the provider cannot have it whole.
            None if self.traffic.written().wrapping_sub(written) <= length => SendError::Unsent,
            None => SendError::NoAnswer(Broken::Http1(error.into_error())),
        })
    }

    /// Lets the connection do its I/O.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        drive(&mut self.connection, cx);
    }

    /// True when the connection can carry another request. Looks at the socket once: a peer that has closed an idle
    /// connection is noticed here.
    pub(super) fn poll_usable(&mut self, cx: &mut Context<'_>) -> bool {
        self.drive(cx);
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
