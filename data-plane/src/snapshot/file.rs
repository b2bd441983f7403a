//! A snapshot compiled from `gateway.yaml`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bulkhead_config::{Problem, Problems, Source};
use bulkhead_files::{LastRead, Reader};
use bulkhead_pricing::PriceBook;
use bulkhead_snapshot::{Declared, Snapshot};
use bulkhead_telemetry::metric::Counter;

/// How often the file was applied and refused after the start.
#[derive(Debug, Default)]
pub(crate) struct Reloads {
    pub(crate) applied: Counter,
    pub(crate) refused: Counter,
}

/// Compiles snapshots from a file and what it includes.
pub(crate) struct FileSource {
    path: PathBuf,
    /// The environment of the process, read once.
    env: HashMap<String, String>,
    prices: Arc<PriceBook>,
    read: LastRead,
}

impl FileSource {
    pub(crate) fn new(path: PathBuf, env: HashMap<String, String>) -> Self {
        Self { path, env, prices: Arc::new(PriceBook::embedded()), read: LastRead::default() }
    }

    /// Reads the file, what it includes and the files of its variables, and compiles; or says everything that is wrong. Warnings are logged.
    pub(crate) fn load(&self, revision: u64) -> Result<Snapshot, Problems> {
        let files = Reader::default();
        let env = |name: &str| self.env.get(name).cloned();
        let read = |path: &Path| files.text(path);
        let loaded = bulkhead_config::load(&self.path, &Source { env: &env, read: &read });
        self.read.set(files.finish());
        let loaded = loaded?;
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        let declared =
            Declared { settings: loaded.settings, deployments: loaded.deployments, keys: loaded.keys };
        Snapshot::compile(&declared, self.prices.clone(), revision).map_err(|errors| {
            Problems(errors.into_iter().map(|error| self.problem(error.id, error.what)).collect())
        })
    }

    fn problem(&self, path: String, what: String) -> Problem {
        let file = self.path.display().to_string();
        Problem { file, line: 0, column: 0, path, what, remedy: "mend the value".to_owned() }
    }

    pub(super) fn last_read(&self) -> &LastRead {
        &self.read
    }
}
