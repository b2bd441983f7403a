//! What a pool counts, and what its connections tell those who wait for one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bulkhead_snapshot::Target;
use bulkhead_telemetry::metric::{Counter, Gauge};
use tokio::sync::Notify;

/// The numbers of a worker's pool, of all hosts.
#[derive(Debug, Default)]
pub(crate) struct PoolCounts {
    /// Connections open, in use and idle, or being opened.
    pub(crate) connections: Gauge,
    /// Requests in flight on HTTP/2 connections.
    pub(crate) streams: Gauge,
    /// Requests that wait for a connection.
    pub(crate) waiting: Gauge,
    /// Attempts to connect that failed.
    pub(crate) failed: Counter,
    /// Requests that were sent again because a reused connection broke without an answer.
    pub(crate) ambiguous_resends: Counter,
}

/// The connections of a host, as far as those who hold one can know without the pool's lock.
#[derive(Debug, Default)]
pub(super) struct Room {
    pub(super) open: AtomicUsize,
    /// Wakes one who waits when there may be room: a connection ended, a stream ended, a peer allows more.
    pub(super) freed: Notify,
}

/// Counts an open connection of a host; counts it out on drop.
pub(super) struct Slot {
    pub(super) target: Target,
    pub(super) room: Arc<Room>,
    pub(super) counts: Arc<PoolCounts>,
}

impl Slot {
    /// A place for one more connection; `None` when the host has its most.
    pub(super) fn take(
        target: &Target,
        room: &Arc<Room>,
        most: usize,
        counts: &Arc<PoolCounts>,
    ) -> Option<Self> {
        if room.open.fetch_add(1, Ordering::Relaxed) >= most {
            room.open.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        counts.connections.add(1);
        Some(Self { target: target.clone(), room: room.clone(), counts: counts.clone() })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.room.open.fetch_sub(1, Ordering::Relaxed);
        self.counts.connections.sub(1);
        self.room.freed.notify_one();
    }
}
