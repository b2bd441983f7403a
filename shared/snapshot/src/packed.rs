//! Keys in little memory.
//!
//! A row holds its hash and what keys share; all else is packed into bytes, as few as it needs. Both lie in pieces of
//! one size, so that a shard grows without leaving gaps: what one gives back fits the next. What a change leaves
//! without a key goes when the shard is copied next, which is with the next change.

use std::sync::Arc;

use bulkhead_model::rows::{KeyRow, Spend};
use bulkhead_model::{KeyHash, NanoUsd, UnixMillis};
use prost::encoding::{decode_varint, encode_varint};

use crate::policy::{Common, Policy, Said, TeamId};

/// What the ledger's names of keys begin with.
pub(crate) const LEDGER: &str = "key:";

/// What most names of keys begin with.
pub(crate) const MASK: &str = "sk-...";

/// Keys in the order of their hashes.
#[derive(Debug, Default)]
pub(crate) struct Shard {
    /// Full but for the last, which is never empty.
    rows: Vec<Vec<Packed>>,
    owns: Store,
}

/// Rows of a piece, half a kilobyte of them. Of larger pieces the last leaves more room, of smaller ones there are more.
const ROWS: usize = 9;

/// A key.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    pub(crate) hash: KeyHash,
    pub(crate) policy: Arc<Policy>,
    pub(crate) team: Option<TeamId>,
    own: Place,
}

/// What a key has for itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Own<'a> {
    pub(crate) is_blocked: bool,
    /// Its name begins with [`MASK`], which is left out.
    pub(crate) is_masked: bool,
    pub(crate) expires: Option<UnixMillis>,
    pub(crate) spend: Spend,
    texts: [Option<&'a [u8]>; TEXTS],
}

/// The texts of a key, in this order.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Text {
    /// [`LEDGER`] and the id.
    LedgerId,
    /// Without [`MASK`].
    Name,
    Alias,
    User,
    Metadata,
}

const TEXTS: usize = 5;

impl Shard {
    pub(crate) fn len(&self) -> usize {
        let full = self.rows.len().saturating_sub(1) * ROWS;
        full + self.rows.last().map_or(0, Vec::len)
    }

    pub(crate) fn row(&self, index: usize) -> Option<&Packed> {
        self.rows.get(index / ROWS)?.get(index % ROWS)
    }

    pub(crate) fn own(&self, of: &Packed) -> Own<'_> {
        self.owns.get(of.own).and_then(Own::read).unwrap_or(Own::NOBODY)
    }

    /// Where a key is, or would be.
    pub(crate) fn find(&self, hash: &KeyHash) -> Result<usize, usize> {
        let before = self.rows.partition_point(|piece| piece.last().is_some_and(|last| last.hash < *hash));
        let Some(piece) = self.rows.get(before) else { return Err(self.len()) };
        let found = piece.binary_search_by(|row| row.hash.cmp(hash));
        found.map(|at| before * ROWS + at).map_err(|at| before * ROWS + at)
    }

    /// Puts a key in the place of the one with the same hash.
    pub(crate) fn insert(&mut self, row: KeyRow, common: &mut Common) {
        let own = self.owns.add(&Own::write(&row));
        let KeyRow {
            hash,
            models,
            aliases,
            allowed_routes,
            limits,
            budget,
            team_id,
            tags,
            fallbacks,
            requires,
            ..
        } = row;
        let in_team = team_id.is_some();
        let said =
            Said { models, aliases, allowed_routes, limits, budget, tags, fallbacks, requires, in_team };
        let row = Packed { hash, policy: common.policy(said), team: team_id.map(|id| common.team(&id)), own };
        match self.find(&hash) {
            Ok(index) => self.replace(index, row),
            Err(index) => self.insert_at(index, row),
        }
    }

    fn replace(&mut self, index: usize, row: Packed) {
        if let Some(old) = self.rows.get_mut(index / ROWS).and_then(|piece| piece.get_mut(index % ROWS)) {
            *old = row;
        }
    }

    /// The last row of a full piece goes on to the next.
    fn insert_at(&mut self, index: usize, mut row: Packed) {
        let mut at = index % ROWS;
        for piece in self.rows.iter_mut().skip(index / ROWS) {
            let last = if piece.len() == ROWS { piece.pop() } else { None };
            piece.insert(at, row);
            match last {
                None => return,
                Some(last) => row = last,
            }
            at = 0;
        }
        let mut piece = Vec::with_capacity(ROWS);
        piece.push(row);
        self.rows.push(piece);
    }

    /// Takes a key out. The pieces after it move up by a row.
    pub(crate) fn remove(&mut self, index: usize) {
        let mut pieces = self.rows.iter_mut().skip(index / ROWS);
        let Some(mut piece) = pieces.next() else { return };
        piece.remove(index % ROWS);
        for next in pieces {
            piece.push(next.remove(0));
            piece = next;
        }
        self.rows.pop_if(|last| last.is_empty());
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.owns.0.iter().map(Vec::len).sum()
    }
}

impl Clone for Shard {
    /// Leaves behind what no key has any more.
    fn clone(&self) -> Self {
        let mut owns = Store(Vec::with_capacity(self.owns.0.len()));
        let mut copy = |row: &Packed| {
            let own = self.owns.get(row.own).map_or(Place::NOWHERE, |own| owns.add(own));
            Packed { own, ..row.clone() }
        };
        let piece = |rows: &Vec<Packed>| {
            let mut piece = Vec::with_capacity(ROWS);
            piece.extend(rows.iter().map(&mut copy));
            piece
        };
        let rows = self.rows.iter().map(piece).collect();
        Self { rows, owns }
    }
}

impl Packed {
    /// A key that may do nothing.
    pub(crate) fn nobody() -> Self {
        let policy = Common::default().policy(Said::default());
        Self { hash: KeyHash([0; 32]), policy, team: None, own: Place::NOWHERE }
    }
}

/// Bytes behind each other, in pieces.
#[derive(Debug, Default)]
struct Store(Vec<Vec<u8>>);

/// Where bytes are in a [`Store`].
#[derive(Debug, Clone, Copy)]
struct Place {
    piece: u16,
    start: u16,
    len: u32,
}

/// Bytes of a piece. What takes more than a quarter of it has a piece for itself, just as large as it needs.
const BYTES: usize = 512;

impl Place {
    const NOWHERE: Self = Self { piece: u16::MAX, start: 0, len: u32::MAX };
}

impl Store {
    fn add(&mut self, bytes: &[u8]) -> Place {
        let has_room = |piece: &Vec<u8>| piece.capacity() - piece.len() >= bytes.len();
        let at = self.0.iter().position(has_room).unwrap_or(self.0.len());
        if at == self.0.len() {
            let size = if bytes.len() > BYTES / 4 { bytes.len() } else { BYTES };
            self.0.push(Vec::with_capacity(size));
        }
        let Some(piece) = self.0.get_mut(at) else { return Place::NOWHERE };
        let place = (u16::try_from(at), u16::try_from(piece.len()), u32::try_from(bytes.len()));
        let (Ok(at), Ok(start), Ok(len)) = place else { return Place::NOWHERE };
        piece.extend_from_slice(bytes);
        Place { piece: at, start, len }
    }

    fn get(&self, place: Place) -> Option<&[u8]> {
        let start = usize::from(place.start);
        let end = start.checked_add(usize::try_from(place.len).ok()?)?;
        self.0.get(usize::from(place.piece))?.get(start..end)
    }
}

const BLOCKED: u64 = 1;
const MASKED: u64 = 2;
const EXPIRES: u64 = 4;
const SPENT: u64 = 8;
/// And the bits above it, for each text.
const TEXT: u64 = 16;

impl<'a> Own<'a> {
    /// Stands in for what cannot be found or read, which cannot be: it may do nothing.
    const NOBODY: Self = Self {
        is_blocked: true,
        is_masked: false,
        expires: None,
        spend: Spend { generation: 0, amount: NanoUsd(0) },
        texts: [None; TEXTS],
    };

    /// Flags for what there is, then that, every number as few bytes as it needs.
    fn write(row: &KeyRow) -> Vec<u8> {
        let ledger_id = [LEDGER, &row.id].concat();
        let unmasked = row.name.strip_prefix(MASK);
        let name = unmasked.unwrap_or(&row.name);
        let texts = [
            Some(&*ledger_id),
            Some(name),
            row.alias.as_deref(),
            row.user_id.as_deref(),
            row.metadata.as_deref(),
        ];
        let spend = Some(row.spend).filter(|spend| *spend != Spend::default());
        let flags = [
            (row.blocked, BLOCKED),
            (unmasked.is_some(), MASKED),
            (row.expires.is_some(), EXPIRES),
            (spend.is_some(), SPENT),
        ];
        let flags =
            flags.into_iter().chain(texts.iter().enumerate().map(|(n, text)| (text.is_some(), TEXT << n)));
        let flags = flags.filter(|(is_there, _)| *is_there).map(|(_, flag)| flag).sum();

        let mut own = Vec::with_capacity(128);
        encode_varint(flags, &mut own);
        if let Some(UnixMillis(expires)) = row.expires {
            encode_varint(expires.cast_unsigned(), &mut own);
        }
        if let Some(Spend { generation, amount: NanoUsd(amount) }) = spend {
            encode_varint(generation, &mut own);
            encode_varint(amount.cast_unsigned(), &mut own);
        }
        for text in texts.into_iter().flatten() {
            encode_varint(text.len() as u64, &mut own);
            own.extend_from_slice(text.as_bytes());
        }
        own
    }

    fn read(mut own: &'a [u8]) -> Option<Self> {
        let flags = decode_varint(&mut own).ok()?;
        let has = |flag| flags & flag != 0;
        let mut number = |flag| if has(flag) { decode_varint(&mut own).ok() } else { Some(0) };
        let expires = number(EXPIRES)?.cast_signed();
        let spend = Spend { generation: number(SPENT)?, amount: NanoUsd(number(SPENT)?.cast_signed()) };
        let mut texts = [None; TEXTS];
        for (n, text) in texts.iter_mut().enumerate() {
            if has(TEXT << n) {
                let len = usize::try_from(decode_varint(&mut own).ok()?).ok()?;
                *text = Some(own.split_off(..len)?);
            }
        }
        Some(Self {
            is_blocked: has(BLOCKED),
            is_masked: has(MASKED),
            expires: has(EXPIRES).then_some(UnixMillis(expires)),
            spend,
            texts,
        })
    }

    pub(crate) fn text(&self, text: Text) -> Option<&'a str> {
        str::from_utf8((*self.texts.get(text as usize)?)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn row(n: u8, text: usize) -> KeyRow {
        KeyRow { alias: Some("x".repeat(text)), ..KeyRow::of(KeyHash([n; 32])) }
    }

    fn check(shard: &Shard, map: &BTreeMap<u8, usize>) -> Result<(), TestCaseError> {
        prop_assert_eq!(shard.len(), map.len());
        for (index, (n, text)) in map.iter().enumerate() {
            let row = shard.row(index).unwrap();
            prop_assert_eq!(row.hash, KeyHash([*n; 32]));
            prop_assert_eq!(shard.own(row).text(Text::Alias).unwrap().len(), *text);
        }
        for n in 0..64 {
            let at = map.range(..n).count();
            let expected = if map.contains_key(&n) { Ok(at) } else { Err(at) };
            prop_assert_eq!(shard.find(&KeyHash([n; 32])), expected);
        }
        // No gaps, and no piece of another size than the rest.
        prop_assert_eq!(shard.rows.len(), map.len().div_ceil(ROWS));
        prop_assert!(shard.rows.iter().all(|piece| piece.capacity() == ROWS));
        prop_assert!(shard.owns.0.iter().all(|piece| piece.capacity() == BYTES || piece.len() > BYTES / 4));
        Ok(())
    }

    proptest! {
        #[test]
        fn a_shard_of_many_pieces_is_a_map_in_the_order_of_hashes_and_so_is_a_copy(
            steps in prop::collection::vec(
                (0u8..64, prop::option::weighted(0.7, 0usize..200), prop::bool::weighted(0.1)),
                0..256,
            ),
        ) {
            let (mut shard, mut map, mut common) = (Shard::default(), BTreeMap::new(), Common::default());
            let mut before = Vec::new();
            for (n, text, is_copied) in steps {
                if is_copied {
                    let copy = shard.clone();
                    before.push((std::mem::replace(&mut shard, copy), map.clone()));
                }
                if let Some(text) = text {
                    shard.insert(row(n, text), &mut common);
                    map.insert(n, text);
                } else if let Ok(index) = shard.find(&KeyHash([n; 32])) {
                    shard.remove(index);
                    map.remove(&n);
                }
            }
            before.push((shard, map));
            for (shard, map) in before {
                check(&shard, &map)?;
            }
        }
    }

    #[test]
    fn a_row_fits_its_piece_and_a_piece_half_a_kilobyte() {
        assert_eq!(size_of::<Packed>() * ROWS, 504);
    }

    #[test]
    fn what_cannot_be_found_or_read_is_blocked() {
        let own = |place| Shard::default().own(&Packed { own: place, ..Packed::nobody() }).is_blocked;
        assert!(own(Place::NOWHERE) && own(Place { piece: 0, start: 0, len: 0 }));
        assert!(Own::read(&[]).is_none());
        let row = KeyRow { expires: Some(UnixMillis(-1)), ..row(1, 300) };
        let bytes = Own::write(&row);
        assert!((0..bytes.len()).all(|len| Own::read(&bytes[..len]).is_none()));
        assert_eq!(Own::read(&bytes).unwrap().expires, row.expires);
    }
}
