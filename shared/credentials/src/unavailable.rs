//! Why there is no proof.

use std::sync::Arc;

/// How many letters are passed on of what others say.
const LONGEST: usize = 600;

/// Why there is no proof: in words, without a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unavailable {
    reason: Arc<str>,
    waiting_may_help: bool,
}

impl Unavailable {
    /// True where nobody has to change anything for it to work: somebody does not answer, or is overloaded. It is
    /// tried again in either case, later where waiting does not help.
    pub fn waiting_may_help(&self) -> bool {
        self.waiting_may_help
    }

    /// Somebody does not answer as it should.
    pub(crate) fn for_now(reason: impl Into<String>) -> Self {
        Self { reason: reason.into().into(), waiting_may_help: true }
    }

    /// Somebody has to change something.
    pub(crate) fn until_changed(reason: impl Into<String>) -> Self {
        Self { reason: reason.into().into(), waiting_may_help: false }
    }

    /// The same, and who it is about.
    pub(crate) fn of(self, who: &str) -> Self {
        Self { reason: format!("{who}: {}", self.reason).into(), ..self }
    }

    /// The same without these secrets, in case somebody repeats what they were sent, and not too long.
    pub(crate) fn without(self, secrets: &[&str]) -> Self {
        let mut reason = self.reason.to_string();
        for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
            reason = reason.replace(secret, "…");
        }
        let most = reason.char_indices().nth(LONGEST).map_or(reason.len(), |(at, _)| at);
        reason.truncate(most);
        Self { reason: reason.into(), ..self }
    }
}
