//! A worker with many keys in its snapshot.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bulkhead_credentials::Keeper;
use bulkhead_model::rows::{
    BudgetRow, DeploymentRow, KeyRow, Limits, MemberRow, SettingsRow, TeamRow, UserRow,
};
use bulkhead_model::{Clock, KeyHash, NanoUsd, PicoUsd, Secret, virtual_key};
use bulkhead_pricing::PriceBook;
use bulkhead_sealed::StateKeys;
use bulkhead_snapshot::wire::{Row, encode};
use bulkhead_snapshot::{Catalog, Incoming, Snapshot, Version};

use crate::admit::{Gate, Ledger};
use crate::listener::Front;
use crate::read::BodyMemory;
use crate::snapshot::Reloads;
use crate::upstream::Dialer;
use crate::usage::{Full, Recorder, SpoolOptions};
use crate::worker::{Node, Worker};

/// The model that clients ask for.
pub(super) const MODEL: &str = "gpt-4o";
/// One that costs nothing: its requests never wait for the ledger to claim money.
pub(super) const FREE: &str = "free";
const TEAMS: u64 = 1000;
/// Keys of a member; a member is a user of its own, in one team.
const KEYS_OF_A_MEMBER: u64 = 5;

/// A worker of a managed node, with everything on: limits and budgets at every level, usage events, metrics.
pub(super) struct Rig {
    pub(super) worker: Arc<Worker>,
    pub(super) snapshot: Arc<Snapshot>,
    _state: tempfile::TempDir,
    _keeping: tokio::runtime::Runtime,
}

impl Rig {
    pub(super) fn new(keys: u64, provider: &str) -> Self {
        let snapshot = snapshot(keys, provider);
        let state = tempfile::tempdir().unwrap();
        let clock = Clock::System;
        let secret = StateKeys::from_join_token(&Secret::new("fence".to_owned()));
        let spool = SpoolOptions { cap: 1 << 30, full: Full::Fold };
        let keeping = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let node = Arc::new(Node {
            keeper: Keeper::new(keeping.handle().clone()),
            tracer: None,
            health: Default::default(),
            snapshot: ArcSwapOption::from(Some(snapshot.clone())),
            gate: Gate::new(clock.clone(), Ledger::open(state.path()).unwrap().0),
            body_memory: Arc::new(BodyMemory::default()),
            recorder: Recorder::managed(state.path(), secret, spool, clock.clone()).unwrap(),
            clock,
            ops_address: String::new(),
            reloads: Reloads::default(),
            link: None,
            management: None,
            front: Front::default(),
            draining: AtomicBool::new(false),
            time_is_up: AtomicBool::new(false),
            patience: Duration::from_secs(75),
        });
        Self {
            worker: Worker::new(node, Arc::new(Dialer::new()), 1),
            snapshot,
            _state: state,
            _keeping: keeping,
        }
    }
}

/// What the client of a key sends.
pub(super) fn secret(key: u64) -> Secret {
    let mut random = [0; virtual_key::RANDOM_BYTES];
    for (place, bytes) in random.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        *bytes = mix(key * 8 + place as u64).to_be_bytes();
    }
    virtual_key::generate(&random)
}

/// Numbers that look like chance and are always the same (SplitMix64).
pub(super) fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn snapshot(keys: u64, provider: &str) -> Arc<Snapshot> {
    let version = Version { cluster: [1; 16], epoch: 1, seq: 1, hash: [2; 32] };
    let mut incoming = Incoming::new(version, false);
    let mut add = |row: Row| incoming.add(encode(&row));
    add(Row::Settings(Box::<SettingsRow>::default()));
    add(Row::Deployment(Box::new(deployment(MODEL, provider))));
    let prices = ["input_cost_per_token", "output_cost_per_token"];
    let prices = prices.map(|price| (price.to_owned(), PicoUsd(0))).to_vec();
    add(Row::Deployment(Box::new(DeploymentRow { prices, ..deployment(FREE, provider) })));
    for id in 0..TEAMS {
        let id = format!("team-{id}");
        add(Row::Team(Box::new(TeamRow { id, limits: limits(), budget: budget(), ..TeamRow::default() })));
    }
    for id in 0..keys.div_ceil(KEYS_OF_A_MEMBER) {
        let (team, user) = (team(id), user(id));
        let of_user = UserRow { id: user.clone(), limits: limits(), budget: budget(), ..UserRow::default() };
        let of_member = MemberRow { team, user, limits: limits(), budget: budget(), ..MemberRow::default() };
        add(Row::User(Box::new(of_user)));
        add(Row::Member(Box::new(of_member)));
    }
    for n in 0..keys {
        add(Row::Key(Box::new(key(n))));
    }
    let mut catalog = Catalog::new(Arc::new(PriceBook::embedded()));
    catalog.finish(incoming).unwrap();
    assert_eq!(catalog.rejected().count(), 0);
    catalog.snapshot().unwrap().clone()
}

fn deployment(group: &str, provider: &str) -> DeploymentRow {
    DeploymentRow {
        id: format!("deployment-of-{group}"),
        group: group.to_owned(),
        provider: "openai".to_owned(),
        model: "gpt-4o-mini".to_owned(),
        api_base: Some(provider.to_owned()),
        api_key: Some(Secret::new("sk-of-the-provider".to_owned())),
        ..DeploymentRow::default()
    }
}

fn key(n: u64) -> KeyRow {
    let member = n / KEYS_OF_A_MEMBER;
    KeyRow {
        id: format!("{n:016x}"),
        name: format!("sk-...{:04}", n % 10_000),
        alias: Some(format!("alias-of-key-{n:07}")),
        models: vec![MODEL.to_owned(), FREE.to_owned()],
        limits: limits(),
        budget: budget(),
        expires: Some(Clock::System.now().plus_millis(24 * 3600 * 1000)),
        team_id: Some(team(member)),
        user_id: Some(user(member)),
        ..KeyRow::of(KeyHash::of(secret(n).expose()))
    }
}

fn team(member: u64) -> String {
    format!("team-{}", member % TEAMS)
}

fn user(member: u64) -> String {
    format!("user-{member:08}@example.com")
}

/// More than any workload uses, of everything.
fn limits() -> Limits {
    Limits { rpm: Some(1 << 40), tpm: Some(1 << 50), max_parallel: Some(1 << 20) }
}

fn budget() -> Option<BudgetRow> {
    Some(BudgetRow { max: NanoUsd(1 << 50), window: Some("30d".parse().unwrap()) })
}
