//! The rows in force and how a row that comes changes them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use bulkhead_model::rows::{CredentialRow, DeploymentRow, SettingsRow};
use bulkhead_pricing::PriceBook;
use bulkhead_proto as proto;
use bytes::Bytes;

use super::{Refused, refuse};
use crate::compile::{CompileError, groups, with_credential};
use crate::deployment::Deployment;
use crate::key::{Key, Keys};
use crate::models::ModelTable;
use crate::policy::Common;
use crate::principal::{Member, Team, User};
use crate::settings::Settings;
use crate::table::Table;
use crate::wire::{Decoded, Id, Row, decode, unreadable};

/// A full sync may lose half of a kind that has more members than this only by force.
const GUARDED: usize = 20;

const TWICE: &str = "it came twice, with different contents";

/// Everything but prices. Principals live compiled in tables; what models are compiled from is kept as it came.
#[derive(Clone, Default)]
pub(super) struct Rows {
    /// As they came last; absent where they were never understood.
    pub(super) settings: Option<SettingsRow>,
    pub(super) credentials: BTreeMap<String, CredentialRow>,
    pub(super) deployments: BTreeMap<String, Wanted>,
    pub(super) keys: Keys,
    pub(super) teams: Table<Team>,
    pub(super) users: Table<User>,
    pub(super) members: Table<Member>,
    /// Rows that came in a form that was not understood.
    pub(super) unread: BTreeMap<Id, Unread>,
}

/// A deployment as it came last, and as it last compiled.
#[derive(Clone)]
pub(super) struct Wanted {
    pub(super) row: DeploymentRow,
    pub(super) good: Option<DeploymentRow>,
}

/// Settings that compile.
#[derive(Clone)]
pub(super) struct Sound {
    pub(super) row: SettingsRow,
    pub(super) compiled: Arc<Settings>,
}

/// A row that was not understood, or only in part.
#[derive(Clone)]
pub(super) struct Unread {
    pub(super) reason: String,
    /// As it came: a later release may understand it. Absent where what was made of it says all.
    pub(super) item: Option<proto::Item>,
}

/// A row that has come.
pub(super) struct Came {
    pub(super) decoded: Decoded,
    item: Option<proto::Item>,
}

impl Came {
    pub(super) fn read(item: proto::Item) -> Self {
        let kept = item.clone();
        let decoded = decode(item);
        if let Decoded::Whole(_) = decoded {
            return Self { decoded, item: None };
        }
        // A copy, because the original may be a small part of a large message.
        let proto::Item { r#ref, resource } = kept;
        Self { decoded, item: Some(proto::Item { r#ref, resource: Bytes::copy_from_slice(&resource) }) }
    }

    /// What holds where another row of that name had come before; `None` where that said the same.
    pub(super) fn again(self, first: Option<&Row>) -> Option<Self> {
        if let (Decoded::Whole(row), Some(first)) = (&self.decoded, first)
            && row == first
        {
            return None;
        }
        let mut both = first.into_iter().chain(self.decoded.row());
        let denying = both.find(|row| matches!(row, Row::Deployment(row) if is_denied(row)));
        let decoded = match denying {
            Some(row) => Decoded::Denying(row.clone(), TWICE.to_owned()),
            None => unreadable(self.decoded.id(), TWICE),
        };
        Some(Self { decoded, item: None })
    }
}

/// Reads the items of one push. Of two with the same name neither is believed.
pub(super) fn each_once(items: Vec<proto::Item>) -> impl Iterator<Item = Came> {
    let mut all = BTreeMap::new();
    for item in items {
        let came = Came::read(item);
        match all.entry(came.decoded.id()) {
            Entry::Vacant(place) => drop(place.insert(came)),
            Entry::Occupied(mut first) => {
                if let Some(came) = came.again(first.get().decoded.row()) {
                    first.insert(came);
                }
            }
        }
    }
    all.into_values()
}

/// It must not be used.
fn is_denied(row: &DeploymentRow) -> bool {
    row.blocked || !row.requires.is_empty()
}

impl Sound {
    pub(super) fn of(row: &SettingsRow) -> Result<Self, CompileError> {
        Ok(Self { compiled: Arc::new(Settings::compile(row)?), row: row.clone() })
    }
}

impl Rows {
    /// Puts a row into its place. True where models have to be compiled anew.
    pub(super) fn put(&mut self, came: Came, common: &mut Common) -> bool {
        let Came { decoded, item } = came;
        let id = decoded.id();
        let row = match decoded {
            Decoded::Whole(row) => {
                self.unread.remove(&id);
                row
            }
            Decoded::Denying(row, reason) => {
                self.unread.insert(id, Unread { reason, item });
                row
            }
            Decoded::Nothing(id, reason) => {
                self.unread.insert(id, Unread { reason, item });
                return false;
            }
        };
        match row {
            Row::Settings(row) => self.settings = Some(*row),
            Row::Credential(row) => drop(self.credentials.insert(row.name.clone(), *row)),
            Row::Deployment(row) => {
                let id = row.id.clone();
                let good = self.deployments.remove(&id).and_then(|wanted| wanted.good);
                self.deployments.insert(id, Wanted { row: *row, good });
            }
            Row::Team(row) => {
                self.teams.insert(Arc::new(Team::compile(*row)));
                return false;
            }
            Row::User(row) => {
                self.users.insert(Arc::new(User::compile(*row)));
                return false;
            }
            Row::Member(row) => {
                self.members.insert(Arc::new(Member::compile(*row)));
                return false;
            }
            Row::Key(row) => {
                self.keys.insert(*row, common);
                return false;
            }
        }
        true
    }

    /// Deletes a row. True where models have to be compiled anew.
    pub(super) fn delete(&mut self, id: Id) -> bool {
        let reason = match &id {
            Id::Settings => "there have to be settings",
            Id::Unknown(kind, _) if proto::Kind::try_from(*kind).is_ok() => {
                "a deletion that does not say what of"
            }
            id => return self.take(id),
        };
        self.unread.insert(id, Unread { reason: reason.to_owned(), item: None });
        false
    }

    /// Takes a row out. True where models have to be compiled anew.
    pub(super) fn take(&mut self, id: &Id) -> bool {
        self.unread.remove(id);
        match id {
            Id::Settings => return self.settings.take().is_some(),
            Id::Credential(name) => return self.credentials.remove(name).is_some(),
            Id::Deployment(id) => return self.deployments.remove(id).is_some(),
            Id::Team(team) => drop(self.teams.remove(team)),
            Id::User(user) => drop(self.users.remove(user)),
            Id::Member(member) => drop(self.members.remove(member)),
            Id::Key(hash) => self.keys.remove(hash),
            Id::Unknown(..) => {}
        }
        false
    }

    /// The row of a name.
    pub(super) fn get(&self, id: &Id) -> Option<Row> {
        Some(match id {
            Id::Settings => Row::Settings(Box::new(self.settings.clone()?)),
            Id::Credential(name) => Row::Credential(Box::new(self.credentials.get(name)?.clone())),
            Id::Deployment(id) => Row::Deployment(Box::new(self.deployments.get(id)?.row.clone())),
            Id::Team(id) => Row::Team(Box::new(self.teams.get(id)?.row.clone())),
            Id::User(id) => Row::User(Box::new(self.users.get(id)?.row.clone())),
            Id::Member(id) => Row::Member(Box::new(self.members.get(id)?.row.clone())),
            Id::Key(hash) => Row::Key(Box::new(self.keys.get(hash)?.row())),
            Id::Unknown(..) => return None,
        })
    }

    /// Every row as it came last.
    pub(super) fn iter(&self) -> impl Iterator<Item = Row> {
        let Self { settings, credentials, deployments, keys, teams, users, members, unread: _ } = self;
        let settings = settings.iter().map(|row| Row::Settings(Box::new(row.clone())));
        let credentials = credentials.values().map(|row| Row::Credential(Box::new(row.clone())));
        let deployments = deployments.values().map(|wanted| Row::Deployment(Box::new(wanted.row.clone())));
        let teams = teams.iter().map(|team| Row::Team(Box::new(team.row.clone())));
        let users = users.iter().map(|user| Row::User(Box::new(user.row.clone())));
        let members = members.iter().map(|member| Row::Member(Box::new(member.row.clone())));
        let keys = keys.iter().map(|key| Row::Key(Box::new(key.row())));
        settings.chain(credentials).chain(deployments).chain(teams).chain(users).chain(members).chain(keys)
    }

    /// The settings to go by, and what is wrong with those that came last. Fails only where none ever compiled.
    pub(super) fn sound(&self, former: Option<Sound>) -> Result<(Sound, Option<String>), Refused> {
        match (former, &self.settings) {
            (Some(former), _) => Ok(self.sound_after(&former)),
            (None, Some(row)) => match Sound::of(row) {
                Ok(sound) => Ok((sound, None)),
                Err(error) => refuse(error.to_string()),
            },
            (None, None) => refuse("there are no settings in it"),
        }
    }

    /// The settings to go by after these, and what is wrong with those that came last.
    pub(super) fn sound_after(&self, former: &Sound) -> (Sound, Option<String>) {
        match self.settings.as_ref().map(Sound::of) {
            None => (former.clone(), None),
            Some(Ok(sound)) => (sound, None),
            Some(Err(error)) => (former.clone(), Some(error.what)),
        }
    }

    /// Compiles models. What does not compile is named with the reason.
    pub(super) fn models(
        &mut self,
        sound: &Sound,
        settings: Option<String>,
        prices: &PriceBook,
    ) -> (ModelTable, BTreeMap<Id, String>) {
        let mut wrong: BTreeMap<_, _> = settings.map(|reason| (Id::Settings, reason)).into_iter().collect();
        let mut deployments = Vec::new();
        for (id, wanted) in &mut self.deployments {
            let compile = |row: &DeploymentRow| compile_row(row, &self.credentials, &sound.row, prices);
            let compiled = compile(&wanted.row);
            if let Err(reason) = &compiled {
                wrong.insert(Id::Deployment(id.clone()), reason.clone());
            }
            if is_denied(&wanted.row) {
                continue;
            }
            if compiled.is_ok() {
                wanted.good = Some(wanted.row.clone());
            }
            deployments.extend(compiled.or_else(|reason| wanted.good.as_ref().map_or(Err(reason), compile)));
        }
        (ModelTable::build(groups(deployments), &sound.row.aliases), wrong)
    }

    /// Keys whose team is not there, with the team.
    pub(super) fn orphans(&self) -> BTreeMap<Id, String> {
        let orphan = |key: Key| {
            let team = self.missing_team(key.team_id())?;
            Some((Id::Key(*key.hash()), team.to_owned()))
        };
        self.keys.iter().filter_map(orphan).collect()
    }

    /// The team if it is not there.
    pub(super) fn missing_team<'a>(&self, team: Option<&'a str>) -> Option<&'a str> {
        team.filter(|team| self.teams.get(team).is_none())
    }

    /// Refuses a full sync that has lost most of what there was.
    pub(super) fn check_loss(&self, before: &Self) -> Result<(), Refused> {
        let (now, then) = (self.counts(), before.counts());
        let sum = |counts: &[(&str, usize)]| counts.iter().map(|(_, count)| count).sum::<usize>();
        if sum(&now) == 0 && sum(&then) > 0 {
            return refuse("it is empty; force it if that is meant");
        }
        for ((kind, now), (_, then)) in now.into_iter().zip(then) {
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
