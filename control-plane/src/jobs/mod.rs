//! What has to be done now and then, by one replica for all.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::store::{Store, StoreError, history, leases, nodes, resources};

const EVERY: Duration = Duration::from_secs(60);
/// Longer than a job takes.
const LEASE_SECONDS: f64 = 300.0;

const HISTORY: &str = "history";
/// How much of the history is kept: a node that was away for longer gets everything anew.
const CHANGES: i64 = 100_000;
const DAYS: i32 = 7;
/// Rows that one transaction deletes.
const BATCH: i64 = 5000;

/// Does every job when it is due, until the process ends.
pub(crate) async fn run(store: Store, replica: String) -> Infallible {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = prune(&store, &replica).await {
            tracing::warn!(%error, "the history was not pruned");
        }
    }
}

/// Deletes what nobody needs any more, in small transactions, each under the lease.
async fn prune(store: &Store, replica: &str) -> Result<(), StoreError> {
    let mut transaction = store.begin().await?;
    let lease = leases::take(&mut transaction, HISTORY, replica, LEASE_SECONDS).await?;
    transaction.commit().await?;
    let Some(lease) = lease else { return Ok(()) };
    loop {
        let mut change = store.change(HISTORY).await?;
        if !leases::holds(change.connection(), &lease).await? {
            return Ok(());
        }
        let pruned = history::prune(change.connection(), CHANGES, DAYS, BATCH).await?;
        nodes::forget(change.connection(), DAYS).await?;
        resources::expire_old_tokens(&mut change).await?;
        change.commit().await?;
        if pruned < BATCH.cast_unsigned() {
            return Ok(());
        }
    }
}
