//! Where the body of an answer is among the bytes that come.

use std::ops::Range;

use super::error::Http1Error;

/// What extensions and trailers of one body may add up to. They say nothing that is forwarded.
const EXTRAS: u16 = 16 << 10;
/// Digits of a chunk's size: as many as 64 bits have.
const DIGITS: u8 = 16;

/// How a body ends, and how much of it is to come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunked(Chunks),
    UntilClose,
}

/// What was found in some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Where the body's bytes are.
    pub(super) data: Range<usize>,
    /// How many bytes belong to this answer.
    pub(super) taken: usize,
}

impl Framing {
    /// Nothing more comes.
    pub(super) const END: Self = Self::Length(0);

    pub(super) fn is_over(&self) -> bool {
        *self == Self::END
    }

    /// Bytes of the body that come before anything else.
    pub(super) fn run(&self) -> u64 {
        match self {
            Self::Length(left) => *left,
            Self::Chunked(chunks) => chunks.run(),
            Self::UntilClose => u64::MAX,
        }
    }

    /// Finds the body in the next bytes. Chunks are put together in place: what is between them is overwritten.
    pub(super) fn find(&mut self, bytes: &mut [u8]) -> Result<Found, Http1Error> {
        match self {
            Self::Length(left) => {
                let taken = at_most(*left, bytes.len());
                *left = left.saturating_sub(as_u64(taken));
                Ok(Found { data: 0..taken, taken })
            }
            Self::UntilClose => Ok(Found { data: 0..bytes.len(), taken: bytes.len() }),
            Self::Chunked(chunks) => {
                let found = chunks.find(bytes)?;
                if chunks.phase == Phase::Done {
                    *self = Self::END;
                }
                Ok(found)
            }
        }
    }

    /// The connection was closed.
    pub(super) fn closed(&mut self) -> Result<(), Http1Error> {
        match self {
            Self::UntilClose => {
                *self = Self::END;
                Ok(())
            }
            Self::Length(_) | Self::Chunked(_) => Err(Http1Error::Cut),
        }
    }
}

/// The chunked transfer coding, byte by byte outside of the data. As strict as RFC 9112 allows: line ends are CRLF.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Chunks {
    phase: Phase,
    /// Of the chunk whose size was read, or is being read.
    left: u64,
    digits: u8,
    extras: u16,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    #[default]
    Size,
    AfterSize,
    Extension,
    SizeEnd,
    Data,
    DataEnd,
    DataLf,
    /// At the beginning of a line after the last chunk.
    Line,
    Trailer,
    TrailerEnd,
    LastLf,
    Done,
}

impl Chunks {
    fn run(&self) -> u64 {
        if self.phase == Phase::Data { self.left } else { 0 }
    }

    fn find(&mut self, bytes: &mut [u8]) -> Result<Found, Http1Error> {
        let (mut data, mut taken) = (0..0, 0);
        while self.phase != Phase::Done
            && let Some(&byte) = bytes.get(taken)
        {
            if self.phase != Phase::Data {
                self.phase = self.step(byte)?;
                taken += 1;
                continue;
            }
            let run = at_most(self.left, bytes.len() - taken);
            if data.is_empty() {
                data = taken..taken + run;
            } else {
                bytes.copy_within(taken..taken + run, data.end);
                data.end += run;
            }
            taken += run;
            self.left -= as_u64(run);
            if self.left == 0 {
                self.phase = Phase::DataEnd;
            }
        }
        Ok(Found { data, taken })
    }

    fn step(&mut self, byte: u8) -> Result<Phase, Http1Error> {
        Ok(match (self.phase, byte) {
            (Phase::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => return self.digit(byte),
            (Phase::Size, b'\r') if self.digits > 0 => Phase::SizeEnd,
            (Phase::Size, b' ' | b'\t') if self.digits > 0 => self.extra(Phase::AfterSize)?,
            (Phase::Size, b';') if self.digits > 0 => self.extra(Phase::Extension)?,
            (Phase::AfterSize, b' ' | b'\t') => self.extra(Phase::AfterSize)?,
            (Phase::AfterSize, b';') => self.extra(Phase::Extension)?,
            (Phase::AfterSize | Phase::Extension, b'\r') => Phase::SizeEnd,
            (Phase::Extension, b'\n') => return Err(BARE_LF),
            (Phase::Extension, _) => self.extra(Phase::Extension)?,
            (Phase::SizeEnd, b'\n') if self.left == 0 => Phase::Line,
            (Phase::SizeEnd, b'\n') => Phase::Data,
            (Phase::DataEnd, b'\r') => Phase::DataLf,
            (Phase::DataLf, b'\n') => {
                self.digits = 0;
                Phase::Size
            }
            (Phase::Line, b'\r') => Phase::LastLf,
            (Phase::Trailer, b'\r') => Phase::TrailerEnd,
            (Phase::Line | Phase::Trailer, b'\n') => return Err(BARE_LF),
            (Phase::Line | Phase::Trailer, _) => self.extra(Phase::Trailer)?,
            (Phase::TrailerEnd, b'\n') => Phase::Line,
            (Phase::LastLf, b'\n') => Phase::Done,
            _ => return Err(Http1Error::Body("a chunk that is none")),
        })
    }

    fn digit(&mut self, byte: u8) -> Result<Phase, Http1Error> {
        let digit = char::from(byte).to_digit(16).map(u64::from);
        self.digits += 1;
        match digit {
            Some(digit) if self.digits <= DIGITS => self.left = (self.left << 4) | digit,
            _ => return Err(Http1Error::Body("a chunk whose size is too large")),
        }
        Ok(Phase::Size)
    }

    fn extra(&mut self, next: Phase) -> Result<Phase, Http1Error> {
        self.extras += 1;
        if self.extras > EXTRAS { Err(Http1Error::Body("too many extensions or trailers")) } else { Ok(next) }
    }
}

const BARE_LF: Http1Error = Http1Error::Body("a line that does not end with CRLF");

/// The lesser of the two.
fn at_most(left: u64, len: usize) -> usize {
    usize::try_from(left).map_or(len, |left| left.min(len))
}

fn as_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
