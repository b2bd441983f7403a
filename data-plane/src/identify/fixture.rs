//! A snapshot as a control plane sends it, for tests.

use std::sync::Arc;

use bulkhead_model::rows::{DeploymentRow, KeyRow, MemberRow, SettingsRow, TeamRow, UserRow};
use bulkhead_model::{KeyHash, UnixMillis};
use bulkhead_pricing::PriceBook;
use bulkhead_snapshot::wire::{Row, encode};
use bulkhead_snapshot::{Catalog, Full, Snapshot, Version};
use http::{HeaderMap, HeaderValue};

use super::{Caller, identify};
use crate::fault::Outcome;

/// The only key.
pub(crate) const SECRET: &str = "sk-principals-0123456789";

/// Rows of a control plane: models `gpt-4o` and `gpt-4o-mini`, and one key.
pub(crate) struct Managed {
    pub(crate) settings: SettingsRow,
    pub(crate) key: KeyRow,
    pub(crate) teams: Vec<TeamRow>,
    pub(crate) users: Vec<UserRow>,
    pub(crate) members: Vec<MemberRow>,
}

impl Managed {
    /// A key of no team and no user.
    pub(crate) fn new() -> Self {
        let key = KeyRow { id: "k1".into(), name: "sk-...6789".into(), ..KeyRow::of(KeyHash::of(SECRET)) };
        Self {
            settings: SettingsRow::default(),
            key,
            teams: Vec::new(),
            users: Vec::new(),
            members: Vec::new(),
        }
    }

    /// A key of user `u1` in team `t1`, both there, with a member's row as well.
    pub(crate) fn in_team() -> Self {
        let mut managed = Self::new();
        managed.key.team_id = Some("t1".into());
        managed.key.user_id = Some("u1".into());
        managed.teams.push(TeamRow { id: "t1".into(), ..TeamRow::default() });
        managed.users.push(UserRow { id: "u1".into(), ..UserRow::default() });
        managed.members.push(MemberRow { team: "t1".into(), user: "u1".into(), ..MemberRow::default() });
        managed
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        let Self { settings, key, teams, users, members } = self;
        let mut rows = vec![Row::Settings(Box::new(settings.clone())), Row::Key(Box::new(key.clone()))];
        rows.extend(["gpt-4o", "gpt-4o-mini"].map(|name| Row::Deployment(Box::new(deployment(name)))));
        rows.extend(teams.iter().map(|row| Row::Team(Box::new(row.clone()))));
        rows.extend(users.iter().map(|row| Row::User(Box::new(row.clone()))));
        rows.extend(members.iter().map(|row| Row::Member(Box::new(row.clone()))));
        let version = Version { cluster: [1; 16], epoch: 1, seq: 1, hash: [2; 32] };
        let mut catalog = Catalog::new(Arc::new(PriceBook::embedded()));
        let items = rows.iter().map(encode).collect();
        catalog.full(Full { version, items, forced: false }).unwrap();
        catalog.snapshot().unwrap().clone()
    }

    /// Who calls with the key.
    pub(crate) fn caller(&self) -> Caller {
        self.identify(SECRET).unwrap()
    }

    pub(crate) fn identify(&self, key: &str) -> Outcome<Caller> {
        let mut headers = HeaderMap::new();
        headers.insert("x-api-key", HeaderValue::from_str(key).unwrap());
        identify(&self.snapshot(), &headers, now())
    }
}

pub(crate) fn now() -> UnixMillis {
    UnixMillis::parse("2026-11-21T09:30:00Z").unwrap()
}

fn deployment(name: &str) -> DeploymentRow {
    DeploymentRow {
        id: format!("id-{name}"),
        group: name.into(),
        provider: "openai".into(),
        model: name.into(),
        api_base: Some("http://127.0.0.1:9".into()),
        ..DeploymentRow::default()
    }
}
