//! What the exchanges of one worker share, and what all workers share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bulkhead_credentials::Keeper;
use bulkhead_model::{Clock, ErrorKind};
use bulkhead_snapshot::Snapshot;
use http::HeaderValue;

use crate::admit::Gate;
use crate::fault::Fault;
use crate::health::Health;
use crate::listener::Front;
use crate::metrics::WorkerMetrics;
use crate::read::BodyMemory;
use crate::respond::PrefixedNames;
use crate::route::Rng;
use crate::settle::Typical;
use crate::trace::Tracer;
use crate::upstream::{Dialer, Limits, Pool};
use crate::usage::{Recorder, UsageEvent};

/// What the whole process shares.
pub(crate) struct Node {
    /// The snapshot in force; `None` until there is one.
    pub(crate) snapshot: ArcSwapOption<Snapshot>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) health: Health,
    pub(crate) body_memory: Arc<BodyMemory>,
    pub(crate) recorder: Recorder,
    pub(crate) clock: Clock,
    /// Where the operations port is, for signposts.
    pub(crate) ops_address: String,
    pub(crate) reloads: crate::snapshot::Reloads,
    /// The tie to a control plane; a standalone gateway has none.
    pub(crate) link: Option<Arc<crate::snapshot::Link>>,
    /// Keeps what proves to clouds who asks.
    pub(crate) keeper: Arc<Keeper>,
    /// Where the management API is forwarded to.
    pub(crate) management: Option<crate::management::Management>,
    /// Decides which requests are traced, where any are.
    pub(crate) tracer: Option<Arc<Tracer>>,
    /// What requests pass before anybody looks for their route.
    pub(crate) front: Front,
    pub(crate) draining: AtomicBool,
    /// Set when what is still in flight has to end.
    pub(crate) time_is_up: AtomicBool,
    /// How long a client may keep the gateway waiting: idle between requests, for a head, for a body to begin to flow.
    pub(crate) patience: Duration,
}

impl Node {
    /// True from SIGTERM on.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Why a request finds no snapshot.
    pub(crate) fn not_ready(&self) -> Box<Fault> {
        let too_old = self.link.as_ref().is_some_and(|link| link.is_suspended());
        let why = if too_old {
            "The gateway has not heard of its control plane for too long to go on. Please retry shortly."
        } else {
            "The gateway has no configuration yet. Please retry shortly."
        };
        Fault::new(ErrorKind::NotReady, why).retry_after(1)
    }

    /// True from the end of the grace period on.
    pub(crate) fn is_time_up(&self) -> bool {
        self.time_is_up.load(Ordering::Relaxed)
    }
}

/// One worker: its own runtime, connections and counters.
pub(crate) struct Worker {
    pub(crate) node: Arc<Node>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) metrics: Arc<WorkerMetrics>,
    pub(crate) typical: Typical,
    pub(crate) rng: Rng,
    pub(crate) names: PrefixedNames,
    /// Unix milliseconds of the last sign of life.
    heartbeat: AtomicI64,
}

impl Worker {
    pub(crate) fn new(node: Arc<Node>, dialer: Arc<Dialer>, seed: u64) -> Arc<Self> {
        let heartbeat = AtomicI64::new(node.clock.now().0);
        Arc::new(Self {
            node,
            pool: Pool::new(dialer, Limits::default(), !seed),
            metrics: Arc::default(),
            typical: Typical::default(),
            rng: Rng::new(seed),
            names: PrefixedNames::default(),
            heartbeat,
        })
    }

    /// Hands an event to the recorder; never waits.
    pub(crate) fn record(&self, event: UsageEvent) {
        self.node.recorder.record(event);
    }

    pub(crate) fn beat(&self) {
        self.heartbeat.store(self.node.clock.now().0, Ordering::Relaxed);
    }

    /// Milliseconds since the worker last turned.
    pub(crate) fn silent_millis(&self) -> i64 {
        self.node.clock.now().0.saturating_sub(self.heartbeat.load(Ordering::Relaxed))
    }

    /// A new call id in the form of a version 4 UUID.
    pub(crate) fn call_id(&self) -> HeaderValue {
        let random = (u128::from(self.rng.next()) << 64) | u128::from(self.rng.next());
        let versioned = (random & !(0xf000 << 64) & !(0xc000 << 48)) | (0x4000 << 64) | (0x8000 << 48);
        HeaderValue::from_bytes(&uuid_text(versioned)).unwrap_or(HeaderValue::from_static("0"))
    }
}

/// `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`
fn uuid_text(id: u128) -> [u8; 36] {
    let mut text = [b'-'; 36];
    let mut rest = id;
    for (place, byte) in text.iter_mut().enumerate().rev() {
        if !matches!(place, 8 | 13 | 18 | 23) {
            let digit = u8::try_from(rest & 15).unwrap_or_default();
            *byte = digit + if digit < 10 { b'0' } else { b'a' - 10 };
            rest >>= 4;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_the_form_of_a_uuid() {
        let text = uuid_text(0x0123_4567_89ab_4cde_8f01_2345_6789_abcd);
        assert_eq!(&text, b"01234567-89ab-4cde-8f01-23456789abcd");
    }
}
