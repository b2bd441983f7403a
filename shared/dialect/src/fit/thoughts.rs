//! Thoughts in messages and Converse whose proof is not the provider's: it would refuse the whole request.

use super::rewrite::{Change, list, object};
use crate::json::view::{find, part, path, text};
use crate::translate::is_carried;

/// The list of messages of Anthropic's; `None` where nothing changes.
pub(super) fn messages(messages: &[u8]) -> Option<Vec<u8>> {
    without(messages, |block| {
        let is_thinking = find(block, "type").is_some_and(|kind| part(block, kind) == b"\"thinking\"");
        // A model that proves nothing leaves it empty.
        let signature = || find(block, "signature").and_then(|range| text(part(block, range)));
        is_thinking && signature().is_some_and(|signature| signature.is_empty() || is_carried(&signature))
    })
}

/// The list of messages of Converse; `None` where nothing changes.
pub(super) fn converse(messages: &[u8]) -> Option<Vec<u8>> {
    without(messages, |block| {
        let range = path(block, &["reasoningContent", "reasoningText", "signature"]);
        range.and_then(|range| text(part(block, range))).is_some_and(|signature| is_carried(&signature))
    })
}

/// A message that says nothing else goes with its thoughts: an empty one is refused.
fn without(messages: &[u8], is_foreign: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    list(messages, |message| {
        let content = find(message, "content").map(|range| part(message, range)).unwrap_or_default();
        match list(content, |block| if is_foreign(block) { Change::Drop } else { Change::Keep }) {
            None => Change::Keep,
            Some(left) if left == b"[]" => Change::Drop,
            Some(left) => {
                let mut left = Some(left);
                Change::to(object(message, |name, _| match name {
                    b"content" => Change::to(left.take()),
                    _ => Change::Keep,
                }))
            }
        }
    })
}
