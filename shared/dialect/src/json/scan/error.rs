//! Why a body is refused.

use super::{MAX_DEPTH, MAX_MEMBERS};

/// Why a body is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScanProblem {
    /// Nothing but white space.
    #[error("the body is empty")]
    Empty,
    /// The body ends within the object.
    #[error("unexpected end")]
    UnexpectedEnd,
    /// Something else should stand here.
    #[error("expected {0}")]
    Expected(Expected),
    /// A raw control character in a string.
    #[error("control character in a string")]
    ControlCharacter,
    /// A backslash before a character that it cannot escape, or `\u` without four hex digits.
    #[error("invalid escape")]
    Escape,
    /// Not UTF-8.
    #[error("invalid UTF-8")]
    Utf8,
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// More than [`MAX_MEMBERS`] top-level members.
    #[error("more than {MAX_MEMBERS} members")]
    TooManyMembers,
    /// Something follows the object.
    #[error("unexpected data after the object")]
    Trailing,
}

/// What should stand where something else does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Expected {
    /// The top-level object.
    #[error("'{{'")]
    Object,
    /// A member's name.
    #[error("a string")]
    Name,
    /// A member's name or the object's end.
    #[error("a string or '}}'")]
    NameOrEnd,
    /// What separates name and value.
    #[error("':'")]
    Colon,
    /// Any value.
    #[error("a value")]
    Value,
    /// Any value or the array's end.
    #[error("a value or ']'")]
    ValueOrEnd,
    /// What follows a member.
    #[error("',' or '}}'")]
    NextMember,
    /// What follows an element.
    #[error("',' or ']'")]
    NextElement,
    /// The rest of a number.
    #[error("a digit")]
    Digit,
    /// The rest of a literal.
    #[error("true, false or null")]
    Literal,
}

/// Why and where a body is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at byte {offset}")]
pub struct ScanError {
    /// The first byte that is wrong, counted from the start of the body.
    pub offset: usize,
    /// What is wrong.
    pub problem: ScanProblem,
}
