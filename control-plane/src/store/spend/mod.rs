//! What was spent, out of what the ledger writes. Reports run in transactions of their own kind, so that none of them
//! takes the place of requests.

mod entities;
mod facts;
mod logs;
mod names;

use std::time::Duration;

use sqlx::{Executor, Postgres, Transaction};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::{Store, StoreError};

pub(crate) use entities::{Asked, Spent, everything, spent};
pub(crate) use facts::{Dimension, Fact, FactFilter, facts};
pub(crate) use logs::{Log, LogFilter, LogKey, RequestName, SORTS, Visible, count, logs};
pub(crate) use names::{KeyName, key_ids, key_names, team_names, user_names};

/// A quarter of the pool: the rest is for what is not a report.
const AT_ONCE: usize = 4;
static PLACES: Semaphore = Semaphore::const_new(AT_ONCE);
const WAIT: Duration = Duration::from_secs(2);

/// One committed state, which cannot be changed, for a while.
const LIMITS: &str = "set transaction isolation level repeatable read, read only; set local statement_timeout = '20s'; \
     set local lock_timeout = '10s'";

/// A transaction of a report, and its place among those that may run.
pub(crate) struct Report {
    pub(crate) transaction: Transaction<'static, Postgres>,
    _place: SemaphorePermit<'static>,
}

impl Report {
    /// `None` where too many run already, and none of them ended soon.
    pub(crate) async fn begin(store: &Store) -> Result<Option<Self>, StoreError> {
        let Ok(Ok(place)) = timeout(WAIT, PLACES.acquire()).await else { return Ok(None) };
        let mut transaction = store.begin().await?;
        transaction.execute(LIMITS).await?;
        Ok(Some(Self { transaction, _place: place }))
    }
}
