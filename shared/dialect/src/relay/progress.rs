//! What a stream has brought so far, whatever its dialect.

use std::ops::Range;

use super::failure::StreamFailure;
use super::template::{Hole, HoleKind};
use crate::bound::Place;
use crate::usage::UsageMeter;

/// Longest finish reason that is remembered, in bytes.
const LONGEST_REASON: usize = 64;

#[derive(Default)]
pub(super) struct Progress {
    pub(super) has_content: bool,
    pub(super) content_bytes: u64,
    pub(super) finish: Option<String>,
    pub(super) failure: Option<StreamFailure>,
    /// The dialect's own end was there.
    pub(super) complete: bool,
    pub(super) meter: UsageMeter,
    pub(super) choices: Choices,
}

impl Progress {
    /// The stream brought something that a user would see or act on, with this much generated text.
    pub(super) fn content(&mut self, bytes: usize) {
        self.has_content = true;
        self.content_bytes = self.content_bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    pub(super) fn finished(&mut self, reason: &str) {
        self.has_content = true;
        let shown = reason.get(..reason.floor_char_boundary(LONGEST_REASON)).unwrap_or(reason);
        self.finish = Some(shown.to_owned());
    }

    /// The first failure is the cause of all others.
    pub(super) fn failed(&mut self, data: &[u8]) {
        if self.failure.is_none() {
            self.failure = Some(StreamFailure::read(data));
        }
    }
}

/// Which choices there were, and which are finished.
#[derive(Debug, Default)]
pub(super) struct Choices {
    seen: u128,
    finished: u128,
    /// There were choices whose number is not counted: nobody can say whether they are all finished.
    uncounted: bool,
}

impl Choices {
    pub(super) fn note(&mut self, index: u64, finished: bool) {
        match u32::try_from(index).ok().and_then(|index| 1u128.checked_shl(index)) {
            Some(bit) => {
                self.seen |= bit;
                if finished {
                    self.finished |= bit;
                }
            }
            None => self.uncounted = true,
        }
    }

    pub(super) fn all_finished(&self) -> bool {
        self.seen != 0 && self.seen == self.finished && !self.uncounted
    }
}

/// What the relay has to do with one event. Offsets are in the event's data.
#[derive(Default)]
pub(super) struct Reading {
    /// The value that names the model, with its quotes.
    pub(super) model: Option<Range<usize>>,
    /// The event carries nothing but usage.
    pub(super) only_usage: bool,
    /// The event did nothing but bring the text of one string, and may repeat.
    pub(super) repeats: bool,
    /// What may differ when it does, in any order.
    pub(super) holes: Vec<Hole>,
    /// What only the deployment that it is from can use.
    pub(super) bound: Vec<Place>,
}

impl Reading {
    pub(super) fn clear(&mut self) {
        self.model = None;
        self.only_usage = false;
        self.repeats = false;
        self.holes.clear();
        self.bound.clear();
    }

    /// A string value, with its quotes, may differ.
    pub(super) fn text_hole(&mut self, value: Range<usize>, kind: HoleKind) {
        self.holes.push(Hole { range: value.start + 1..value.end - 1, kind });
    }
}

/// A range within a value, as a range of what the value lies in.
pub(super) fn within(outer: &Range<usize>, inner: Range<usize>) -> Range<usize> {
    outer.start + inner.start..outer.start + inner.end
}

/// How much text a string value has; `None` for another kind. Escapes count as they are spelled.
pub(super) fn text_bytes(value: &[u8]) -> Option<usize> {
    crate::json::view::inner_text(value).map(<[u8]>::len)
}

/// True for a value that says something: not `null`, `false`, an empty string, array or object.
pub(super) fn says_something(value: &[u8]) -> bool {
    let empty_inside = |inner: &[u8]| crate::json::view::skip_space(inner, 0) == inner.len();
    match value {
        b"null" | b"false" | b"\"\"" => false,
        [b'[', inner @ .., b']'] | [b'{', inner @ .., b'}'] => !empty_inside(inner),
        _ => true,
    }
}
