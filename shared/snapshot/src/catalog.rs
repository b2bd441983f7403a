//! What a node runs: rows from the control plane, compiled, changed in place by deltas.
//!
//! Two kinds of trouble (design §4). What makes a whole push doubtful (its version, its digest, a full sync that lost
//! most of what there was) refuses the push, and everything stays. What is wrong with one row rejects the row: its
//! former version stays, a new one stays absent, a principal is denied, and the rest applies.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bulkhead_model::rows::{CredentialRow, DeploymentRow, SettingsRow};
use bulkhead_pricing::PriceBook;
use bulkhead_proto as proto;

use crate::compile::{Snapshot, groups, with_credential};
use crate::deployment::Deployment;
use crate::key::{Key, Policies};
use crate::models::ModelTable;
use crate::principal::{Member, Team, User};
use crate::settings::Settings;
use crate::table::Table;
use crate::version::{Version, digest_of_delta};
use crate::wire::{Decoded, Id, Row, decode};

/// A full sync may lose half of a kind that has more members than this only by force.
const GUARDED: usize = 20;

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
    version: Option<Version>,
    snapshot: Option<Arc<Snapshot>>,
    rows: Rows,
    prices: Arc<PriceBook>,
}

/// A row as it came last, and as it last compiled.
#[derive(Clone)]
struct Wanted<T> {
    row: T,
    good: Option<T>,
}

/// Everything but prices. Principals live compiled in tables; what models are compiled from is kept as it came.
#[derive(Default)]
struct Rows {
    settings: Option<Wanted<SettingsRow>>,
    credentials: BTreeMap<String, CredentialRow>,
    deployments: BTreeMap<String, Wanted<DeploymentRow>>,
    keys: Arc<Table<Key>>,
    teams: Arc<Table<Team>>,
    users: Arc<Table<User>>,
    members: Arc<Table<Member>>,
    policies: Policies,
    /// Rows that were not understood.
    undecoded: BTreeMap<Id, String>,
    /// Rows that do not compile.
    uncompiled: BTreeMap<Id, String>,
    /// Keys whose team was not there when they came, by the team.
    orphans: BTreeMap<Id, String>,
}

/// The part of a snapshot that changes together.
struct Compiled {
    settings: Arc<Settings>,
    models: Arc<ModelTable>,
}

impl Catalog {
    /// A catalogue of nothing.
    pub fn new(prices: Arc<PriceBook>) -> Self {
        Self { version: None, snapshot: None, rows: Rows::default(), prices }
    }

    /// The point in history that is in force.
    pub fn version(&self) -> Option<&Version> {
        self.version.as_ref()
    }

    /// What requests read.
    pub fn snapshot(&self) -> Option<&Arc<Snapshot>> {
        self.snapshot.as_ref()
    }

    /// Rows that are not in force as they came, and why.
    pub fn rejected(&self) -> impl Iterator<Item = (&Id, String)> {
        let Rows { undecoded, uncompiled, orphans, .. } = &self.rows;
        let known = undecoded.iter().chain(uncompiled).map(|(id, reason)| (id, reason.clone()));
        known.chain(orphans.iter().map(|(id, team)| (id, format!("there is no team `{team}`"))))
    }

    /// Every row, as it came where it compiled, to be written down.
    pub fn rows(&self) -> impl Iterator<Item = Row> {
        let Rows { settings, credentials, deployments, keys, teams, users, members, .. } = &self.rows;
        let settings = settings.iter().map(|wanted| Row::Settings(Box::new(wanted.row.clone())));
        let credentials = credentials.values().map(|row| Row::Credential(Box::new(row.clone())));
        let deployments = deployments.values().map(|wanted| Row::Deployment(Box::new(wanted.row.clone())));
        let teams = teams.iter().map(|team| Row::Team(Box::new(team.row.clone())));
        let users = users.iter().map(|user| Row::User(Box::new(user.row.clone())));
        let members = members.iter().map(|member| Row::Member(Box::new(member.row.clone())));
        let keys = keys.iter().map(|key| Row::Key(Box::new(key.row())));
        settings.chain(credentials).chain(deployments).chain(teams).chain(users).chain(members).chain(keys)
    }

    /// Puts everything in the place of what is there.
    pub fn full(&mut self, full: Full) -> Result<(), Refused> {
        let Full { version, items, forced } = full;
        self.check_history(&version)?;
        let mut rows = Rows::default();
        let mut seen = BTreeSet::new();
        for item in items {
            rows.add(decode(item), &mut seen, &self.rows);
        }
        if !forced {
            rows.check_loss(&self.rows)?;
        }
        for (id, wanted) in &mut rows.deployments {
            wanted.good = self.rows.deployments.get(id).and_then(|old| old.good.clone());
        }
        if let Some(settings) = &mut rows.settings {
            settings.good = self.rows.settings.as_ref().and_then(|old| old.good.clone());
        }
        let compiled = rows.compile(&self.prices)?;
        self.rows = rows;
        self.put_in_force(version, compiled);
        Ok(())
    }

    /// Applies what changed since the version in force.
    pub fn delta(&mut self, delta: proto::Delta) -> Result<(), Refused> {
        let version = Version::decode(delta.version.as_ref());
        let from = Version::decode(delta.from.as_ref());
        let (Some(version), Some(from)) = (version, from) else { return refuse("a version is not whole") };
        if self.version != Some(from) {
            return refuse(format!("it goes on from {from}, which is not what is in force"));
        }
        if !version.is_later_than(&from) || version.cluster != from.cluster || version.epoch != from.epoch {
            return refuse(format!("{version} does not come after {from}"));
        }
        if digest_of_delta(&delta) != *delta.digest {
            return refuse("the digest does not fit");
        }
        let mut models = false;
        for reference in delta.delete {
            models |= self.rows.delete(Id::decode(reference));
        }
        for item in delta.put {
            models |= self.rows.put(decode(item));
        }
        let compiled = match (models, &self.snapshot) {
            (false, Some(snapshot)) => {
                Compiled { settings: snapshot.settings.clone(), models: snapshot.models.clone() }
            }
            _ => self.rows.compile(&self.prices)?,
        };
        self.put_in_force(version, compiled);
        Ok(())
    }

    fn check_history(&self, version: &Version) -> Result<(), Refused> {
        let Some(current) = &self.version else { return Ok(()) };
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

    fn put_in_force(&mut self, version: Version, compiled: Compiled) {
        let Rows { keys, teams, users, members, .. } = &self.rows;
        let Compiled { settings, models } = compiled;
        self.snapshot = Some(Arc::new(Snapshot {
            revision: version.seq,
            settings,
            keys: keys.clone(),
            teams: teams.clone(),
            users: users.clone(),
            members: members.clone(),
            models,
            prices: self.prices.clone(),
            managed: true,
        }));
        self.version = Some(version);
    }
}

fn refuse<T>(reason: impl Into<String>) -> Result<T, Refused> {
    Err(Refused(reason.into()))
}

impl Rows {
    /// Adds an item of a full sync. One that nothing can be made of keeps its former version.
    fn add(&mut self, decoded: Decoded, seen: &mut BTreeSet<Id>, before: &Self) {
        let id = decoded.id();
        if !seen.insert(id.clone()) {
            self.undecoded.insert(id, "it came twice; the first one holds".to_owned());
            return;
        }
        if let Decoded::Nothing(..) = decoded {
            self.keep(&id, before);
        }
        self.put(decoded);
    }

    fn keep(&mut self, id: &Id, before: &Self) {
        match id {
            Id::Settings => self.settings.clone_from(&before.settings),
            Id::Credential(name) => {
                if let Some(row) = before.credentials.get(name) {
                    self.credentials.insert(name.clone(), row.clone());
                }
            }
            Id::Deployment(id) => {
                if let Some(wanted) = before.deployments.get(id) {
                    self.deployments.insert(id.clone(), wanted.clone());
                }
            }
            // Nothing is made of those only where even their name is unknown.
            Id::Team(_) | Id::User(_) | Id::Member(_) | Id::Key(_) | Id::Unknown(..) => {}
        }
    }

    /// Puts a row into its place. True where models have to be compiled anew.
    fn put(&mut self, decoded: Decoded) -> bool {
        let id = decoded.id();
        self.undecoded.remove(&id);
        self.orphans.remove(&id);
        let row = match decoded {
            Decoded::Whole(row) => row,
            Decoded::Denying(row, reason) => {
                self.undecoded.insert(id, reason);
                row
            }
            Decoded::Nothing(id, reason) => {
                self.undecoded.insert(id, reason);
                return false;
            }
        };
        match row {
            Row::Settings(row) => {
                let good = self.settings.take().and_then(|wanted| wanted.good);
                self.settings = Some(Wanted { row: *row, good });
            }
            Row::Credential(row) => drop(self.credentials.insert(row.name.clone(), *row)),
            Row::Deployment(row) => {
                let id = row.id.clone();
                let good = self.deployments.remove(&id).and_then(|wanted| wanted.good);
                self.deployments.insert(id, Wanted { row: *row, good });
            }
            principal => {
                self.put_principal(principal);
                return false;
            }
        }
        true
    }

    fn put_principal(&mut self, row: Row) {
        match row {
            Row::Team(row) => {
                self.orphans.retain(|_, team| *team != row.id);
                Arc::make_mut(&mut self.teams).insert(Arc::new(Team::compile(*row)));
            }
            Row::User(row) => drop(Arc::make_mut(&mut self.users).insert(Arc::new(User::compile(*row)))),
            Row::Member(row) => {
                drop(Arc::make_mut(&mut self.members).insert(Arc::new(Member::compile(*row))))
            }
            Row::Key(row) => {
                if let Some(team) = row.team_id.as_ref().filter(|team| self.teams.get(team).is_none()) {
                    self.orphans.insert(Id::Key(row.hash), team.clone());
                }
                let key = Key::compile(*row, &mut self.policies);
                Arc::make_mut(&mut self.keys).insert(Arc::new(key));
            }
            Row::Settings(_) | Row::Credential(_) | Row::Deployment(_) => {}
        }
    }

    /// Takes a row away. True where models have to be compiled anew.
    fn delete(&mut self, id: Id) -> bool {
        self.undecoded.remove(&id);
        self.orphans.remove(&id);
        match &id {
            Id::Credential(name) => return self.credentials.remove(name).is_some(),
            Id::Deployment(id) => return self.deployments.remove(id).is_some(),
            Id::Team(team) => drop(Arc::make_mut(&mut self.teams).remove(team)),
            Id::User(user) => drop(Arc::make_mut(&mut self.users).remove(user)),
            Id::Member(member) => drop(Arc::make_mut(&mut self.members).remove(member)),
            Id::Key(hash) => drop(Arc::make_mut(&mut self.keys).remove(hash)),
            Id::Settings => drop(self.undecoded.insert(id, "there have to be settings".to_owned())),
            Id::Unknown(..) => {
                self.undecoded.insert(id, "a deletion of what this release does not know".to_owned());
            }
        }
        false
    }

    /// Compiles settings and models. Fails only where there are no settings that ever compiled.
    fn compile(&mut self, prices: &PriceBook) -> Result<Compiled, Refused> {
        self.uncompiled.clear();
        let Some(wanted) = &mut self.settings else { return refuse("there are no settings in it") };
        let settings = match Settings::compile(&wanted.row) {
            Ok(settings) => {
                wanted.good = Some(wanted.row.clone());
                settings
            }
            Err(error) => {
                let good = wanted.good.as_ref().and_then(|row| Settings::compile(row).ok());
                let Some(settings) = good else { return refuse(error.to_string()) };
                self.uncompiled.insert(Id::Settings, error.what);
                settings
            }
        };
        let row = wanted.good.clone().unwrap_or_default();
        let mut deployments = Vec::new();
        for (id, wanted) in &mut self.deployments {
            let compiled = compile_wanted(wanted, &self.credentials, &row, prices);
            if let Err(reason) = &compiled {
                self.uncompiled.insert(Id::Deployment(id.clone()), reason.clone());
            }
            let usable = compiled.ok().or_else(|| {
                let good = wanted.good.as_ref()?;
                compile_row(good, &self.credentials, &row, prices).ok()
            });
            deployments.extend(usable.filter(|_| !wanted.row.blocked));
        }
        let models = ModelTable::build(groups(deployments), &row.aliases);
        Ok(Compiled { settings: Arc::new(settings), models: Arc::new(models) })
    }

    /// Refuses a full sync that has lost most of what there was.
    fn check_loss(&self, before: &Self) -> Result<(), Refused> {
        for ((kind, now), (_, then)) in self.counts().into_iter().zip(before.counts()) {
            if then > GUARDED && now < then.div_ceil(2) {
                return refuse(format!(
                    "it has {now} {kind} where there were {then}; force it if that is meant"
                ));
            }
        }
        Ok(())
    }

    fn counts(&self) -> [(&'static str, usize); 6] {
        [
            ("credentials", self.credentials.len()),
            ("deployments", self.deployments.len()),
            ("teams", self.teams.len()),
            ("users", self.users.len()),
            ("members", self.members.len()),
            ("keys", self.keys.len()),
        ]
    }
}

/// Compiles a deployment as it came last, and remembers it as good.
fn compile_wanted(
    wanted: &mut Wanted<DeploymentRow>,
    credentials: &BTreeMap<String, CredentialRow>,
    settings: &SettingsRow,
    prices: &PriceBook,
) -> Result<Deployment, String> {
    let deployment = compile_row(&wanted.row, credentials, settings, prices)?;
    wanted.good = Some(wanted.row.clone());
    Ok(deployment)
}

fn compile_row(
    row: &DeploymentRow,
    credentials: &BTreeMap<String, CredentialRow>,
    settings: &SettingsRow,
    prices: &PriceBook,
) -> Result<Deployment, String> {
    let credential = row.credential.as_ref().and_then(|name| credentials.get(name));
    with_credential(row, credential)
        .and_then(|row| Deployment::compile(&row, settings, prices))
        .map_err(|error| error.what)
}
