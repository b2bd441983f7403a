//! Why a request was not admitted.

use bulkhead_model::{NanoUsd, UnixMillis};
use bulkhead_telemetry::metric::Counter;

use super::Scope;

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

impl Denial {
    /// Every label, in the order of [`Denial::index`].
    const LABELS: [&str; 5] = [
        "budget",
        "budget_contended",
        LimitKind::Requests.label(),
        LimitKind::Tokens.label(),
        LimitKind::Parallel.label(),
    ];

    const fn index(self) -> usize {
        match self {
            Self::Budget { .. } => 0,
            Self::Contended => 1,
            Self::Rate { kind: LimitKind::Requests, .. } => 2,
            Self::Rate { kind: LimitKind::Tokens, .. } => 3,
            Self::Rate { kind: LimitKind::Parallel, .. } => 4,
        }
    }
}

/// How often requests were refused: for each scope, by what.
#[derive(Debug, Default)]
pub(crate) struct Denials([[Counter; Denial::LABELS.len()]; Scope::ALL.len()]);

impl Denials {
    pub(super) fn count(&self, scope: Scope, denial: Denial) {
        if let Some(counter) = self.0.get(scope as usize).and_then(|row| row.get(denial.index())) {
            counter.add(1);
        }
    }

    /// Scope, what refused, and how often.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Scope, &'static str, u64)> {
        let rows = Scope::ALL.into_iter().zip(&self.0);
        rows.flat_map(|(scope, row)| {
            Denial::LABELS.into_iter().zip(row).map(move |(label, counter)| (scope, label, counter.get()))
        })
    }
}
