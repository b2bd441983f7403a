//! The partitions of usage events: made ahead, and dropped when their days are over (design §8).

use std::time::Duration;

use bulkhead_model::Clock;
use tokio::time::timeout;

use super::LEASE_SECONDS;
use crate::store::usage::partitions;
use crate::store::{PgConnection, Store, StoreError, leases};

const JOB: &str = "usage_partitions";
/// Days ahead that have a partition.
const AHEAD: i64 = 7;
/// Nodes keep what was sent for a day, to send it again.
const BEHIND: i64 = 2;
/// Rows that one transaction deletes.
const BATCH: i64 = 5000;
/// All of it takes less, waits for locks included.
const HANGS: Duration = Duration::from_secs(120);

/// Makes the partitions that are needed soon. Every replica may, at any time.
pub(crate) async fn prepare(store: &Store) -> Result<(), StoreError> {
    let mut connection = store.dedicated().await?;
    make(&mut connection).await
}

/// Makes what is missing, and drops what is older than the retention.
pub(super) async fn keep(store: &Store, replica: &str, retention: i64) -> Result<(), StoreError> {
    let mut transaction = store.begin().await?;
    let lease = leases::take(&mut transaction, JOB, replica, LEASE_SECONDS).await?;
    transaction.commit().await?;
    let Some(lease) = lease else { return Ok(()) };
    let mut connection = store.dedicated().await?;
    let work = async {
        make(&mut connection).await?;
        // Detaching cannot be part of a transaction that holds the lease. Two who do it disturb each other, no more.
        let dropped = partitions::drop_before(&mut connection, today() - retention.max(BEHIND)).await?;
        if dropped > 0 {
            tracing::info!(dropped, "old partitions of usage were dropped");
        }
        Ok::<_, StoreError>(())
    };
    timeout(HANGS, work).await.map_err(|_| StoreError::hung())??;
    loop {
        let mut transaction = store.begin().await?;
        if !leases::holds(&mut transaction, &lease).await? {
            return Ok(());
        }
        let more = partitions::forget_others(&mut transaction, retention, BATCH).await?;
        transaction.commit().await?;
        if !more {
            return Ok(());
        }
    }
}

async fn make(connection: &mut PgConnection) -> Result<(), StoreError> {
    let today = today();
    Ok(partitions::make(connection, today - BEHIND..=today + AHEAD).await?)
}

fn today() -> i64 {
    partitions::day(Clock::System.now())
}
