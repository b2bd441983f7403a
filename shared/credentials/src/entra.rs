//! Tokens of Microsoft Entra's, for Azure OpenAI.

mod managed;
mod source;

pub use source::Source;
