//! Tokens of Google's, for Vertex AI.

mod federation;
mod file;
mod metadata;
mod source;

pub(crate) use metadata::identity;
pub use source::Source;

/// What a token is good for, as LiteLLM asks for it.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
