//! Idle connections of one worker.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use bulkhead_snapshot::Target;
use bulkhead_telemetry::metric::Gauge;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::dial::{DialError, Dialer};
use super::live::Live;

/// A connection that nobody used for this long is closed, before most providers would close it.
const IDLE: Duration = Duration::from_secs(55);
/// Connections of one worker to one host, in use and idle; more are refused.
const PER_HOST: usize = 4096;

/// The pool of a worker. The lock is never contended: only the worker's own thread takes it.
pub(crate) struct Pool {
    dialer: Arc<Dialer>,
    /// Of all hosts.
    open: Arc<Gauge>,
    hosts: Mutex<HashMap<Target, Host, foldhash::fast::RandomState>>,
}

#[derive(Default)]
struct Host {
    /// Last in, first out: the warmest connection is used first and the rest get old.
    idle: Vec<Live>,
    open: Arc<AtomicUsize>,
    /// The last attempt to connect failed, and an operator was told.
    failing: bool,
}

/// Counts an open connection of a host; counts it out on drop.
pub(super) struct Slot {
    target: Target,
    open: Arc<AtomicUsize>,
    open_of_all: Arc<Gauge>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        self.open_of_all.sub(1);
    }
}

impl Pool {
    pub(crate) fn new(dialer: Arc<Dialer>) -> Arc<Self> {
        Arc::new(Self { dialer, open: Arc::default(), hosts: Mutex::default() })
    }

    /// An idle connection that still stands, else a new one.
    pub(crate) async fn get(&self, target: &Target, deadline: Instant) -> Result<Live, DialError> {
        match self.idle(target).await {
            Some(live) => Ok(live),
            None => self.fresh(target, deadline).await,
        }
    }

    /// A new connection.
    pub(crate) async fn fresh(&self, target: &Target, deadline: Instant) -> Result<Live, DialError> {
        let slot = self.slot(target).ok_or(DialError::Full)?;
        let dialled = self.dialer.dial(target, deadline).await;
        self.note(target, dialled.as_ref().err());
        let wire = dialled?;
        Live::open(wire, slot).await.map_err(|error| DialError::Connect(std::io::Error::other(error)))
    }

    /// Tells the operator why a host cannot be reached: once, until it can or is forgotten.
    fn note(&self, target: &Target, error: Option<&DialError>) {
        let mut hosts = self.hosts.lock();
        let Some(host) = hosts.get_mut(target) else { return };
        let was = std::mem::replace(&mut host.failing, error.is_some());
        if let (false, Some(error)) = (was, error) {
            tracing::warn!(host = %target.host, port = target.port, %error, "cannot connect to a provider");
        }
    }

    async fn idle(&self, target: &Target) -> Option<Live> {
        loop {
            let mut live = self.hosts.lock().get_mut(target)?.idle.pop()?;
            let fresh_enough = live.idle_since.elapsed() < IDLE;
            if fresh_enough && std::future::poll_fn(|cx| Poll::Ready(live.poll_usable(cx))).await {
                return Some(live);
            }
        }
    }

    fn slot(&self, target: &Target) -> Option<Slot> {
        let mut hosts = self.hosts.lock();
        if !hosts.contains_key(target) {
            hosts.insert(target.clone(), Host::default());
        }
        let open = hosts.get(target)?.open.clone();
        if open.fetch_add(1, Ordering::Relaxed) >= PER_HOST {
            open.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        self.open.add(1);
        Some(Slot { target: target.clone(), open, open_of_all: self.open.clone() })
    }

    pub(super) fn put(&self, live: Live) {
        if let Some(host) = self.hosts.lock().get_mut(&live.slot.target) {
            host.idle.push(live);
        }
    }

    /// Closes connections that have been idle for too long, and forgets hosts without any.
    pub(crate) fn sweep(&self) {
        self.hosts.lock().retain(|_, host| {
            host.idle.retain(|live| live.idle_since.elapsed() < IDLE);
            host.open.load(Ordering::Relaxed) > 0
        });
    }

    /// Connections open now, in use and idle.
    pub(crate) fn open(&self) -> i64 {
        self.open.get()
    }
}
