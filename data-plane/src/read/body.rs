//! Collects a request body in the segments in which it arrives.

use std::time::Duration;

use bulkhead_dialect::json::{Scan, ScanError, Scanner, Segments};
use bulkhead_model::ErrorKind;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::time::{Instant, timeout_at};

use super::memory::BodyLease;
use crate::fault::{Fault, Outcome};

/// A body may take one second more for every so many bytes of it: a sender that trickles is cut.
const SLOWEST: u64 = 64 << 10;
/// Smaller chunks are put together, so that a body in thousands of tiny ones does not pin a buffer each.
const SMALL_CHUNK: usize = 4 << 10;
const TAIL: usize = 64 << 10;

/// Limits on a body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits {
    /// The largest body, in bytes.
    pub(crate) bytes: u64,
    /// All bodies of the process, in bytes.
    pub(crate) memory: u64,
    /// How long it may take, however small.
    pub(crate) patience: Duration,
}

/// Reads and scans a whole body.
pub(crate) async fn collect(
    mut body: Incoming,
    limits: BodyLimits,
    lease: &mut BodyLease,
) -> Outcome<(Segments, Scan)> {
    if body.size_hint().lower() > limits.bytes {
        drain_refused(body, limits.bytes).await;
        return Err(too_large(limits.bytes));
    }
    let started = Instant::now();
    let mut scanner = Scanner::new();
    let mut collected = Collector::default();
    loop {
        let deadline = started + limits.patience + Duration::from_secs(collected.len / SLOWEST);
        let chunk = match timeout_at(deadline, body.frame()).await {
            Err(_) => {
                return Err(Fault::new(ErrorKind::BodyTimeout, "The request body did not arrive in time."));
            }
            Ok(None) => break,
            Ok(Some(Err(_))) => {
                return Err(Fault::new(ErrorKind::ClientGone, "The client closed the connection."));
            }
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        };
        let more = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        if collected.len.saturating_add(more) > limits.bytes {
            drain_refused(body, limits.bytes).await;
            return Err(too_large(limits.bytes));
        }
        if !lease.grow(more, limits.memory) {
            drain(body).await;
            return Err(Fault::new(
                ErrorKind::Overloaded,
                "The gateway's memory for request bodies is used up. Please retry shortly.",
            )
            .retry_after(1));
        }
        if let Err(error) = scanner.feed(&chunk) {
            drain(body).await;
            return Err(bad_json(&error));
        }
        collected.push(chunk);
    }
    let scan = scanner.finish().map_err(|error| bad_json(&error))?;
    Ok((collected.finish(), scan))
}

fn too_large(limit: u64) -> Box<Fault> {
    let message = format!(
        "Request body is larger than the limit of {} MB. Send a smaller one or raise general_settings.max_request_size_mb.",
        limit >> 20
    );
    Fault::new(ErrorKind::BodyTooLarge, message)
}

fn bad_json(error: &ScanError) -> Box<Fault> {
    Fault::new(ErrorKind::BadJson, format!("Invalid JSON payload: {error}")).param("request_body")
}

#[derive(Default)]
struct Collector {
    segments: Segments,
    tail: BytesMut,
    len: u64,
}

impl Collector {
    fn push(&mut self, chunk: Bytes) {
        self.len = self.len.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        if chunk.len() >= SMALL_CHUNK || self.segments.is_empty() {
            self.flush();
            self.segments.push(chunk);
            return;
        }
        if self.tail.len() + chunk.len() > TAIL {
            self.flush();
        }
        self.tail.extend_from_slice(&chunk);
    }

    fn flush(&mut self) {
        if !self.tail.is_empty() {
            self.segments.push(self.tail.split().freeze());
        }
    }

    fn finish(mut self) -> Segments {
        self.flush();
        self.segments
    }
}

/// Reads a little of a body that nobody wants, so that a client that is still sending sees the answer instead of a
/// reset connection.
pub(crate) async fn drain(body: Incoming) {
    drain_up_to(body, 64 << 10, Duration::from_secs(1)).await;
}

/// As [`drain`], for a body that is too large: most clients send all of it before they read the answer.
pub(crate) async fn drain_refused(body: Incoming, limit: u64) {
    drain_up_to(body, limit.saturating_mul(2), Duration::from_secs(10)).await;
}

async fn drain_up_to(mut body: Incoming, limit: u64, patience: Duration) {
    let deadline = Instant::now() + patience;
    let mut seen = 0u64;
    while seen < limit {
        let Ok(Some(Ok(frame))) = timeout_at(deadline, body.frame()).await else { return };
        let len = frame.data_ref().map_or(0, Bytes::len);
        seen = seen.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
    }
}
