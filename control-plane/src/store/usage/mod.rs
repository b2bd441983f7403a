//! Usage as nodes report it (design §8): marks, events by day, and what they add up to.
//!
//! Every transaction takes its locks in one order: marks, facts, what was spent, each of them sorted; so that replicas
//! that write about the same keys wait for each other and never deadlock.

mod copy;
mod events;
mod marks;
pub(crate) mod partitions;
mod sums;
mod trouble;

use sqlx::{Connection, Executor, PgConnection, Postgres, Transaction};

pub(crate) use events::{Reject, Stored, known, put_rejects, store, store_late};
pub(crate) use marks::{Mark, lock, move_to, through};
pub(crate) use partitions::Days;
pub(crate) use sums::{Fact, Holder, Spent, Sums, add_facts, add_spent, forget_spent};
pub(crate) use trouble::Trouble;

/// Longer than the largest transaction takes, and shorter than a node waits.
const LIMITS: &str = "set local statement_timeout = '10s'; set local lock_timeout = '3s'; \
                      set local idle_in_transaction_session_timeout = '10s'; set local jit = off";

/// A transaction that takes usage in.
pub(crate) async fn begin(connection: &mut PgConnection) -> Result<Transaction<'_, Postgres>, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    transaction.execute(LIMITS).await?;
    Ok(transaction)
}
