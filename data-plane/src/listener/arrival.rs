//! When a request arrived: what it waits before anybody looks at it is the gateway's time, too.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// When the first byte of the request came that is being read or served.
#[derive(Debug)]
pub(super) struct Arrival(Mutex<State>);

#[derive(Debug)]
enum State {
    /// Accepted then, and nothing was read yet: if there is something, it may have waited since.
    Accepted(Instant),
    /// Nothing of the next request came yet.
    Awaited,
    At(Instant),
}

impl Arrival {
    /// Of a connection accepted at that time.
    pub(super) fn since(accepted: Instant) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State::Accepted(accepted))))
    }

    /// Of the request whose head is there. One that came together with the one before it arrives now.
    pub(super) fn of_request(&self) -> Instant {
        match *self.0.lock() {
            State::At(at) => at,
            State::Accepted(_) | State::Awaited => Instant::now(),
        }
    }

    /// Looked for bytes; whether there were some.
    fn looked(&self, found: bool) {
        let mut state = self.0.lock();
        *state = match (&*state, found) {
            (State::At(_), _) => return,
            (State::Accepted(at), true) => State::At(*at),
            (State::Awaited, true) => State::At(Instant::now()),
            (State::Accepted(_) | State::Awaited, false) => State::Awaited,
        };
    }

    /// What is read after an answer belongs to the next request.
    fn answered(&self) {
        *self.0.lock() = State::Awaited;
    }
}

/// A connection that notes when requests arrive.
pub(super) struct Noted<S> {
    stream: S,
    arrival: Arc<Arrival>,
}

impl<S> Noted<S> {
    pub(super) fn new(stream: S, arrival: Arc<Arrival>) -> Self {
        Self { stream, arrival }
    }

    pub(super) fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Noted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.arrival.looked(buffer.filled().len() > before);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Noted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.arrival.answered();
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.arrival.answered();
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
