//! What tests of catalogues build them from.

use std::sync::Arc;

use bulkhead_model::rows::{CredentialRow, DeploymentRow, KeyRow, Limits, SettingsRow, TeamRow, UserRow};
use bulkhead_model::{KeyHash, Secret};
use bulkhead_pricing::PriceBook;
use bulkhead_proto as proto;
use bytes::Bytes;

use crate::wire::{Id, Row, encode};
use crate::{Catalog, Full, Refused, Version, digest_of_delta};

pub(crate) fn prices() -> Arc<PriceBook> {
    static PRICES: std::sync::OnceLock<Arc<PriceBook>> = std::sync::OnceLock::new();
    PRICES.get_or_init(|| Arc::new(PriceBook::embedded())).clone()
}

pub(crate) fn version(seq: u64) -> Version {
    let mut hash = [7; 32];
    hash[..8].copy_from_slice(&seq.to_be_bytes());
    Version { cluster: [1; 16], epoch: 1, seq, hash }
}

pub(crate) fn settings() -> Row {
    Row::Settings(Box::default())
}

pub(crate) fn settings_with(change: impl FnOnce(&mut SettingsRow)) -> Row {
    let mut row = SettingsRow::default();
    change(&mut row);
    Row::Settings(Box::new(row))
}

pub(crate) fn credential(name: &str, key: &str) -> Row {
    let api_key = Some(Secret::new(key));
    Row::Credential(Box::new(CredentialRow { name: name.into(), api_key, ..CredentialRow::default() }))
}

pub(crate) fn deployment(id: &str, change: impl FnOnce(&mut DeploymentRow)) -> Row {
    let mut row = DeploymentRow {
        id: id.into(),
        group: format!("group-{id}"),
        provider: "openai".into(),
        model: "gpt-4o".into(),
        ..DeploymentRow::default()
    };
    change(&mut row);
    Row::Deployment(Box::new(row))
}

pub(crate) fn team(id: &str) -> Row {
    Row::Team(Box::new(TeamRow { id: id.into(), ..TeamRow::default() }))
}

pub(crate) fn user(id: &str) -> Row {
    Row::User(Box::new(UserRow { id: id.into(), ..UserRow::default() }))
}

pub(crate) fn key(n: u64, change: impl FnOnce(&mut KeyRow)) -> Row {
    let mut row = KeyRow { id: format!("k{n}"), ..KeyRow::of(hash(n)) };
    row.limits = Limits { rpm: Some(n % 7), ..Limits::default() };
    change(&mut row);
    Row::Key(Box::new(row))
}

pub(crate) fn hash(n: u64) -> KeyHash {
    KeyHash::of(&format!("sk-{n}"))
}

pub(crate) fn garbage(id: Id) -> proto::Item {
    proto::Item { r#ref: Some(id.encode()), resource: Bytes::from_static(&[0xff; 5]) }
}

pub(crate) fn items(rows: &[Row]) -> Vec<proto::Item> {
    rows.iter().map(encode).collect()
}

pub(crate) fn catalog() -> Catalog {
    Catalog::new(prices())
}

/// A catalogue at seq 1.
pub(crate) fn started(rows: &[Row]) -> Catalog {
    let mut catalog = catalog();
    full(&mut catalog, 1, items(rows)).unwrap();
    catalog
}

pub(crate) fn full(catalog: &mut Catalog, seq: u64, items: Vec<proto::Item>) -> Result<(), Refused> {
    catalog.full(Full { version: version(seq), items, forced: false })
}

pub(crate) fn change(from: Version, to: Version, put: Vec<proto::Item>, delete: &[Id]) -> proto::Delta {
    let mut delta = proto::Delta {
        from: Some(from.encode()),
        version: Some(to.encode()),
        put,
        delete: delete.iter().map(Id::encode).collect(),
        digest: Bytes::new(),
    };
    sign(&mut delta);
    delta
}

pub(crate) fn sign(delta: &mut proto::Delta) {
    delta.digest = Bytes::copy_from_slice(&digest_of_delta(delta));
}

/// The delta that comes next, and is applied.
pub(crate) fn next(catalog: &mut Catalog, put: Vec<proto::Item>, delete: &[Id]) -> proto::Delta {
    let from = *catalog.version().unwrap();
    let delta = change(from, version(from.seq + 1), put, delete);
    catalog.delta(delta.clone()).unwrap();
    delta
}

pub(crate) fn rejected(catalog: &Catalog) -> Vec<String> {
    catalog.rejected().map(|(id, reason)| format!("{id}: {reason}")).collect()
}

/// Deployments in use: id and host.
pub(crate) fn in_use(catalog: &Catalog) -> Vec<String> {
    let models = &catalog.snapshot().unwrap().models;
    models.deployments().map(|deployment| format!("{}@{}", deployment.id, deployment.target.host)).collect()
}

/// What a request with the key would meet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    Unknown,
    Denied,
    Blocked,
    Dangling,
    Served,
}

/// Decides as the data plane does.
pub(crate) fn fate(catalog: &Catalog, n: u64) -> Fate {
    let snapshot = catalog.snapshot().unwrap();
    let Some(key) = snapshot.keys.get(&hash(n)) else { return Fate::Unknown };
    let team = key.team_id().map(|team| snapshot.teams.get(team));
    let user = key.user_id().and_then(|user| snapshot.users.get(user));
    if matches!(team, Some(None)) {
        return Fate::Dangling;
    }
    let team = team.flatten();
    let denies = |requires: &[String]| !requires.is_empty();
    if denies(&key.policy().said.requires)
        || team.is_some_and(|team| denies(&team.row.requires))
        || user.is_some_and(|user| denies(&user.row.requires))
    {
        return Fate::Denied;
    }
    let blocked = key.is_blocked()
        || team.is_some_and(|team| team.row.blocked)
        || user.is_some_and(|user| user.row.blocked);
    if blocked { Fate::Blocked } else { Fate::Served }
}

/// All that can be seen of a catalogue, in an order of its own.
pub(crate) fn picture(catalog: &Catalog) -> Vec<String> {
    let Some(version) = catalog.version() else { return vec!["nothing".into()] };
    let rows = catalog.rows().map(|row| {
        let item = encode(&row);
        format!("{} {:?}", row.id(), item.resource)
    });
    let mut all: Vec<_> = rows.chain(rejected(catalog)).chain(in_use(catalog)).collect();
    all.extend((0..8).map(|n| format!("key {n} is {:?}", fate(catalog, n))));
    all.sort();
    all.insert(0, format!("{version} {:?}", version.hash));
    all
}

/// Random numbers, the same every time.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 1) as usize % end.max(1)
    }
}
