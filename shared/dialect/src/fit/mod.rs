//! What has to be put right of a conversation that leaves in the dialect it came in: what the gateway gave the client to
//! keep for another provider, and what a provider that speaks a dialect does not take of it.

mod call_id;
mod chat;
mod members;
mod rewrite;
mod thoughts;

use bulkhead_model::Endpoint;
use bytes::Bytes;
use memchr::memmem;

pub(crate) use call_id::short as short_call_id;
pub use members::{Members, Verdict};

use crate::json::Segments;
use crate::providers::Provider;
use crate::translate::{CARRIED, SIGNED_ID};

/// The member that holds a signature; only where there is one is a conversation looked at.
const SIGNATURE: &[u8] = b"\"signature\"";
const DEVELOPER: &[u8] = b"\"developer\"";

/// What has to be put right.
#[derive(Debug, Clone, Copy)]
pub enum Fit {
    /// Messages of chat.
    Chat {
        /// There may be marks.
        without_marks: bool,
        /// The provider takes what Mistral takes.
        as_mistral: bool,
        /// The provider does not know the role `developer`, which is in there.
        as_system: bool,
    },
    /// Thoughts in messages of Anthropic's.
    Messages,
    /// Thoughts in messages of Converse.
    Converse,
}

impl Fit {
    /// What may have to be put right of a body; `None` where it is nothing for sure. It costs a pass over the bytes, of
    /// chat's two or three: 40 to 90 µs for a megabyte each.
    pub fn of(endpoint: Endpoint, provider: &Provider, body: &Segments) -> Option<Self> {
        let is_signed = || body.contains(SIGNATURE);
        match endpoint {
            Endpoint::ChatCompletions => {
                let may_have_marks = || body.contains(SIGNED_ID.as_bytes()) || is_signed();
                let without_marks = !provider.keeps_marks && may_have_marks();
                let as_mistral = provider.strict_messages;
                let as_system = !provider.developer && body.contains(DEVELOPER);
                let fit = Self::Chat { without_marks, as_mistral, as_system };
                (without_marks || as_mistral || as_system).then_some(fit)
            }
            Endpoint::Messages | Endpoint::CountTokens => is_signed().then_some(Self::Messages),
            Endpoint::Converse => is_signed().then_some(Self::Converse),
            _ => None,
        }
    }

    /// The value of `messages` as it has to be; `None` where it is as it has to be.
    pub fn messages(self, value: &[u8]) -> Option<Bytes> {
        let has_marks = || has_foreign_signature(value);
        match self {
            Self::Chat { without_marks, as_mistral, as_system } => {
                let has_ids = || memmem::find(value, SIGNED_ID.as_bytes()).is_some();
                let without_marks = without_marks && (has_ids() || has_marks());
                (without_marks || as_mistral || as_system)
                    .then(|| chat::messages(value, chat::Wanted { without_marks, as_mistral, as_system }))
            }
            Self::Messages => has_marks().then(|| thoughts::messages(value)),
            Self::Converse => has_marks().then(|| thoughts::converse(value)),
        }
        .flatten()
        .map(Bytes::from)
    }
}

/// True where something looks like a signature that is another provider's, or nobody's.
fn has_foreign_signature(value: &[u8]) -> bool {
    memmem::find_iter(value, SIGNATURE).any(|at| {
        let after = value.get(at + SIGNATURE.len()..).unwrap_or_default().trim_ascii_start();
        let said = after.strip_prefix(b":").unwrap_or_default().trim_ascii_start();
        CARRIED.iter().any(|mark| said.starts_with(mark)) || said.starts_with(b"\"\"")
    })
}

#[cfg(test)]
mod tests;
