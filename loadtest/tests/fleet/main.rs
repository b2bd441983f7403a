//! The fleet as an operator runs it: real data planes, real control planes, a real PostgreSQL.
//!
//! Times are printed, and asserted five times as loosely as they are promised: the machine may be small and busy.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests fail loudly and at once, and say what they measured"
)]

mod conservation;
mod explain;
mod herd;
mod litellm;
mod management;
mod outage;
mod propagation;
mod restore;
mod revocation;
mod rolling;
mod rotation;
mod secrets;
mod support;
