//! How an upstream cuts its stream into events.

use std::borrow::Cow;

use super::Dialect;
use crate::frames::{self, Frame};
use crate::json::view::is_object;
use crate::relay::StreamFailure;
use crate::sse::{self, Fields};

/// Cuts a stream into events and reads what holds them.
pub(super) enum Framing {
    /// Server-sent events.
    Sse { boundary: sse::Boundary, at_start: bool },
    /// AWS's frames.
    Frames(frames::Boundary),
    /// An event a line.
    Lines,
}

/// What an event holds.
pub(super) enum Held<'a> {
    /// Something of the answer.
    Data { name: Option<Cow<'a, [u8]>>, data: Cow<'a, [u8]> },
    /// The stream is over.
    Failed(StreamFailure),
}

impl Framing {
    pub(super) fn of(upstream: Dialect) -> Self {
        match upstream {
            Dialect::Converse => Self::Frames(frames::Boundary::default()),
            Dialect::Ollama => Self::Lines,
            _ => Self::Sse { boundary: sse::Boundary::default(), at_start: true },
        }
    }

    /// How many of these bytes belong to the current event, if it ends here. Otherwise they all do.
    pub(super) fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::Sse { boundary, .. } => boundary.find(bytes),
            Self::Frames(boundary) => boundary.find(bytes),
            Self::Lines => memchr::memchr(b'\n', bytes).map(|at| at + 1),
        }
    }

    /// True when what a stream ends with is a whole event. One whose blank line is missing is, when its data is.
    pub(super) fn is_whole(&self, rest: &[u8]) -> bool {
        match self {
            Self::Sse { boundary, at_start } => {
                *boundary == sse::Boundary::Blank || {
                    let data = Fields::parse(rest, *at_start).data(rest).into_owned();
                    is_object(&data) || data.trim_ascii() == b"[DONE]"
                }
            }
            Self::Frames(_) => false,
            Self::Lines => is_object(rest.trim_ascii()),
        }
    }

    /// Reads an event. `None` when it holds nothing.
    pub(super) fn read<'a>(&mut self, raw: &'a [u8]) -> Option<Held<'a>> {
        match self {
            Self::Sse { at_start, .. } => {
                let fields = Fields::parse(raw, std::mem::take(at_start));
                let name = fields.event(raw).map(Cow::Borrowed);
                fields.has_data().then(|| Held::Data { name, data: fields.data(raw) })
            }
            Self::Lines => {
                let data = raw.trim_ascii();
                (!data.is_empty()).then_some(Held::Data { name: None, data: Cow::Borrowed(data) })
            }
            Self::Frames(_) => Some(match frames::read(raw) {
                Ok(Frame::Event { name, payload }) => {
                    Held::Data { name: Some(name.into_bytes().into()), data: Vec::from(payload).into() }
                }
                Ok(Frame::Exception { name, payload }) => {
                    Held::Failed(StreamFailure::exception(&name, &payload))
                }
                Err(error) => Held::Failed(StreamFailure::damaged(&error)),
            }),
        }
    }
}
