//! A gateway.yaml, read and found good.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bulkhead_config::{Declared, Problem, Problems, Source};
use bulkhead_files::Reader;
use bulkhead_model::Secret;
use bulkhead_pricing::PriceBook;
use bulkhead_snapshot::wire::{Row, encode};
use bulkhead_snapshot::{Digest, Snapshot};

/// A file that can be applied.
pub(crate) struct File {
    /// Its name without folders: what owns the rows.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// Of what it declares, values of variables and of their files included; comments and spelling do not matter.
    pub(crate) hash: [u8; 32],
    pub(crate) declared: Declared,
}

impl File {
    /// Reads a file, or says everything that is wrong with it. A master key stands in for `LITELLM_MASTER_KEY`.
    pub(crate) fn read(path: &Path, master_key: Option<&Secret>, files: &Reader) -> Result<Self, Problems> {
        let env = |name: &str| match (name, master_key) {
            ("LITELLM_MASTER_KEY", Some(key)) => Some(key.expose().to_owned()),
            ("LITELLM_MASTER_KEY_FILE", Some(_)) => None,
            _ => std::env::var(name).ok(),
        };
        let read = |path: &Path| files.text(path);
        let declared = bulkhead_config::load(path, &Source { env: &env, read: &read })?;
        for warning in &declared.warnings {
            tracing::warn!("{warning}");
        }
        compile(path, &declared)?;
        let name =
            path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into());
        Ok(Self { name, path: path.to_owned(), hash: hash(&declared), declared })
    }
}

fn compile(path: &Path, declared: &Declared) -> Result<(), Problems> {
    let rows = bulkhead_snapshot::Declared {
        settings: declared.settings.clone(),
        deployments: declared.deployments.clone(),
        keys: declared.keys.clone(),
    };
    let problem = |error: bulkhead_snapshot::CompileError| Problem {
        file: path.display().to_string(),
        line: 0,
        column: 0,
        path: error.id,
        what: error.what,
        remedy: "mend the value".to_owned(),
    };
    let compiled = Snapshot::compile(&rows, Arc::new(PriceBook::embedded()), 1);
    compiled.map(drop).map_err(|errors| Problems(errors.into_iter().map(problem).collect()))
}

fn hash(declared: &Declared) -> [u8; 32] {
    let mut digest = Digest::default();
    digest.item(&encode(&Row::Settings(Box::new(declared.settings.clone()))));
    for row in &declared.deployments {
        digest.item(&encode(&Row::Deployment(Box::new(row.clone()))));
    }
    for row in &declared.keys {
        digest.item(&encode(&Row::Key(Box::new(row.clone()))));
    }
    digest.finish()
}
