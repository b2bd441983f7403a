//! Strings: their text, their escapes, and characters that a chunk cuts.

use super::{Cursor, ScanProblem, Scanner, State};

/// Strings up to this length are looked at word by word: for them that is faster than two vectorised passes.
const SHORT: usize = 64;

/// An incomplete UTF-8 sequence at the end of a chunk.
#[derive(Debug, Default)]
pub(super) struct Partial {
    bytes: [u8; 4],
    pub(super) len: usize,
}

impl Scanner {
    pub(super) fn escape(&mut self, byte: u8, cursor: &mut Cursor<'_>) -> Result<(), ScanProblem> {
        let meant = match byte {
            b'"' | b'\\' | b'/' => byte,
            b'b' => 0x08,
            b'f' => 0x0C,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                self.state = State::Hex(4);
                self.unit = 0;
                cursor.advance(1);
                return Ok(());
            }
            _ => return Err(ScanProblem::Escape),
        };
        if self.is_name() {
            self.names.text(&[meant]);
        }
        self.state = State::Text;
        cursor.advance(1);
        Ok(())
    }

    pub(super) fn hex(&mut self, byte: u8, left: u8, cursor: &mut Cursor<'_>) -> Result<(), ScanProblem> {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            _ => return Err(ScanProblem::Escape),
        };
        self.unit = (self.unit << 4) | u16::from(digit);
        cursor.advance(1);
        if left > 1 {
            self.state = State::Hex(left - 1);
            return Ok(());
        }
        if self.is_name() {
            self.names.unit(self.unit);
        }
        self.state = State::Text;
        Ok(())
    }

    /// A string up to its end, its next escape or the end of the chunk.
    pub(super) fn text(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ScanProblem> {
        if self.partial.len > 0 {
            return self.complete_character(cursor);
        }
        let mut run = plain_run(cursor.rest);
        if !matches!(cursor.rest.get(run), None | Some(b'"' | b'\\')) {
            run = self.long_run(run, cursor)?;
        }
        let text = cursor.advance(run);
        if self.is_name() {
            self.names.text(text);
        }
        match cursor.rest.split_first() {
            Some((b'"', rest)) => {
                cursor.rest = rest;
                self.end_text(cursor);
            }
            Some((_, rest)) => {
                cursor.rest = rest;
                self.state = State::Escape;
            }
            None => {}
        }
        Ok(())
    }

    /// The length of a run up to a quote, a backslash or the end of the chunk, of which the first `checked` bytes are
    /// known to be good. A character that the chunk cuts is put by.
    fn long_run(&mut self, checked: usize, cursor: &mut Cursor<'_>) -> Result<usize, ScanProblem> {
        let rest = cursor.rest.get(checked..).unwrap_or_default();
        let length = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
        let (bytes, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        let (mut control, mut bits) = (false, 0u8);
        for &byte in bytes {
            control |= byte < 0x20;
            bits |= byte;
        }
        if control || !bits.is_ascii() {
            let control = if control { bytes.iter().position(|&byte| byte < 0x20) } else { None };
            let broken = std::str::from_utf8(bytes).err();
            let (valid, cut) = match broken {
                Some(error) => (error.valid_up_to(), error.error_len().is_none() && after.is_empty()),
                None => (bytes.len(), true),
            };
            if let Some(control) = control.filter(|control| *control < valid) {
                cursor.advance(checked + control);
                return Err(ScanProblem::ControlCharacter);
            }
            if !cut {
                cursor.advance(checked + valid);
                return Err(ScanProblem::Utf8);
            }
            bytes.iter().skip(valid).for_each(|&byte| self.partial.push(byte));
        }
        Ok(checked + length)
    }

    fn complete_character(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ScanProblem> {
        while let Some((&byte, rest)) = cursor.rest.split_first() {
            self.partial.push(byte);
            match std::str::from_utf8(self.partial.bytes()) {
                Err(error) if error.error_len().is_some() => {
                    // The byte is not part of the character, which is what the error points to.
                    self.partial.len -= 1;
                    return Err(ScanProblem::Utf8);
                }
                complete => {
                    cursor.rest = rest;
                    if self.is_name() {
                        self.names.text(&[byte]);
                    }
                    if complete.is_ok() {
                        self.partial.len = 0;
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }
}

impl Partial {
    fn push(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.len) {
            *slot = byte;
            self.len += 1;
        }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// How many bytes at the start of a string stand for themselves and are ASCII; stops looking after [`SHORT`].
pub(crate) fn plain_run(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // The lowest bit set is exact; a borrow can only set bits above it.
    let below = |word: u64, bound: u64| word.wrapping_sub(ONES * bound) & !word;
    let (words, tail) = bytes.get(..SHORT).unwrap_or(bytes).as_chunks::<8>();
    let mut run = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        let (quote, backslash) = (word ^ (ONES * 0x22), word ^ (ONES * 0x5C));
        let special = (below(word, 0x20) | below(quote, 1) | below(backslash, 1) | word) & HIGH;
        if special != 0 {
            return run + (special.trailing_zeros() / 8) as usize;
        }
        run += 8;
    }
    run + tail.iter().take_while(|byte| matches!(byte, 0x20 | 0x21 | 0x23..=0x5B | 0x5D..=0x7F)).count()
}
