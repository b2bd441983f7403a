//! A request body on its way to a provider.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bulkhead_dialect::json::Segments;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Segments of known total length, sent one after the other without copying.
pub(crate) struct SendBody {
    chunks: VecDeque<Bytes>,
    left: u64,
}

impl SendBody {
    pub(crate) fn new(segments: Segments) -> Self {
        let left = u64::try_from(segments.len()).unwrap_or(u64::MAX);
        Self { chunks: segments.into_chunks().into(), left }
    }

    /// Bytes not taken yet.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// Takes the next segment.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        let chunk = self.chunks.pop_front()?;
        self.left = self.left.saturating_sub(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        Some(chunk)
    }
}

impl Body for SendBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.next().map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.chunks.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
