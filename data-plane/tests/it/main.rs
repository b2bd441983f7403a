//! The data plane as its users meet it: real processes, real sockets, a provider that misbehaves.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test, loudly and at once"
)]

mod errors;
mod limits;
mod sdk;
mod support;
