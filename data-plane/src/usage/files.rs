//! Rotating files of usage records.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use super::recorder::Counts;

const FILE_BYTES: u64 = 64 << 20;
/// All files together; the oldest go first.
const TOTAL_BYTES: u64 = 1 << 30;

/// `usage/<number>.ndjson`, the highest number being written.
pub(super) struct Files {
    dir: PathBuf,
    /// Sizes by number.
    sizes: BTreeMap<u64, u64>,
    current: Option<(u64, File)>,
}

impl Files {
    pub(super) fn open(dir: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        let mut sizes = BTreeMap::new();
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let number =
                name.to_str().and_then(|name| name.strip_suffix(".ndjson")).and_then(|n| n.parse().ok());
            if let Some(number) = number {
                sizes.insert(number, entry.metadata()?.len());
            }
        }
        Ok(Self { dir, sizes, current: None })
    }

    pub(super) fn append(&mut self, text: &[u8], counts: &Counts) -> io::Result<()> {
        let len = u64::try_from(text.len()).unwrap_or(u64::MAX);
        let full = self.current.as_ref().is_none_or(|(number, _)| {
            self.sizes.get(number).is_some_and(|size| size.saturating_add(len) > FILE_BYTES)
        });
        if full {
            self.next_file(counts)?;
        }
        let Some((number, file)) = &mut self.current else { return Err(io::Error::other("no file")) };
        file.write_all(text)?;
        *self.sizes.entry(*number).or_default() += len;
        Ok(())
    }

    /// A new file at every start, so that a line torn by a crash stays at the end of its own file.
    fn next_file(&mut self, counts: &Counts) -> io::Result<()> {
        let number = self.sizes.last_key_value().map_or(1, |(number, _)| number + 1);
        let file = OpenOptions::new().create_new(true).append(true).open(self.path(number))?;
        self.sizes.insert(number, 0);
        self.current = Some((number, file));
        while self.sizes.values().sum::<u64>() > TOTAL_BYTES - FILE_BYTES {
            let Some((oldest, _)) = self.sizes.pop_first() else { break };
            fs::remove_file(self.path(oldest))?;
            counts.files_deleted.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn path(&self, number: u64) -> PathBuf {
        self.dir.join(format!("{number:08}.ndjson"))
    }
}
