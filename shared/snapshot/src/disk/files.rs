//! The files of a state directory, by generation: `snapshot.<n>.base` and `snapshot.<n>.journal`.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The directory.
#[derive(Clone)]
pub(super) struct Files(PathBuf);

/// Which generations there are files of.
#[derive(Default)]
pub(super) struct Found {
    pub(super) bases: BTreeSet<u64>,
    pub(super) journals: BTreeSet<u64>,
    /// What was begun when the process ended.
    pub(super) unfinished: Vec<PathBuf>,
}

impl Found {
    /// The number of the next one.
    pub(super) fn next(&self) -> u64 {
        let last = self.bases.last().max(self.journals.last());
        last.map_or(1, |last| last.saturating_add(1))
    }
}

impl Files {
    /// Makes the directory where it is not there.
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        Ok(Self(dir.to_owned()))
    }

    pub(super) fn base(&self, generation: u64) -> PathBuf {
        self.0.join(format!("snapshot.{generation}.base"))
    }

    pub(super) fn journal(&self, generation: u64) -> PathBuf {
        self.0.join(format!("snapshot.{generation}.journal"))
    }

    /// Where a base is written before it gets its name.
    pub(super) fn unfinished(&self, generation: u64) -> PathBuf {
        self.0.join(format!("snapshot.{generation}.tmp"))
    }

    pub(super) fn find(&self) -> io::Result<Found> {
        let mut found = Found::default();
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str().and_then(|name| name.strip_prefix("snapshot.")) else { continue };
            let Some((generation, kind)) = name.split_once('.') else { continue };
            let Ok(generation) = generation.parse::<u64>() else { continue };
            match kind {
                "base" => drop(found.bases.insert(generation)),
                "journal" => drop(found.journals.insert(generation)),
                "tmp" => found.unfinished.push(entry.path()),
                _ => {}
            }
        }
        Ok(found)
    }

    /// Removes what is older.
    pub(super) fn remove_before(&self, generation: u64) -> io::Result<()> {
        let found = self.find()?;
        let bases = found.bases.range(..generation).map(|old| self.base(*old));
        let journals = found.journals.range(..generation).map(|old| self.journal(*old));
        for path in bases.chain(journals) {
            fs::remove_file(path)?;
        }
        Ok(())
    }

    /// So that names last.
    pub(super) fn sync(&self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }
}

/// A new file that only its owner reads.
pub(super) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)
}
