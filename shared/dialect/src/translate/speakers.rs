//! Conversations for dialects in which user and model take turns.

use std::borrow::Cow;

use super::form::{Block, Part, Role, Turn};

/// What one side says until the other does.
pub(super) struct Speaker<'r, 'a> {
    from_model: bool,
    /// What is said, and where the client said it.
    pub(super) parts: Vec<(usize, Cow<'r, Part<'a>>)>,
}

impl Speaker<'_, '_> {
    /// The speaker's name in both dialects.
    pub(super) fn role(&self) -> &'static str {
        if self.from_model { "assistant" } else { "user" }
    }
}

/// One speaker after the other, without operators and without those who say nothing: what a speaker says in several
/// turns comes together. The beginning of an answer must not end with a space, so it does not.
pub(super) fn speakers<'r, 'a>(
    turns: &'r [Turn<'a>],
    mut is_written: impl FnMut(&Part<'_>, usize) -> bool,
) -> Vec<Speaker<'r, 'a>> {
    let mut said: Vec<Speaker<'r, 'a>> = Vec::new();
    for turn in turns {
        let from_model = match turn.role {
            Role::System | Role::Developer => continue,
            Role::User => false,
            Role::Assistant => true,
        };
        let parts = turn.parts.iter().filter(|part| is_written(part, turn.at));
        let parts: Vec<_> = parts.map(|part| (turn.at, Cow::Borrowed(part))).collect();
        match said.last_mut() {
            _ if parts.is_empty() => {}
            Some(last) if last.from_model == from_model => last.parts.extend(parts),
            _ => said.push(Speaker { from_model, parts }),
        }
    }
    if let Some((_, part)) =
        said.last_mut().filter(|last| last.from_model).and_then(|last| last.parts.last_mut())
        && let Block::Text(text) = &part.block
        && text.trim_end().len() < text.len()
    {
        let block = Block::Text(text.trim_end().to_owned().into());
        *part = Cow::Owned(Part { block, cache: part.cache });
    }
    said
}
