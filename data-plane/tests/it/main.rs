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

mod accounts;
mod agents;
mod bodies;
mod bytes;
mod canaries;
mod clients_http2;
mod clouds;
mod config;
mod costs;
mod crash;
mod door;
mod drain;
mod errors;
mod first_minutes;
mod headers;
mod http2;
mod legs;
mod limits;
mod managed;
mod money;
mod ops;
mod parity;
mod principals;
mod rotation;
mod routing;
mod sdk;
mod stored;
mod streams;
mod support;
mod tls;
mod traces;
mod translation;
mod upstream;
mod walls;
