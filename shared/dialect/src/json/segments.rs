//! A body as it arrived: a list of chunks that is never put together.

use std::borrow::Cow;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// Bytes in chunks. Cloning and slicing share the chunks' memory.
#[derive(Debug, Clone, Default)]
pub struct Segments {
    chunks: Vec<Bytes>,
    len: usize,
}

impl Segments {
    /// Appends a chunk; an empty one leaves no trace.
    pub fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.len += chunk.len();
            self.chunks.push(chunk);
        }
    }

    /// All bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when there is no byte.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The chunks in order; none is empty.
    pub fn iter(&self) -> impl Iterator<Item = &Bytes> {
        self.chunks.iter()
    }

    /// True when a short text occurs, also across chunks.
    pub fn contains(&self, text: &[u8]) -> bool {
        let finder = memchr::memmem::Finder::new(text);
        let across = text.len().saturating_sub(1);
        let mut before = Vec::new();
        self.chunks.iter().any(|chunk| {
            before.extend_from_slice(chunk.get(..across).unwrap_or(chunk));
            let found = finder.find(&before).is_some() || finder.find(chunk).is_some();
            if chunk.len() >= across {
                before.clear();
                before.extend_from_slice(chunk.get(chunk.len() - across..).unwrap_or_default());
            } else {
                before.drain(..before.len().saturating_sub(across));
            }
            found
        })
    }

    /// The chunks themselves.
    pub fn into_chunks(self) -> Vec<Bytes> {
        self.chunks
    }

    /// All bytes in one piece; copied where there are several.
    pub fn into_bytes(mut self) -> Bytes {
        if self.chunks.len() <= 1 {
            return self.chunks.pop().unwrap_or_default();
        }
        let mut whole = BytesMut::with_capacity(self.len);
        for chunk in self.chunks {
            whole.extend_from_slice(&chunk);
        }
        whole.freeze()
    }

    /// A part of the bytes. What lies outside is left out.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        let mut part = Self::default();
        let mut cursor = Cursor::new(self);
        cursor.skip_to(range.start);
        cursor.copy_to(range.end, &mut part);
        part
    }

    /// A part of the bytes in one piece, borrowed where it lies within one chunk. `None` when the range reaches
    /// outside or is longer than `cap` bytes.
    pub fn bytes(&self, range: Range<usize>, cap: usize) -> Option<Cow<'_, [u8]>> {
        let wanted = range.end.checked_sub(range.start)?;
        if wanted > cap || range.end > self.len {
            return None;
        }
        let mut start = 0;
        let mut gathered = Vec::new();
        for chunk in &self.chunks {
            let end = start + chunk.len();
            if end > range.start {
                let from = range.start.saturating_sub(start);
                let to = chunk.len().min(range.end.saturating_sub(start));
                let part = chunk.get(from..to)?;
                if part.len() == wanted {
                    return Some(Cow::Borrowed(part));
                }
                gathered.extend_from_slice(part);
                if gathered.len() == wanted {
                    break;
                }
            }
            start = end;
        }
        Some(Cow::Owned(gathered))
    }
}

/// Walks forward through segments once, whatever the number of cuts.
pub(super) struct Cursor<'a> {
    chunks: std::slice::Iter<'a, Bytes>,
    current: Bytes,
    position: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(segments: &'a Segments) -> Self {
        Self { chunks: segments.chunks.iter(), current: Bytes::new(), position: 0 }
    }

    /// Leaves out everything up to an offset.
    pub(super) fn skip_to(&mut self, offset: usize) {
        while self.position < offset && self.fill() {
            let part = self.take(offset);
            self.position += part.len();
        }
    }

    /// Shares everything up to an offset with `out`.
    pub(super) fn copy_to(&mut self, offset: usize, out: &mut Segments) {
        while self.position < offset && self.fill() {
            let part = self.take(offset);
            self.position += part.len();
            out.push(part);
        }
    }

    fn take(&mut self, offset: usize) -> Bytes {
        let wanted = offset.saturating_sub(self.position).min(self.current.len());
        self.current.split_to(wanted)
    }

    fn fill(&mut self) -> bool {
        while self.current.is_empty() {
            match self.chunks.next() {
                Some(chunk) => self.current = chunk.clone(),
                None => return false,
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(parts: &[&'static str]) -> Segments {
        let mut segments = Segments::default();
        for part in parts {
            segments.push(Bytes::from_static(part.as_bytes()));
        }
        segments
    }

    #[test]
    fn a_part_within_a_chunk_is_borrowed_and_one_across_is_gathered() {
        let body = segments(&["abc", "", "de", "fgh"]);
        assert_eq!((body.len(), body.iter().count()), (8, 3));
        assert!(matches!(body.bytes(3..5, 9), Some(Cow::Borrowed(b"de"))));
        assert!(matches!(body.bytes(4..8, 4), Some(Cow::Owned(part)) if part == b"efgh"));
        assert_eq!(body.bytes(8..8, 0).as_deref(), Some(&b""[..]));
        assert_eq!(body.bytes(4..8, 3), None);
        assert_eq!(body.bytes(4..9, 9), None);
    }

    #[test]
    fn a_text_is_found_within_and_across_chunks() {
        let body = segments(&["ab", "c", "", "def", "g"]);
        for found in ["a", "abc", "bcd", "cdefg", "abcdefg", "g"] {
            assert!(body.contains(found.as_bytes()), "{found}");
        }
        for missing in ["ac", "gf", "abcdefgh", "dg", "cef"] {
            assert!(!body.contains(missing.as_bytes()), "{missing}");
        }
    }

    #[test]
    fn a_slice_keeps_the_order_of_chunks() {
        let body = segments(&["abc", "de", "fgh"]);
        let parts: Vec<Bytes> = body.slice(2..7).into_chunks();
        assert_eq!(parts, ["c", "de", "fg"]);
        assert!(body.slice(8..20).is_empty());
    }
}
