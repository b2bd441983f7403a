//! What nodes say, cut to what may be kept: whoever says it has a join token, and may still be wrong.

use bulkhead_proto as proto;
use bulkhead_snapshot::wire::Id;
use serde_json::{Value, json};

/// Rejected rows that are kept.
const REJECTED: usize = 1000;
const REASON: usize = 500;
const NAME: usize = 253;
const INCARNATION: usize = 64;

/// A text without what PostgreSQL or a terminal cannot take.
pub(super) fn text(text: &str, most: usize) -> String {
    text.chars().take(most).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Why a push was refused.
pub(super) fn reason(said: &str) -> String {
    text(said, REASON)
}

/// The rows that were not taken.
pub(super) fn rejected(rows: Vec<proto::Rejected>) -> Value {
    let row = |row: proto::Rejected| {
        let id = row.resource.map_or_else(|| "nothing".to_owned(), |id| Id::decode(id).to_string());
        json!({ "resource": text(&id, REASON), "reason": reason(&row.reason) })
    };
    rows.into_iter().take(REJECTED).map(row).collect()
}

/// A name that can be shown, or `None`.
pub(super) fn name(name: &str) -> Option<String> {
    let fits = !name.is_empty() && name.len() <= NAME && !name.chars().any(char::is_control);
    fits.then(|| name.to_owned())
}

/// What tells one start of a process from another.
pub(super) fn incarnation(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().take(INCARNATION).collect()
}
