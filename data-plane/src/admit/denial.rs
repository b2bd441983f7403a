//! Why a request was not admitted.

use bulkhead_model::{NanoUsd, UnixMillis};

/// Which limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LimitKind {
    Requests,
    Tokens,
    Parallel,
}

impl LimitKind {
    /// LiteLLM's name, as in `Limit type: requests`.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::Parallel => "max_parallel_requests",
        }
    }
}

/// A refusal, before it is put in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denial {
    /// Spent up.
    Budget { spent: NanoUsd, max: NanoUsd },
    /// Everything that is left is reserved by requests in flight, and stayed so for the whole wait.
    Contended,
    /// Over a limit.
    Rate { kind: LimitKind, limit: u64, remaining: u64, resets: UnixMillis, now: UnixMillis },
}
