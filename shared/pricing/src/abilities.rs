//! What a model can do, as far as a translated request depends on it. Shared with the build script.

/// What a model can do. One of which nothing is known can do nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Abilities {
    /// It can be told to reason.
    pub reasoning: bool,
    /// Of Anthropic's: it decides itself how long it thinks (`thinking: adaptive`).
    pub adaptive_thinking: bool,
    /// Of Anthropic's, and on Bedrock: it takes a JSON schema for its output.
    pub output_schema: bool,
}

impl Abilities {
    /// From the letters of the extract.
    pub(crate) fn of_letters(letters: &str) -> Self {
        Self {
            reasoning: letters.contains('r'),
            adaptive_thinking: letters.contains('a'),
            output_schema: letters.contains('s'),
        }
    }
}
