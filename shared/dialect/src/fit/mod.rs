//! What has to be put right of a conversation that leaves in the dialect it came in: what the gateway gave the client to
//! keep for another provider, and what a provider that speaks a dialect does not take of it.

mod call_id;
mod chat;
mod members;
mod rewrite;
mod thoughts;

use bulkhead_model::Endpoint;
use bytes::Bytes;

pub(crate) use call_id::short as short_call_id;
pub use members::{Members, Verdict};

use crate::json::Segments;
use crate::providers::Provider;
use crate::translate::{CARRIED, SIGNED_ID};

/// Begins the value of a signature. Strings that hold one are looked at only where there is one.
const SIGNATURE: &[u8] = b"\"signature\"";

/// What has to be put right.
#[derive(Debug, Clone, Copy)]
pub enum Fit {
    /// Messages of chat.
    Chat {
        /// There are marks.
        without_marks: bool,
        /// The provider takes what Mistral takes.
        as_mistral: bool,
    },
    /// Thoughts in messages of Anthropic's.
    Messages,
    /// Thoughts in messages of Converse.
    Converse,
}

impl Fit {
    /// What may have to be put right of a body; `None` where it is nothing for sure. A pass over the bytes, and more only
    /// where there are signatures.
    pub fn of(endpoint: Endpoint, provider: &Provider, body: &Segments) -> Option<Self> {
        let has_marks = |also: &[&[u8]]| {
            body.contains(SIGNATURE) && CARRIED.iter().chain(also).any(|mark| body.contains(mark))
        };
        match endpoint {
            Endpoint::ChatCompletions => {
                let without_marks =
                    !provider.keeps_marks && (body.contains(SIGNED_ID.as_bytes()) || has_marks(&[]));
                let as_mistral = provider.strict_messages;
                (without_marks || as_mistral).then_some(Self::Chat { without_marks, as_mistral })
            }
            Endpoint::Messages | Endpoint::CountTokens => {
                has_marks(&[b"\"signature\":\"\"", b"\"signature\": \"\""]).then_some(Self::Messages)
            }
            Endpoint::Converse => has_marks(&[]).then_some(Self::Converse),
            _ => None,
        }
    }

    /// The value of `messages` as it has to be; `None` where it is as it has to be.
    pub fn messages(self, value: &[u8]) -> Option<Bytes> {
        match self {
            Self::Chat { without_marks, as_mistral } => {
                chat::messages(value, chat::Wanted { without_marks, as_mistral })
            }
            Self::Messages => thoughts::messages(value),
            Self::Converse => thoughts::converse(value),
        }
        .map(Bytes::from)
    }
}

#[cfg(test)]
mod tests;
