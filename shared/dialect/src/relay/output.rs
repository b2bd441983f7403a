//! Puts together what is forwarded: slices of the input where it is left alone, copies where a little is changed.

use std::ops::Range;

use bytes::Bytes;

use crate::json::view::part;

/// Runs from this length on are shared even between edits; shorter ones are cheaper to copy than to count.
const SHARED: usize = 8 << 10;
/// Room for what edits make longer, so that one allocation is enough for most chunks.
const SLACK: usize = 128;

pub(super) struct Output<'a> {
    source: &'a Bytes,
    out: &'a mut Vec<Bytes>,
    /// What is forwarded as it is and not yet passed on.
    run: Range<usize>,
    copied: Vec<u8>,
}

impl<'a> Output<'a> {
    pub(super) fn new(source: &'a Bytes, out: &'a mut Vec<Bytes>) -> Self {
        Self { source, out, run: 0..0, copied: Vec::new() }
    }

    /// Forwards a part of the source.
    pub(super) fn keep(&mut self, range: Range<usize>) {
        if self.run.end != range.start {
            self.end_run();
            self.run.start = range.start;
        }
        self.run.end = range.end;
    }

    /// Forwards bytes from elsewhere.
    pub(super) fn insert(&mut self, bytes: &[u8]) {
        self.end_run();
        self.copy(bytes);
    }

    /// Forwards a part of the source with other bytes in the place of a part of that.
    pub(super) fn replace(&mut self, range: Range<usize>, old: Range<usize>, new: &[u8]) {
        self.keep(range.start..old.start);
        self.insert(new);
        self.keep(old.end..range.end);
    }

    /// Passes everything on.
    pub(super) fn finish(mut self) {
        if self.copied.is_empty() && !self.run.is_empty() {
            self.out.push(self.source.slice(self.run));
            return;
        }
        self.end_run();
        self.end_copied();
    }

    fn end_run(&mut self) {
        let run = std::mem::take(&mut self.run);
        if run.len() >= SHARED {
            self.end_copied();
            self.out.push(self.source.slice(run));
        } else if !run.is_empty() {
            let source = self.source;
            self.copy(part(source, run));
        }
    }

    fn copy(&mut self, bytes: &[u8]) {
        if self.copied.is_empty() {
            self.copied.reserve(self.source.len().max(bytes.len()) + SLACK);
        }
        self.copied.extend_from_slice(bytes);
    }

    fn end_copied(&mut self) {
        if !self.copied.is_empty() {
            self.out.push(std::mem::take(&mut self.copied).into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_one_slice_and_edits_one_copy() {
        let source = Bytes::from(vec![b'a'; 3 * SHARED]);
        let mut out = Vec::new();
        let mut output = Output::new(&source, &mut out);
        output.keep(5..10);
        output.keep(10..20);
        output.finish();
        assert_eq!((out.len(), out[0].len(), out[0].as_ptr()), (1, 15, source[5..].as_ptr()));

        out.clear();
        let mut output = Output::new(&source, &mut out);
        output.replace(0..30, 10..12, b"new");
        output.keep(30..40);
        output.insert(b"x");
        output.keep(50..60);
        output.finish();
        assert_eq!(out, [[&[b'a'; 10][..], b"new", &[b'a'; 28], b"x", &[b'a'; 10]].concat()]);

        out.clear();
        let mut output = Output::new(&source, &mut out);
        output.replace(0..2 * SHARED, 10..12, b"new");
        output.finish();
        assert_eq!(out.len(), 2);
        assert_eq!((out[0].len(), out[1].as_ptr()), (13, source[12..].as_ptr()));
    }

    #[test]
    fn nothing_kept_is_nothing_passed_on() {
        let source = Bytes::from_static(b"abc");
        let mut out = Vec::new();
        Output::new(&source, &mut out).finish();
        assert!(out.is_empty());
    }
}
