//! What many keys cost a data plane: memory, a full sync, a change of one of them, a look-up.
//!
//! The catalogue of the data plane in this process, with its allocator, fed with encoded chunks and deltas as the
//! control plane sends them. Beside design §4: a million keys in at most 150 MB, a change of one in under 100 µs.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use bulkhead_model::KeyHash;
use bulkhead_model::rows::{KeyRow, Limits, SettingsRow, TeamRow};
use bulkhead_pricing::PriceBook;
use bulkhead_proto as proto;
use bulkhead_snapshot::wire::{Id, Row, encode};
use bulkhead_snapshot::{Catalog, Incoming, Version, digest_of_delta, digest_of_items};
use bytes::Bytes;
use hdrhistogram::Histogram;
use prost::Message;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cpu;

/// Items of a chunk of the full sync.
const CHUNK: u64 = 1000;

/// Keys that are looked up before each change and after all of them: there is traffic, and caches hold other things.
const LOOKUPS: u64 = 1000;

const TEAMS: u64 = 1000;
const POLICIES: u64 = 50;

/// Keys as most are: in a team, with limits that others have too, each with an id, an alias and a user.
#[derive(Debug, Clone, Copy)]
pub struct Fleet {
    /// Keys.
    pub keys: u64,
    /// Users that they belong to in turn.
    pub users: u64,
    /// Changes of one key.
    pub deltas: u64,
}

/// What was measured.
pub struct Figures {
    fleet: Fleet,
    machine: String,
    /// Resident bytes that the full sync added, and that were there after all changes.
    synced: u64,
    changed: u64,
    /// Decoding and compiling of the full sync.
    sync: Duration,
    /// Nanoseconds of each change.
    deltas: Histogram<u64>,
    /// Mean nanoseconds of a look-up, of each round.
    lookups: Histogram<u64>,
}

impl Fleet {
    /// Runs everything.
    pub fn measure(self) -> anyhow::Result<Figures> {
        let mut catalog = Catalog::new(Arc::new(PriceBook::embedded()));
        let before = resident()?;
        let sync = self.sync(&mut catalog)?;
        let synced = resident()?.saturating_sub(before);
        let mut deltas = Histogram::new(3)?;
        let mut lookups = Histogram::new(3)?;
        for change in 0..self.deltas {
            lookups.record(self.look_up(&catalog, change)?)?;
            deltas.record(nanos(self.change(&mut catalog, change)?))?;
        }
        let changed = resident()?.saturating_sub(before);
        Ok(Figures { fleet: self, machine: cpu::machine(), synced, changed, sync, deltas, lookups })
    }

    fn sync(&self, catalog: &mut Catalog) -> anyhow::Result<Duration> {
        let mut incoming = Incoming::new(version(1), false);
        incoming.add(encode(&Row::Settings(Box::<SettingsRow>::default())));
        for team in 0..TEAMS {
            let row = TeamRow { id: format!("team-{team}"), ..TeamRow::default() };
            incoming.add(encode(&Row::Team(Box::new(row))));
        }
        let mut spent = Duration::ZERO;
        for first in (0..self.keys).step_by(usize::try_from(CHUNK)?) {
            let items: Vec<_> = (first..self.keys.min(first + CHUNK)).map(|n| self.item(n)).collect();
            let digest = Bytes::copy_from_slice(&digest_of_items(&items));
            let bytes = Bytes::from(proto::Chunk { items, digest }.encode_to_vec());
            let start = Instant::now();
            let proto::Chunk { items, digest } = proto::Chunk::decode(bytes)?;
            ensure!(digest_of_items(&items) == *digest, "the digest of a chunk does not fit");
            items.into_iter().for_each(|item| incoming.add(item));
            spent += start.elapsed();
        }
        let start = Instant::now();
        catalog.finish(incoming)?;
        Ok(spent + start.elapsed())
    }

    /// Blocks a key, makes a new one, deletes one, in turn.
    fn change(&self, catalog: &mut Catalog, change: u64) -> anyhow::Result<Duration> {
        let from = *catalog.version().context("there is no version")?;
        let to = version(from.seq + 1);
        let n = spread(change, self.keys);
        let (put, delete) = match change % 3 {
            0 => (vec![encode(&Row::Key(Box::new(KeyRow { blocked: true, ..self.key(n) })))], vec![]),
            1 => (vec![self.item(self.keys + change)], vec![]),
            _ => (vec![], vec![Id::Key(hash(n)).encode()]),
        };
        let (from, to) = (Some(from.encode()), Some(to.encode()));
        let mut delta = proto::Delta { from, version: to, put, delete, digest: Bytes::new() };
        delta.digest = Bytes::copy_from_slice(&digest_of_delta(&delta));
        let bytes = Bytes::from(delta.encode_to_vec());
        let start = Instant::now();
        catalog.delta(proto::Delta::decode(bytes)?)?;
        Ok(start.elapsed())
    }

    /// The mean time of a look-up, in nanoseconds.
    fn look_up(&self, catalog: &Catalog, round: u64) -> anyhow::Result<u64> {
        let snapshot = catalog.snapshot().context("there is no snapshot")?;
        let hashes: Vec<_> =
            (0..LOOKUPS).map(|n| hash(spread(round * LOOKUPS + n + 1_000_000, self.keys))).collect();
        let start = Instant::now();
        for hash in &hashes {
            black_box(snapshot.keys.get(hash));
        }
        Ok(nanos(start.elapsed()) / LOOKUPS)
    }

    fn item(&self, n: u64) -> proto::Item {
        encode(&Row::Key(Box::new(self.key(n))))
    }

    fn key(&self, n: u64) -> KeyRow {
        // 12 to 20 characters, as ids of several makes are.
        let width = 12 + usize::try_from(n % 9).unwrap_or_default();
        KeyRow {
            id: format!("{n:0width$}"),
            name: format!("sk-...{:04}", n % 10_000),
            alias: Some(format!("alias-of-key-{n:07}")),
            limits: Limits { rpm: Some(n % POLICIES + 1), ..Limits::default() },
            team_id: Some(format!("team-{}", n % TEAMS)),
            user_id: Some(format!("user-{}", n % self.users.max(1))),
            ..KeyRow::of(hash(n))
        }
    }
}

impl Figures {
    /// As Markdown: a row for each figure.
    pub fn markdown(&self) -> String {
        let Self { fleet, machine, synced, changed, sync, deltas, lookups } = self;
        let micros = |quantile: f64| deltas.value_at_quantile(quantile) as f64 / 1e3;
        format!(
            "| {} keys | |\n|---|---|\n\
             | resident after the full sync | {:.1} MB, {:.0} bytes a key |\n\
             | resident after {} changes | {:.1} MB |\n\
             | full sync, decoded and compiled | {:.2} s |\n\
             | change of one key | median {:.1} µs, p99 {:.1} µs, max {:.1} µs |\n\
             | look-up | median {} ns |\n\n\
             {machine}; {TEAMS} teams, {} users, {POLICIES} policies; {LOOKUPS} look-ups of other keys before each \
             change.\n",
            fleet.keys,
            megabytes(*synced),
            *synced as f64 / fleet.keys.max(1) as f64,
            fleet.deltas,
            megabytes(*changed),
            sync.as_secs_f64(),
            micros(0.5),
            micros(0.99),
            micros(1.0),
            lookups.value_at_quantile(0.5),
            fleet.users,
        )
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        let Self { fleet, machine, synced, changed, sync, deltas, lookups } = self;
        let delta = |quantile: f64| deltas.value_at_quantile(quantile) as f64 / 1e3;
        json!({
            "machine": machine,
            "keys": fleet.keys,
            "users": fleet.users,
            "resident_bytes": synced,
            "resident_bytes_after_deltas": changed,
            "sync_seconds": sync.as_secs_f64(),
            "deltas": fleet.deltas,
            "delta_us": {"median": delta(0.5), "p99": delta(0.99), "max": delta(1.0)},
            "lookup_ns": lookups.value_at_quantile(0.5),
        })
    }
}

fn hash(n: u64) -> KeyHash {
    KeyHash::of(&format!("sk-{n}"))
}

fn version(seq: u64) -> Version {
    Version { cluster: [1; 16], epoch: 1, seq, hash: KeyHash::of(&seq.to_string()).0 }
}

/// Goes through all keys in an order without order.
fn spread(n: u64, keys: u64) -> u64 {
    n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % keys.max(1)
}

fn resident() -> anyhow::Result<u64> {
    Ok(cpu::resident(std::process::id())?)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_fleet_is_measured() {
        let figures = Fleet { keys: 100, users: 10, deltas: 9 }.measure().unwrap();
        assert_eq!((figures.deltas.len(), figures.lookups.len()), (9, 9));
        assert!(figures.markdown().contains("| 100 keys |"));
        assert_eq!(figures.json()["keys"], 100);
    }
}
