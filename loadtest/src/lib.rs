//! Load, and the test doubles as processes.
//!
//! The binaries `mock-provider`, `fault-proxy` and `load` are thin: what they do is in `bulkhead-testkit` and in
//! [`load`], so that tests use the same code in process. `loadtest compare` is [`compare`], `loadtest keys` is [`keys`],
//! `loadtest ingest` is [`ingest`].

pub mod compare;
mod cpu;
pub mod ingest;
pub mod keys;
pub mod load;
pub mod process;
