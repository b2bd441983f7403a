//! Server-sent events: framing by the WHATWG rules, over bytes that stay as they are.
//!
//! Lines end with LF, CR or CRLF, mixed at will; a blank line ends an event. What is forwarded is the raw frame, so
//! comments, unknown fields and odd line ends survive. Every byte is looked at once, however small the chunks.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// Why a stream cannot be framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SseError {
    /// An event is longer than allowed.
    #[error("an event of the stream is longer than {limit} bytes")]
    TooLarge {
        /// The longest event allowed, in bytes.
        limit: usize,
    },
}

/// Cuts a stream of chunks into events.
#[derive(Debug)]
pub struct Framer {
    boundary: Boundary,
    chunks: VecDeque<Bytes>,
    partial: BytesMut,
    max_event: usize,
    at_start: bool,
}

impl Framer {
    /// A framer that refuses events of more than `max_event` bytes, terminator included.
    pub fn new(max_event: usize) -> Self {
        Self {
            boundary: Boundary::default(),
            chunks: VecDeque::new(),
            partial: BytesMut::new(),
            max_event,
            at_start: true,
        }
    }

    /// Adds the next chunk of the stream.
    pub fn push(&mut self, chunk: Bytes) {
        self.chunks.push_back(chunk);
    }

    /// The next complete event; `None` when more bytes are needed. An event that lies within one chunk shares its
    /// memory.
    #[expect(clippy::should_implement_trait, reason = "an iterator cannot be asked again after None")]
    pub fn next(&mut self) -> Result<Option<Frame>, SseError> {
        while let Some(mut chunk) = self.chunks.pop_front() {
            let Some(length) = self.boundary.find(&chunk) else {
                self.partial.extend_from_slice(&chunk);
                self.check(self.partial.len())?;
                continue;
            };
            let head = chunk.split_to(length.min(chunk.len()));
            if !chunk.is_empty() {
                self.chunks.push_front(chunk);
            }
            let raw = if self.partial.is_empty() {
                head
            } else {
                self.partial.extend_from_slice(&head);
                self.partial.split().freeze()
            };
            self.check(raw.len())?;
            let fields = Fields::parse(&raw, std::mem::take(&mut self.at_start));
            return Ok(Some(Frame { raw, fields }));
        }
        Ok(None)
    }

    /// The bytes of the event that is not complete yet. Meaningful once [`Framer::next`] has returned `None`.
    pub fn leftover(&self) -> &[u8] {
        &self.partial
    }

    fn check(&self, length: usize) -> Result<(), SseError> {
        if length > self.max_event { Err(SseError::TooLarge { limit: self.max_event }) } else { Ok(()) }
    }
}

/// One event as it came. It may be without data: a comment, or a blank line too many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    raw: Bytes,
    fields: Fields,
}

impl Frame {
    /// All bytes, the blank line that ends the event included.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The event's name, where it has one in UTF-8.
    pub fn event(&self) -> Option<&str> {
        std::str::from_utf8(self.fields.event(&self.raw)?).ok()
    }

    /// The event's data, lines joined with LF; empty when there is none.
    pub fn data(&self) -> Cow<'_, [u8]> {
        self.fields.data(&self.raw)
    }

    /// Where the data lies in [`Frame::raw`], when it is exactly one line.
    pub fn data_range(&self) -> Option<Range<usize>> {
        match &self.fields.data {
            Data::Line(range) => Some(range.clone()),
            Data::None | Data::Lines(_) => None,
        }
    }
}

/// Where events end, found without looking at a byte twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Boundary {
    /// At the start of a line.
    #[default]
    LineStart,
    /// Within a line.
    Line,
    /// After the CR that ended a line; an LF would belong to it.
    AfterCr,
    /// After the CR that ended a blank line; an LF would belong to it, and with or without it the event is over.
    Blank,
}

impl Boundary {
    /// How many of these bytes belong to the current event, if it ends here. Otherwise they all do, and the next
    /// call goes on with the bytes after them. Zero means that the event ended with the last call's bytes.
    pub(crate) fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            if *self == Self::Line {
                at += memchr::memchr2(b'\n', b'\r', bytes.get(at..)?)? + 1;
                let lf = bytes.get(at - 1) == Some(&b'\n');
                *self = if lf { Self::LineStart } else { Self::AfterCr };
            }
            let byte = *bytes.get(at)?;
            match (*self, byte) {
                (Self::Blank, b'\n') | (Self::LineStart, b'\n') => {
                    *self = Self::LineStart;
                    return Some(at + 1);
                }
                (Self::Blank, _) => {
                    *self = Self::LineStart;
                    return Some(at);
                }
                (Self::AfterCr, b'\n') => {
                    *self = Self::LineStart;
                    at += 1;
                }
                (_, b'\r') => {
                    *self = Self::Blank;
                    at += 1;
                }
                _ => *self = Self::Line,
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Data {
    None,
    Line(Range<usize>),
    Lines(Vec<Range<usize>>),
}

/// Where the fields of an event lie in its raw bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fields {
    event: Option<Range<usize>>,
    data: Data,
}

impl Fields {
    /// Reads the fields of an event; `at_start` is true for the first event of a stream, which may begin with a byte
    /// order mark.
    pub(crate) fn parse(raw: &[u8], at_start: bool) -> Self {
        let mut fields = Self { event: None, data: Data::None };
        let mut at = if at_start && raw.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
        while let Some(rest) = raw.get(at..).filter(|rest| !rest.is_empty()) {
            let length = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
            fields.line(rest.get(..length).unwrap_or_default(), at);
            at += length + 1;
        }
        fields
    }

    fn line(&mut self, line: &[u8], start: usize) {
        let value = |name: &[u8]| {
            let rest = line.strip_prefix(name)?;
            let skipped = match rest {
                [] => 0,
                [b':', b' ', ..] => 2,
                [b':', ..] => 1,
                _ => return None,
            };
            Some(start + name.len() + skipped..start + line.len())
        };
        if let Some(range) = value(b"data") {
            self.data = match std::mem::replace(&mut self.data, Data::None) {
                Data::None => Data::Line(range),
                Data::Line(first) => Data::Lines(vec![first, range]),
                Data::Lines(mut lines) => {
                    lines.push(range);
                    Data::Lines(lines)
                }
            };
        } else if let Some(range) = value(b"event") {
            self.event = Some(range);
        }
    }

    pub(crate) fn event<'a>(&self, raw: &'a [u8]) -> Option<&'a [u8]> {
        raw.get(self.event.clone()?)
    }

    pub(crate) fn has_data(&self) -> bool {
        self.data != Data::None
    }

    pub(crate) fn data<'a>(&self, raw: &'a [u8]) -> Cow<'a, [u8]> {
        let part = |range: &Range<usize>| raw.get(range.clone()).unwrap_or_default();
        match &self.data {
            Data::None => Cow::Borrowed(&[]),
            Data::Line(range) => Cow::Borrowed(part(range)),
            Data::Lines(lines) => {
                let parts: Vec<&[u8]> = lines.iter().map(part).collect();
                Cow::Owned(parts.join(&b'\n'))
            }
        }
    }

    /// Where a part of the data lies in the raw bytes. `None` when it crosses lines.
    pub(crate) fn to_raw(&self, part: Range<usize>) -> Option<Range<usize>> {
        let lines = match &self.data {
            Data::None => return None,
            Data::Line(line) => std::slice::from_ref(line),
            Data::Lines(lines) => lines,
        };
        let mut start = 0;
        for line in lines {
            let end = start + line.len();
            if part.start <= end {
                return (part.end <= end)
                    .then(|| line.start + part.start - start..line.start + part.end - start);
            }
            start = end + 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frames(chunks: impl IntoIterator<Item = Vec<u8>>) -> (Vec<Frame>, Vec<u8>) {
        let mut framer = Framer::new(usize::MAX);
        let mut frames = Vec::new();
        for chunk in chunks {
            framer.push(chunk.into());
            while let Some(frame) = framer.next().unwrap() {
                frames.push(frame);
            }
        }
        (frames, framer.leftover().to_vec())
    }

    fn seen(text: &str) -> Vec<(Option<String>, String)> {
        let text_of = |frame: &Frame| String::from_utf8(frame.data().into_owned()).unwrap();
        let (frames, _) = frames([text.as_bytes().to_vec()]);
        frames.iter().map(|frame| (frame.event().map(str::to_owned), text_of(frame))).collect()
    }

    #[test]
    fn fields_are_read_by_the_rules() {
        for (text, event, data) in [
            ("data: a\n\n", None, "a"),
            ("data:a\r\n\r\n", None, "a"),
            ("data:  a\r\r\n", None, " a"),
            ("data\n\n", None, ""),
            ("data: a\ndata:b\r\ndata\n\n", None, "a\nb\n"),
            (": comment\nevent: e\nid: 7\ndata: {}\nretry: 3\n\n", Some("e"), "{}"),
            ("event: e\nevent: f\ndataset: no\n data: no\n\n", Some("f"), ""),
            ("\u{feff}data: a\n\n", None, "a"),
            ("\n", None, ""),
        ] {
            assert_eq!(seen(text), [(event.map(str::to_owned), data.to_owned())], "{text:?}");
        }
    }

    #[test]
    fn a_byte_order_mark_counts_at_the_start_only() {
        let expected = [(None, "a".to_owned()), (None, String::new())];
        assert_eq!(seen("data: a\n\n\u{feff}data: b\n\n"), expected);
    }

    #[test]
    fn an_event_within_a_chunk_is_not_copied() {
        let chunk = Bytes::from_static(b"data: a\n\ndata: b\n\n");
        let mut framer = Framer::new(100);
        framer.push(chunk.clone());
        let frame = framer.next().unwrap().unwrap();
        assert_eq!((frame.raw().as_ptr(), frame.data_range()), (chunk.as_ptr(), Some(6..7)));
        let frame = framer.next().unwrap().unwrap();
        assert_eq!(frame.raw().as_ptr_range().end, chunk.as_ptr_range().end);
        assert_eq!((framer.next(), framer.leftover()), (Ok(None), &b""[..]));
    }

    #[test]
    fn an_unfinished_event_is_left_over() {
        let (frames, leftover) = frames([b"data: a\n\ndata: b\n".to_vec()]);
        assert_eq!((frames.len(), leftover.as_slice()), (1, &b"data: b\n"[..]));
    }

    #[test]
    fn events_are_bounded_in_one_chunk_and_in_many() {
        let text = b"data: 345678\n\n";
        for (limit, fits) in [(text.len(), true), (text.len() - 1, false)] {
            for chunk in [1, 5, text.len()] {
                let mut framer = Framer::new(limit);
                text.chunks(chunk).for_each(|chunk| framer.push(Bytes::copy_from_slice(chunk)));
                let got = framer.next();
                let expected = if fits { Ok(true) } else { Err(SseError::TooLarge { limit }) };
                assert_eq!(got.map(|frame| frame.is_some()), expected);
            }
        }
    }

    #[test]
    fn offsets_in_joined_data_are_found_in_the_raw_bytes() {
        let raw = b"data: ab\r\ndata:cde\n\n";
        let fields = Fields::parse(raw, false);
        assert_eq!(fields.data(raw).as_ref(), b"ab\ncde");
        for (part, expected) in [(0..2, Some(6..8)), (3..6, Some(15..18)), (1..4, None), (7..9, None)] {
            assert_eq!(fields.to_raw(part), expected);
        }
    }

    fn stream() -> impl Strategy<Value = String> {
        let line = prop_oneof![
            Just("data: x"),
            Just("data:{\"a\":1}"),
            Just("event: e"),
            Just(": ping"),
            Just(""),
            Just("\u{feff}"),
            Just("id")
        ];
        let end = prop_oneof![Just("\n"), Just("\r"), Just("\r\n")];
        proptest::collection::vec((line, end), 0..12)
            .prop_map(|lines| lines.iter().map(|(line, end)| format!("{line}{end}")).collect())
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_frames(text in stream()) {
            let bytes = text.as_bytes();
            let whole = frames([bytes.to_vec()]);
            let raw: Vec<u8> = whole.0.iter().flat_map(|frame| frame.raw().to_vec()).chain(whole.1.clone()).collect();
            prop_assert_eq!(&raw, bytes);
            prop_assert_eq!(&whole, &frames(bytes.chunks(1).map(<[u8]>::to_vec)));
            for cut in 0..=bytes.len() {
                prop_assert_eq!(&whole, &frames([bytes[..cut].to_vec(), bytes[cut..].to_vec()]));
            }
        }
    }
}
