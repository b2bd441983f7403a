//! Applies pushes: compile, put in force, write down. All of it may take its time and happens off the runtime.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bulkhead_pricing::PriceBook;
use bulkhead_proto as proto;
use bulkhead_snapshot::disk::{Disk, Unwritten, Written};
use bulkhead_snapshot::{Catalog, Incoming, Refused, Version};

use super::{Follow, Link};
use crate::leases;
use crate::worker::Node;

/// Everything that a push changes.
pub(crate) struct Applier {
    catalog: Catalog,
    disk: Disk,
    /// What is in force is on disk; else a new base has to be written first.
    saved: bool,
    /// A delta is not in the journal that begins with the base that is being written.
    missed: bool,
}

/// A push that is whole.
pub(super) enum Work {
    Full(Box<Incoming>),
    Delta(Box<proto::Delta>),
}

/// What is to be done after work.
#[derive(Default)]
pub(super) struct Step {
    /// To be told to the control plane.
    pub(super) applied: Option<proto::Applied>,
    /// To be written, while further deltas are applied.
    pub(super) base: Option<Unwritten>,
}

impl Applier {
    /// Reads the last good snapshot from disk.
    pub(crate) fn open(state_dir: &Path, follow: &Follow) -> io::Result<Self> {
        let prices = Arc::new(PriceBook::embedded());
        let (disk, catalog, notes) = Disk::open(&state_dir.join("snapshot"), follow.keys.clone(), prices)?;
        for note in notes {
            tracing::warn!("the snapshot on disk: {note}");
        }
        let saved = catalog.version().is_some();
        Ok(Self { catalog, disk, saved, missed: false })
    }

    /// Puts what was on disk in force.
    pub(crate) fn put_in_force(&self, node: &Node, link: &Link) {
        self.put(node, link);
        link.watch(&node.snapshot);
        if let Some(version) = self.version() {
            tracing::info!(%version, "the last good snapshot is in force, from disk");
        }
    }

    fn put(&self, node: &Node, link: &Link) {
        if let Some(snapshot) = self.catalog.snapshot() {
            leases::begin(snapshot, &node.keeper);
        }
        link.put(&self.catalog, &node.snapshot);
    }

    pub(super) fn version(&self) -> Option<&Version> {
        self.catalog.version()
    }

    /// Applies a push. A delta is on disk before it is told that it was applied; a full sync once its base is written.
    pub(super) fn apply(&mut self, work: Work, node: &Node, link: &Link) -> Result<Step, Refused> {
        match work {
            Work::Full(incoming) => {
                self.catalog.finish(*incoming)?;
                self.put(node, link);
                self.saved = false;
                Ok(self.begin_base(link))
            }
            Work::Delta(delta) => {
                let record = delta.clone();
                self.catalog.delta(*delta)?;
                self.put(node, link);
                if let Err(error) = self.disk.append(&record) {
                    self.missed = true;
                    self.fail(&error, link);
                }
                Ok(Step { applied: self.applied(link), base: None })
            }
        }
    }

    /// Begins a new base where there is need of one. Not to be called while one is written.
    pub(super) fn tend(&mut self, link: &Link) -> Step {
        if self.disk.wants_base() { self.begin_base(link) } else { Step::default() }
    }

    /// A base was written, or not.
    pub(super) fn wrote(&mut self, written: io::Result<Written>, link: &Link) -> Step {
        let was_saved = self.saved;
        match written {
            Ok(written) => {
                self.disk.finish_base(written);
                self.saved = !self.missed;
            }
            Err(error) => self.fail(&error, link),
        }
        if self.saved {
            link.show(|shown| shown.unsaved = None);
        }
        let applied = if was_saved { None } else { self.applied(link) };
        Step { applied, base: None }
    }

    fn begin_base(&mut self, link: &Link) -> Step {
        match self.disk.begin_base(&self.catalog) {
            Ok(base) => {
                self.missed = false;
                Step { applied: None, base }
            }
            Err(error) => {
                self.fail(&error, link);
                Step { applied: self.applied(link), base: None }
            }
        }
    }

    /// Serving goes on; the operator and the control plane are told.
    fn fail(&mut self, error: &io::Error, link: &Link) {
        self.saved = false;
        link.counts.disk_errors.add(1);
        let said = error.to_string();
        if link.show(|shown| shown.unsaved.replace(said.clone())).as_ref() != Some(&said) {
            tracing::error!("the snapshot is in force but not on disk: {said}");
        }
    }

    /// `None` while what is in force is on its way to the disk.
    fn applied(&self, link: &Link) -> Option<proto::Applied> {
        let shown = link.shown();
        if !self.saved && shown.unsaved.is_none() {
            return None;
        }
        let unsaved = shown.unsaved.map(|trouble| proto::Rejected {
            resource: None,
            reason: format!("in force, but not on disk: {trouble}"),
        });
        Some(proto::Applied {
            version: self.version().map(Version::encode),
            rejected: shown.rejected.encode().into_iter().chain(unsaved).collect(),
        })
    }
}
