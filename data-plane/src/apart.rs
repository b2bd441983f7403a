//! Work that takes too long for a worker, which serves everybody else on its core meanwhile (design §9).

use tokio::task::spawn_blocking;

/// Bytes that are gone through on the worker itself: a quarter of a millisecond, about what handing over is worth.
const AT_ONCE: usize = 256 << 10;

/// Does work that goes through so many bytes; if they are many, on one of the few threads that each worker's runtime
/// has beside its own. `None` when it panicked.
pub(crate) async fn apart<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    if bytes <= AT_ONCE {
        return Some(work());
    }
    spawn_blocking(work).await.ok()
}

#[cfg(test)]
mod tests {
    use std::thread::current;

    use super::*;

    #[tokio::test]
    async fn what_takes_long_is_done_by_another_thread() {
        let here = current().id();
        assert_eq!(apart(AT_ONCE, || current().id()).await, Some(here));
        let there = apart(AT_ONCE + 1, || current().id()).await;
        assert!(there.is_some_and(|there| there != here));
    }
}
