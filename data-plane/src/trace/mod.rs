//! Traces for OpenTelemetry: sampled at the head of a request, made from the records of its legs on the recorder's
//! thread, and sent by OTLP (HTTP, protobuf) on a thread of their own. Without an endpoint there is nothing of it.
//!
//! A request is one span and each leg another below it. What a request says and what an answer says is in none of them.

mod export;
mod otlp;
mod sampler;
mod settings;
mod span;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use http::HeaderMap;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::route::Rng;
use crate::usage::UsageEvent;

pub(crate) use export::export;
pub(crate) use settings::Settings;

use otlp::Span;
use sampler::{Parent, Sampler};

/// Spans that wait to be sent. Those for which there is no room are dropped and counted.
const QUEUE: usize = 4096;

/// Where a request is in its trace.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trace {
    id: [u8; 16],
    /// The request's own span, and whose child that is.
    span: [u8; 8],
    parent: Option<[u8; 8]>,
    /// When the first byte of the request came, in Unix nanoseconds.
    arrived_at: u64,
    arrived: Instant,
    /// When the body was there, and read.
    read: Instant,
}

/// Decides what is traced, and takes in what ended.
pub(crate) struct Tracer {
    sampler: Sampler,
    queue: mpsc::Sender<Span>,
    dropped: AtomicU64,
}

impl Tracer {
    /// A tracer, and where its spans come out.
    pub(crate) fn new(settings: &Settings) -> (Self, mpsc::Receiver<Span>) {
        let (queue, spans) = mpsc::channel(QUEUE);
        (Self { sampler: settings.sampler, queue, dropped: AtomicU64::new(0) }, spans)
    }

    /// The trace of a request that was read just now; none where it is not sampled.
    pub(crate) fn begin(&self, headers: &HeaderMap, arrived: Instant, rng: &Rng) -> Option<Trace> {
        let parent = Parent::read(headers);
        let id = parent.map_or_else(
            || (u128::from(rng.next()) << 64 | u128::from(rng.next())).to_be_bytes(),
            |it| it.id,
        );
        if !self.sampler.takes(id, parent) {
            return None;
        }
        let read = Instant::now();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Some(Trace {
            id,
            span: new_span(rng),
            parent: parent.map(|it| it.span),
            arrived_at: nanos(now.saturating_sub(read.saturating_duration_since(arrived))),
            arrived,
            read,
        })
    }

    /// Takes in a leg that ended, and with the last one its request.
    pub(crate) fn ended(&self, event: &UsageEvent) {
        let Some(trace) = &event.exchange.trace else { return };
        let request = (!event.handed_on).then(|| span::of_request(trace, event));
        for span in [Some(span::of_leg(trace, event)), request].into_iter().flatten() {
            if self.queue.try_send(span).is_err() {
                self.drop_some(1);
            }
        }
    }

    fn drop_some(&self, count: usize) {
        self.dropped.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Spans that were not sent.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl Trace {
    fn at(&self, instant: Instant) -> u64 {
        self.arrived_at.saturating_add(nanos(instant.saturating_duration_since(self.arrived)))
    }
}

fn new_span(rng: &Rng) -> [u8; 8] {
    rng.next().max(1).to_be_bytes()
}

fn nanos(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
