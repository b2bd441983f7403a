//! Compiled keys, of which there may be a million (design §4).

use std::fmt;
use std::sync::{Arc, LazyLock};

use bulkhead_model::rows::{KeyRow, Spend};
use bulkhead_model::{KeyHash, UnixMillis};

use crate::packed::{LEDGER, MASK, Own, Packed, Shard, Text};
use crate::policy::{Common, Policy, Said, TeamId};
use crate::table::Shards;

/// Keys by their hashes. Cheap to copy and to change, like [`crate::Table`].
#[derive(Debug, Clone, Default)]
pub struct Keys {
    shards: Shards<Shard>,
    len: usize,
}

/// A virtual key, ready to decide about a request.
///
/// It holds the shard that it is in, a few kilobytes, and nothing else of the snapshot.
#[derive(Clone)]
pub struct Key {
    shard: Arc<Shard>,
    index: usize,
}

impl Keys {
    /// Finds a key.
    pub fn get(&self, hash: &KeyHash) -> Option<Key> {
        let shard = self.shards.get(spread(hash))?;
        let index = shard.find(hash).ok()?;
        Some(Key { shard: shard.clone(), index })
    }

    /// Puts a key in the place of the one with the same hash.
    pub(crate) fn insert(&mut self, row: KeyRow, common: &mut Common) {
        let Some(shard) = self.shards.get_mut(spread(&row.hash)) else { return };
        let before = shard.len();
        shard.insert(row, common);
        self.len += shard.len() - before;
    }

    /// Takes a key out.
    pub(crate) fn remove(&mut self, hash: &KeyHash) {
        let Some(index) = self.shards.get(spread(hash)).and_then(|shard| shard.find(hash).ok()) else {
            return;
        };
        if let Some(shard) = self.shards.get_mut(spread(hash)) {
            shard.remove(index);
            self.len -= 1;
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Every key, in an order that says nothing.
    pub fn iter(&self) -> impl Iterator<Item = Key> {
        let keys = |shard: &Arc<Shard>| {
            let shard = shard.clone();
            (0..shard.len()).map(move |index| Key { shard: shard.clone(), index })
        };
        self.shards.iter().flat_map(keys)
    }
}

/// A hash is even as it is.
fn spread(hash: &KeyHash) -> u64 {
    hash.0.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// Stands in for a key that is not where it was found, which cannot be: it may do nothing.
static NOBODY: LazyLock<Packed> = LazyLock::new(Packed::nobody);

impl Key {
    fn packed(&self) -> &Packed {
        self.shard.row(self.index).unwrap_or(&NOBODY)
    }

    fn own(&self) -> Own<'_> {
        self.shard.own(self.packed())
    }

    /// What the client's key hashes to.
    pub fn hash(&self) -> &KeyHash {
        &self.packed().hash
    }

    /// Its name in the ledger: `key:` and the id.
    pub fn ledger_id(&self) -> &str {
        self.own().text(Text::LedgerId).unwrap_or_default()
    }

    /// Names the key in usage records.
    pub fn id(&self) -> &str {
        self.ledger_id().strip_prefix(LEDGER).unwrap_or_default()
    }

    /// `sk-...abcd`.
    pub fn name(&self) -> String {
        let mask = if self.own().is_masked { MASK } else { "" };
        format!("{mask}{}", self.own().text(Text::Name).unwrap_or_default())
    }

    /// The operator's name for it.
    pub fn alias(&self) -> Option<&str> {
        self.own().text(Text::Alias)
    }

    /// What it may do; keys that may do the same share it.
    pub fn policy(&self) -> &Policy {
        &self.packed().policy
    }

    /// From when it is refused.
    pub fn expires(&self) -> Option<UnixMillis> {
        self.own().expires
    }

    /// Refused while set.
    pub fn is_blocked(&self) -> bool {
        self.own().is_blocked
    }

    /// The team it belongs to.
    pub fn team_id(&self) -> Option<&str> {
        self.packed().team.as_ref().map(TeamId::as_str)
    }

    /// The user it belongs to.
    pub fn user_id(&self) -> Option<&str> {
        self.own().text(Text::User)
    }

    /// A JSON object for records.
    pub fn metadata(&self) -> Option<&str> {
        self.own().text(Text::Metadata)
    }

    /// What it spent before.
    pub fn spend(&self) -> Spend {
        self.own().spend
    }

    /// The row it was compiled from.
    pub fn row(&self) -> KeyRow {
        let said = self.policy().said.clone();
        let Said { models, aliases, allowed_routes, limits, budget, tags, fallbacks, requires, in_team: _ } =
            said;
        KeyRow {
            id: self.id().to_owned(),
            hash: *self.hash(),
            name: self.name(),
            alias: self.alias().map(str::to_owned),
            models,
            aliases,
            allowed_routes,
            limits,
            budget,
            expires: self.expires(),
            blocked: self.is_blocked(),
            team_id: self.team_id().map(str::to_owned),
            user_id: self.user_id().map(str::to_owned),
            tags,
            metadata: self.metadata().map(str::to_owned),
            fallbacks,
            spend: self.spend(),
            requires,
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.id()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::wire::tests::key;

    fn one(row: KeyRow) -> Key {
        let hash = row.hash;
        let mut keys = Keys::default();
        keys.insert(row, &mut Common::default());
        keys.get(&hash).unwrap()
    }

    fn hash(n: u8) -> KeyHash {
        // Several shards of several keys.
        KeyHash([[n % 4; 8], [n; 8], [0; 8], [0; 8]].concat().try_into().unwrap())
    }

    proptest! {
        #[test]
        fn a_key_gives_back_the_row_that_it_was_compiled_from(row in key()) {
            let key = one(row.clone());
            prop_assert_eq!(key.id(), &row.id);
            prop_assert_eq!(key.ledger_id(), format!("key:{}", row.id));
            prop_assert_eq!(key.row(), row);
        }

        #[test]
        fn keys_are_a_map_and_neither_copies_of_it_nor_keys_in_use_change(
            steps in prop::collection::vec((0u8..16, prop::option::weighted(0.7, key())), 0..64),
        ) {
            let (mut keys, mut map, mut common) = (Keys::default(), BTreeMap::new(), Common::default());
            let (mut copies, mut in_use) = (Vec::new(), Vec::new());
            for (n, row) in steps {
                copies.push((keys.clone(), map.clone()));
                let hash = hash(n);
                match row {
                    Some(row) => {
                        let row = KeyRow { hash, ..row };
                        keys.insert(row.clone(), &mut common);
                        in_use.push((keys.get(&hash).unwrap(), row.clone()));
                        map.insert(hash, row);
                    }
                    None => {
                        keys.remove(&hash);
                        map.remove(&hash);
                    }
                }
            }
            copies.push((keys, map));
            for (keys, map) in copies {
                prop_assert_eq!(keys.len(), map.len());
                let rows: BTreeMap<_, _> = keys.iter().map(|key| (*key.hash(), key.row())).collect();
                prop_assert_eq!(&rows, &map);
                for n in 0..16 {
                    prop_assert_eq!(keys.get(&hash(n)).map(|key| key.row()), map.get(&hash(n)).cloned());
                }
            }
            for (key, row) in in_use {
                prop_assert_eq!(key.row(), row);
            }
        }
    }

    #[test]
    fn texts_of_any_length_are_kept() {
        for len in [0, 1, 65_534, 65_535, 65_536, 200_000] {
            let text = "ä".repeat(len / 2) + &"x".repeat(len % 2);
            for (alias, user_id) in [(None, Some(text.clone())), (Some(text.clone()), None)] {
                let row =
                    KeyRow { id: "id".into(), alias, user_id, name: text.clone(), ..KeyRow::of(hash(1)) };
                assert_eq!(one(row.clone()).row(), row);
            }
        }
    }

    #[test]
    fn keys_of_one_team_share_its_id_and_what_they_may_do() {
        let (mut keys, mut common) = (Keys::default(), Common::default());
        for n in [1, 2] {
            let row = KeyRow { team_id: Some("t".into()), ..KeyRow::of(hash(n)) };
            keys.insert(row, &mut common);
        }
        let [one, two] = [1, 2].map(|n| keys.get(&hash(n)).unwrap());
        assert!(std::ptr::eq(one.team_id().unwrap(), two.team_id().unwrap()));
        assert!(std::ptr::eq(one.policy(), two.policy()));
    }

    #[test]
    fn a_change_leaves_no_texts_behind() {
        let (mut keys, mut common) = (Keys::default(), Common::default());
        for n in 0..1000 {
            let before = keys.clone();
            let row = KeyRow { alias: Some(format!("{n:0100}")), ..KeyRow::of(hash(1)) };
            keys.insert(row, &mut common);
            drop(before);
        }
        assert!(keys.shards.get(spread(&hash(1))).unwrap().bytes() < 1000);
    }

    #[test]
    fn nobody_may_do_anything() {
        assert!(Key { shard: Arc::default(), index: 0 }.is_blocked());
    }
}
