//! How an answer broke.

use std::io;

/// Why there is no answer, or no more of it. The text is for logs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Http1Error {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the connection was closed before the answer was whole")]
    Cut,
    #[error("bytes came that nobody had asked for")]
    Unasked,
    #[error("the head of the answer is not HTTP/1.1: {0}")]
    Head(&'static str),
    #[error("the body of the answer is broken: {0}")]
    Body(&'static str),
}
