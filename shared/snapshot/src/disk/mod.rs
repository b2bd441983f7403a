//! The last good snapshot on disk (design §4): a node starts from it when nobody else is there.
//!
//! A base file holds everything at one point, a journal the deltas after it. Both are encrypted and chained (`bulkhead_sealed`). Files are numbered: writing base `n` begins with an empty journal `n`, which takes the deltas from that
//! point on while the base is written; base and journal `n - 1` stay. So the state can be read from either base: from
//! the newest with its journal, or from the one before with both journals. Where a full sync breaks the chain of deltas
//! between two bases, the base is written twice. What is damaged is passed over, and said in notes for the log.

mod base;
mod files;
mod journal;
mod load;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use bulkhead_pricing::PriceBook;
use bulkhead_proto as proto;
use bulkhead_sealed::{Kind, Name, Seal, StateKeys};

use crate::Catalog;
use crate::catalog::Image;
use files::{Files, create};
use journal::Journal;

/// A base is written anew when its journal is larger than this and than a quarter of it.
const JOURNAL: u64 = 1 << 20;

/// The state directory of a node.
pub struct Disk {
    files: Files,
    keys: StateKeys,
    journal: Option<Journal>,
    /// The newest base that is good.
    base: Option<u64>,
    base_len: u64,
    /// The number of the next file.
    next: u64,
    /// There is a reason for a new base.
    stale: bool,
}

/// A base that is to be written, apart from the [`Disk`]: it may take a while, and deltas go on meanwhile.
pub struct Unwritten {
    files: Files,
    image: Image,
    /// One, or two where no deltas lead here from the base before.
    bases: Vec<(u64, Seal, Vec<u8>)>,
    /// Files before this generation are of no use then.
    keep: u64,
}

/// A base that was written.
pub struct Written {
    generation: u64,
    len: u64,
    keep: u64,
}

impl Disk {
    /// Reads what is there: the latest state that can be put together from good files, else an empty catalogue. The
    /// notes say what happened, for the log. Fails only where the directory itself cannot be used.
    pub fn open(
        dir: &Path,
        keys: StateKeys,
        prices: Arc<PriceBook>,
    ) -> io::Result<(Self, Catalog, Vec<String>)> {
        let files = Files::open(dir)?;
        let found = files.find()?;
        for path in &found.unfinished {
            fs::remove_file(path).ok();
        }
        let next = found.next();
        let loaded = load::load(&files, &found, &keys, &prices);
        let load::Loaded { catalog, journal, base, base_len, stale, mut notes } = loaded;
        let mut disk = Self { files, keys, journal, base, base_len, next, stale };
        if disk.journal.is_none() && catalog.version().is_some() {
            match disk.write_base(&catalog) {
                Ok(()) => notes.push("the state was written anew".to_owned()),
                Err(error) => notes.push(format!("the state could not be written anew: {error}")),
            }
        }
        Ok((disk, catalog, notes))
    }

    /// Writes a delta that was applied. It is on the disk when this returns.
    ///
    /// After an error nothing is written any more until there is a new base.
    pub fn append(&mut self, delta: &proto::Delta) -> io::Result<()> {
        let Some(journal) = &mut self.journal else {
            return Err(io::Error::other("there is no journal to write to before a new base"));
        };
        let appended = journal.append(delta);
        if appended.is_err() {
            self.journal = None;
        }
        appended
    }

    /// True when a new base should be written. After a full sync there always has to be one.
    pub fn wants_base(&self) -> bool {
        let large = |journal: &Journal| journal.len() > JOURNAL.max(self.base_len / 4);
        self.stale || self.journal.as_ref().is_none_or(large)
    }

    /// Writes a new base. It is on the disk when this returns.
    pub fn write_base(&mut self, catalog: &Catalog) -> io::Result<()> {
        let Some(unwritten) = self.begin_base(catalog)? else { return Ok(()) };
        let written = unwritten.write()?;
        self.finish_base(written);
        Ok(())
    }

    /// Begins a new base: deltas from here on go into its journal. `None` for an empty catalogue.
    ///
    /// Until it is written, those deltas are of use only with the base before. So after a full sync, to which no deltas
    /// lead, nothing is safe before the base is: [`Self::write_base`] is the better choice there.
    pub fn begin_base(&mut self, catalog: &Catalog) -> io::Result<Option<Unwritten>> {
        let Some(image) = catalog.image() else { return Ok(None) };
        let leads_here = |journal: &Journal| journal.head() == &image.version;
        let before = self.base.filter(|_| self.journal.as_ref().is_some_and(leads_here));
        let first = self.next;
        let last = if before.is_some() { first } else { first.saturating_add(1) };
        let mut bases = Vec::new();
        for generation in first..=last {
            let (seal, header) = Seal::fresh(Name(Kind::Base, generation), self.keys.current())?;
            bases.push((generation, seal, header));
        }
        let journal = Journal::create(&self.files, last, self.keys.current(), image.version)?;
        self.files.sync()?;
        self.next = last.saturating_add(1);
        self.journal = Some(journal);
        self.base = before;
        self.stale = true;
        Ok(Some(Unwritten { files: self.files.clone(), image, bases, keep: before.unwrap_or(first) }))
    }

    /// Notes that a base was written, and removes what nobody needs any more.
    pub fn finish_base(&mut self, written: Written) {
        let Written { generation, len, keep } = written;
        self.base = Some(generation);
        self.base_len = len;
        self.stale = false;
        // What is left is removed the next time.
        self.files.remove_before(keep).ok();
    }
}

impl Unwritten {
    /// Writes the base. It is on the disk when this returns.
    pub fn write(self) -> io::Result<Written> {
        let Self { files, image, bases, keep } = self;
        let (mut generation, mut len) = (keep, 0);
        for (number, seal, header) in bases {
            generation = number;
            let unfinished = files.unfinished(number);
            let file = create(&unfinished)?;
            len = base::write(&file, seal, &header, &image)?;
            file.sync_all()?;
            fs::rename(&unfinished, files.base(number))?;
            files.sync()?;
        }
        Ok(Written { generation, len, keep })
    }
}
