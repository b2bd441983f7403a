//! The data plane as its users meet it: real processes, real sockets, a provider that misbehaves.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "helpers of tests fail the test, loudly and at once"
)]

mod bytes;
mod crash;
mod errors;
mod first_minutes;
mod limits;
mod money;
mod sdk;
mod support;
