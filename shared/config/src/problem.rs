//! Problems: what is wrong, where, and what to write instead.

use std::collections::HashSet;
use std::fmt;

use crate::mask;

/// One mistake, or one thing worth a warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file as it was named on the command line or in `include`.
    pub file: String,
    /// The line, from 1; 0 where no line is meant.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// The way to the field: `model_list[2].litellm_params.rpm`. Empty where the file as a whole is meant.
    pub path: String,
    /// What is wrong.
    pub what: String,
    /// What to write instead.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: ", self.file)?,
            line => write!(f, "{}:{line}:{}: ", self.file, self.column)?,
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{}\n    write: {}", self.what, self.remedy)
    }
}

/// Everything that is wrong, in the order of the files and their lines. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// A place in one of the files. Orders by file, line, column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Place {
    pub(crate) file: usize,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

struct Finding {
    place: Place,
    path: String,
    what: String,
    remedy: String,
}

/// Collects errors and warnings while the files are read.
#[derive(Default)]
pub(crate) struct Report {
    files: Vec<String>,
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
    /// Harmless keys that were warned about: once each is enough.
    warned: HashSet<String>,
}

impl Report {
    /// Registers a file and gives its number for [`Place::file`].
    pub(crate) fn add_file(&mut self, name: String) -> usize {
        self.files.push(name);
        self.files.len() - 1
    }

    pub(crate) fn error(
        &mut self,
        place: Place,
        path: &str,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let finding = Finding { place, path: path.to_owned(), what: what.into(), remedy: remedy.into() };
        self.errors.push(finding);
    }

    pub(crate) fn warn(
        &mut self,
        place: Place,
        path: &str,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let finding = Finding { place, path: path.to_owned(), what: what.into(), remedy: remedy.into() };
        self.warnings.push(finding);
    }

    /// As [`Report::warn`], but only the first time that `topic` comes up.
    pub(crate) fn warn_once(&mut self, topic: String, place: Place, path: &str, what: &str, remedy: &str) {
        if self.warned.insert(topic) {
            self.warn(place, path, what, remedy);
        }
    }

    /// How many errors there are so far.
    pub(crate) fn errors(&self) -> usize {
        self.errors.len()
    }

    /// `line 12`, with the file where it is another one than `near`'s.
    pub(crate) fn line_of(&self, place: Place, near: Place) -> String {
        match self.files.get(place.file) {
            Some(file) if place.file != near.file => format!("line {} of {file}", place.line),
            _ => format!("line {}", place.line),
        }
    }

    /// Errors and warnings in the order of the files. `secrets` appear in none of them.
    pub(crate) fn finish(self, secrets: &[String]) -> (Vec<Problem>, Vec<Problem>) {
        let Self { files, errors, warnings, warned: _ } = self;
        (arrange(errors, &files, secrets), arrange(warnings, &files, secrets))
    }
}

/// Sorts by place and drops what an anchor makes come up once per alias.
fn arrange(mut findings: Vec<Finding>, files: &[String], secrets: &[String]) -> Vec<Problem> {
    findings.sort_by_key(|finding| finding.place);
    let mut seen = HashSet::new();
    findings.retain(|finding| seen.insert((finding.place, finding.what.clone())));
    let problem = |finding: Finding| Problem {
        file: files.get(finding.place.file).cloned().unwrap_or_default(),
        line: finding.place.line,
        column: finding.place.column,
        path: mask::text(&finding.path, secrets),
        what: mask::text(&finding.what, secrets),
        remedy: mask::text(&finding.remedy, secrets),
    };
    findings.into_iter().map(problem).collect()
}
