//! The memory that request bodies of the whole process may take.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, Notify};
use tokio::time::{Instant, timeout_at};

use super::body::BodyLimits;

/// Larger bodies take turns, and leave an eighth of the memory to the others: a few of them never keep out the many.
const SMALL: u64 = 1 << 20;
/// When nothing was given back for so long, waiting is hopeless.
const STALL: Duration = Duration::from_secs(10);

/// Counts the memory that bodies may take. Overflow policy: a body waits, unread, while others give memory back; when
/// none does, its request gets 503.
#[derive(Debug, Default)]
pub(crate) struct BodyMemory {
    used: AtomicU64,
    refused: AtomicU64,
    /// Large bodies get their memory in the order in which they came.
    turn: Mutex<()>,
    given_back: Notify,
}

/// A body's share; given back on drop.
#[derive(Debug)]
pub(crate) struct BodyLease {
    memory: Arc<BodyMemory>,
    bytes: u64,
}

impl BodyMemory {
    /// Bytes in use now.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::SeqCst)
    }

    /// Requests refused for want of memory.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn take(&self, more: u64, ceiling: u64) -> bool {
        let take = |used: u64| used.checked_add(more).filter(|after| *after <= ceiling);
        self.used.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok()
    }

    fn give_back(&self, bytes: u64) {
        if bytes > 0 {
            self.used.fetch_sub(bytes, Ordering::SeqCst);
            self.given_back.notify_waiters();
        }
    }

    async fn wait_for(&self, more: u64, ceiling: u64) {
        loop {
            let given_back = self.given_back.notified();
            if self.take(more, ceiling) {
                return;
            }
            given_back.await;
        }
    }

    /// Returns when there is no hope of memory.
    async fn stalled(&self, deadline: Instant) {
        while timeout_at(deadline.min(Instant::now() + STALL), self.given_back.notified()).await.is_ok() {}
    }
}

impl BodyLease {
    /// An empty share.
    pub(crate) fn new(memory: &Arc<BodyMemory>) -> Self {
        Self { memory: memory.clone(), bytes: 0 }
    }

    /// True when a body of this length has its memory.
    pub(crate) fn covers(&self, len: u64) -> bool {
        len <= self.bytes
    }

    /// Makes the share large enough for what has come of a body of unknown length. A large one may become as large as
    /// any, and gets all of that at once: none waits for memory that others hold who wait as well.
    pub(crate) async fn raise_for(&mut self, len: u64, limits: &BodyLimits) -> bool {
        self.raise(if len > SMALL { limits.bytes } else { len }, limits).await
    }

    /// Makes the share at least this large, and waits for that while others give memory back. False when none does.
    pub(crate) async fn raise(&mut self, bytes: u64, limits: &BodyLimits) -> bool {
        let Some(more) = bytes.checked_sub(self.bytes).filter(|more| *more > 0) else { return true };
        let memory = &*self.memory;
        let large = bytes > SMALL;
        let ceiling = if large { limits.bytes.max(limits.memory - limits.memory / 8) } else { limits.memory };
        let taken = async {
            let _turn = if large { Some(memory.turn.lock().await) } else { None };
            memory.wait_for(more, ceiling).await;
        };
        let got = tokio::select! {
            biased;
            () = taken => true,
            () = memory.stalled(Instant::now() + limits.patience) => false,
        };
        if got {
            self.bytes = bytes;
        } else {
            memory.refused.fetch_add(1, Ordering::Relaxed);
        }
        got
    }

    /// Gives back what was set aside beyond this.
    pub(crate) fn lower(&mut self, bytes: u64) {
        let spare = self.bytes.saturating_sub(bytes);
        self.bytes -= spare;
        self.memory.give_back(spare);
    }
}

impl Drop for BodyLease {
    fn drop(&mut self) {
        self.memory.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1 << 20;
    const LIMITS: BodyLimits =
        BodyLimits { bytes: 40 * MB, memory: 80 * MB, patience: Duration::from_secs(60) };

    #[tokio::test(start_paused = true)]
    async fn leases_share_one_limit_and_give_it_back() {
        let memory = Arc::<BodyMemory>::default();
        let mut one = BodyLease::new(&memory);
        let mut two = BodyLease::new(&memory);
        assert!(one.raise(40 * MB, &LIMITS).await);
        assert!(!two.raise(31 * MB, &LIMITS).await, "an eighth is for small ones");
        assert!(two.raise(30 * MB, &LIMITS).await);
        let mut small: Vec<_> = (0..10).map(|_| BodyLease::new(&memory)).collect();
        for lease in &mut small {
            assert!(lease.raise(MB, &LIMITS).await);
        }
        let mut late = BodyLease::new(&memory);
        assert!(!late.raise(1, &LIMITS).await);
        assert_eq!((memory.used(), memory.refused()), (80 * MB, 2));
        one.lower(10 * MB);
        assert_eq!(memory.used(), 50 * MB);
        drop((one, two, small, late));
        assert_eq!(memory.used(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_gets_memory_in_turn_as_long_as_some_comes_back() {
        let memory = Arc::<BodyMemory>::default();
        let order = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let tasks: Vec<_> = (0..20)
            .map(|number| {
                let (memory, order) = (memory.clone(), order.clone());
                tokio::spawn(async move {
                    let mut lease = BodyLease::new(&memory);
                    assert!(lease.raise(40 * MB, &LIMITS).await);
                    order.lock().push(number);
                    // Less than what counts as a standstill, and all of them together less than the patience.
                    tokio::time::sleep(Duration::from_secs(2)).await;
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock(), (0..20).collect::<Vec<_>>());
        assert_eq!((memory.used(), memory.refused()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_while_waiting_takes_nothing() {
        let memory = Arc::<BodyMemory>::default();
        let mut holder = BodyLease::new(&memory);
        assert!(holder.raise(40 * MB, &LIMITS).await);
        let mut gone = BodyLease::new(&memory);
        let left = tokio::time::timeout(Duration::from_secs(1), gone.raise(40 * MB, &LIMITS)).await;
        assert!(left.is_err());
        drop(holder);
        assert_eq!(memory.used(), 0);
        assert!(gone.raise(40 * MB, &LIMITS).await);
    }
}
