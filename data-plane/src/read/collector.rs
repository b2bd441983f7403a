//! Keeps the chunks of a body.

use bulkhead_dialect::json::Segments;
use bytes::{Bytes, BytesMut};
use memmap2::{MmapMut, MmapOptions};

/// Smaller chunks are put together, so that a body in thousands of tiny ones does not pin a buffer each.
const SMALL_CHUNK: usize = 4 << 10;
const TAIL: usize = 64 << 10;
/// What a body has beyond this is moved to memory that goes back to the system as soon as it is not needed: the
/// allocator would keep it, and the buffers it arrives in take more than what they hold.
const ON_HEAP: u64 = 1 << 20;
/// Where the length is not known beforehand, only pages that are written to take memory.
const MAPPED: usize = 4 << 20;
/// Where it is, all pages of a part are made at once; more would keep the worker from others for too long.
const AT_ONCE: usize = 1 << 20;

/// Chunks so far.
#[derive(Default)]
pub(super) struct Collector {
    segments: Segments,
    tail: BytesMut,
    mapped: Option<Mapped>,
    pub(super) len: u64,
    /// The length of the whole, where the sender has said it.
    declared: Option<u64>,
}

struct Mapped {
    memory: MmapMut,
    filled: usize,
}

impl Collector {
    pub(super) fn of(declared: Option<u64>) -> Self {
        Self { declared, ..Self::default() }
    }

    pub(super) fn push(&mut self, chunk: Bytes) {
        let before = self.len;
        self.len = self.len.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        if self.len > ON_HEAP {
            self.flush_tail();
            self.map(chunk, before);
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

    /// Keeps a chunk that begins after that many bytes of the body.
    fn map(&mut self, mut chunk: Bytes, before: u64) {
        let mut at = before;
        while !chunk.is_empty() {
            let to_come =
                self.declared.and_then(|declared| declared.checked_sub(at)).filter(|more| *more > 0);
            let Some(mapped) = self.mapped.take().or_else(|| Mapped::new(to_come)) else {
                // The system gives no more mappings: the heap may have room.
                self.segments.push(chunk);
                return;
            };
            let length = chunk.len();
            let filled = mapped.fill(&mut chunk);
            at = at.saturating_add(u64::try_from(length - chunk.len()).unwrap_or_default());
            match filled {
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
    /// Room for the next part of a body. What is known to come is asked for in one piece: page by page as it is
    /// written to, it would take the kernel longer than everything else about it.
    fn new(to_come: Option<u64>) -> Option<Self> {
        let mut options = MmapOptions::new();
        match to_come.and_then(|more| usize::try_from(more).ok()) {
            Some(more) => options.len(more.min(AT_ONCE)).populate(),
            None => options.len(MAPPED),
        };
        options.map_anon().ok().map(|memory| Self { memory, filled: 0 })
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
        let sizes = [1000, 4096, 70_000, 5_000_000, 10_000_000];
        let declared = [None, Some(9_500_000), Some(4), Some(90_000_000)];
        for (size, declared) in sizes.iter().flat_map(|size| declared.map(|declared| (*size, declared))) {
            let mut collector = Collector::of(declared);
            body.chunks(size).for_each(|chunk| collector.push(Bytes::copy_from_slice(chunk)));
            assert_eq!(collector.len, 9_500_000);
            let segments = collector.finish();
            assert_eq!(segments.len(), body.len());
            let mut kept = Vec::new();
            segments.iter().for_each(|chunk| kept.extend_from_slice(chunk));
            assert!(kept == body, "{size} {declared:?}");
        }
    }
}
