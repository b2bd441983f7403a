//! Collects a request body in the segments in which it arrives.

use std::error::Error;
use std::io;
use std::time::Duration;

use bulkhead_dialect::json::{Scan, ScanError, Scanner, Segments};
use bulkhead_model::ErrorKind;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::time::{Instant, timeout_at};

use super::collector::Collector;
use super::memory::BodyLease;
use crate::fault::{Fault, Outcome};

/// A body may take one second more for every so many bytes of it: a sender that trickles is cut.
const SLOWEST: u64 = 64 << 10;

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

/// What the other side does before it has an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sender {
    /// Sends its body.
    Sends,
    /// Waits until its body is asked for: `Expect: 100-continue`.
    WaitsToBeAsked,
}

/// Reads and scans a whole body.
pub(crate) async fn collect(
    mut body: Incoming,
    limits: BodyLimits,
    lease: &mut BodyLease,
    sender: Sender,
) -> Outcome<(Segments, Scan)> {
    let untouched = |body| async move {
        match sender {
            Sender::Sends => drain_refused(body, limits.bytes).await,
            // It gets the answer instead of being asked.
            Sender::WaitsToBeAsked => {}
        }
    };
    if body.size_hint().lower() > limits.bytes {
        untouched(body).await;
        return Err(too_large(limits.bytes));
    }
    // A body of known length has all its memory before the first byte is read; until then the sender is held back.
    let declared = body.size_hint().exact();
    if !lease.raise(declared.unwrap_or(0), &limits).await {
        untouched(body).await;
        return Err(no_memory());
    }
    let mut since = Instant::now();
    let mut scanner = Scanner::new();
    let mut collected = Collector::of(declared);
    loop {
        let deadline = since + limits.patience + Duration::from_secs(collected.len / SLOWEST);
        let chunk = match timeout_at(deadline, body.frame()).await {
            Err(_) => {
                return Err(Fault::new(ErrorKind::BodyTimeout, "The request body did not arrive in time."));
            }
            Ok(None) => break,
            Ok(Some(Err(error))) => return Err(broken(&error)),
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        };
        let more = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        let len = collected.len.saturating_add(more);
        if len > limits.bytes {
            drain_refused(body, limits.bytes).await;
            return Err(too_large(limits.bytes));
        }
        if !lease.covers(len) {
            let asked = Instant::now();
            if !lease.raise_for(len, &limits).await {
                drain_refused(body, limits.bytes).await;
                return Err(no_memory());
            }
            since += asked.elapsed();
        }
        if let Err(error) = scanner.feed(&chunk) {
            drain_refused(body, limits.bytes).await;
            return Err(bad_json(&error));
        }
        collected.push(chunk);
    }
    lease.lower(collected.len);
    let scan = scanner.finish().map_err(|error| bad_json(&error))?;
    Ok((collected.finish(), scan))
}

/// A body that ended too early, or whose chunks make no sense.
fn broken(error: &hyper::Error) -> Box<Fault> {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    if matches!(cause, Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData)) {
        return Fault::new(ErrorKind::BadRequest, "The chunks of the request body are malformed.");
    }
    Fault::new(ErrorKind::ClientGone, "The client closed the connection.")
}

fn no_memory() -> Box<Fault> {
    let message = "The gateway's memory for request bodies is used up. Please retry shortly.";
    Fault::new(ErrorKind::Overloaded, message).retry_after(1)
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
