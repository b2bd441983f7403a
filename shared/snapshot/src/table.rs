//! Tables that are cheap to change and to copy: sharded, copy on write.
//!
//! A snapshot is immutable, so a change of one row makes a new table. It shares everything with the old one but the
//! shard that the row is in and the way to it: with a million rows a change copies about 60 of them and 256 pointers
//! (design §4).

use std::sync::Arc;

/// Branches of a table, and shards of a branch.
const WIDTH: usize = 128;
/// Bits of a place in it.
const BITS: u32 = WIDTH.ilog2();

/// A row that can be found by its key.
pub trait Keyed {
    /// What it is found by.
    type Key: ?Sized + Ord;

    /// The row's own.
    fn key(&self) -> &Self::Key;

    /// Spreads keys evenly.
    fn spread(key: &Self::Key) -> u64;
}

/// Shards by the upper bits of what spreads keys evenly. A copy shares all of them until one is changed.
#[derive(Debug)]
pub(crate) struct Shards<S>(Arc<[Branch<S>]>);

type Branch<S> = Arc<[Arc<S>]>;

impl<S> Clone for Shards<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: Default> Default for Shards<S> {
    fn default() -> Self {
        let branch: Branch<S> = std::iter::repeat_n(Arc::<S>::default(), WIDTH).collect();
        Self(std::iter::repeat_n(branch, WIDTH).collect())
    }
}

impl<S> Shards<S> {
    pub(crate) fn get(&self, spread: u64) -> Option<&Arc<S>> {
        let (branch, shard) = place(spread);
        self.0.get(branch)?.get(shard)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<S>> {
        self.0.iter().flat_map(|branch| branch.iter())
    }
}

impl<S: Clone> Shards<S> {
    /// A shard to change; what others have too is copied first.
    pub(crate) fn get_mut(&mut self, spread: u64) -> Option<&mut S> {
        let (branch, shard) = place(spread);
        let branch = Arc::make_mut(&mut self.0).get_mut(branch)?;
        Arc::make_mut(branch).get_mut(shard).map(Arc::make_mut)
    }
}

fn place(spread: u64) -> (usize, usize) {
    let bits = |shift: u32| usize::try_from(spread >> (u64::BITS - shift)).unwrap_or(0) % WIDTH;
    (bits(BITS), bits(2 * BITS))
}

type Shard<T> = Vec<(u64, Arc<T>)>;

/// Rows by key.
#[derive(Debug)]
pub struct Table<T> {
    shards: Shards<Shard<T>>,
    len: usize,
}

impl<T> Clone for Table<T> {
    fn clone(&self) -> Self {
        Self { shards: self.shards.clone(), len: self.len }
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { shards: Shards::default(), len: 0 }
    }
}

impl<T: Keyed> Table<T> {
    /// Finds a row.
    pub fn get(&self, key: &T::Key) -> Option<&Arc<T>> {
        let spread = T::spread(key);
        let shard = self.shards.get(spread)?;
        let index = find::<T>(shard, spread, key).ok()?;
        shard.get(index).map(|(_, row)| row)
    }

    /// Puts a row in the place of the one with the same key, which is returned.
    pub fn insert(&mut self, row: Arc<T>) -> Option<Arc<T>> {
        let spread = T::spread(row.key());
        let shard = self.shards.get_mut(spread)?;
        match find::<T>(shard, spread, row.key()) {
            Ok(index) => shard.get_mut(index).map(|(_, old)| std::mem::replace(old, row)),
            Err(index) => {
                shard.insert(index, (spread, row));
                self.len += 1;
                None
            }
        }
    }

    /// Takes a row out.
    pub fn remove(&mut self, key: &T::Key) -> Option<Arc<T>> {
        let spread = T::spread(key);
        let index = find::<T>(self.shards.get(spread)?, spread, key).ok()?;
        self.len -= 1;
        Some(self.shards.get_mut(spread)?.remove(index).1)
    }
}

impl<T> Table<T> {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Every row, in an order that says nothing.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<T>> {
        self.shards.iter().flat_map(|shard| shard.iter().map(|(_, row)| row))
    }
}

fn find<T: Keyed>(shard: &[(u64, Arc<T>)], spread: u64, key: &T::Key) -> Result<usize, usize> {
    shard.binary_search_by(|(own, row)| own.cmp(&spread).then_with(|| row.key().cmp(key)))
}

/// Spreads the bytes of a name.
pub(crate) fn spread_text(text: &str) -> u64 {
    use std::hash::BuildHasher;
    foldhash::quality::FixedState::default().hash_one(text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, PartialEq)]
    struct Row(u8, u32);

    impl Keyed for Row {
        type Key = u8;

        fn key(&self) -> &u8 {
            &self.0
        }

        /// Collides, as keys that somebody chose would; in several branches and shards.
        fn spread(key: &u8) -> u64 {
            u64::from(key % 4) << 56 | u64::from(key % 2) << 51
        }
    }

    proptest! {
        #[test]
        fn a_table_is_a_map_and_copies_of_it_do_not_change(
            steps in prop::collection::vec((any::<bool>(), 0u8..16, any::<u32>()), 0..64),
        ) {
            let (mut table, mut map) = (Table::default(), BTreeMap::new());
            let mut copies = Vec::new();
            for (insert, key, value) in steps {
                copies.push((table.clone(), map.clone()));
                let before = match insert {
                    true => (table.insert(Arc::new(Row(key, value))), map.insert(key, value)),
                    false => (table.remove(&key), map.remove(&key)),
                };
                prop_assert_eq!(before.0.map(|row| row.1), before.1);
            }
            copies.push((table, map));
            for (table, map) in copies {
                prop_assert_eq!(table.len(), map.len());
                prop_assert_eq!(table.iter().map(|row| (row.0, row.1)).collect::<BTreeMap<_, _>>(), map.clone());
                for key in 0..16 {
                    prop_assert_eq!(table.get(&key).map(|row| row.1), map.get(&key).copied());
                }
            }
        }
    }
}
