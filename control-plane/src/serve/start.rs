//! The first look at the database: waits for one that is there, has the schema that this release knows, and was sealed
//! with the salt key at hand. Nothing of it ends the process.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_model::rows::SettingsRow;
use bulkhead_model::{KeyHash, Secret, random};
use tokio::time::{sleep, timeout};

use super::Status;
use crate::apply::{File, NotApplied, Outcome, When, apply};
use crate::migrate::MIGRATIONS;
use crate::store::{Store, StoreError, resources, schema, settings};

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(3);
/// A try that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);
const BY: &str = "serve";

/// What is done before anything is served.
pub(super) struct Start {
    pub(super) store: Store,
    pub(super) master_key: Secret,
    pub(super) file: Option<File>,
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
    /// Tries until it works.
    pub(super) async fn run(self) {
        let mut failures = 0;
        loop {
            let tried = timeout(PATIENCE, self.once()).await;
            match tried.unwrap_or_else(|_| Err(StoreError::hung().into())) {
                Ok(notes) => {
                    tracing::info!("the database is there: serving");
                    return self.status.start(notes);
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

    async fn once(&self) -> Result<Vec<String>, NotYet> {
        let mut connection = self.store.dedicated().await?;
        let wanted: BTreeSet<i64> = MIGRATIONS.iter().map(|migration| migration.version).collect();
        if let Some(misfit) = schema::misfit(&mut connection, &wanted).await? {
            return Err(NotYet::Schema(misfit));
        }
        resources::try_seal(&mut connection, self.store.seal()).await?;
        drop(connection);
        let note = match &self.file {
            None => None,
            Some(file) => self.apply(file).await?,
        };
        self.settings().await?;
        Ok(note.into_iter().collect())
    }

    /// Applies the file if it is new; what there is to say of it.
    async fn apply(&self, file: &File) -> Result<Option<String>, NotYet> {
        match apply(&self.store, file, When::New).await {
            Ok(Outcome::InForce | Outcome::Applied(_)) => Ok(None),
            Ok(Outcome::Older) => {
                let note =
                    format!("{} was applied before another file: the database's state is served", file.name);
                tracing::warn!("{note}");
                Ok(Some(note))
            }
            Err(error @ NotApplied::Others(_)) => {
                let note = format!("{} is not applied: {error}; the database's state is served", file.name);
                tracing::error!("{note}");
                Ok(Some(note))
            }
            Err(NotApplied::Store(error)) => Err(error.into()),
        }
    }

    /// There have to be settings, with the master key of this process.
    async fn settings(&self) -> Result<(), StoreError> {
        let master_key = Some(KeyHash::of(self.master_key.expose()));
        let mut change = self.store.change(BY).await?;
        let declared = settings::read(change.connection()).await?;
        let (row, owner) = declared
            .map_or_else(|| (SettingsRow::default(), None), |declared| (declared.row, declared.owner));
        settings::put(&mut change, &SettingsRow { master_key, ..row }, owner.as_deref()).await?;
        change.commit().await?;
        Ok(())
    }
}
