//! JSON without a tree of values.
//!
//! [`Scanner`] is strict and incremental, for what clients send: what it accepts, every provider reads the same way.
//! [`Splice`] edits a scanned body. [`view`] is lenient, for what providers send.

mod member;
mod name;
mod number;
mod scan;
mod segments;
mod splice;
pub mod view;

pub use member::{Kind, Member, Scan};
pub(crate) use scan::plain_run;
pub use scan::{Expected, MAX_DEPTH, MAX_MEMBERS, ScanError, ScanProblem, Scanner};
pub use segments::Segments;
pub use splice::Splice;

#[cfg(test)]
mod tests;
