//! The memory that request bodies of the whole process may take.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts the bytes of request bodies in memory. Overflow policy: the request that asks for too much gets 503.
#[derive(Debug, Default)]
pub(crate) struct BodyMemory {
    used: AtomicU64,
    refused: AtomicU64,
}

/// A body's share; given back on drop.
pub(crate) struct BodyLease {
    memory: Arc<BodyMemory>,
    bytes: u64,
}

impl BodyMemory {
    /// Bytes in use now.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Requests refused for want of memory.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

impl BodyLease {
    /// An empty share.
    pub(crate) fn new(memory: &Arc<BodyMemory>) -> Self {
        Self { memory: memory.clone(), bytes: 0 }
    }

    /// Takes `more` bytes, or none if that would go over `limit` in the whole process.
    pub(crate) fn grow(&mut self, more: u64, limit: u64) -> bool {
        let before = self.memory.used.fetch_add(more, Ordering::Relaxed);
        if before.saturating_add(more) > limit {
            self.memory.used.fetch_sub(more, Ordering::Relaxed);
            self.memory.refused.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        self.bytes += more;
        true
    }
}

impl Drop for BodyLease {
    fn drop(&mut self) {
        self.memory.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leases_share_one_limit_and_give_it_back() {
        let memory = Arc::<BodyMemory>::default();
        let mut one = BodyLease::new(&memory);
        let mut two = BodyLease::new(&memory);
        assert!(one.grow(60, 100));
        assert!(!two.grow(41, 100));
        assert!(two.grow(40, 100));
        assert_eq!((memory.used(), memory.refused()), (100, 1));
        drop(one);
        assert_eq!(memory.used(), 40);
        assert!(two.grow(60, 100));
        drop(two);
        assert_eq!(memory.used(), 0);
    }
}
