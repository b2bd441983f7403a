//! Wire formats without I/O: scan, splice, SSE, event stream, usage readers, error bodies, the provider table.
//!
//! Request bodies are scanned strictly, once, as they arrive, and edited by cutting ([`json`]); no tree of values is
//! built. Answers are trusted to be what their provider says and read leniently where they lie ([`answer`],
//! [`relay`]). Between dialects there is a typed form ([`translate`]). Nothing here knows a socket, a clock or a
//! configuration.

pub mod answer;
pub mod beta;
pub mod bound;
pub mod cloud;
mod digest;
pub mod error;
pub mod fit;
pub mod frames;
pub mod invoke;
pub mod json;
pub mod providers;
pub mod relay;
pub mod sse;
pub mod translate;
mod usage;
