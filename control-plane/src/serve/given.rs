//! What this replica is given to declare, and the files that say so.

use std::path::{Path, PathBuf};

use bulkhead_config::Problem;
use bulkhead_config::flag::{note, problem};
use bulkhead_files::{LastRead, Reader};
use bulkhead_model::Secret;

use crate::apply::File;
use crate::args::{Keys, agreed};

/// A gateway.yaml and the master key.
pub(super) struct Given {
    pub(super) file: Option<File>,
    pub(super) master_key: Secret,
}

/// Where they are.
pub(super) struct Files {
    keys: Keys,
    config: Option<PathBuf>,
    read: LastRead,
}

impl Files {
    pub(super) fn new(keys: &Keys, config: Option<&Path>) -> Self {
        Self { keys: keys.clone(), config: config.map(Path::to_owned), read: LastRead::default() }
    }

    /// Reads everything, or says everything that is wrong.
    pub(super) fn read(&self) -> Result<Given, String> {
        let reader = Reader::default();
        let given = self.read_by(&reader);
        self.read.set(reader.finish());
        given
    }

    fn read_by(&self, reader: &Reader) -> Result<Given, String> {
        if let Some(file) = self.keys.master_key_file() {
            reader.look(&file);
        }
        let mut problems = Vec::new();
        let key = note(self.keys.given_master_key(), &mut problems);
        let known = key.as_ref().and_then(Option::as_ref);
        let file = self.config.as_deref().map(|path| File::read(path, known, reader)).transpose();
        let (file, mut wrong) = match file {
            Ok(file) => (file, Vec::new()),
            Err(wrong) => (None, vec![wrong.to_string()]),
        };
        let declared = file.as_ref().and_then(|file| file.declared.master_key.as_ref());
        // Without its file nobody knows whether there is a master key.
        let known = key.filter(|_| wrong.is_empty());
        let master_key = known.and_then(|key| note(agreed(key, declared), &mut problems));
        wrong.extend(problems.iter().map(Problem::to_string));
        match master_key {
            Some(master_key) if wrong.is_empty() => Ok(Given { file, master_key }),
            _ => Err(wrong.join("\n")),
        }
    }

    /// As [`Files::read`], in the place of what was read before.
    pub(super) fn read_again(&self, before: &Secret) -> Result<Given, String> {
        let given = self.read()?;
        if given.master_key != *before
            && self.keys.salt_key().map_err(|problem| problem.to_string())?.is_none()
        {
            let what = "there is no salt key, so the former master key encrypts the database, too";
            let remedy = "--salt-key with the former master key; then restart";
            return Err(problem("--master-key", what, remedy).to_string());
        }
        Ok(given)
    }

    pub(super) fn last_read(&self) -> &LastRead {
        &self.read
    }
}
