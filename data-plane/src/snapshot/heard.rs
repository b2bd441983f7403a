//! When the control plane was last heard, on disk: a new process does not begin to count anew.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bulkhead_model::UnixMillis;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::Link;
use crate::worker::Node;

const LOOK: Duration = Duration::from_millis(500);
/// How far what is on disk may be behind.
const WRITE: Duration = Duration::from_secs(10);

fn file(state_dir: &Path) -> PathBuf {
    state_dir.join("heard")
}

/// How long the process before this one had not heard of the control plane when this one asks.
pub(crate) fn age(state_dir: &Path, now: UnixMillis) -> Duration {
    let text = std::fs::read_to_string(file(state_dir)).ok();
    let then: Option<i64> = text.and_then(|text| text.trim().parse().ok());
    let millis = then.map_or(0, |then| now.0.saturating_sub(then));
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

/// Takes a snapshot out of force when it is too old, says so, and writes down when the control plane was heard.
pub(super) async fn watch(link: Arc<Link>, node: Arc<Node>, state_dir: PathBuf) {
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut was_stale = false;
    let mut written: Option<Instant> = None;
    loop {
        look.tick().await;
        link.watch(&node.snapshot);
        let stale = link.stale();
        if link.is_stale() != was_stale {
            was_stale = !was_stale;
            say(was_stale, stale, &link);
        }
        if stale < WRITE && written.is_none_or(|written| written.elapsed() >= WRITE) {
            written = Some(Instant::now());
            let then = node.clock.now().plus_millis(-i64::try_from(stale.as_millis()).unwrap_or(0));
            write(file(&state_dir), then).await;
        }
    }
}

fn say(stale: bool, age: Duration, link: &Link) {
    match stale {
        true if link.is_suspended() => {
            tracing::error!(
                seconds = age.as_secs(),
                "nothing was heard of the control plane: requests are refused"
            );
        }
        true => {
            tracing::error!(seconds = age.as_secs(), "nothing was heard of the control plane: still serving")
        }
        false => tracing::info!("the control plane is heard again"),
    }
}

async fn write(file: PathBuf, then: UnixMillis) {
    let text = then.0.to_string();
    // Where this fails, so does the snapshot's own disk, which says so.
    let _ = tokio::task::spawn_blocking(move || std::fs::write(file, text)).await;
}
