//! What this replica was given to declare, its gateway.yaml and the master key: put into the database at the start, and
//! whenever the files change.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_files::Watch;
use bulkhead_model::{KeyHash, random};
use tokio::time::{sleep, timeout};

use super::Status;
use super::given::{Files, Given};
use super::status::About;
use crate::api::MasterKey;
use crate::apply::{NotApplied, Outcome, When, apply, put_master_key};
use crate::store::{Store, StoreError};

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(3);
/// A try that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is declared, and what became of it.
pub(super) struct Declared {
    pub(super) store: Store,
    pub(super) status: Arc<Status>,
    pub(super) master_key: Arc<MasterKey>,
    pub(super) given: Given,
    pub(super) in_force: InForce,
}

/// The generations as which what this replica has was last seen in force.
#[derive(Default)]
pub(super) struct InForce {
    file: Option<i64>,
    master_key: Option<i64>,
}

impl Declared {
    /// Puts it into the database, as far as nothing newer is there; the status says what is not in force.
    pub(super) async fn put(&mut self) -> Result<(), StoreError> {
        self.put_file().await?;
        let (key, before) = (KeyHash::of(self.given.master_key.expose()), self.in_force.master_key);
        let note = match put_master_key(&self.store, key, When::Seen { before }).await? {
            Outcome::InForce(generation) | Outcome::Applied(generation, _) => {
                self.in_force.master_key = Some(generation);
                None
            }
            Outcome::Older => Some(
                "the master key of this replica was replaced by another one, which nodes go by".to_owned(),
            ),
        };
        self.note(About::MasterKey, note);
        Ok(())
    }

    async fn put_file(&mut self) -> Result<(), StoreError> {
        let Some(file) = &self.given.file else { return Ok(()) };
        let (name, before) = (&file.name, self.in_force.file);
        let note = match apply(&self.store, file, When::Seen { before }).await {
            Ok(Outcome::InForce(generation)) => {
                if before != Some(generation) {
                    tracing::info!(generation, "{name} is in force already");
                }
                self.in_force.file = Some(generation);
                None
            }
            Ok(Outcome::Applied(generation, version)) => {
                let version = version.map_or_else(|| "unchanged".to_owned(), |version| version.to_string());
                tracing::info!(version, generation, "{name} is applied");
                self.in_force.file = Some(generation);
                None
            }
            Ok(Outcome::Older) => {
                Some(format!("{name} was applied before another file: the database's state is served"))
            }
            Err(error @ NotApplied::Others(_)) => {
                Some(format!("{name} is not applied: {error}; the database's state is served"))
            }
            Err(NotApplied::Store(error)) => return Err(error),
        };
        self.note(About::Config, note);
        Ok(())
    }

    fn note(&self, about: About, note: Option<String>) {
        if self.status.note(about, note.as_deref())
            && let Some(note) = note
        {
            tracing::warn!("{note}");
        }
    }

    /// Goes by the files whenever they change, until the process ends.
    pub(super) async fn follow(mut self, files: Arc<Files>, mut watch: Watch) -> Infallible {
        let mut is_due = false;
        loop {
            tokio::select! {
                () = watch.changed(files.last_read()) => is_due |= self.renew(&files).await,
                () = self.put_at_last(), if is_due => is_due = false,
            }
        }
    }

    /// Reads the files again; true where they are good. Bad ones change nothing.
    async fn renew(&mut self, files: &Arc<Files>) -> bool {
        let (reading, before) = (files.clone(), self.given.master_key.clone());
        let read = tokio::task::spawn_blocking(move || reading.read_again(&before)).await;
        match read.unwrap_or_else(|error| Err(error.to_string())) {
            Ok(given) => {
                if given.master_key != self.given.master_key {
                    tracing::info!("another master key is in force");
                    self.master_key.set(KeyHash::of(given.master_key.expose()));
                }
                self.given = given;
                self.status.note(About::Files, None);
                true
            }
            Err(problems) => {
                tracing::error!("the files were refused, what was read before stays in force:\n{problems}");
                let note = "files that changed were refused, see the log: what was read before is in force";
                self.status.note(About::Files, Some(note));
                false
            }
        }
    }

    /// Tries until the database takes it.
    async fn put_at_last(&mut self) {
        let mut failures = 0;
        while let Err(error) = timeout(PATIENCE, self.put()).await.unwrap_or_else(|_| Err(StoreError::hung()))
        {
            if failures == 0 {
                tracing::error!(%error, "what the files say is not in force yet");
            }
            sleep(random::backoff(failures, FIRST, LONGEST, random::number())).await;
            failures += 1;
        }
    }
}
