//! The socket under hyper: it remembers request heads byte for byte, says when everything is written, and breaks in
//! the ways that a plan orders.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::behaviour::Close;

/// The largest head that is remembered.
const HEAD: usize = 256 << 10;

/// What a connection and the plan of its current answer share.
pub(crate) struct Line {
    state: Mutex<State>,
    /// Something may be to close.
    closing: Notify,
}

struct State {
    own_socket: bool,
    /// The head of the current request, or what has arrived of it.
    head: Vec<u8>,
    /// Bytes that arrive belong to a head.
    in_head: bool,
    reset: bool,
    /// The most that one write takes.
    max_write: usize,
    /// Bytes that may still be written; then the peer waits for ever.
    allowance: usize,
    resting: bool,
    flush: Flush,
    /// The answer that has been handed over whole and is being written.
    ending: Option<u64>,
    close: Close,
    /// Counts requests, so that a timer knows whether it is still meant.
    requests: u64,
    close_at: Option<(u64, Duration)>,
}

enum Flush {
    NotAsked,
    Asked(Waker),
    Done,
}

impl Line {
    /// The line of a stream of HTTP/2, which has no socket of its own: nothing is limited or remembered, and what is
    /// handed over counts as written.
    pub(crate) fn of_a_stream() -> Arc<Self> {
        let line = Self::new();
        line.state.lock().own_socket = false;
        Arc::new(line)
    }

    fn new() -> Self {
        let state = State {
            own_socket: true,
            head: Vec::new(),
            in_head: true,
            reset: false,
            max_write: usize::MAX,
            allowance: usize::MAX,
            resting: false,
            flush: Flush::NotAsked,
            ending: None,
            close: Close::Never,
            requests: 0,
            close_at: None,
        };
        Self { state: Mutex::new(state), closing: Notify::new() }
    }

    /// The head of the request that hyper has just parsed.
    pub(crate) fn take_head(&self) -> Bytes {
        let mut state = self.state.lock();
        state.requests += 1;
        state.in_head = false;
        Bytes::from(std::mem::take(&mut state.head))
    }

    /// The body has been read: what comes next is another head.
    pub(crate) fn expect_head(&self) {
        self.state.lock().in_head = true;
    }

    /// From now on, closing means resetting.
    pub(crate) fn reset_on_close(&self) {
        self.state.lock().reset = true;
    }

    /// Limits each write, and all of them together.
    pub(crate) fn limit(&self, max_write: usize, allowance: usize) {
        let mut state = self.state.lock();
        state.max_write = max_write;
        state.allowance = allowance;
    }

    /// The answer with this number is handed over; `close` says what follows when it is written.
    pub(crate) fn ends(&self, seq: u64, close: Close) {
        let mut state = self.state.lock();
        state.ending = Some(seq);
        state.close = close;
    }

    /// The answer that was handed over but never written to its end.
    pub(crate) fn unwritten(&self) -> Option<u64> {
        self.state.lock().ending
    }

    /// Ready when everything handed to hyper before has reached the socket.
    pub(crate) fn poll_flushed(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if !state.own_socket {
            return Poll::Ready(());
        }
        if let Flush::Done = state.flush {
            state.flush = Flush::NotAsked;
            return Poll::Ready(());
        }
        state.flush = Flush::Asked(cx.waker().clone());
        Poll::Pending
    }

    /// Completes when the connection is to be closed after an answer.
    pub(crate) async fn closed(&self) {
        loop {
            let due = self.state.lock().close_at;
            let Some((request, idle)) = due else {
                self.closing.notified().await;
                continue;
            };
            tokio::select! {
                () = tokio::time::sleep(idle) => {}
                () = self.closing.notified() => continue,
            }
            let mut state = self.state.lock();
            if state.requests == request && state.close_at == due {
                return;
            }
            if state.close_at == due {
                state.close_at = None;
            }
        }
    }

    fn received(&self, bytes: &[u8]) {
        let mut state = self.state.lock();
        if !state.in_head || state.head.len() > HEAD {
            return;
        }
        let searched = state.head.len().saturating_sub(3);
        state.head.extend_from_slice(bytes);
        let rest = state.head.get(searched..).unwrap_or_default();
        if let Some(end) = memchr::memmem::find(rest, b"\r\n\r\n") {
            state.head.truncate(searched + end + 4);
            state.in_head = false;
        }
    }

    /// How much of `wanted` may be written now; zero is "never again".
    fn allowed(&self, wanted: usize) -> usize {
        let state = self.state.lock();
        wanted.min(state.max_write).min(state.allowance)
    }

    fn written(&self, bytes: usize) {
        let mut state = self.state.lock();
        if state.allowance != usize::MAX {
            state.allowance = state.allowance.saturating_sub(bytes);
        }
    }

    /// True between two limited writes.
    fn is_to_rest(&self) -> bool {
        let mut state = self.state.lock();
        state.resting = !state.resting && state.max_write != usize::MAX;
        state.resting
    }

    fn is_limited(&self) -> bool {
        let state = self.state.lock();
        state.max_write != usize::MAX || state.allowance != usize::MAX
    }

    fn flushed(&self) {
        let mut state = self.state.lock();
        if state.ending.take().is_some() {
            state.max_write = usize::MAX;
            match state.close {
                Close::Never => {}
                Close::AtOnce => state.close_at = Some((state.requests, Duration::ZERO)),
                Close::AfterIdle(idle) => state.close_at = Some((state.requests, idle)),
            }
            if state.close != Close::Never {
                self.closing.notify_one();
            }
        }
        if let Flush::Asked(_) = state.flush
            && let Flush::Asked(waker) = std::mem::replace(&mut state.flush, Flush::Done)
        {
            waker.wake();
        }
    }
}

/// The socket.
pub(crate) struct Wire {
    stream: TcpStream,
    line: Arc<Line>,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> (Self, Arc<Line>) {
        let line = Arc::new(Line::new());
        (Self { stream, line: Arc::clone(&line) }, line)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.line.state.lock().reset {
            // Not being able to is no harm: the peer then sees an end instead of a reset.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if let Poll::Ready(Ok(())) = polled {
            self.line.received(buf.filled().get(before..).unwrap_or_default());
        }
        polled
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let allowed = self.line.allowed(buf.len());
        if allowed == 0 && !buf.is_empty() {
            return Poll::Pending;
        }
        if self.line.is_to_rest() {
            // A limited write lets the reader have its turn, so that it has a chance to see the piece alone.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf.get(..allowed).unwrap_or_default());
        if let Poll::Ready(Ok(bytes)) = polled {
            self.line.written(bytes);
        }
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.line.is_limited() {
            let first = bufs.iter().find(|buf| !buf.is_empty());
            return self.poll_write(cx, first.map_or(&[], |buf| buf));
        }
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        if polled.is_ready() {
            self.line.flushed();
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.line.state.lock().reset {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_on_writes_holds_for_one_answer() {
        let line = Line::new();
        line.limit(1, usize::MAX);
        assert_eq!((line.allowed(100), line.is_limited()), (1, true));
        line.ends(1, Close::Never);
        line.flushed();
        assert_eq!((line.allowed(100), line.is_limited(), line.unwritten()), (100, false, None));
    }

    #[test]
    fn heads_are_remembered_byte_for_byte_in_any_pieces() {
        let line = Line::new();
        for piece in ["GET / HTTP/1.1\r", "\nA:  b\r\n\r", "\nbody"] {
            line.received(piece.as_bytes());
        }
        line.received(b"more body");
        assert_eq!(line.take_head(), "GET / HTTP/1.1\r\nA:  b\r\n\r\n");
        line.expect_head();
        line.received(b"GET /2 HTTP/1.1\r\n\r\n");
        assert_eq!(line.take_head(), "GET /2 HTTP/1.1\r\n\r\n");
    }
}
