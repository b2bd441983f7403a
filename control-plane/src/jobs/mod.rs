//! What has to be done now and then, by one replica for all.

pub(crate) mod partitions;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::ops::{Counts, Job};
use crate::store::{Store, StoreError, history, leases, nodes, resources};

const EVERY: Duration = Duration::from_secs(60);
/// Longer than a job takes.
const LEASE_SECONDS: f64 = 300.0;

const HISTORY: &str = "history";
/// How long the history is kept: a node that was away for longer gets everything anew.
const DAYS: i32 = 7;
/// Rows that one transaction deletes.
const BATCH: i64 = 5000;

/// Does every job when it is due, until the process ends. Of the history the last `changes` are kept, of usage the
/// events of so many days.
pub(crate) async fn run(
    store: Store,
    replica: String,
    counts: Arc<Counts>,
    changes: i64,
    usage_days: i64,
) -> Infallible {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        note(HISTORY, &counts.history, prune(&store, &replica, changes).await);
        note("partitions", &counts.partitions, partitions::keep(&store, &replica, usage_days).await);
    }
}

/// Says how a job went where that is news.
fn note(name: &'static str, job: &Job, outcome: Result<(), StoreError>) {
    match outcome {
        Ok(()) => {
            if job.succeeded() {
                tracing::info!(job = name, "a job works again");
            }
        }
        Err(error) => {
            if job.failed() {
                tracing::error!(job = name, %error, "a job fails: it is tried every minute");
            }
        }
    }
}

/// Deletes what nobody needs any more, in small transactions, each under the lease.
async fn prune(store: &Store, replica: &str, changes: i64) -> Result<(), StoreError> {
    let mut transaction = store.begin().await?;
    let lease = leases::take(&mut transaction, HISTORY, replica, LEASE_SECONDS).await?;
    transaction.commit().await?;
    let Some(lease) = lease else { return Ok(()) };
    loop {
        let mut change = store.change(HISTORY).await?;
        if !leases::holds(change.connection(), &lease).await? {
            return Ok(());
        }
        let pruned = history::prune(change.connection(), changes, DAYS, BATCH).await?;
        nodes::forget(change.connection(), DAYS).await?;
        resources::expire_old_tokens(&mut change).await?;
        change.commit().await?;
        if pruned < BATCH.cast_unsigned() {
            return Ok(());
        }
    }
}
