//! An answer on its way out, and what ends with it.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::access_log::Line;
use super::capacity::Place;
use crate::respond::{BrokenOff, OutBody};

/// The body of an answer.
pub(crate) struct Leaving {
    body: OutBody,
    /// Written when it is dropped: after the body, which may have more to say for it.
    line: Option<Box<Line>>,
    _place: Option<Place>,
}

impl Leaving {
    pub(super) fn new(body: OutBody, line: Option<Box<Line>>, place: Option<Place>) -> Self {
        Self { body, line, _place: place }
    }
}

impl Body for Leaving {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let (Poll::Ready(Some(Ok(frame))), Some(line)) = (&polled, &mut self.line) {
            line.sent(frame.data_ref().map_or(0, Bytes::len));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
