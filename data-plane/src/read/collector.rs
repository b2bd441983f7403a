//! Keeps the chunks of a body.

use bulkhead_dialect::json::Segments;
use bytes::{Bytes, BytesMut};
use memmap2::MmapMut;

/// Smaller chunks are put together, so that a body in thousands of tiny ones does not pin a buffer each.
const SMALL_CHUNK: usize = 4 << 10;
const TAIL: usize = 64 << 10;
/// What a body has beyond this is moved to memory that goes back to the system as soon as it is not needed: the
/// allocator would keep it, and the buffers it arrives in take more than what they hold.
const ON_HEAP: u64 = 1 << 20;
/// Only pages that are written to take memory.
const MAPPED: usize = 4 << 20;

/// Chunks so far.
#[derive(Default)]
pub(super) struct Collector {
    segments: Segments,
    tail: BytesMut,
    mapped: Option<Mapped>,
    pub(super) len: u64,
}

struct Mapped {
    memory: MmapMut,
    filled: usize,
}

impl Collector {
    pub(super) fn push(&mut self, chunk: Bytes) {
        self.len = self.len.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        if self.len > ON_HEAP {
            self.flush_tail();
            self.map(chunk);
        } else if chunk.len() >= SMALL_CHUNK || self.segments.is_empty() {
            self.flush_tail();
            self.segments.push(chunk);
        } else {
            if self.tail.len() + chunk.len() > TAIL {
                self.flush_tail();
            }
            self.tail.extend_from_slice(&chunk);
        }
    }

    fn map(&mut self, mut chunk: Bytes) {
        while !chunk.is_empty() {
            let Some(mapped) = self.mapped.take().or_else(Mapped::new) else {
                // The system gives no more mappings: the heap may have room.
                self.segments.push(chunk);
                return;
            };
            match mapped.fill(&mut chunk) {
                Filled::Partly(mapped) => self.mapped = Some(mapped),
                Filled::Wholly(bytes) => self.segments.push(bytes),
            }
        }
    }

    fn flush_tail(&mut self) {
        if !self.tail.is_empty() {
            self.segments.push(self.tail.split().freeze());
        }
    }

    pub(super) fn finish(mut self) -> Segments {
        self.flush_tail();
        if let Some(mapped) = self.mapped {
            self.segments.push(mapped.freeze());
        }
        self.segments
    }
}

enum Filled {
    Partly(Mapped),
    Wholly(Bytes),
}

impl Mapped {
    fn new() -> Option<Self> {
        MmapMut::map_anon(MAPPED).ok().map(|memory| Self { memory, filled: 0 })
    }

    /// Moves as much as fits.
    fn fill(mut self, chunk: &mut Bytes) -> Filled {
        let part = chunk.split_to(chunk.len().min(self.memory.len() - self.filled));
        let end = self.filled + part.len();
        if let Some(room) = self.memory.get_mut(self.filled..end) {
            room.copy_from_slice(&part);
        }
        self.filled = end;
        if self.filled < self.memory.len() { Filled::Partly(self) } else { Filled::Wholly(self.freeze()) }
    }

    fn freeze(self) -> Bytes {
        let filled = self.filled;
        Bytes::from_owner(self.memory).slice(..filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_kept_byte_for_byte_in_chunks_of_any_size() {
        let body: Vec<u8> =
            (0..9_500_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
        for size in [1000, 4096, 70_000, 5_000_000, 10_000_000] {
            let mut collector = Collector::default();
            body.chunks(size).for_each(|chunk| collector.push(Bytes::copy_from_slice(chunk)));
            assert_eq!(collector.len, 9_500_000);
            let segments = collector.finish();
            assert_eq!(segments.len(), body.len());
            let mut kept = Vec::new();
            segments.iter().for_each(|chunk| kept.extend_from_slice(chunk));
            assert!(kept == body, "{size}");
        }
    }
}
