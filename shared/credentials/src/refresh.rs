//! When a proof is fetched: at first, ahead of its end, after a failure, after a refusal.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bulkhead_model::random;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::Proof;
use crate::lease::Kept;
use crate::unavailable::Unavailable;

/// Longer than any of the sources takes when it works.
const LONGEST_FETCH: Duration = Duration::from_secs(30);
/// A proof that lives for an hour is renewed so long before its end; one that lives shorter, a fifth of its life.
const AHEAD: Duration = Duration::from_mins(5);
/// A request on its way arrives before its proof ends.
const ON_THE_WAY: Duration = Duration::from_secs(10);
/// What does not say when it ends may be replaced in its file by somebody else.
const ENDLESS: Duration = Duration::from_mins(15);
/// After a failure, doubled for each one.
const FIRST_AGAIN: Duration = Duration::from_millis(500);
/// While somebody does not answer.
const LONGEST_AGAIN: Duration = Duration::from_secs(10);
/// Where somebody has to change something first.
const LONGEST_UNTIL_CHANGED: Duration = Duration::from_mins(1);
/// Between two fetches, where a source gives what is about to end, or the second is for a refusal.
const BETWEEN: Duration = Duration::from_secs(5);

/// What a source gave.
pub(crate) struct Fetched {
    pub(crate) proof: Proof,
    pub(crate) ends: Option<SystemTime>,
    /// Google's credentials name a project.
    pub(crate) project: Option<String>,
}

/// Fetches for as long as it is not aborted. There is one task per lease, so that there is one fetch at a time.
pub(crate) async fn run<F, T>(kept: Arc<Kept>, cloud: &'static str, fetch: F)
where
    F: Fn() -> T,
    T: Future<Output = Result<Fetched, Unavailable>>,
{
    let mut failures = 0_u32;
    loop {
        let outcome = timeout(LONGEST_FETCH, fetch()).await;
        let fetched = Instant::now();
        let pause = match outcome.unwrap_or_else(|_| Err(too_slow(cloud))) {
            Ok(new) => {
                if failures > 0 {
                    tracing::info!(cloud, failures, "credentials are fetched again");
                }
                failures = 0;
                let pause = new.ends.map_or(ENDLESS, |ends| ahead(left(ends), random::number()));
                kept.hold(new);
                pause
            }
            Err(trouble) => {
                let pause = again(failures, &trouble);
                failures = failures.saturating_add(1);
                // The first, and then fewer and fewer: an outage is no flood.
                if failures.is_power_of_two() {
                    tracing::warn!(cloud, failures, reason = %trouble, "credentials cannot be fetched");
                }
                kept.fail(trouble);
                pause
            }
        };
        wait(&kept, fetched, fetched + pause).await;
    }
}

/// Until `next`, or until what is held was refused and the last fetch is not too short ago.
async fn wait(kept: &Kept, fetched: Instant, next: Instant) {
    while timeout_at(next, kept.refusals.notified()).await.is_ok() {
        // The refused one may have been replaced meanwhile.
        if kept.is_refused() {
            return sleep_until(next.min(fetched + BETWEEN)).await;
        }
    }
}

/// How long it is until then.
pub(crate) fn left(ends: SystemTime) -> Duration {
    ends.duration_since(SystemTime::now()).unwrap_or_default()
}

/// How long what lives so long is handed out.
pub(crate) fn usable(life: Duration) -> Duration {
    life.saturating_sub(ON_THE_WAY.min(life / 10))
}

/// How long to leave alone what lives so long. Many that were fetched in one moment are not renewed in one.
fn ahead(life: Duration, random: u64) -> Duration {
    let margin = AHEAD.min(life / 5);
    let jitter = random::backoff(0, margin / 5, margin / 5, random);
    life.saturating_sub(margin + jitter).max(BETWEEN)
}

fn again(failures: u32, trouble: &Unavailable) -> Duration {
    let longest = if trouble.waiting_may_help() { LONGEST_AGAIN } else { LONGEST_UNTIL_CHANGED };
    random::backoff(failures, FIRST_AGAIN, longest, random::number())
}

fn too_slow(cloud: &str) -> Unavailable {
    Unavailable::for_now(format!("{cloud} credentials were not given within {} s", LONGEST_FETCH.as_secs()))
}

#[cfg(test)]
mod tests;
