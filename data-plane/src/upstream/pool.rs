//! The connections of one worker.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bulkhead_snapshot::Target;
use parking_lot::Mutex;
use tokio::time::{Instant, timeout_at};

use super::counts::{PoolCounts, Slot};
use super::dial::{CONNECT, Connect, DialError};
use super::host::{Host, Protocol};
use super::lane::Lane;
use super::live::Live;
use super::shared::{Driver, Shared};
use crate::route::Rng;

/// A connection that nobody used for this long is closed, before most providers would close it.
pub(super) const IDLE: Duration = Duration::from_secs(55);
/// A connection takes requests for so long and up to a quarter more: then the name is asked for again, and not for all
/// connections at once.
const AGE: Duration = Duration::from_secs(240);

/// What a worker may have of one host.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Connections, in use and idle.
    pub(super) connections: usize,
    /// Requests that wait for one; more are refused.
    pub(super) waiters: usize,
}

/// Connections of the whole process to one host.
const CONNECTIONS: usize = 16_384;

impl Default for Limits {
    /// An equal share for each worker: it cannot lack a connection because another one has some to spare, and no worker
    /// has to know of another.
    fn default() -> Self {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        Self { connections: (CONNECTIONS / workers).clamp(64, 4096), waiters: 4096 }
    }
}

/// A way to send one request.
pub(crate) enum Granted {
    /// An HTTP/1.1 connection.
    Own(Live),
    /// A stream of an HTTP/2 connection.
    Lane(Lane),
}

/// The pool of a worker. The lock is never contended: only the worker's own thread takes it.
pub(crate) struct Pool {
    connect: Arc<dyn Connect>,
    limits: Limits,
    rng: Rng,
    counts: Arc<PoolCounts>,
    pub(super) hosts: Mutex<HashMap<Target, Host, foldhash::fast::RandomState>>,
}

impl Pool {
    pub(crate) fn new(connect: Arc<dyn Connect>, limits: Limits, seed: u64) -> Arc<Self> {
        let (rng, counts) = (Rng::new(seed), Arc::default());
        Arc::new(Self { connect, limits, rng, counts, hosts: Mutex::default() })
    }

    /// The numbers of this pool.
    pub(crate) fn counts(&self) -> &Arc<PoolCounts> {
        &self.counts
    }

    /// An idle connection that still stands, or a stream of one that has room, else what comes first of those: a
    /// connection that is given back, or a new one.
    pub(super) async fn get(
        self: &Arc<Self>,
        target: &Target,
        deadline: Instant,
    ) -> Result<Granted, DialError> {
        match self.at_hand(target).await {
            Some(granted) => Ok(granted),
            None => self.wait(target, None, deadline).await,
        }
    }

    /// A new connection.
    pub(super) async fn fresh(
        self: &Arc<Self>,
        target: &Target,
        deadline: Instant,
    ) -> Result<Granted, DialError> {
        self.wait(target, Some(Instant::now()), deadline).await
    }

    async fn at_hand(self: &Arc<Self>, target: &Target) -> Option<Granted> {
        let now = Instant::now();
        loop {
            let mut live = {
                let mut hosts = self.hosts.lock();
                let host = hosts.get_mut(target)?;
                let Some(live) = host.warmest(now) else {
                    // Who comes now is not served before those who wait.
                    if !host.waiters.is_empty() {
                        return None;
                    }
                    let lane = host.lane(None, now, &self.counts)?;
                    self.dial_missing(target, host, now);
                    return Some(Granted::Lane(lane));
                };
                live
            };
            if std::future::poll_fn(|cx| Poll::Ready(live.connection.poll_usable(cx))).await {
                return Some(Granted::Own(live));
            }
        }
    }

    /// The host's place in the pool, with room for one more waiter.
    pub(super) fn queue(
        self: &Arc<Self>,
        target: &Target,
        enter: impl FnOnce(&mut Host),
    ) -> Result<(), DialError> {
        let now = Instant::now();
        let mut hosts = self.hosts.lock();
        if !hosts.contains_key(target) {
            hosts.insert(target.clone(), Host::new(target.https));
        }
        let Some(host) = hosts.get_mut(target) else { return Err(DialError::Full) };
        if host.waiters.len() >= self.limits.waiters {
            return Err(DialError::Full);
        }
        enter(host);
        host.serve(now, &self.counts);
        self.dial_missing(target, host, now);
        Ok(())
    }

    /// Serves those who wait for this host, after something has changed.
    pub(super) fn tend(self: &Arc<Self>, target: &Target) {
        let now = Instant::now();
        if let Some(host) = self.hosts.lock().get_mut(target) {
            host.serve(now, &self.counts);
            self.dial_missing(target, host, now);
        }
    }

    /// Begins to make the connections that are missing, each in a task of its own: who leaves does not end it.
    fn dial_missing(self: &Arc<Self>, target: &Target, host: &mut Host, now: Instant) {
        for _ in 0..host.missing(now) {
            let most = self.limits.connections;
            let take = |host: &Host| Slot::take(target, &host.room, most, &self.counts);
            let slot = match take(host) {
                None if !host.waiters.is_empty() && host.drop_coldest() => take(host),
                slot => slot,
            };
            let Some(slot) = slot else { return };
            host.dial_begins();
            tokio::spawn(self.clone().dial(slot));
        }
    }

    async fn dial(self: Arc<Self>, slot: Slot) {
        let target = slot.target.clone();
        let opened = self.open(&target, slot).await;
        let now = Instant::now();
        let mut hosts = self.hosts.lock();
        let Some(host) = hosts.get_mut(&target) else { return };
        match opened {
            Ok(Opened::Own(live)) => {
                host.dialled(Protocol::Http1);
                host.offer(live, true);
            }
            Ok(Opened::Shared(shared, driver)) => {
                tokio::spawn(driver.run());
                host.dialled(Protocol::Http2);
                host.add(shared);
                host.serve(now, &self.counts);
            }
            Err(error) => {
                self.counts.failed.add(1);
                if host.dial_failed(&error, now) {
                    tracing::warn!(host = %target.host, port = target.port, %error, "cannot connect to a provider");
                }
            }
        }
        self.dial_missing(&target, host, now);
    }

    async fn open(&self, target: &Target, slot: Slot) -> Result<Opened, DialError> {
        let now = Instant::now();
        let deadline = now + CONNECT;
        let retires = now + AGE + AGE.mul_f64(0.25 * self.fraction());
        let wire = self.connect.connect(target, deadline).await?;
        if !wire.speaks_http2() {
            return Ok(Opened::Own(Live::new(wire, slot, retires)));
        }
        let (shared, driver) = timeout_at(deadline, Shared::open(wire, slot, retires))
            .await
            .map_err(|_| DialError::Timeout)??;
        Ok(Opened::Shared(shared, Box::new(driver)))
    }

    /// A random number from 0 to 1.
    fn fraction(&self) -> f64 {
        f64::from(u32::try_from(self.rng.next() >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
    }

    /// Takes a connection back whose request is done.
    pub(super) fn put(&self, mut live: Live) {
        let now = Instant::now();
        if now >= live.retires {
            return;
        }
        live.idle_since = now;
        if let Some(host) = self.hosts.lock().get_mut(&live.slot.target) {
            host.offer(live, false);
        }
    }

    /// Closes connections that have been idle for too long or are too old, and forgets hosts without any.
    pub(crate) fn sweep(&self) {
        let now = Instant::now();
        self.hosts.lock().retain(|_, host| host.sweep(now));
    }
}

enum Opened {
    Own(Live),
    Shared(Arc<Shared>, Box<Driver>),
}
