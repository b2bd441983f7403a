//! A full sync while it arrives.

use std::collections::BTreeMap;

use bulkhead_model::rows::{DeploymentRow, SettingsRow};
use bulkhead_proto as proto;

use super::rows::{Came, Rows};
use super::{Refused, refuse};
use crate::policy::Common;
use crate::version::Version;
use crate::wire::{Decoded, Id, Row, decode};

/// A full sync while it arrives: rows are compiled as they come, so that it is never in memory as it was sent.
pub struct Incoming {
    pub(super) version: Version,
    pub(super) forced: bool,
    pub(super) former_settings: Option<SettingsRow>,
    former: BTreeMap<String, DeploymentRow>,
    rows: Rows,
    common: Common,
}

impl Incoming {
    /// One of which nothing has come yet. `forced` as in [`super::Full`].
    pub fn new(version: Version, forced: bool) -> Self {
        Self {
            version,
            forced,
            former_settings: None,
            former: BTreeMap::new(),
            rows: Rows::default(),
            common: Common::default(),
        }
    }

    /// Adds an item. Of two with the same name neither is believed, unless they say the same.
    pub fn add(&mut self, item: proto::Item) {
        let came = Came::read(item);
        let id = came.decoded.id();
        let first = self.rows.get(&id);
        if first.is_none() && !self.rows.unread.contains_key(&id) {
            self.rows.put(came, &mut self.common);
        } else if let Some(came) = came.again(first.as_ref()) {
            self.rows.take(&id);
            self.rows.put(came, &mut self.common);
        }
    }

    /// Adds what is in force instead of a row that does not compile.
    pub(crate) fn add_former(&mut self, item: proto::Item) {
        match decode(item) {
            Decoded::Whole(Row::Settings(row)) => self.former_settings = Some(*row),
            Decoded::Whole(Row::Deployment(row)) => drop(self.former.insert(row.id.clone(), *row)),
            _ => {}
        }
    }

    /// Adds what came after a row and was not understood then.
    pub(crate) fn add_unread(&mut self, item: proto::Item) {
        self.rows.put(Came::read(item), &mut self.common);
    }

    /// All rows, in the place of those from before. What nothing can be made of keeps its former version.
    pub(super) fn onto(self, before: Option<&Rows>) -> Result<(Version, Rows, Common), Refused> {
        let Self { version, forced: _, former_settings: _, mut former, mut rows, common } = self;
        if rows.settings.is_none() && !rows.unread.contains_key(&Id::Settings) {
            return refuse("there are no settings in it");
        }
        let Some(before) = before else {
            for (id, wanted) in &mut rows.deployments {
                wanted.good = former.remove(id);
            }
            return Ok((version, rows, common));
        };
        for (id, wanted) in &mut rows.deployments {
            wanted.good = before.deployments.get(id).and_then(|old| old.good.clone());
        }
        let unread: Vec<_> = rows.unread.keys().cloned().collect();
        for id in unread {
            rows.keep(&id, before);
        }
        Ok((version, rows, common))
    }
}

impl Rows {
    /// Keeps the former version of a row of which nothing could be made.
    fn keep(&mut self, id: &Id, before: &Self) {
        match id {
            Id::Settings => self.settings.clone_from(&before.settings),
            Id::Credential(name) => {
                if let Some(row) = before.credentials.get(name) {
                    self.credentials.insert(name.clone(), row.clone());
                }
            }
            Id::Deployment(id) => {
                if let Some(wanted) =
                    before.deployments.get(id).filter(|_| !self.deployments.contains_key(id))
                {
                    self.deployments.insert(id.clone(), wanted.clone());
                }
            }
            // Those deny where they are not understood.
            Id::Team(_) | Id::User(_) | Id::Member(_) | Id::Key(_) | Id::Unknown(..) => {}
        }
    }
}
