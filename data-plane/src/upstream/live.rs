//! One HTTP/1.1 connection in use, driven by the exchange that holds it.

use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use tokio::time::Instant;

use super::body::SendBody;
use super::counts::Slot;
use super::http1::{Connection, Http1Error};
use super::send::SendError;
use super::wire::Wire;

/// A connection and the place it goes back to.
pub(crate) struct Live {
    connection: Box<Connection>,
    /// True when it was idle before this request: the provider may have closed it meanwhile.
    pub(super) reused: bool,
    pub(super) slot: Slot,
    pub(super) idle_since: Instant,
    /// From then on it takes no request.
    pub(super) retires: Instant,
}

impl Live {
    pub(super) fn new(wire: Wire, slot: Slot, retires: Instant) -> Self {
        let connection = Box::new(Connection::new(wire));
        Self { connection, reused: false, slot, idle_since: Instant::now(), retires }
    }

    /// Sends a request and waits for the head of the answer.
    pub(super) async fn send(&mut self, request: Request<SendBody>) -> Result<Response<()>, SendError> {
        self.connection.send(request).await
    }

    /// The next piece of the answer's body.
    pub(super) fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Http1Error>>> {
        self.connection.poll_chunk(cx)
    }

    /// True when the connection can carry another request.
    pub(super) fn poll_usable(&mut self, cx: &mut Context<'_>) -> bool {
        self.connection.poll_usable(cx)
    }
}
