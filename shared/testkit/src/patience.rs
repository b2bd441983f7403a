//! Waiting for something that happens on another thread, without a sleep that hides a race.

use std::time::{Duration, SystemTime};

/// Waits, in real time, until `check` holds; false when it does not within `limit`.
///
/// The caller's runtime goes on working meanwhile, and a paused clock stays where it is.
pub async fn eventually(limit: Duration, mut check: impl FnMut() -> bool) -> bool {
    let start = SystemTime::now();
    loop {
        if check() {
            return true;
        }
        if start.elapsed().unwrap_or(limit) >= limit {
            return false;
        }
        // A blocking task keeps a paused clock from running ahead.
        let _ = tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(1))).await;
    }
}
