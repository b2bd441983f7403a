//! Waiting for a connection: in order, bounded in number and time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bulkhead_snapshot::Target;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::counts::Room;
use super::dial::DialError;
use super::host::Waiter;
use super::pool::{Granted, Pool};

/// A place in the queue; dropping it leaves.
struct Place<'a> {
    pool: &'a Arc<Pool>,
    target: &'a Target,
    id: u64,
    granted: oneshot::Receiver<Result<Granted, DialError>>,
}

impl Pool {
    /// Waits for a connection, for one made since then where that is said.
    pub(super) async fn wait(
        self: &Arc<Self>,
        target: &Target,
        made_since: Option<Instant>,
        deadline: Instant,
    ) -> Result<Granted, DialError> {
        let (mut place, room) = self.place(target, made_since)?;
        loop {
            tokio::select! {
                biased;
                granted = &mut place.granted => return granted.unwrap_or(Err(DialError::Full)),
                () = room.freed.notified() => self.tend(target),
                () = sleep_until(deadline) => return Err(DialError::Timeout),
            }
        }
    }

    fn place<'a>(
        self: &'a Arc<Self>,
        target: &'a Target,
        made_since: Option<Instant>,
    ) -> Result<(Place<'a>, Arc<Room>), DialError> {
        static IDS: AtomicU64 = AtomicU64::new(0);
        let id = IDS.fetch_add(1, Ordering::Relaxed);
        let (grant, granted) = oneshot::channel();
        let mut room = None;
        self.queue(target, |host| {
            host.waiters.push_back(Waiter { id, made_since, grant });
            room = Some(host.room.clone());
        })?;
        self.counts().waiting.add(1);
        let place = Place { pool: self, target, id, granted };
        Ok((place, room.ok_or(DialError::Full)?))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.pool.counts().waiting.sub(1);
        if let Some(host) = self.pool.hosts.lock().get_mut(self.target) {
            host.waiters.retain(|waiter| waiter.id != self.id);
        }
        // What was granted to one who left in the same turn is for others. A stream is given back by dropping it.
        if let Ok(Ok(Granted::Own(live))) = self.granted.try_recv() {
            self.pool.put(live);
        }
    }
}
