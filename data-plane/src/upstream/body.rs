//! A request body on its way to a provider.

use std::collections::VecDeque;

use bulkhead_dialect::json::Segments;
use bytes::{Buf, Bytes};

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
        self.took(chunk.len());
        Some(chunk)
    }

    /// What was not taken yet, in segments of which none is empty.
    pub(super) fn segments(&self) -> impl Iterator<Item = &[u8]> {
        self.chunks.iter().map(|chunk| &**chunk)
    }

    /// Takes so many bytes.
    pub(super) fn advance(&mut self, mut bytes: usize) {
        self.took(bytes);
        while let Some(chunk) = self.chunks.front_mut() {
            if bytes < chunk.len() {
                chunk.advance(bytes);
                return;
            }
            bytes -= chunk.len();
            self.chunks.pop_front();
        }
    }

    fn took(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(u64::try_from(bytes).unwrap_or(u64::MAX));
    }
}
