//! The directory of the spool: segments by number, and what is known of the control plane.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bulkhead_sealed::{Kind, Name};

use super::Incarnation;

/// What a segment holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    Events,
    Sums,
}

/// The name of a segment: `<incarnation>-<number>-<first event>.seg`, or `.sums`. It says which events are in it, so that
/// one which cannot be read is known to have held them. Numbers are given once in a directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SegmentName {
    pub(super) incarnation: Incarnation,
    pub(super) number: u64,
    pub(super) first: u64,
    pub(super) form: Form,
}

impl SegmentName {
    fn parse(name: &str) -> Option<Self> {
        let (name, form) = match name.split_once('.')? {
            (name, "seg") => (name, Form::Events),
            (name, "sums") => (name, Form::Sums),
            _ => return None,
        };
        let mut parts = name.split('-');
        let (incarnation, number, first) = (parts.next()?, parts.next()?, parts.next()?);
        let incarnation = Incarnation::from_hex(incarnation)?;
        Some(Self { incarnation, number: number.parse().ok()?, first: first.parse().ok()?, form })
    }

    fn text(&self) -> String {
        let Self { incarnation, number, first, form } = self;
        let ending = match form {
            Form::Events => "seg",
            Form::Sums => "sums",
        };
        format!("{}-{number:010}-{first}.{ending}", incarnation.hex())
    }

    /// What the file is encrypted as.
    pub(super) fn sealed_as(&self) -> Name {
        let kind = match self.form {
            Form::Events => Kind::Spool,
            Form::Sums => Kind::Sums,
        };
        Name(kind, self.number)
    }
}

/// The directory.
pub(super) struct Dir(PathBuf);

impl Dir {
    /// Makes it where it is not there.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    pub(super) fn path(&self, name: &SegmentName) -> PathBuf {
        self.0.join(name.text())
    }

    /// All segments in the order of their numbers. What was begun when a process ended is removed.
    pub(super) fn segments(&self) -> io::Result<Vec<SegmentName>> {
        let mut found: Vec<SegmentName> = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if name.ends_with(".tmp") {
                fs::remove_file(entry.path())?;
            } else if let Some(name) = SegmentName::parse(name) {
                found.push(name);
            }
        }
        found.sort_by_key(|name| (name.number, name.form == Form::Events));
        // Sums have their name once they are whole: the events that they are of are not needed any more.
        let folded = |pair: &[SegmentName]| match pair {
            [sums, events] if sums.number == events.number => Some(*events),
            _ => None,
        };
        let folded: Vec<_> = found.windows(2).filter_map(folded).collect();
        for events in folded {
            self.remove(&events)?;
            found.retain(|name| *name != events);
        }
        Ok(found)
    }

    pub(super) fn create(&self, name: &SegmentName) -> io::Result<File> {
        OpenOptions::new().create_new(true).append(true).mode(0o600).open(self.path(name))
    }

    /// Writes a file, which has its name only once it is whole and on the disk.
    pub(super) fn write_whole(
        &self,
        name: &SegmentName,
        write: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> io::Result<()> {
        self.replace(&self.path(name), write)
    }

    fn replace(&self, path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
        let unfinished = path.with_extension("tmp");
        let mut private = OpenOptions::new();
        private.create(true).truncate(true).write(true).mode(0o600);
        let written = private.open(&unfinished).and_then(|mut file| {
            write(&mut file)?;
            file.sync_all()
        });
        let renamed = written.and_then(|()| fs::rename(&unfinished, path));
        renamed.inspect_err(|_| drop(fs::remove_file(&unfinished)))?;
        self.sync()
    }

    pub(super) fn remove(&self, name: &SegmentName) -> io::Result<()> {
        match fs::remove_file(self.path(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// So that names last.
    pub(super) fn sync(&self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }

    /// The marks that were written down last. Without them everything counts as not acknowledged.
    pub(super) fn marks(&self) -> HashMap<Incarnation, u64> {
        let text = fs::read_to_string(self.0.join("marks")).unwrap_or_default();
        let mark = |line: &str| {
            let (incarnation, through) = line.split_once(' ')?;
            Some((Incarnation::from_hex(incarnation)?, through.parse().ok()?))
        };
        text.lines().filter_map(mark).collect()
    }

    pub(super) fn save_marks(&self, marks: &HashMap<Incarnation, u64>) -> io::Result<()> {
        let line =
            |(incarnation, through): (&Incarnation, &u64)| format!("{} {through}\n", incarnation.hex());
        let text: String = marks.iter().map(line).collect();
        self.replace(&self.0.join("marks"), |file| file.write_all(text.as_bytes()))
    }

    pub(super) fn sent(&self, newest: u64) -> io::Result<Sent> {
        Sent::open(&self.0.join("sent"), newest)
    }
}

/// Up to which segment something may have been sent. Written in place, so that it can be also on a full disk.
pub(super) struct Sent {
    file: File,
    pub(super) through: u64,
}

impl Sent {
    /// Where it cannot be read, all that is there up to the newest segment may have been sent.
    fn open(path: &Path, newest: u64) -> io::Result<Self> {
        let options =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).clone();
        let mut file = options.open(path)?;
        let mut text = String::new();
        let read = file.read_to_string(&mut text).ok().and_then(|_| read_sent(&text));
        let mut sent = Self { file, through: read.unwrap_or_default() };
        if read.is_none() {
            sent.note(newest)?;
        }
        Ok(sent)
    }

    /// Notes for good that this segment may have been sent.
    pub(super) fn note(&mut self, number: u64) -> io::Result<()> {
        let line = format!("{number:020} {number:020}\n");
        self.file.write_all_at(line.as_bytes(), 0)?;
        self.file.sync_data()?;
        self.through = number;
        Ok(())
    }
}

/// The number, twice: a write that was cut off does not look like another number.
fn read_sent(text: &str) -> Option<u64> {
    let (one, other) = text.trim_end().split_once(' ')?;
    let number = one.parse().ok()?;
    (one == other && one.len() == 20).then_some(number)
}
