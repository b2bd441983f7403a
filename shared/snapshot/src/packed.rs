//! Keys in little memory: a shard is a few allocations, whatever the number of its keys.
//!
//! What every key has lies in one list, texts behind each other in another, and what few keys have in a map. Texts
//! that a change leaves without a key go when the shard is copied next, which is with the next change.

use std::collections::BTreeMap;
use std::sync::Arc;

use bulkhead_model::rows::{KeyRow, Spend};
use bulkhead_model::{KeyHash, UnixMillis};

use crate::policy::{Common, Policy, Said, TeamId};

/// What the ledger's names of keys begin with.
pub(crate) const LEDGER: &str = "key:";

/// What most names of keys begin with.
pub(crate) const MASK: &str = "sk-...";

/// Keys in the order of their hashes.
#[derive(Debug, Default)]
pub(crate) struct Shard {
    rows: Vec<Packed>,
    texts: String,
    rare: BTreeMap<KeyHash, Arc<Rare>>,
}

/// What every key has.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    pub(crate) hash: KeyHash,
    pub(crate) policy: Arc<Policy>,
    pub(crate) team: Option<TeamId>,
    pub(crate) expires: UnixMillis,
    /// Where its texts begin.
    start: u32,
    /// How long each text is.
    lens: [u16; TEXTS],
    pub(crate) does_expire: bool,
    pub(crate) is_blocked: bool,
    /// Its name begins with [`MASK`], which is left out.
    pub(crate) is_masked: bool,
}

/// What few keys have.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Rare {
    pub(crate) metadata: Option<Box<str>>,
    pub(crate) spend: Spend,
    /// Texts that are too long to lie with the others.
    long: Option<Box<[Option<Box<str>>; TEXTS]>>,
}

/// The texts of a key, in this order.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Text {
    /// [`LEDGER`] and the id.
    LedgerId,
    Alias,
    User,
    /// Without [`MASK`].
    Name,
}

const TEXTS: usize = 4;

/// Instead of the length of a text that is not there.
const ABSENT: u16 = u16::MAX;

impl Shard {
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn find(&self, hash: &KeyHash) -> Result<usize, usize> {
        self.rows.binary_search_by(|row| row.hash.cmp(hash))
    }

    pub(crate) fn row(&self, index: usize) -> Option<&Packed> {
        self.rows.get(index)
    }

    pub(crate) fn rare(&self, hash: &KeyHash) -> Option<&Rare> {
        self.rare.get(hash).map(|rare| &**rare)
    }

    pub(crate) fn text(&self, of: &Packed, text: Text) -> Option<&str> {
        let place = text as usize;
        if of.is_long() {
            return self.rare(&of.hash)?.long.as_ref()?.get(place)?.as_deref();
        }
        let len = of.lens.get(place).copied().filter(|len| *len != ABSENT)?;
        let start = usize::try_from(of.start).ok()? + len_of(of.lens.iter().take(place));
        self.texts.get(start..start + usize::from(len))
    }

    /// Puts a key in the place of the one with the same hash.
    pub(crate) fn insert(&mut self, row: KeyRow, common: &mut Common) {
        let KeyRow {
            id,
            hash,
            name,
            alias,
            models,
            aliases,
            allowed_routes,
            limits,
            budget,
            expires,
            blocked,
            team_id,
            user_id,
            tags,
            metadata,
            spend,
            requires,
        } = row;
        let ledger_id = format!("{LEDGER}{id}");
        let unmasked = name.strip_prefix(MASK);
        let texts =
            [Some(&*ledger_id), alias.as_deref(), user_id.as_deref(), Some(unmasked.unwrap_or(&name))];
        let written = self.write(&texts);
        let long = written.is_none().then(|| Box::new(texts.map(|text| text.map(Into::into))));
        let rare = Rare { metadata: metadata.map(Into::into), spend, long };
        if rare == Rare::default() {
            self.rare.remove(&hash);
        } else {
            self.rare.insert(hash, Arc::new(rare));
        }
        let in_team = team_id.is_some();
        let said = Said { models, aliases, allowed_routes, limits, budget, tags, requires, in_team };
        let (start, lens) = written.unwrap_or((0, [ABSENT; TEXTS]));
        let row = Packed {
            hash,
            policy: common.policy(said),
            team: team_id.map(|id| common.team(&id)),
            expires: expires.unwrap_or(UnixMillis(0)),
            start,
            lens,
            does_expire: expires.is_some(),
            is_blocked: blocked,
            is_masked: unmasked.is_some(),
        };
        match self.find(&hash) {
            Ok(index) => drop(self.rows.get_mut(index).map(|old| *old = row)),
            Err(index) => {
                if self.rows.len() == self.rows.capacity() {
                    self.rows.reserve_exact(room_for(1, self.rows.len()));
                }
                self.rows.insert(index, row);
            }
        }
    }

    /// Takes a key out.
    pub(crate) fn remove(&mut self, index: usize) {
        let row = self.rows.remove(index);
        self.rare.remove(&row.hash);
    }

    /// Adds the texts of a key: where they begin and how long they are. `None` where there are too many of them.
    fn write(&mut self, texts: &[Option<&str>; TEXTS]) -> Option<(u32, [u16; TEXTS])> {
        let mut lens = [ABSENT; TEXTS];
        for (len, text) in lens.iter_mut().zip(texts) {
            if let Some(text) = text {
                *len = u16::try_from(text.len()).ok().filter(|len| *len != ABSENT)?;
            }
        }
        let (start, more) = (self.texts.len(), len_of(&lens));
        // So that each of them can begin anywhere.
        u32::try_from(start + more).ok()?;
        if self.texts.capacity() - self.texts.len() < more {
            self.texts.reserve_exact(room_for(more, self.texts.len()));
        }
        self.texts.extend(texts.iter().flatten().copied());
        Some((u32::try_from(start).ok()?, lens))
    }

    #[cfg(test)]
    pub(crate) fn text_bytes(&self) -> usize {
        self.texts.len()
    }
}

/// Grows by a little only: there are many shards.
fn room_for(more: usize, len: usize) -> usize {
    more.max(len / 4)
}

fn len_of<'a>(lens: impl IntoIterator<Item = &'a u16>) -> usize {
    lens.into_iter().filter(|len| **len != ABSENT).map(|len| usize::from(*len)).sum()
}

impl Packed {
    /// A key that may do nothing.
    pub(crate) fn nobody() -> Self {
        Self {
            hash: KeyHash([0; 32]),
            policy: Common::default().policy(Said::default()),
            team: None,
            expires: UnixMillis(0),
            start: 0,
            lens: [ABSENT; TEXTS],
            does_expire: true,
            is_blocked: true,
            is_masked: false,
        }
    }

    /// Its texts are too long to lie with the others.
    fn is_long(&self) -> bool {
        self.lens == [ABSENT; TEXTS]
    }
}

impl Clone for Shard {
    /// Leaves behind what no key has any more.
    fn clone(&self) -> Self {
        let Self { rows, texts, rare } = self;
        let mut copy = String::with_capacity(rows.iter().map(|row| len_of(&row.lens)).sum());
        let row = |row: &Packed| {
            // All of them together fit, as they did before.
            let start = u32::try_from(copy.len()).unwrap_or(row.start);
            let from = usize::try_from(row.start).unwrap_or_default();
            copy.push_str(texts.get(from..from + len_of(&row.lens)).unwrap_or_default());
            Packed { start, ..row.clone() }
        };
        let rows = rows.iter().map(row).collect();
        Self { rows, texts: copy, rare: rare.clone() }
    }
}
