//! HTTP/2 on one client connection: a task for each stream, on the worker's own runtime.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Method, Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

use super::answer::answer;
use super::crew::{Drain, next_phase};
use super::door::Door;
use super::{LONGEST_HEAD, Leaving};
use crate::respond::BrokenOff;

/// Requests of one connection at a time.
const STREAMS: u32 = 100;
/// Of bodies that nobody has read yet: of one request, and of all on a connection.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;
/// What of an answer may wait for a client that does not read.
const SEND_BUFFER: usize = 64 << 10;
/// Streams that were reset before anybody looked at them, and streams that we had to reset for what the client did:
/// with more of either the connection ends.
const UNSEEN_RESETS: usize = 20;
const OUR_RESETS: usize = 128;
/// A client that has given up so many requests before their answer began, and more than half of all, floods.
const GIVEN_UP: u32 = 200;
/// A client that says nothing is asked whether it lives, and has as long to say so.
const PING: Duration = Duration::from_secs(20);

/// Serves a connection to its end.
pub(super) async fn serve<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    door: &Arc<Door>,
    stream: S,
    mut drain: watch::Receiver<Drain>,
) {
    let streams = Arc::new(Streams::new());
    let service = {
        let (streams, drain) = (streams.clone(), drain.clone());
        service_fn(move |request| {
            Box::pin(respond(door.clone(), Begun::new(&streams), drain.clone(), request))
        })
    };
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(u32::try_from(LONGEST_HEAD).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(UNSEEN_RESETS)
        .max_local_error_reset_streams(OUR_RESETS)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let (mut phase, mut closing) = (Drain::No, false);
    let outcome = loop {
        tokio::select! {
            biased;
            outcome = connection.as_mut() => break outcome,
            next = next_phase(phase, &mut drain), if phase != Drain::Cut => phase = next,
            () = streams.look.notified() => {
                if streams.is_flood() {
                    door.worker.metrics.floods.add(1);
                    return tracing::debug!("a client connection was closed: its requests are given up at once");
                }
            }
            () = streams.idle_for(door.worker.node.patience), if !closing => {}
        }
        closing = true;
        // No more requests (GOAWAY); those that are under way are finished.
        connection.as_mut().graceful_shutdown();
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a client connection broke");
    }
}

async fn respond(
    door: Arc<Door>,
    mut begun: Begun,
    drain: watch::Receiver<Drain>,
    request: Request<Incoming>,
) -> Result<Response<Stream>, Infallible> {
    let is_head = request.method() == Method::HEAD;
    let mut cut = Cut::new(drain);
    let mut answered = pin!(answer(&door, Instant::now(), request));
    let response = std::future::poll_fn(|cx| {
        cut.poll(cx);
        answered.as_mut().poll(cx)
    });
    let (mut head, body) = response.await.into_parts();
    begun.answered = true;
    if door.worker.node.is_draining() {
        begun.streams.drain();
    }
    if let (true, Some(length)) = (is_head, body.size_hint().exact()) {
        head.headers.entry(CONTENT_LENGTH).or_insert(length.into());
    }
    Ok(Response::from_parts(head, Stream { body, is_head, cut, _begun: begun }))
}

/// What is known of the streams of a connection.
struct Streams {
    begun: AtomicU32,
    given_up: AtomicU32,
    open: AtomicU32,
    /// When the last one ended.
    ended: parking_lot::Mutex<Instant>,
    draining: AtomicBool,
    /// There is something that the connection's task should look at.
    look: Notify,
}

impl Streams {
    fn new() -> Self {
        Self {
            begun: AtomicU32::new(0),
            given_up: AtomicU32::new(0),
            open: AtomicU32::new(0),
            ended: parking_lot::Mutex::new(Instant::now()),
            draining: AtomicBool::new(false),
            look: Notify::new(),
        }
    }

    fn is_flood(&self) -> bool {
        let given_up = self.given_up.load(Ordering::Relaxed);
        given_up >= GIVEN_UP && given_up.saturating_mul(2) > self.begun.load(Ordering::Relaxed)
    }

    /// The node drains, and who comes back should come back to another one.
    fn drain(&self) {
        if !self.draining.swap(true, Ordering::Relaxed) {
            self.look.notify_one();
        }
    }

    /// Returns when there has been no stream for so long.
    async fn idle_for(&self, time: Duration) {
        loop {
            let now = Instant::now();
            let since = if self.open.load(Ordering::Relaxed) > 0 { now } else { *self.ended.lock() };
            if now - since >= time {
                return;
            }
            sleep_until(since + time).await;
        }
    }
}

/// A stream that is counted until it is dropped.
struct Begun {
    streams: Arc<Streams>,
    answered: bool,
}

impl Begun {
    fn new(streams: &Arc<Streams>) -> Self {
        streams.begun.fetch_add(1, Ordering::Relaxed);
        streams.open.fetch_add(1, Ordering::Relaxed);
        Self { streams: streams.clone(), answered: false }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let streams = &self.streams;
        *streams.ended.lock() = Instant::now();
        streams.open.fetch_sub(1, Ordering::Relaxed);
        if !self.answered {
            streams.given_up.fetch_add(1, Ordering::Relaxed);
            if streams.is_flood() {
                streams.look.notify_one();
            }
        }
    }
}

/// Wakes a stream's task when there is no more time: what it waits for looks whether that is so.
struct Cut(Option<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl Cut {
    fn new(mut drain: watch::Receiver<Drain>) -> Self {
        Self(Some(Box::pin(async move {
            let _ = drain.wait_for(|drain| *drain == Drain::Cut).await;
        })))
    }

    fn poll(&mut self, cx: &mut Context<'_>) {
        if self.0.as_mut().is_some_and(|cut| cut.as_mut().poll(cx).is_ready()) {
            self.0 = None;
        }
    }
}

/// The body of an answer on a stream.
struct Stream {
    body: Leaving,
    /// Only the head was asked for; hyper leaves a body away only on HTTP/1.
    is_head: bool,
    cut: Cut,
    _begun: Begun,
}

impl Body for Stream {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        if self.is_head {
            return Poll::Ready(None);
        }
        self.cut.poll(cx);
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.is_head || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_head { SizeHint::with_exact(0) } else { self.body.size_hint() }
    }
}
