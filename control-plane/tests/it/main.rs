//! The control plane as its users meet it: real processes, a real PostgreSQL.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "helpers of tests fail the test, loudly and at once"
)]

mod accounts;
mod api;
mod apply;
mod audit;
mod certificates;
mod histories;
mod interleavings;
mod listener;
mod metrics;
mod migrations;
mod nodes;
mod publish;
mod reports;
mod rotation;
mod serving;
mod stopping;
mod support;
mod tokens;
mod usage;
