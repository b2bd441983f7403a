//! What a node runs: rows from the control plane, compiled, changed in place by deltas.
//!
//! Two kinds of trouble (design §4). What makes a whole push doubtful (its version, its digest, a full sync that lost
//! most of what there was) refuses the push, and everything stays. What is wrong with one row rejects the row: its
//! former version stays, a new one stays absent, a principal is denied, and the rest applies.

mod incoming;
mod record;
mod rows;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use bulkhead_pricing::PriceBook;
use bulkhead_proto as proto;

use crate::compile::Snapshot;
use crate::models::ModelTable;
use crate::policy::Common;
use crate::settings::Settings;
use crate::version::{Version, digest_of_delta};
use crate::wire::{Id, Row};

pub use incoming::Incoming;
pub(crate) use record::{Image, Record};
use rows::{Rows, Sound, each_once};

/// Why a push was refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// A full sync that has arrived.
pub struct Full {
    /// The point in history that it is.
    pub version: Version,
    /// Everything there is.
    pub items: Vec<proto::Item>,
    /// An operator forced exactly this one: the guard against loss does not hold.
    pub forced: bool,
}

/// What a node runs.
pub struct Catalog {
    current: Option<Current>,
    prices: Arc<PriceBook>,
}

/// What is in force.
struct Current {
    version: Version,
    snapshot: Arc<Snapshot>,
    sound: Sound,
    rows: Rows,
    common: Common,
    /// Rows that do not compile.
    uncompiled: BTreeMap<Id, String>,
    /// Keys whose team is not there, by name of the team.
    orphans: BTreeMap<Id, String>,
}

impl Catalog {
    /// A catalogue of nothing.
    pub fn new(prices: Arc<PriceBook>) -> Self {
        Self { current: None, prices }
    }

    /// The point in history that is in force.
    pub fn version(&self) -> Option<&Version> {
        self.current.as_ref().map(|current| &current.version)
    }

    /// What requests read.
    pub fn snapshot(&self) -> Option<&Arc<Snapshot>> {
        self.current.as_ref().map(|current| &current.snapshot)
    }

    /// Rows that are not in force as they came, and why.
    pub fn rejected(&self) -> impl Iterator<Item = (&Id, String)> {
        self.current.iter().flat_map(|current| {
            let unread = current.rows.unread.iter().map(|(id, unread)| (id, unread.reason.clone()));
            let uncompiled = current.uncompiled.iter().map(|(id, reason)| (id, reason.clone()));
            let orphans = &current.orphans;
            let orphans = orphans.iter().map(|(id, team)| (id, format!("there is no team `{team}`")));
            unread.chain(uncompiled).chain(orphans)
        })
    }

    /// Every row as it came last, where it was understood at all.
    pub fn rows(&self) -> impl Iterator<Item = Row> {
        self.current.iter().flat_map(|current| current.rows.iter())
    }

    /// What has to be written down to come back to this.
    pub(crate) fn image(&self) -> Option<Image> {
        let Current { version, sound, rows, .. } = self.current.as_ref()?;
        Some(Image::new(*version, sound.row.clone(), rows.clone()))
    }

    /// Puts everything in the place of what is there.
    pub fn full(&mut self, full: Full) -> Result<(), Refused> {
        let Full { version, items, forced } = full;
        self.check_history(&version)?;
        let mut incoming = Incoming::new(version, forced);
        for item in items {
            incoming.add(item);
        }
        self.finish(incoming)
    }

    /// Puts a full sync that has arrived piece by piece in the place of what is there.
    pub fn finish(&mut self, incoming: Incoming) -> Result<(), Refused> {
        self.check_history(&incoming.version)?;
        let before = self.current.as_ref();
        let (forced, former) = (incoming.forced, incoming.former_settings.clone());
        let (version, mut rows, common) = incoming.onto(before.map(|current| &current.rows))?;
        if let Some(before) = before.filter(|_| !forced) {
            rows.check_loss(&before.rows)?;
        }
        let former = former.and_then(|row| Sound::of(&row).ok());
        let former = former.or_else(|| before.map(|current| current.sound.clone()));
        let (sound, wrong) = rows.sound(former)?;
        let (models, uncompiled) = rows.models(&sound, wrong, &self.prices);
        let revision = before.map_or(1, |current| current.snapshot.revision.saturating_add(1));
        let snapshot = snapshot(revision, &rows, &sound.compiled, Arc::new(models), &self.prices);
        let orphans = rows.orphans();
        self.current = Some(Current { version, snapshot, sound, rows, common, uncompiled, orphans });
        Ok(())
    }

    /// Applies what changed since the version in force.
    pub fn delta(&mut self, delta: proto::Delta) -> Result<(), Refused> {
        let Some(current) = &mut self.current else { return refuse("there is nothing that it could change") };
        let version = current.check_delta(&delta)?;
        // From here on nothing fails.
        let models = current.apply(delta, &self.prices);
        current.version = version;
        let revision = current.snapshot.revision.saturating_add(1);
        current.snapshot = snapshot(revision, &current.rows, &current.sound.compiled, models, &self.prices);
        Ok(())
    }

    fn check_history(&self, version: &Version) -> Result<(), Refused> {
        let Some(current) = self.version() else { return Ok(()) };
        if version.cluster != current.cluster {
            return refuse(
                "it is of another cluster; to follow that one, start with an empty state directory",
            );
        }
        if current.is_later_than(version) {
            return refuse(format!("{version} is older than {current}, which is in force"));
        }
        if version.epoch == current.epoch && version.seq == current.seq && version.hash != current.hash {
            return refuse(format!("its history parted from this one before {version}"));
        }
        Ok(())
    }
}

impl Current {
    fn check_delta(&self, delta: &proto::Delta) -> Result<Version, Refused> {
        let version = Version::decode(delta.version.as_ref());
        let from = Version::decode(delta.from.as_ref());
        let (Some(version), Some(from)) = (version, from) else { return refuse("a version is not whole") };
        if self.version != from {
            return refuse(format!("it goes on from {from}, which is not what is in force"));
        }
        if !version.is_later_than(&from) || version.cluster != from.cluster || version.epoch != from.epoch {
            return refuse(format!("{version} does not come after {from}"));
        }
        if digest_of_delta(delta) != *delta.digest {
            return refuse("the digest does not fit");
        }
        Ok(version)
    }

    /// Changes the rows, and gives the models that follow from them.
    fn apply(&mut self, delta: proto::Delta, prices: &PriceBook) -> Arc<ModelTable> {
        let mut models = false;
        for came in each_once(delta.put) {
            self.mind_orphans(came.decoded.row());
            models |= self.rows.put(came, &mut self.common);
        }
        // Last: what is deleted is gone, whatever else was said about it.
        let mut teams = false;
        for reference in delta.delete {
            let id = Id::decode(reference);
            self.orphans.remove(&id);
            teams |= matches!(id, Id::Team(_));
            models |= self.rows.delete(id);
        }
        if teams {
            self.orphans = self.rows.orphans();
        }
        if !models {
            return self.snapshot.models.clone();
        }
        let (sound, wrong) = self.rows.sound_after(&self.sound);
        let (models, uncompiled) = self.rows.models(&sound, wrong, prices);
        self.sound = sound;
        self.uncompiled = uncompiled;
        Arc::new(models)
    }

    fn mind_orphans(&mut self, row: Option<&Row>) {
        match row {
            Some(Row::Team(row)) => self.orphans.retain(|_, team| *team != row.id),
            Some(Row::Key(row)) => match self.rows.missing_team(row.team_id.as_deref()) {
                Some(team) => drop(self.orphans.insert(Id::Key(row.hash), team.to_owned())),
                None => drop(self.orphans.remove(&Id::Key(row.hash))),
            },
            _ => {}
        }
    }
}

fn snapshot(
    revision: u64,
    rows: &Rows,
    settings: &Arc<Settings>,
    models: Arc<ModelTable>,
    prices: &Arc<PriceBook>,
) -> Arc<Snapshot> {
    Arc::new(Snapshot {
        revision,
        settings: settings.clone(),
        keys: rows.keys.clone(),
        teams: rows.teams.clone(),
        users: rows.users.clone(),
        members: rows.members.clone(),
        models,
        prices: prices.clone(),
        managed: true,
    })
}

fn refuse<T>(reason: impl Into<String>) -> Result<T, Refused> {
    Err(Refused(reason.into()))
}
