//! Tokens of Google's, for Vertex AI.

mod source;

pub use source::Source;
