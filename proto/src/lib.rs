//! The contracts between the planes.
//!
//! `proto/bulkhead/v1` is the source; what is generated from it is committed, so that a build needs no compiler for it.

#[allow(clippy::all, clippy::pedantic, clippy::restriction, missing_docs, reason = "generated")]
#[rustfmt::skip]
mod generated;

pub use generated::*;
