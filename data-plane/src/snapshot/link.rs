//! What a node knows of its control plane, for readiness, metrics and people; and the one place where a managed node's
//! snapshot is put in force.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bulkhead_snapshot::{Catalog, Snapshot, Version};
use bulkhead_telemetry::metric::Counter;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::rejected::Rejections;
use crate::args::StaleAction;

/// When a snapshot is too old, and what then.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Staleness {
    pub(crate) after: Duration,
    pub(crate) action: StaleAction,
}

/// A node's tie to its control plane.
pub(crate) struct Link {
    staleness: Staleness,
    connected: AtomicBool,
    heard: Mutex<Heard>,
    shown: Mutex<Shown>,
    kept: Mutex<Kept>,
    pub(crate) counts: Counts,
}

/// What happened so far.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) applied: Counter,
    pub(crate) refused: Counter,
    pub(crate) disk_errors: Counter,
}

/// When the control plane was last heard: this long before that instant.
struct Heard {
    at: Instant,
    before: Duration,
}

/// What people are shown.
#[derive(Clone, Default)]
pub(crate) struct Shown {
    pub(crate) version: Option<Version>,
    pub(crate) rejected: Arc<Rejections>,
    /// Why the control plane publishes nothing to this node.
    pub(crate) held: Option<String>,
    /// Why there is no connection.
    pub(crate) trouble: Option<String>,
    /// Why the last push was refused.
    pub(crate) refused: Option<String>,
    /// Why what is in force is not on disk.
    pub(crate) unsaved: Option<String>,
}

#[derive(Default)]
struct Kept {
    snapshot: Option<Arc<Snapshot>>,
    /// Too old to be served.
    suspended: bool,
}

impl Link {
    /// A tie to a control plane that was last heard so long ago.
    pub(crate) fn new(staleness: Staleness, age: Duration) -> Self {
        Self {
            staleness,
            connected: AtomicBool::new(false),
            heard: Mutex::new(Heard { at: Instant::now(), before: age }),
            shown: Mutex::default(),
            kept: Mutex::default(),
            counts: Counts::default(),
        }
    }

    /// How long nothing was heard.
    pub(crate) fn stale(&self) -> Duration {
        let heard = self.heard.lock();
        heard.at.elapsed().saturating_add(heard.before)
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    /// True where the snapshot is too old to be served.
    pub(crate) fn is_suspended(&self) -> bool {
        self.kept.lock().suspended
    }

    pub(crate) fn shown(&self) -> Shown {
        self.shown.lock().clone()
    }

    /// The control plane said something.
    pub(super) fn hear(&self, slot: &ArcSwapOption<Snapshot>) {
        *self.heard.lock() = Heard { at: Instant::now(), before: Duration::ZERO };
        self.watch(slot);
    }

    pub(super) fn set_connected(&self, connected: bool) {
        self.connected.store(connected, Ordering::Relaxed);
    }

    /// Changes what people are shown.
    pub(super) fn show<T>(&self, change: impl FnOnce(&mut Shown) -> T) -> T {
        change(&mut self.shown.lock())
    }

    /// Puts what the catalogue holds in force.
    pub(super) fn put(&self, catalog: &Catalog, slot: &ArcSwapOption<Snapshot>) {
        let mut kept = self.kept.lock();
        kept.snapshot = catalog.snapshot().cloned();
        if !kept.suspended {
            slot.store(kept.snapshot.clone());
        }
        drop(kept);
        let (version, rejected) = (catalog.version().copied(), Arc::new(Rejections::of(catalog)));
        self.show(|shown| (shown.version, shown.rejected) = (version, rejected));
    }

    /// Takes a snapshot that is too old out of force, and puts it back once the control plane was heard.
    pub(super) fn watch(&self, slot: &ArcSwapOption<Snapshot>) {
        let too_old = self.stale() > self.staleness.after;
        let mut kept = self.kept.lock();
        if too_old == kept.suspended || self.staleness.action == StaleAction::Serve {
            return;
        }
        kept.suspended = too_old;
        slot.store(if too_old { None } else { kept.snapshot.clone() });
    }

    /// True where nothing was heard for too long, whatever follows from it.
    pub(crate) fn is_stale(&self) -> bool {
        self.stale() > self.staleness.after
    }
}
