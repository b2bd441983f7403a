//! PostgreSQL: the only place with SQL.
//!
//! Everything runs in a transaction that sets its own timeouts, so that a transaction-pooling PgBouncer may stand
//! between, and without named statements, so that a schema change breaks nothing.

mod change;
mod resources;

use std::time::Duration;

use bulkhead_model::Secret;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Executor, Postgres, Transaction};

use crate::seal::Seal;

pub(crate) use change::Change;

/// How long a connection may take to be there, new or from the pool.
const ACQUIRE: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(60);
const LIFETIME: Duration = Duration::from_secs(600);
const CONNECTIONS: u32 = 16;

/// For what a request waits for.
const SHORT: &str = "set local statement_timeout = '5s'; set local lock_timeout = '2s'; \
                     set local idle_in_transaction_session_timeout = '10s'";
/// For what reads everything.
const LONG: &str = "set transaction isolation level repeatable read, read only; set local statement_timeout = '120s'; \
                    set local idle_in_transaction_session_timeout = '120s'";

/// What went wrong with the database.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// It is away, too slow, or not what it should be; whoever asks may come again.
    #[error("the database is not available: {0}")]
    Away(#[source] sqlx::Error),
    /// A constraint was violated, by its name.
    #[error("{0} is violated")]
    Constraint(String),
    /// Stored under another key.
    #[error(transparent)]
    NotOurs(#[from] crate::seal::NotOurs),
    /// Something that should not happen.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let constraint = error.as_database_error().and_then(|error| error.constraint().map(str::to_owned));
        constraint.map_or(Self::Away(error), Self::Constraint)
    }
}

/// The database.
#[derive(Clone)]
pub(crate) struct Store {
    pool: PgPool,
    seal: std::sync::Arc<Seal>,
}

impl Store {
    /// Connects when it is first used: nothing waits for a database that is away.
    pub(crate) fn new(url: &Secret, seal: Seal) -> Result<Self, sqlx::Error> {
        let options: PgConnectOptions = url.expose().parse()?;
        let options =
            options.statement_cache_capacity(0).application_name("bulkhead").disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE)
            .idle_timeout(IDLE)
            .max_lifetime(LIFETIME)
            .connect_lazy_with(options);
        Ok(Self { pool, seal: std::sync::Arc::new(seal) })
    }

    /// A transaction for a request: short.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        let mut transaction = self.pool.begin().await?;
        transaction.execute(SHORT).await?;
        Ok(transaction)
    }

    /// A transaction that sees one committed state, for as long as a full sync takes.
    pub(crate) async fn snapshot(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        let mut transaction = self.pool.begin().await?;
        transaction.execute(LONG).await?;
        Ok(transaction)
    }

    /// A transaction that changes something, made by somebody.
    pub(crate) async fn change(&self, by: &str) -> Result<Change, StoreError> {
        Ok(Change::new(self.begin().await?, self.seal.clone(), by))
    }

    /// What seals and opens.
    pub(crate) fn seal(&self) -> &Seal {
        &self.seal
    }
}
