//! How many requests the process takes at once, where an operator has set a limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bulkhead_model::ErrorKind;

use crate::fault::{Fault, Outcome};

/// The requests that count, until the end of their answers.
#[derive(Debug, Default)]
pub(crate) struct Capacity(Arc<AtomicU32>);

/// The place of one request.
pub(super) struct Place(Arc<AtomicU32>);

impl Capacity {
    /// Takes a place, or says in LiteLLM's words that there is none.
    pub(super) fn enter(&self, most: u32) -> Outcome<Place> {
        let before = self.0.fetch_add(1, Ordering::Relaxed);
        let place = Place(self.0.clone());
        if before < most {
            return Ok(place);
        }
        let message = format!("Worker at capacity: {most} in-flight, 0 queued requests. Retry later.");
        Err(Fault::new(ErrorKind::AtCapacity, message).retry_after(1))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_back_also_by_whoever_got_none() {
        let capacity = Capacity::default();
        let held: Vec<_> = (0..2).map(|_| capacity.enter(2).ok().unwrap()).collect();
        for _ in 0..3 {
            let fault = capacity.enter(2).err().unwrap();
            assert_eq!(fault.kind, ErrorKind::AtCapacity);
        }
        drop(held);
        assert!(capacity.enter(1).is_ok());
    }
}
