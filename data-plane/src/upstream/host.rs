//! What a worker's pool knows of one host.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::counts::{PoolCounts, Room};
use super::dial::DialError;
use super::lane::Lane;
use super::live::Live;
use super::pool::{Granted, IDLE};
use super::shared::{STREAMS, Shared};

/// After an attempt to connect that failed, no further HTTP/2 connection is made for this long while there are others.
const QUIET: Duration = Duration::from_secs(1);

/// The protocol that a host speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

pub(super) struct Host {
    /// `None` until a TLS handshake has told.
    protocol: Option<Protocol>,
    /// HTTP/1.1 connections. Last in, first out: the warmest is used first and the rest get old.
    idle: Vec<Live>,
    /// HTTP/2 connections, oldest first.
    shared: Vec<Arc<Shared>>,
    pub(super) waiters: VecDeque<Waiter>,
    /// Connections being made.
    dials: usize,
    pub(super) room: Arc<Room>,
    quiet_until: Option<Instant>,
    /// The last attempt to connect failed, and an operator was told.
    failing: bool,
}

/// A request that waits for a connection.
pub(super) struct Waiter {
    pub(super) id: u64,
    /// For one that is not older than this: what was there before has just failed the request.
    pub(super) made_since: Option<Instant>,
    pub(super) grant: oneshot::Sender<Result<Granted, DialError>>,
}

impl Host {
    pub(super) fn new(https: bool) -> Self {
        Self {
            protocol: (!https).then_some(Protocol::Http1),
            idle: Vec::new(),
            shared: Vec::new(),
            waiters: VecDeque::new(),
            dials: 0,
            room: Arc::default(),
            quiet_until: None,
            failing: false,
        }
    }

    /// The warmest idle connection. It may be dead.
    pub(super) fn warmest(&mut self, now: Instant) -> Option<Live> {
        loop {
            let live = self.idle.pop()?;
            if now < live.retires && now.duration_since(live.idle_since) < IDLE {
                return Some(live);
            }
        }
    }

    /// A stream of a connection that is not older than `since`: of the first that is not crowded, else of any with room.
    pub(super) fn lane(
        &self,
        since: Option<Instant>,
        now: Instant,
        counts: &Arc<PoolCounts>,
    ) -> Option<Lane> {
        let open = |shared: &&Arc<Shared>| {
            shared.takes_requests(now) && shared.has_room() && since.is_none_or(|since| shared.born >= since)
        };
        let mut roomy = self.shared.iter().filter(open);
        let first = roomy.clone().find(|shared| !shared.is_crowded()).or_else(|| roomy.next())?;
        Some(Lane::take(first, counts))
    }

    /// Gives an HTTP/1.1 connection to the first who waits for one such, else keeps it.
    pub(super) fn offer(&mut self, mut live: Live, new: bool) {
        live.reused = !new;
        let takes = |waiter: &Waiter| new || waiter.made_since.is_none();
        let mut granted = Granted::Own(live);
        while let Some(place) = self.waiters.iter().position(takes)
            && let Some(waiter) = self.waiters.remove(place)
        {
            match waiter.grant.send(Ok(granted)) {
                Ok(()) => return,
                Err(Ok(back)) => granted = back,
                Err(Err(_)) => return,
            }
        }
        if let Granted::Own(mut live) = granted {
            // When it is taken it will have waited, as any other.
            live.reused = true;
            self.idle.push(live);
        }
    }

    /// Gives streams to those who wait, in their order.
    pub(super) fn serve(&mut self, now: Instant, counts: &Arc<PoolCounts>) {
        self.shared.retain(|shared| !shared.has_ended());
        let mut place = 0;
        while let Some(since) = self.waiters.get(place).map(|waiter| waiter.made_since) {
            match self.lane(since, now, counts) {
                Some(lane) => {
                    if let Some(waiter) = self.waiters.remove(place) {
                        // Who has left has taken itself out of the queue.
                        let _ = waiter.grant.send(Ok(Granted::Lane(lane)));
                    }
                }
                // Those behind it may be less particular.
                None if since.is_some() => place += 1,
                None => break,
            }
        }
    }

    /// Connections to make: for those who wait, and one ahead of need where all streams will soon be taken.
    pub(super) fn missing(&self, now: Instant) -> usize {
        match self.protocol {
            // The first one tells how many are needed.
            None => self.waiters.len().min(1).saturating_sub(self.dials),
            Some(Protocol::Http1) => self.waiters.len().saturating_sub(self.dials),
            Some(Protocol::Http2) => {
                let usable = self.shared.iter().filter(|shared| shared.takes_requests(now));
                let (coming, known): (Vec<_>, Vec<_>) = usable.partition(|shared| shared.is_young(now));
                let any = !coming.is_empty() || !known.is_empty();
                if any && self.quiet_until.is_some_and(|until| now < until) {
                    return 0;
                }
                let limits = known.iter().map(|shared| shared.limit());
                let streams = limits.filter(|limit| *limit > 0).max().unwrap_or(STREAMS);
                let ahead = usize::from(any && known.iter().all(|shared| shared.is_crowded()));
                let wanted = self.waiters.len().div_ceil(streams).max(ahead);
                wanted.saturating_sub(self.dials.saturating_add(coming.len()))
            }
        }
    }

    /// Makes room for a connection that is waited for.
    pub(super) fn drop_coldest(&mut self) -> bool {
        if self.idle.is_empty() {
            return false;
        }
        self.idle.remove(0);
        true
    }

    pub(super) fn dial_begins(&mut self) {
        self.dials = self.dials.saturating_add(1);
    }

    /// A connection was made. True the first time after it could not be.
    pub(super) fn dialled(&mut self, protocol: Protocol) {
        self.dials = self.dials.saturating_sub(1);
        self.protocol = Some(protocol);
        self.failing = false;
    }

    pub(super) fn add(&mut self, shared: Arc<Shared>) {
        self.shared.push(shared);
    }

    /// A connection could not be made. Fails those whom nothing else that is under way can serve; true when an operator
    /// was not told yet.
    pub(super) fn dial_failed(&mut self, error: &DialError, now: Instant) -> bool {
        self.dials = self.dials.saturating_sub(1);
        self.quiet_until = Some(now + QUIET);
        let failed = match self.protocol {
            Some(Protocol::Http1) => self.waiters.len().min(1),
            _ if self.dials == 0 && !self.shared.iter().any(|shared| shared.takes_requests(now)) => {
                self.waiters.len()
            }
            _ => 0,
        };
        for waiter in self.waiters.drain(..failed) {
            // Who has left does not want to know.
            let _ = waiter.grant.send(Err(error.clone()));
        }
        !std::mem::replace(&mut self.failing, true)
    }

    /// Closes what has been idle for too long or is too old. False when nothing is left.
    pub(super) fn sweep(&mut self, now: Instant) -> bool {
        self.idle.retain(|live| now < live.retires && now.duration_since(live.idle_since) < IDLE);
        self.shared.retain(|shared| !shared.is_done(now, IDLE));
        !self.waiters.is_empty()
            || self.dials > 0
            || self.room.open.load(std::sync::atomic::Ordering::Relaxed) > 0
    }
}
