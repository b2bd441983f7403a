//! Test doubles that misbehave as the real things do, and what tests need around them.
//!
//! - [`MockProvider`]: a provider that speaks OpenAI's and Anthropic's dialects, keeps its own books, and misbehaves by
//!   model name.
//! - [`FaultProxy`]: a TCP proxy that delays, loses, cuts and corrupts, switchable at run time.
//! - [`client`]: an HTTP/1.1 client on a bare socket, which can be slow, rude and exact.
//! - [`body`], [`GatewayYaml`]: request bodies and configuration files.
//! - [`Mounted`]: files as Kubernetes mounts and replaces them.
//! - [`exposition`]: a page of metrics, read strictly, and what the docs say of it.
//! - [`stamp`]: numbers and times in pieces of a stream, from which one-way delays are read.
//! - [`recordings`]: recorded exchanges with real providers.
//! - [`canary`]: secrets to plant, and the search for them in whatever comes out.
//!
//! For development only: nothing that ships depends on it, and it depends on no code under test, so that its counting
//! is a second opinion. Doubles run on threads and clocks of their own: a test that pauses time does not pause them.
#![expect(
    clippy::expect_used,
    reason = "a test double that cannot do its part fails the test, loudly and at once"
)]

pub mod body;
pub mod canary;
pub mod client;
pub mod exposition;
pub mod provider;
pub mod proxy;
pub mod stamp;

mod front;
mod gateway_yaml;
mod mounted;
mod patience;
mod port;
mod recording;
mod thread;

pub use front::FrontProxy;
pub use gateway_yaml::GatewayYaml;
pub use mounted::Mounted;
pub use patience::eventually;
pub use port::free_port;
pub use provider::MockProvider;
pub use proxy::FaultProxy;
pub use recording::{Recording, corpus, recordings};
