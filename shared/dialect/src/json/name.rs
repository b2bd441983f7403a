//! Member names without their escapes, all in one buffer.

use std::ops::Range;

/// Longest name in bytes that can equal anything: no name that the gateway knows comes near it.
const LONGEST: usize = 256;

/// Collects the names of the top-level members.
#[derive(Debug, Default)]
pub(super) struct Names {
    arena: Vec<u8>,
    start: usize,
    /// A high surrogate that waits for its other half.
    high: Option<u16>,
    /// Too long, or no Unicode text: equal to nothing.
    unfit: bool,
}

impl Names {
    pub(super) fn begin(&mut self) {
        self.start = self.arena.len();
        self.high = None;
        self.unfit = false;
    }

    /// Plain text, or the character of a short escape. May end within a UTF-8 sequence.
    pub(super) fn text(&mut self, text: &[u8]) {
        if !text.is_empty() {
            self.unfit |= self.high.take().is_some();
            self.append(text);
        }
    }

    /// The code unit of a `\u` escape.
    pub(super) fn unit(&mut self, unit: u16) {
        let mut pair = [0; 2];
        let units: &[u16] = match self.high.take() {
            Some(high) => {
                pair = [high, unit];
                &pair
            }
            None if (0xD800..0xDC00).contains(&unit) => {
                self.high = Some(unit);
                return;
            }
            None => {
                pair[0] = unit;
                pair.get(..1).unwrap_or_default()
            }
        };
        for decoded in char::decode_utf16(units.iter().copied()) {
            match decoded {
                Ok(character) => self.append(character.encode_utf8(&mut [0; 4]).as_bytes()),
                Err(_) => self.unfit = true,
            }
        }
    }

    /// Where the name lies in the arena; `None` for one that can equal nothing.
    pub(super) fn finish(&mut self) -> Option<Range<usize>> {
        if self.unfit || self.high.is_some() {
            self.arena.truncate(self.start);
            return None;
        }
        Some(self.start..self.arena.len())
    }

    pub(super) fn into_arena(self) -> Vec<u8> {
        self.arena
    }

    fn append(&mut self, text: &[u8]) {
        if self.arena.len() - self.start + text.len() > LONGEST {
            self.unfit = true;
        }
        if !self.unfit {
            self.arena.extend_from_slice(text);
        }
    }
}
