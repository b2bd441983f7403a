//! PostgreSQL: the only place with SQL.
//!
//! Everything runs in a transaction that sets its own timeouts, so that a transaction-pooling PgBouncer may stand
//! between, and without named statements, so that a schema change breaks nothing.

pub(crate) mod audit;
mod change;
pub(crate) mod credentials;
mod fallbacks;
pub(crate) mod files;
pub(crate) mod history;
pub(crate) mod keys;
pub(crate) mod leases;
mod line;
pub(crate) mod members;
pub(crate) mod models;
pub(crate) mod nodes;
mod refused;
pub(crate) mod resources;
pub(crate) mod schema;
pub(crate) mod settings;
pub(crate) mod spend;
pub(crate) mod teams;
pub(crate) mod terms;
pub(crate) mod tokens;
pub(crate) mod usage;
pub(crate) mod users;

use std::time::Duration;

use bulkhead_model::Secret;
use parking_lot::RwLock;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor, Postgres, Transaction};
use tokio::time::timeout;

use crate::seal::Seal;

pub(crate) use change::Change;
pub(crate) use history::Head;
pub(crate) use line::Line;
pub(crate) use sqlx::PgConnection;

/// How long a connection may take to be there, new or from the pool.
const ACQUIRE: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(60);
const LIFETIME: Duration = Duration::from_secs(600);
/// A connection that is given back and does not answer is closed.
const GIVEN_BACK: Duration = Duration::from_secs(2);

/// For what a request waits for. Compiling a statement takes longer than all of ours, and a planner that has no
/// statistics yet takes them for large ones.
const SHORT: &str = "set local statement_timeout = '5s'; set local lock_timeout = '2s'; \
                     set local idle_in_transaction_session_timeout = '10s'; set local jit = off";
/// For what reads everything.
const LONG: &str = "set transaction isolation level repeatable read, read only; set local statement_timeout = '120s'; \
                    set local idle_in_transaction_session_timeout = '120s'; set local jit = off";

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

impl StoreError {
    /// It does not answer in time.
    pub(crate) fn hung() -> Self {
        Self::Away(sqlx::Error::PoolTimedOut)
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let constraint = error.as_database_error().and_then(|error| error.constraint().map(str::to_owned));
        constraint.map_or(Self::Away(error), Self::Constraint)
    }
}

fn options(url: &Secret) -> Result<PgConnectOptions, sqlx::Error> {
    let options: PgConnectOptions = url.expose().parse()?;
    Ok(options.statement_cache_capacity(0).application_name("bulkhead").disable_statement_logging())
}

/// The database.
#[derive(Clone)]
pub(crate) struct Store {
    pool: PgPool,
    /// What new connections go by.
    options: std::sync::Arc<RwLock<PgConnectOptions>>,
    seal: std::sync::Arc<Seal>,
}

impl Store {
    /// Connects when it is first used: nothing waits for a database that is away.
    pub(crate) fn new(
        url: &Secret,
        seal: std::sync::Arc<Seal>,
        connections: u32,
    ) -> Result<Self, sqlx::Error> {
        let options = options(url)?;
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(ACQUIRE)
            .idle_timeout(IDLE)
            .max_lifetime(LIFETIME)
            .after_release(|connection, _| {
                Box::pin(async {
                    timeout(GIVEN_BACK, connection.ping()).await.map_err(|_| sqlx::Error::PoolTimedOut)??;
                    Ok(true)
                })
            })
            .connect_lazy_with(options.clone());
        Ok(Self { pool, options: std::sync::Arc::new(RwLock::new(options)), seal })
    }

    /// What new connections go by now.
    fn options(&self) -> PgConnectOptions {
        self.options.read().clone()
    }

    /// Lets new connections go by another URL of the same database, once one was made by it.
    pub(crate) async fn go_by(&self, url: &Secret) -> Result<(), StoreError> {
        let new = options(url)?;
        let connection = timeout(ACQUIRE, PgConnection::connect_with(&new)).await;
        let _ = timeout(GIVEN_BACK, connection.map_err(|_| StoreError::hung())??.close()).await;
        self.pool.set_connect_options(new.clone());
        *self.options.write() = new;
        Ok(())
    }

    /// True for a URL of the database that this is, whoever connects and however.
    pub(crate) fn is_at(&self, url: &Secret) -> bool {
        let Ok(other) = options(url) else { return false };
        let place = |of: &PgConnectOptions| {
            let database = of.get_database().unwrap_or_else(|| of.get_username()).to_owned();
            (of.get_host().to_owned(), of.get_port(), of.get_socket().cloned(), database)
        };
        place(&other) == place(&self.options.read())
    }

    /// A connection outside the pool, for whoever must not wait for others, and drops it when it hangs.
    pub(crate) async fn dedicated(&self) -> Result<PgConnection, StoreError> {
        let options = self.options();
        let connecting = PgConnection::connect_with(&options);
        Ok(timeout(ACQUIRE, connecting).await.map_err(|_| StoreError::hung())??)
    }

    /// Hears of changes, where what stands between passes notifications.
    pub(crate) async fn listener(&self) -> Result<PgListener, StoreError> {
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE);
        let mut listener = PgListener::connect_with(&pool.connect_lazy_with(self.options())).await?;
        listener.listen(change::CHANNEL).await?;
        Ok(listener)
    }

    /// Connections of the pool: all, and those that nobody uses.
    pub(crate) fn connections(&self) -> (u32, usize) {
        (self.pool.size(), self.pool.num_idle())
    }

    /// A transaction for a request: short.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        let options = self.options();
        let mut transaction = tokio::select! {
            biased;
            begun = self.pool.begin() => begun?,
            error = refused::refused(&options) => return Err(error.into()),
        };
        transaction.execute(SHORT).await?;
        Ok(transaction)
    }

    /// A transaction that sees one committed state for as long as a full sync takes, on a connection of one's own.
    pub(crate) async fn snapshot_on<'c>(
        connection: &'c mut PgConnection,
    ) -> Result<Transaction<'c, Postgres>, StoreError> {
        let mut transaction = connection.begin().await?;
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
