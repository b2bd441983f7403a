//! Puts the latest state together that good files give.

use std::sync::Arc;

use bulkhead_pricing::PriceBook;
use bulkhead_sealed::StateKeys;

use super::base;
use super::files::{Files, Found};
use super::journal::{Journal, Replayed, replay};
use crate::Catalog;

/// What was read.
pub(super) struct Loaded {
    pub(super) catalog: Catalog,
    /// The journal to go on with; `None` where the state has to be written anew first.
    pub(super) journal: Option<Journal>,
    pub(super) base: Option<u64>,
    pub(super) base_len: u64,
    /// There is a reason for a new base.
    pub(super) stale: bool,
    pub(super) notes: Vec<String>,
}

pub(super) fn load(files: &Files, found: &Found, keys: &StateKeys, prices: &Arc<PriceBook>) -> Loaded {
    let mut notes = Vec::new();
    for generation in found.bases.iter().rev() {
        match base::read(files, *generation, keys, prices.clone()) {
            Ok(base) => return go_on(files, found, keys, *generation, base, notes),
            Err(reason) => {
                notes.push(format!("{}: passed over: {reason}", files.base(*generation).display()))
            }
        }
    }
    if !found.journals.is_empty() || !found.bases.is_empty() {
        notes.push("there is no state on the disk that could be used".to_owned());
    }
    let catalog = Catalog::new(prices.clone());
    Loaded { catalog, journal: None, base: None, base_len: 0, stale: false, notes }
}

/// Replays the journals on a base: its own and those of newer ones.
fn go_on(
    files: &Files,
    found: &Found,
    keys: &StateKeys,
    generation: u64,
    base: base::Base,
    mut notes: Vec<String>,
) -> Loaded {
    let base::Base { mut catalog, len: base_len, old_key } = base;
    let mut last: Option<(u64, Replayed)> = None;
    let mut whole = true;
    for number in found.journals.range(generation..) {
        whole &= last.as_ref().is_none_or(|(_, replayed)| replayed.stopped.is_none());
        let replayed = replay(files, *number, keys, &mut catalog);
        if let Some(reason) = &replayed.stopped {
            notes.push(format!("{}: read in part: {reason}", files.journal(*number).display()));
        }
        last = Some((*number, replayed));
    }
    let newest = found.bases.last() == Some(&generation);
    let stale = old_key
        || found.bases.range(..generation).next().is_none()
        || last.as_ref().is_none_or(|(number, replayed)| *number != generation || replayed.old_key());
    let mut journal = None;
    if let (Some((number, replayed)), Some(head), true) = (last, catalog.version().copied(), newest && whole)
    {
        match replayed.resume(&files.journal(number), head) {
            Ok(resumed) => journal = resumed,
            Err(error) => notes.push(format!("journal {number} cannot be written to: {error}")),
        }
    }
    Loaded { catalog, journal, base: newest.then_some(generation), base_len, stale, notes }
}
