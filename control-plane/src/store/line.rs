//! A connection of its own for one kind of work: whoever uses it waits for nobody else, and one that hangs is dropped
//! with the work that hung on it.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;

use super::{Store, StoreError};

/// One that was not used for a while may be dead.
const PING: Duration = Duration::from_secs(2);

/// The connection, one user at a time.
pub(crate) struct Line {
    store: Store,
    idle: Mutex<Option<PgConnection>>,
}

/// The connection in use. Dropping it closes it; [`Taken::give_back`] keeps it for the next.
pub(crate) struct Taken<'l> {
    connection: PgConnection,
    idle: MutexGuard<'l, Option<PgConnection>>,
}

impl Line {
    pub(crate) fn new(store: &Store) -> Self {
        Self { store: store.clone(), idle: Mutex::default() }
    }

    /// Waits for the connection, and makes it where there is none.
    pub(crate) async fn take(&self) -> Result<Taken<'_>, StoreError> {
        let mut idle = self.idle.lock().await;
        if let Some(mut connection) = idle.take()
            && let Ok(Ok(())) = timeout(PING, connection.ping()).await
        {
            return Ok(Taken { connection, idle });
        }
        Ok(Taken { connection: self.store.dedicated().await?, idle })
    }
}

impl Taken<'_> {
    /// The work went well.
    pub(crate) fn give_back(mut self) {
        *self.idle = Some(self.connection);
    }
}

impl Deref for Taken<'_> {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Taken<'_> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}
