//! Sealed contents in the input of a request.

use std::ops::Range;
use std::sync::Arc;

use bulkhead_dialect::bound::Bound;
use bulkhead_dialect::json::Segments;
use bulkhead_dialect::json::view::{elements, find, part, text};
use bulkhead_dialect::translate::CARRIED_CONTENT;
use bulkhead_model::ErrorKind;
use bulkhead_snapshot::{Deployment, Snapshot};
use bytes::Bytes;

use super::bond::{BEFORE_CONTENT, open};
use crate::fault::{Fault, Outcome};
use crate::identify::Caller;

/// An item whose content is sealed, or carried for another provider. Ranges are of the body.
pub(super) struct Item {
    /// Its place among the items.
    index: usize,
    /// Its content is another provider's and unsealed; only a translation knows what to do with it.
    is_carried: bool,
    /// Where the sealed content stands.
    sealed: Range<usize>,
    /// What the provider said, as JSON text.
    said: Bytes,
    /// What goes with it where something before it stays, and where nothing does.
    after_another: Range<usize>,
    as_first: Range<usize>,
    /// Where it is from; `None`: that is no longer declared.
    pub(super) from: Option<Arc<Deployment>>,
}

/// Finds and opens them.
pub(super) fn find_items(
    snapshot: &Snapshot,
    caller: &Caller,
    body: &Segments,
    input: Range<usize>,
) -> Outcome<Vec<Item>> {
    if ![BEFORE_CONTENT, CARRIED_CONTENT].iter().any(|mark| body.contains(mark.as_bytes())) {
        return Ok(Vec::new());
    }
    let at = input.start;
    let array = body.bytes(input, usize::MAX).unwrap_or_default();
    let mut found = Vec::new();
    let mut before: Option<Range<usize>> = None;
    let mut all = elements(&array).enumerate().peekable();
    while let Some((index, place)) = all.next() {
        let item = part(&array, place.clone());
        let sealed = find(item, "encrypted_content")
            .and_then(|value| Some((text(part(item, value.clone()))?, value)))
            .map(|(content, value)| (content.starts_with(CARRIED_CONTENT), content, value))
            .filter(|(is_carried, content, _)| *is_carried || content.starts_with(BEFORE_CONTENT));
        if let Some((is_carried, content, value)) = sealed {
            let bond = if is_carried {
                None
            } else {
                let bond = open(&snapshot.settings, caller, Bound::Content, &content);
                Some(bond.ok_or_else(|| refused(index))?)
            };
            let from = bond.as_ref().and_then(|bond| snapshot.models.deployment(&bond.deployment));
            let from = from.map(|(_, found)| found.clone());
            let next = all.peek().map_or(place.end, |(_, next)| next.start);
            let previous = before.as_ref().map_or(place.start, |before| before.end);
            found.push(Item {
                index,
                sealed: at + place.start + value.start..at + place.start + value.end,
                is_carried,
                said: bond
                    .map_or_else(Bytes::new, |bond| serde_json::Value::from(bond.said).to_string().into()),
                after_another: at + previous..at + place.end,
                as_first: at + place.start..at + next,
                from,
            });
        }
        before = Some(place);
    }
    Ok(found)
}

fn refused(index: usize) -> Box<Fault> {
    let message = format!(
        "The encrypted content of input[{index}] could not be verified: this gateway did not give it to this caller. \
         Leave the item out, or send it with the key that received it."
    );
    Fault::new(ErrorKind::BadRequest, message)
        .param(format!("input[{index}].encrypted_content"))
        .code("invalid_encrypted_content")
}

/// The edits that open the contents for a deployment. Items that it cannot read are taken out; says whether there were
/// any. `is_same`: it speaks Responses.
pub(super) fn opened(items: &[Item], to: &Deployment, is_same: bool) -> (Vec<(Range<usize>, Bytes)>, bool) {
    let mut removed = 0;
    let cuts = items.iter().filter(|item| is_same || !item.is_carried).map(|item| {
        if item.from.as_ref().is_some_and(|from| same_account(from, to)) {
            return (item.sealed.clone(), item.said.clone());
        }
        let follows_kept = item.index > removed;
        removed += 1;
        let cut = if follows_kept { &item.after_another } else { &item.as_first };
        (cut.clone(), Bytes::new())
    });
    let cuts = cuts.collect();
    (cuts, removed > 0)
}

/// What one of them keeps or has encrypted the other can read.
pub(super) fn same_account(one: &Deployment, other: &Deployment) -> bool {
    one.id == other.id || one.account == other.account
}
