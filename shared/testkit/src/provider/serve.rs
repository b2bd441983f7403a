//! Connections: hyper reads requests, a plan answers them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpStream;

use super::admin;
use super::decide;
use super::heads::Heads;
use super::http2::Http2;
use super::ledger::{Ledger, LoggedRequest};
use super::plan::{Plan, Start};
use super::play::{BrokenOff, Play, Track};
use super::receive::{Received, receive};
use super::route::Route;
use super::wire::{Line, Wire};

/// Bytes of a head that is broken off in the middle: the status line and a part of the first header.
const HALF_HEAD: usize = 24;

/// What all connections of one mock share.
pub(crate) struct Provider {
    pub(crate) ledger: Ledger,
    pub(crate) stats: Counters,
    pub(crate) heads: Heads,
    pub(crate) model_suffix: String,
    pub(crate) started: SystemTime,
    counts: Mutex<HashMap<String, u64>>,
    revoked: Mutex<HashSet<String>>,
}

impl Provider {
    pub(crate) fn revoke(&self, key: &str) {
        self.revoked.lock().insert(key.to_owned());
    }

    pub(crate) fn is_revoked(&self, key: &str) -> bool {
        self.revoked.lock().contains(key)
    }

    pub(crate) fn new(ledger: Ledger, model_suffix: String) -> Self {
        Self {
            ledger,
            stats: Counters::default(),
            heads: Heads::new(),
            model_suffix,
            started: SystemTime::now(),
            counts: Mutex::new(HashMap::new()),
            revoked: Mutex::default(),
        }
    }

    /// Counts the requests that share a name, from 1.
    pub(crate) fn nth(&self, name: String) -> u64 {
        let mut counts = self.counts.lock();
        let count = counts.entry(name).or_default();
        *count += 1;
        *count
    }

    /// New books, and models that fail a number of times start over.
    pub(crate) fn reset(&self) {
        self.ledger.reset();
        self.counts.lock().clear();
    }
}

/// Gauges and counters.
#[derive(Default)]
pub(crate) struct Counters {
    accepted: AtomicU64,
    closed: AtomicU64,
    began: AtomicU64,
    ended: AtomicU64,
}

/// What the mock has to do at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Connections accepted since the start.
    pub accepted: u64,
    /// Connections that are open.
    pub open: u64,
    /// Requests in flight.
    pub in_flight: u64,
}

impl Counters {
    pub(crate) fn begin(&self) {
        self.began.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn end(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Stats {
        let ended = self.ended.load(Ordering::Relaxed);
        let closed = self.closed.load(Ordering::Relaxed);
        let accepted = self.accepted.load(Ordering::Relaxed);
        let began = self.began.load(Ordering::Relaxed);
        Stats { accepted, open: accepted.saturating_sub(closed), in_flight: began.saturating_sub(ended) }
    }
}

/// Counts a connection while it is open.
struct OpenConnection<'a>(&'a Counters);

impl<'a> OpenConnection<'a> {
    fn new(counters: &'a Counters) -> Self {
        counters.accepted.fetch_add(1, Ordering::Relaxed);
        Self(counters)
    }
}

impl Drop for OpenConnection<'_> {
    fn drop(&mut self) {
        self.0.closed.fetch_add(1, Ordering::Relaxed);
    }
}

/// Serves one connection until either side closes it.
pub(crate) async fn connection(stream: TcpStream, provider: Arc<Provider>, http2: Option<Http2>) {
    let _open = OpenConnection::new(&provider.stats);
    // Without it the mock is a little slower, no more.
    let _ = stream.set_nodelay(true);
    if let Some(http2) = http2 {
        return http2.serve(stream, &provider).await;
    }
    let (wire, line) = Wire::new(stream);
    let service = service_fn(|request| answer(Arc::clone(&provider), Arc::clone(&line), request));
    {
        let connection = http1::Builder::new().serve_connection(TokioIo::new(wire), service);
        tokio::pin!(connection);
        tokio::select! {
            // An error is the client's going or an ordered break; both are in the ledger.
            _ = &mut connection => {}
            () = line.closed() => {}
        }
    }
    if let Some(seq) = line.unwritten() {
        provider.ledger.was_gone(seq);
    }
}

/// Why there is no answer. It says over HTTP/2 with what the stream is reset.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    #[error(transparent)]
    BrokenOff(#[from] BrokenOff),
    #[error("the request is refused before it is looked at")]
    Refused(#[source] h2::Error),
}

pub(crate) async fn answer(
    provider: Arc<Provider>,
    line: Arc<Line>,
    request: Request<Incoming>,
) -> Result<Response<Play>, NoAnswer> {
    let (head, body) = request.into_parts();
    let raw_head = line.take_head();
    if let Some(path) = head.uri.path().strip_prefix("/_mock/") {
        let plan = admin::plan(&provider, &head.method, path);
        line.expect_head();
        return Ok(respond(plan, line, None));
    }
    let route = Route::of(head.uri.path(), &head.headers);
    let mut track = Track::begin(&provider, route.label());
    let body = receive(body).await.map_err(|_| BrokenOff)?;
    line.expect_head();
    note(&mut track, raw_head, &body);
    let plan = decide::Request { provider: &provider, head: &head, body: &body, route: &route }
        .decide(&mut track.record);
    drop((head, body));
    if !plan.before_head.is_zero() {
        tokio::time::sleep(plan.before_head).await;
    }
    match plan.start {
        Start::Answer => {}
        Start::HalfHead => line.limit(usize::MAX, HALF_HEAD),
        Start::Hang => {
            track.hang();
            std::future::pending::<()>().await;
        }
        Start::Reset => {
            track.record.outcome = plan.ends;
            line.reset_on_close();
            return Err(BrokenOff.into());
        }
        Start::Refuse => {
            track.record.outcome = plan.ends;
            line.reset_on_close();
            return Err(NoAnswer::Refused(h2::Reason::REFUSED_STREAM.into()));
        }
    }
    Ok(respond(plan, line, Some(track)))
}

/// Writes the request into record and log.
fn note(track: &mut Track, head: bytes::Bytes, body: &Received) {
    track.record.body_bytes = body.length;
    track.record.body_sha256 = body.sha256;
    let request = LoggedRequest {
        seq: track.record.seq,
        head,
        body: body.whole.then(|| body.json.clone()),
        body_bytes: body.length,
        body_sha256: body.sha256,
    };
    track.provider.ledger.log(request);
}

fn respond(mut plan: Plan, line: Arc<Line>, mut track: Option<Track>) -> Response<Play> {
    if plan.max_write != usize::MAX {
        line.limit(plan.max_write, usize::MAX);
    }
    let status = StatusCode::from_u16(plan.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Some(track) = &mut track {
        track.record.status = status.as_u16();
    }
    let headers = std::mem::take(&mut plan.headers);
    let mut response = Response::new(Play::new(plan, line, track));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
