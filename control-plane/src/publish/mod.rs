//! From the change log to nodes: what is encoded is encoded once and shared by all subscribers (design §4).
//!
//! Nobody pushes into subscriptions. The publisher keeps a ring of the last deltas and says when there is more; each
//! subscription takes what it needs at its own pace, and one that fell out of the ring gets what it misses in one delta,
//! or everything anew.

pub(crate) mod applied;
mod catch_up;
mod follow;
mod frame;
mod full;
pub(crate) mod nodes;
mod registry;
mod ring;
mod routes;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bulkhead_snapshot::Version;
use bulkhead_telemetry::metric::{Counter, Gauge};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use crate::store::{Head, Line, Store};
use catch_up::Merged;
use full::Shelf;
use ring::Ring;

pub(crate) use catch_up::Next;
pub(crate) use frame::Frame;
pub(crate) use registry::{Heard, Registry};
pub(crate) use routes::routes;

/// Fulls that are sent at once.
const SENDING: usize = 32;

/// Where the published history stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Published {
    pub(crate) head: Head,
    /// Counts the times that the history was not a continuation of what was published before.
    pub(crate) history: u64,
}

/// Publishes to the subscriptions of this replica.
pub(crate) struct Publisher {
    store: Store,
    published: watch::Sender<Option<Published>>,
    ring: Mutex<Ring>,
    behind: Line,
    merged: Mutex<Option<Merged>>,
    fulls: Shelf,
    sending: Arc<Semaphore>,
    pub(crate) counts: Counts,
}

/// What an operator may want to know.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) deltas: Counter,
    pub(crate) fulls: Counter,
    pub(crate) fulls_sent: Counter,
    pub(crate) subscribers: Gauge,
    pub(crate) dropped: Counter,
    pub(crate) polls_failed: Counter,
    /// The database lost a part of the history that was published.
    pub(crate) parted: AtomicBool,
    looked: Mutex<Option<Instant>>,
    commit_lag_millis: AtomicU64,
}

impl Counts {
    /// Since the database was looked at last; `None` before the first time.
    pub(crate) fn lag(&self) -> Option<std::time::Duration> {
        self.looked.lock().map(|at| at.elapsed())
    }

    /// How long the last look took.
    pub(crate) fn look_millis(&self) -> u64 {
        self.commit_lag_millis.load(Ordering::Relaxed)
    }

    fn looked(&self, began: Instant) {
        let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.commit_lag_millis.store(took, Ordering::Relaxed);
        *self.looked.lock() = Some(Instant::now());
    }
}

impl Publisher {
    /// A publisher that has published nothing. The store is its own: nobody else takes its connections.
    pub(crate) fn new(store: Store) -> Arc<Self> {
        Arc::new(Self {
            published: watch::Sender::new(None),
            ring: Mutex::default(),
            behind: Line::new(&store),
            merged: Mutex::default(),
            fulls: Shelf::default(),
            sending: Arc::new(Semaphore::new(SENDING)),
            counts: Counts::default(),
            store,
        })
    }

    /// Where the published history stands, whenever it moves.
    pub(crate) fn published(&self) -> watch::Receiver<Option<Published>> {
        self.published.subscribe()
    }

    /// Leave to send a full sync.
    pub(crate) fn sending(&self) -> Arc<Semaphore> {
        self.sending.clone()
    }

    /// The last version published.
    pub(crate) fn version(&self) -> Option<Version> {
        self.published.borrow().map(|published| published.head.version)
    }
}
