//! Read: the body, scanned as it arrives, and what of it the gateway has to know.

mod body;
mod call;
mod collector;
mod content_type;
mod detours;
mod fields;
#[cfg(test)]
pub(crate) mod fixture;
mod memory;

pub(crate) use body::{BodyLimits, Sender, collect, drain};
pub(crate) use call::{Call, Size};
pub(crate) use content_type::check_content_type;
pub(crate) use detours::{Detour, Detours, Source};
pub(crate) use memory::{BodyLease, BodyMemory};
