//! The first look at the database: waits for one that is there, has the schema that this release knows, and was sealed
//! with the salt key at hand. Nothing of it ends the process.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_model::random;
use tokio::time::{sleep, timeout};

use super::Status;
use super::declared::Declared;
use crate::migrate::MIGRATIONS;
use crate::store::{Store, StoreError, resources, schema};

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(3);
/// A try that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is done before anything is served.
pub(super) struct Start {
    pub(super) store: Store,
    pub(super) declared: Declared,
    pub(super) status: Arc<Status>,
}

/// Why it has to be tried again.
#[derive(Debug, thiserror::Error)]
enum NotYet {
    #[error(transparent)]
    Schema(schema::Misfit),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Start {
    /// Tries until it works; what this replica has declared then.
    pub(super) async fn run(mut self) -> Declared {
        let mut failures = 0;
        loop {
            let tried = timeout(PATIENCE, self.once()).await;
            match tried.unwrap_or_else(|_| Err(StoreError::hung().into())) {
                Ok(()) => {
                    tracing::info!("the database is there: serving");
                    self.status.start();
                    return self.declared;
                }
                Err(error) => {
                    let reason = error.to_string();
                    if self.status.wait(&reason) {
                        tracing::error!("not ready: {reason}");
                    }
                }
            }
            sleep(random::backoff(failures, FIRST, LONGEST, random::number())).await;
            failures += 1;
        }
    }

    async fn once(&mut self) -> Result<(), NotYet> {
        let mut connection = self.store.dedicated().await?;
        let wanted: BTreeSet<i64> = MIGRATIONS.iter().map(|migration| migration.version).collect();
        if let Some(misfit) = schema::misfit(&mut connection, &wanted).await? {
            return Err(NotYet::Schema(misfit));
        }
        resources::try_seal(&mut connection, self.store.seal()).await?;
        drop(connection);
        Ok(self.declared.put().await?)
    }
}
