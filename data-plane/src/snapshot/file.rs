//! A snapshot compiled from `gateway.yaml`.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bulkhead_config::{Problem, Problems, Source};
use bulkhead_pricing::PriceBook;
use bulkhead_snapshot::{Declared, Snapshot};
use bulkhead_telemetry::metric::Counter;
use parking_lot::Mutex;

/// How often the file was applied and refused after the start.
#[derive(Debug, Default)]
pub(crate) struct Reloads {
    pub(crate) applied: Counter,
    pub(crate) refused: Counter,
}

/// Tells one state of a file from another, as far as the file system does; `None` where there is no file.
///
/// The time of the last change is that of the inode: unlike the time of modification it cannot be set, so that a file
/// that was restored or copied with its times is noticed, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp(Option<[i64; 4]>);

impl Stamp {
    fn of(file: &Path) -> Self {
        let numbers = |metadata: std::fs::Metadata| {
            let (inode, len) = (metadata.ino().cast_signed(), metadata.len().cast_signed());
            [inode, len, metadata.ctime(), metadata.ctime_nsec()]
        };
        Self(std::fs::metadata(file).ok().map(numbers))
    }
}

/// Compiles snapshots from a file and what it includes.
pub(crate) struct FileSource {
    path: PathBuf,
    /// The environment of the process, read once.
    env: HashMap<String, String>,
    prices: Arc<PriceBook>,
    /// The files that the last attempt read, good or bad, as they were then.
    read: Mutex<Vec<(PathBuf, Stamp)>>,
}

impl FileSource {
    pub(crate) fn new(path: PathBuf, env: HashMap<String, String>) -> Self {
        Self { path, env, prices: Arc::new(PriceBook::embedded()), read: Mutex::default() }
    }

    /// Reads and compiles, or says everything that is wrong. Warnings are logged.
    pub(crate) fn load(&self, revision: u64) -> Result<Snapshot, Problems> {
        let files = Mutex::new(Vec::new());
        let env = |name: &str| self.env.get(name).cloned();
        let read = |path: &Path| {
            // Before it is read: what is written meanwhile is a change.
            files.lock().push((path.to_owned(), Stamp::of(path)));
            std::fs::read_to_string(path)
        };
        let loaded = bulkhead_config::load(&self.path, &Source { env: &env, read: &read });
        *self.read.lock() = files.into_inner();
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

    /// What the files that were read look like now, where any of them has changed since.
    pub(super) fn changed(&self) -> Option<Vec<Stamp>> {
        let read = self.read.lock();
        let now: Vec<_> = read.iter().map(|(file, _)| Stamp::of(file)).collect();
        let same = read.iter().zip(&now).all(|((_, then), now)| then == now);
        (!same).then_some(now)
    }
}
