//! Messages of chat.

use super::DEVELOPER;
use super::call_id::short;
use super::rewrite::{Change, list, object};
use crate::json::view::{find, part, text};
use crate::translate::{is_carried, unsigned_id};

/// What of messages has to be put right.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// What the gateway put there for itself goes.
    pub(super) without_marks: bool,
    /// As Mistral wants them: it refuses every member that it does not know, and ids of another length.
    pub(super) as_mistral: bool,
    /// Developers speak as the system.
    pub(super) as_system: bool,
}

/// The list of messages; `None` where nothing changes.
pub(super) fn messages(messages: &[u8], wanted: Wanted) -> Option<Vec<u8>> {
    list(messages, |message| {
        let is_tool = find(message, "role").is_some_and(|role| part(message, role) == b"\"tool\"");
        Change::to(object(message, |name, value| wanted.member(name, value, is_tool)))
    })
}

impl Wanted {
    fn member(self, name: &[u8], value: &[u8], is_tool: bool) -> Change {
        match name {
            b"tool_call_id" => Change::to(self.id(value)),
            b"tool_calls" => Change::to(list(value, |call| Change::to(self.call(call)))),
            b"thinking_blocks" if self.without_marks && !self.as_mistral => proven(value),
            b"role" if self.as_system && value == DEVELOPER => Change::Put(b"\"system\"".to_vec()),
            b"name" if is_tool => Change::Keep,
            b"role" | b"content" | b"prefix" => Change::Keep,
            _ if self.as_mistral => Change::Drop,
            _ => Change::Keep,
        }
    }

    fn call(self, call: &[u8]) -> Option<Vec<u8>> {
        object(call, |name, value| match name {
            b"id" => Change::to(self.id(value)),
            b"type" | b"function" | b"index" => Change::Keep,
            _ if self.as_mistral => Change::Drop,
            _ => Change::Keep,
        })
    }

    fn id(self, value: &[u8]) -> Option<Vec<u8>> {
        let id = text(value)?;
        let bare = if self.without_marks { unsigned_id(&id) } else { &*id };
        let short = if self.as_mistral { short(bare) } else { None };
        let other = short.or_else(|| (bare != id).then(|| bare.to_owned()))?;
        Some(serde_json::Value::from(other).to_string().into_bytes())
    }
}

/// Thoughts whose proof is another provider's are no longer proven to anybody.
fn proven(blocks: &[u8]) -> Change {
    let is_foreign = |block: &[u8]| {
        let signature = find(block, "signature").and_then(|range| text(part(block, range)));
        signature.is_some_and(|signature| is_carried(&signature))
    };
    match list(blocks, |block| if is_foreign(block) { Change::Drop } else { Change::Keep }) {
        None => Change::Keep,
        Some(none) if none == b"[]" => Change::Drop,
        Some(left) => Change::Put(left),
    }
}
