//! Admission: what a request may use is taken before it runs and given back when it ends.
//!
//! The same code serves a standalone gateway, whose authority is the ledger in its state directory, and a managed
//! one. Decisions are local and need no network call (design §6).

mod account;
mod denial;
mod gate;
mod holder;
mod ledger;
#[cfg(test)]
mod tests;

pub(crate) use denial::{Denial, LimitKind};
pub(crate) use gate::{Claim, Gate, Permit, Refused, Scope, unsettled};
pub(crate) use holder::{Ask, Rules, Standing};
pub(crate) use ledger::Ledger;
