//! Tokens of Microsoft Entra's, for Azure OpenAI.

mod source;

pub use source::Source;
