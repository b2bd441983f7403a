//! Rotating files of usage records.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use super::recorder::Counts;

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caps {
    /// One file.
    file: u64,
    /// All files together; the oldest go first.
    total: u64,
}

impl Default for Caps {
    fn default() -> Self {
        Self { file: 64 << 20, total: 1 << 30 }
    }
}

/// `usage/<number>.ndjson`, the highest number being written.
pub(super) struct Files {
    dir: PathBuf,
    caps: Caps,
    /// Sizes by number.
    sizes: BTreeMap<u64, u64>,
    current: Option<(u64, File)>,
}

impl Files {
    pub(super) fn open(dir: PathBuf, caps: Caps) -> io::Result<Self> {
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
        Ok(Self { dir, caps, sizes, current: None })
    }

    /// Appends whole records, or none of them.
    pub(super) fn append(&mut self, text: &[u8], counts: &Counts) -> io::Result<()> {
        let len = u64::try_from(text.len()).unwrap_or(u64::MAX);
        let full = self.current.as_ref().is_none_or(|(number, _)| {
            self.sizes.get(number).is_some_and(|size| size.saturating_add(len) > self.caps.file)
        });
        if full {
            self.next_file(counts)?;
        }
        let Some((number, file)) = &mut self.current else { return Err(io::Error::other("no file")) };
        let size = self.sizes.entry(*number).or_default();
        if let Err(error) = file.write_all(text) {
            // What a full disk took of it would tear the next record; where it stays, that one gets a file of its own.
            if file.set_len(*size).is_err() {
                self.current = None;
            }
            return Err(error);
        }
        *size = size.saturating_add(len);
        Ok(())
    }

    /// A new file at every start, so that a line torn by a crash stays at the end of its own file.
    fn next_file(&mut self, counts: &Counts) -> io::Result<()> {
        let number = self.sizes.last_key_value().map_or(1, |(number, _)| number + 1);
        let file = OpenOptions::new().create_new(true).append(true).open(self.path(number))?;
        self.sizes.insert(number, 0);
        self.current = Some((number, file));
        while self.sizes.values().sum::<u64>() > self.caps.total.saturating_sub(self.caps.file) {
            let Some((oldest, _)) = self.sizes.pop_first() else { break };
            match fs::remove_file(self.path(oldest)) {
                Ok(()) => drop(counts.files_deleted.fetch_add(1, Ordering::Relaxed)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    tracing::error!(%error, oldest, "an old file of usage records cannot be deleted")
                }
            }
        }
        Ok(())
    }

    fn path(&self, number: u64) -> PathBuf {
        self.dir.join(format!("{number:08}.ndjson"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPS: Caps = Caps { file: 100, total: 500 };

    struct Rig {
        dir: tempfile::TempDir,
        files: Files,
        counts: Counts,
    }

    impl Rig {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let files = Files::open(dir.path().join("usage"), CAPS).unwrap();
            Self { dir, files, counts: Counts::default() }
        }

        fn append(&mut self, record: u32) -> io::Result<()> {
            self.files.append(format!("{{\"record\":{record:08}}}\n").as_bytes(), &self.counts)
        }

        /// Every file with the records in it, oldest first.
        fn on_disk(&self) -> Vec<(String, Vec<u32>)> {
            let entries = fs::read_dir(self.dir.path().join("usage")).unwrap();
            let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
            paths.sort();
            let records = |path: &PathBuf| {
                let text = fs::read_to_string(path).unwrap();
                text.lines().map(|line| line.get(10..18).unwrap().parse().unwrap()).collect()
            };
            let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
            paths.iter().map(|path| (name(path), records(path))).collect()
        }
    }

    #[test]
    fn files_rotate_and_the_oldest_go_first_and_are_counted() {
        let mut rig = Rig::new();
        for record in 0..100 {
            rig.append(record).unwrap();
        }
        let files = rig.on_disk();
        let size: u64 = rig.files.sizes.values().sum();
        assert!(size <= CAPS.total, "{size}");
        assert!(files.len() >= 4, "{files:?}");
        let kept: Vec<_> = files.iter().flat_map(|(_, records)| records.clone()).collect();
        let first = *kept.first().unwrap();
        assert_eq!(kept, (first..100).collect::<Vec<_>>(), "what is kept is the newest, without a gap");
        let deleted = rig.counts.files_deleted.load(Ordering::Relaxed);
        assert_eq!(deleted, 20 - u64::try_from(files.len()).unwrap(), "five records fit in a file");
        assert_eq!(files.last().unwrap().0, "00000020.ndjson");
    }

    #[test]
    fn a_start_goes_on_behind_the_newest_file_and_within_the_same_cap() {
        let mut rig = Rig::new();
        for record in 0..23 {
            rig.append(record).unwrap();
        }
        let before = rig.on_disk();
        rig.files = Files::open(rig.dir.path().join("usage"), CAPS).unwrap();
        assert_eq!(rig.on_disk(), before, "nothing is written before there is a record");
        rig.append(23).unwrap();
        let files = rig.on_disk();
        assert_eq!(files.last().unwrap(), &("00000006.ndjson".to_owned(), vec![23]));
        assert!(files.len() <= 5 && !files.contains(&before[0]), "{files:?}");
    }

    #[test]
    fn a_record_that_failed_half_way_does_not_tear_the_next_one() {
        let mut rig = Rig::new();
        rig.append(0).unwrap();
        let path = rig.dir.path().join("usage/00000001.ndjson");
        // As a full disk does that then refuses even to cut the file: a part is taken, then an error.
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"reco").unwrap();
        rig.files.current = Some((1, File::open(&path).unwrap()));
        assert!(rig.append(1).is_err());
        rig.append(2).unwrap();
        let next = fs::read_to_string(rig.dir.path().join("usage/00000002.ndjson")).unwrap();
        assert_eq!(next, "{\"record\":00000002}\n");
    }

    #[test]
    fn files_that_somebody_else_deleted_or_added_do_no_harm() {
        let mut rig = Rig::new();
        fs::write(rig.dir.path().join("usage/notes.txt"), "not a record").unwrap();
        for record in 0..24 {
            rig.append(record).unwrap();
        }
        fs::remove_file(rig.dir.path().join("usage/00000002.ndjson")).unwrap();
        fs::remove_file(rig.dir.path().join("usage/notes.txt")).unwrap();
        for record in 24..60 {
            rig.append(record).unwrap();
        }
        assert_eq!(rig.on_disk().last().unwrap().1.last(), Some(&59));
    }
}
