//! The file of the database's URL: a new password is used once the database takes it.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_files::{LastRead, Reader, Watch};
use bulkhead_model::Secret;
use tokio::time::sleep;

use super::Status;
use super::status::About;
use crate::args::Database;
use crate::store::Store;

/// Whoever changes a password changes file and database one after the other.
const AGAIN: Duration = Duration::from_secs(1);

/// Where the URL comes from.
pub(super) struct DatabaseFile {
    pub(super) database: Database,
    pub(super) file: PathBuf,
    /// What connections go by.
    pub(super) in_force: Secret,
    pub(super) store: Store,
    pub(super) status: Arc<Status>,
}

impl DatabaseFile {
    /// Goes by the file whenever it changes, until the process ends.
    pub(super) async fn follow(mut self, mut watch: Watch) -> Infallible {
        let read = LastRead::default();
        let mut due = self.read(&read);
        loop {
            tokio::select! {
                () = watch.changed(&read) => due = self.read(&read),
                () = self.go_by(due.as_ref()), if due.is_some() => {
                    self.in_force = due.take().unwrap_or_else(|| self.in_force.clone());
                }
            }
        }
    }

    /// The URL of the file, where it is another one and good.
    fn read(&self, read: &LastRead) -> Option<Secret> {
        let reader = Reader::default();
        reader.look(&self.file);
        read.set(reader.finish());
        let wrong = match self.database.url() {
            Ok(url) if self.store.is_at(&url) => {
                self.status.note(About::Database, None);
                return (url != self.in_force).then_some(url);
            }
            Ok(_) => "the URL names another database: that needs a restart".to_owned(),
            Err(problem) => problem.to_string(),
        };
        tracing::error!("the database's URL was refused, the one before stays in force: {wrong}");
        let note = "the file of the database's URL was refused, see the log: the one before is in force";
        self.status.note(About::Database, Some(note));
        None
    }

    /// Tries until the database lets somebody in.
    async fn go_by(&self, url: Option<&Secret>) {
        let Some(url) = url else { return };
        let mut failures = 0;
        while let Err(error) = self.store.go_by(url).await {
            if failures == 0 {
                tracing::warn!(%error, "the database does not take its new URL yet: the one before stays in force");
            }
            failures += 1;
            sleep(AGAIN).await;
        }
        tracing::info!("new connections to the database go by the file");
    }
}
