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

/// What an HTTP/2 client says first.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection that notes when requests arrive.
pub(super) struct Noted<S> {
    stream: S,
    arrival: Arc<Arrival>,
    /// Until it is clear what the client speaks: the part of the preface that is there. hyper knows HTTP/2 by its preface
    /// only where all of that is there at once.
    held: Option<Vec<u8>>,
}

impl<S> Noted<S> {
    pub(super) fn new(stream: S, arrival: Arc<Arrival>) -> Self {
        Self { stream, arrival, held: Some(Vec::new()) }
    }

    pub(super) fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: AsyncRead + Unpin> Noted<S> {
    /// The first bytes of a connection.
    fn poll_first(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        loop {
            let held = self.held.get_or_insert_default();
            buffer.put_slice(held);
            let with_held = buffer.filled().len();
            let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
            let more = buffer.filled().len() > with_held;
            self.arrival.looked(more || !held.is_empty());
            if polled.is_pending() {
                buffer.set_filled(before);
                return Poll::Pending;
            }
            let so_far = buffer.filled().get(before..).unwrap_or_default();
            if !more || so_far.len() >= PREFACE.len() || !PREFACE.starts_with(so_far) {
                self.held = None;
                return polled;
            }
            *held = so_far.to_vec();
            buffer.set_filled(before);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Noted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.held.is_some() {
            return self.poll_first(cx, buffer);
        }
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
