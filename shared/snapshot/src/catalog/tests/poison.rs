//! Pushes that went wrong in every way: never a panic; a refused one changes nothing, a rejected row is listed.

use std::sync::Arc;

use bulkhead_proto as proto;
use bytes::Bytes;
use prost::Message;

use super::support::*;
use crate::wire::{Id, Row, encode};
use crate::{Catalog, Full, Version};

const MUTATIONS: usize = 600;

fn rows() -> Vec<Row> {
    let mut rows = vec![settings(), credential("c", "secret"), team("t"), user("u")];
    rows.extend(
        (0..3).map(|n| deployment(&format!("d{n}"), |row| row.credential = (n == 0).then(|| "c".to_owned()))),
    );
    rows.extend((0..30).map(|n| {
        key(n, |key| {
            key.team_id = (n % 2 == 0).then(|| "t".to_owned());
            key.blocked = n == 3;
        })
    }));
    rows
}

/// Key 5 is revoked, key 6 blocked, key 40 new.
fn good_delta() -> proto::Delta {
    let put = items(&[key(6, |key| key.blocked = true), key(40, |_| {}), deployment("d1", |_| {})]);
    change(version(1), version(2), put, &[Id::Key(hash(5))])
}

impl Dice {
    fn damage(&mut self, bytes: &Bytes) -> Bytes {
        let mut bytes = bytes.to_vec();
        match self.below(4) {
            0 => bytes.truncate(self.below(bytes.len())),
            1 if !bytes.is_empty() => {
                for _ in 0..=self.below(4) {
                    let at = self.below(bytes.len());
                    bytes[at] ^= 1 << self.below(8);
                }
            }
            2 => bytes.extend((0..self.below(64)).map(|n| n as u8)),
            _ => bytes = (0..self.below(40)).map(|_| self.below(256) as u8).collect(),
        }
        bytes.into()
    }

    fn version(&mut self, version: &mut Version) {
        match self.below(4) {
            0 => version.cluster[self.below(16)] ^= 1,
            1 => version.epoch = 0,
            2 => version.seq = self.below(2) as u64,
            _ => version.hash[self.below(32)] ^= 1,
        }
    }

    /// Changes items as a bug, an unlucky bit or a newer release would.
    fn items(&mut self, items: &mut Vec<proto::Item>) {
        let at = self.below(items.len());
        let other = self.below(items.len());
        match self.below(10) {
            0 => items[at].resource = self.damage(&items[at].resource.clone()),
            1 => items[at].r#ref = None,
            2 => items[at].r#ref = items[other].r#ref.clone(),
            3 => items[at].r#ref = Some(proto::Ref { kind: self.below(200) as i32 - 100, id: "x".into() }),
            4 => items.push(items[at].clone()),
            5 => {
                let mut twin = items[at].clone();
                twin.resource = items[other].resource.clone();
                items.push(twin);
            }
            6 => {
                let id = "x".repeat(1 << 20);
                items[at].r#ref = Some(proto::Ref { kind: 7, id });
            }
            7 => items[at].resource = vec![0xff; 3 << 20].into(),
            8 => items[at].resource = Bytes::from_static(&[0xc2, 0x3e, 0]),
            _ => {
                items.remove(at);
            }
        }
    }
}

/// What requests see, and what an operator reads.
fn seen(catalog: &Catalog) -> (Option<Version>, *const crate::Snapshot, Vec<String>) {
    (catalog.version().copied(), Arc::as_ptr(catalog.snapshot().unwrap()), rejected(catalog))
}

/// Nothing that was denied is served, unless by a row that says so.
fn check(catalog: &Catalog) {
    assert_ne!(fate(catalog, 3), Fate::Served, "key 3 is blocked");
    for (id, reason) in catalog.rejected() {
        assert!(!reason.is_empty(), "{id}");
        let Id::Key(hash) = id else { continue };
        let key = catalog.snapshot().unwrap().keys.get(hash);
        let denied = key.is_none_or(|key| {
            !key.policy().said.requires.is_empty() || catalog.snapshot().unwrap().teams.get("t").is_none()
        });
        assert!(denied, "{id} is rejected: {reason}");
    }
}

#[test]
fn poisoned_full_syncs_are_refused_or_rejected_row_by_row() {
    let mut dice = Dice(1);
    let (mut refused, mut listed) = (0, 0);
    for _ in 0..MUTATIONS {
        let mut catalog = started(&rows());
        let before = seen(&catalog);
        let mut full = Full { version: version(2), items: items(&rows()), forced: false };
        match dice.below(8) {
            0 => dice.version(&mut full.version),
            1 => full.items.truncate(dice.below(full.items.len())),
            2 => full.items.clear(),
            3 => full.items = full.items.iter().step_by(3).cloned().collect(),
            _ => {
                for _ in 0..=dice.below(5) {
                    dice.items(&mut full.items);
                }
            }
        }
        match catalog.full(full) {
            Err(_) => {
                refused += 1;
                assert_eq!(seen(&catalog), before);
            }
            Ok(()) => listed += usize::from(!rejected(&catalog).is_empty()),
        }
        check(&catalog);
        // A revocation gets out all the same.
        let from = *catalog.version().unwrap();
        let delta = change(from, Version { seq: from.seq + 1, ..from }, vec![], &[Id::Key(hash(1))]);
        catalog.delta(delta).unwrap();
        assert_eq!(fate(&catalog, 1), Fate::Unknown);
    }
    assert!(refused > MUTATIONS / 10 && listed > MUTATIONS / 10, "{refused} refused, {listed} listed");
}

#[test]
fn poisoned_deltas_are_refused_or_rejected_row_by_row() {
    let mut dice = Dice(2);
    let (mut refused, mut listed) = (0, 0);
    for _ in 0..MUTATIONS {
        let mut catalog = started(&rows());
        let before = seen(&catalog);
        let mut delta = good_delta();
        match dice.below(6) {
            0 => {
                let damaged = dice.damage(&delta.encode_to_vec().into());
                let Ok(decoded) = proto::Delta::decode(damaged) else { continue };
                delta = decoded;
            }
            1 => {
                let mut wrong = version(2);
                dice.version(&mut wrong);
                delta.version = Some(wrong.encode());
            }
            2 => dice.items(&mut delta.put),
            3 => {
                delta
                    .delete
                    .push(proto::Ref { kind: dice.below(12) as i32, id: "zz".repeat(dice.below(40)) });
                sign(&mut delta);
            }
            _ => {
                for _ in 0..=dice.below(4) {
                    if !delta.put.is_empty() {
                        dice.items(&mut delta.put);
                    }
                }
                sign(&mut delta);
            }
        }
        match catalog.delta(delta) {
            Err(_) => {
                refused += 1;
                assert_eq!(seen(&catalog), before);
                catalog.delta(good_delta()).unwrap();
            }
            Ok(()) => listed += usize::from(!rejected(&catalog).is_empty()),
        }
        check(&catalog);
        assert_eq!(fate(&catalog, 5), Fate::Unknown, "the revocation is in force");
    }
    assert!(refused > MUTATIONS / 10 && listed > MUTATIONS / 10, "{refused} refused, {listed} listed");
}

#[test]
fn every_single_row_may_be_poison() {
    for poisoned in rows().into_iter().filter(|row| row.id() != Id::Key(hash(5))) {
        for poison in [garbage(poisoned.id()), proto::Item { r#ref: None, ..encode(&poisoned) }] {
            let mut catalog = started(&rows());
            next(&mut catalog, vec![poison], &[Id::Key(hash(5))]);
            assert_eq!(rejected(&catalog).len(), 1, "{}", poisoned.id());
            assert_eq!(fate(&catalog, 5), Fate::Unknown);
            assert_eq!(in_use(&catalog).len(), 3);
            check(&catalog);
        }
    }
}
