//! One strict pass over a request body, chunk by chunk.
//!
//! Exactly RFC 8259 with an object at the top: what a lenient parser would let through, two parsers could read
//! differently, and then a key reaches a model that it may not use.

mod error;
mod text;

use super::member::{Kind, Member, Scan};
use super::name::Names;
use super::number::Number;
pub use error::{Expected, ScanError, ScanProblem};
use text::Partial;
pub(crate) use text::plain_run;

/// The deepest nesting, the top-level object included: one bit of the stack each.
pub const MAX_DEPTH: u32 = u128::BITS;
/// The most top-level members.
pub const MAX_MEMBERS: usize = 1024;

/// Most requests have no more top-level members.
const USUAL_MEMBERS: usize = 12;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the top-level object.
    Start,
    /// After `{`: a name or `}`.
    FirstKey,
    /// After a comma in an object.
    Key,
    /// After a name.
    Colon,
    /// After `:`, or after a comma in an array.
    Value,
    /// After `[`: a value or `]`.
    FirstValue,
    /// After a value.
    Next,
    Text,
    Escape,
    /// In a `\u` escape: digits still to come.
    Hex(u8),
    Number(Number),
    /// In a literal: how many of its letters were there.
    Literal(Literal, u8),
    /// After the top-level object.
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Literal {
    True,
    False,
    Null,
}

impl Literal {
    fn letters(self) -> &'static [u8] {
        match self {
            Self::True => b"true",
            Self::False => b"false",
            Self::Null => b"null",
        }
    }
}

/// The scanner. Feed it the body as it arrives, then [`Scanner::finish`] it.
#[derive(Debug)]
pub struct Scanner {
    state: State,
    failed: Option<ScanError>,
    /// Bytes before the current chunk.
    offset: usize,
    /// One bit per open container, the innermost lowest: set for an object.
    stack: u128,
    depth: u32,
    /// The string being read is a name.
    is_key: bool,
    partial: Partial,
    /// The code unit of the `\u` escape being read.
    unit: u16,
    names: Names,
    scan: Scan,
    key_start: usize,
    last_comma: Option<usize>,
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new()
    }
}

/// The unread rest of a chunk.
struct Cursor<'a> {
    rest: &'a [u8],
    /// Offset of the chunk's end in the body.
    end: usize,
}

impl<'a> Cursor<'a> {
    fn position(&self) -> usize {
        self.end - self.rest.len()
    }

    fn advance(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at_checked(count).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }

    /// Takes the next byte if it is this one.
    fn take(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((&next, rest)) if next == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }
}

impl Scanner {
    /// A scanner before the first byte.
    pub fn new() -> Self {
        Self {
            state: State::Start,
            failed: None,
            offset: 0,
            stack: 0,
            depth: 0,
            is_key: false,
            partial: Partial::default(),
            unit: 0,
            names: Names::default(),
            scan: Scan { members: Vec::with_capacity(USUAL_MEMBERS), ..Scan::default() },
            key_start: 0,
            last_comma: None,
        }
    }

    /// Scans the next chunk. After an error every call returns that error.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<(), ScanError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let mut cursor = Cursor { rest: chunk, end: self.offset + chunk.len() };
        let result = self.run(&mut cursor).map_err(|problem| {
            // A broken character may have begun in the chunk before.
            ScanError { offset: cursor.position() - self.partial.len, problem }
        });
        self.offset = cursor.end;
        self.failed = result.err();
        result
    }

    /// Ends the body.
    pub fn finish(mut self) -> Result<Scan, ScanError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let problem = match self.state {
            State::End => {
                self.scan.len = self.offset;
                self.scan.names = self.names.into_arena();
                return Ok(self.scan);
            }
            State::Start => ScanProblem::Empty,
            _ => ScanProblem::UnexpectedEnd,
        };
        Err(ScanError { offset: self.offset, problem })
    }

    fn run(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ScanProblem> {
        while let Some((&byte, rest)) = cursor.rest.split_first() {
            match self.state {
                State::Text => self.text(cursor)?,
                State::Escape => self.escape(byte, cursor)?,
                State::Hex(left) => self.hex(byte, left, cursor)?,
                State::Number(number) => self.number(number, cursor)?,
                State::Literal(literal, at) => self.literal(literal, at, cursor)?,
                _ if matches!(byte, b' ' | b'\n' | b'\r' | b'\t') => cursor.rest = rest,
                _ => self.structure(byte, cursor)?,
            }
        }
        Ok(())
    }

    /// One step outside of strings, numbers and literals. Where what follows is nearly always the same, it is taken
    /// at once: a turn of the loop costs more than the step.
    fn structure(&mut self, byte: u8, cursor: &mut Cursor<'_>) -> Result<(), ScanProblem> {
        match self.state {
            State::Next => match byte {
                b',' => self.comma(cursor)?,
                b'}' if self.in_object() => self.pop(cursor),
                b']' if !self.in_object() => self.pop(cursor),
                _ if self.in_object() => return expected(Expected::NextMember),
                _ => return expected(Expected::NextElement),
            },
            State::Key | State::FirstKey => match byte {
                b'"' => self.begin_key(cursor)?,
                b'}' if self.state == State::FirstKey => self.pop(cursor),
                _ if self.state == State::FirstKey => return expected(Expected::NameOrEnd),
                _ => return expected(Expected::Name),
            },
            State::Colon if cursor.take(b':') => self.state = State::Value,
            State::Colon => return expected(Expected::Colon),
            State::FirstValue if byte == b']' => self.pop(cursor),
            State::FirstValue | State::Value => self.begin_value(byte, cursor)?,
            State::Start if byte == b'{' => {
                self.scan.open = cursor.position();
                self.push(true, cursor)?;
            }
            State::Start => return expected(Expected::Object),
            _ => return Err(ScanProblem::Trailing),
        }
        Ok(())
    }

    fn in_object(&self) -> bool {
        self.stack & 1 == 1
    }

    fn push(&mut self, object: bool, cursor: &mut Cursor<'_>) -> Result<(), ScanProblem> {
        if self.depth == MAX_DEPTH {
            return Err(ScanProblem::TooDeep);
        }
        cursor.advance(1);
        self.depth += 1;
        self.stack = (self.stack << 1) | u128::from(object);
        self.state = if object { State::FirstKey } else { State::FirstValue };
        Ok(())
    }

    fn pop(&mut self, cursor: &mut Cursor<'_>) {
        self.stack >>= 1;
        self.depth -= 1;
        if self.depth == 0 {
            self.scan.close = cursor.position();
            self.state = State::End;
            cursor.advance(1);
        } else {
            cursor.advance(1);
            self.end_value(cursor.position());
        }
    }

    fn comma(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ScanProblem> {
        if self.depth == 1 {
            self.last_comma = Some(cursor.position());
            if let Some(member) = self.scan.members.last_mut() {
                member.comma_after = self.last_comma;
            }
        }
        cursor.advance(1);
        if !self.in_object() {
            self.state = State::Value;
            return Ok(());
        }
        self.state = State::Key;
        match cursor.rest.first() {
            Some(b'"') => self.begin_key(cursor),
            _ => Ok(()),
        }
    }

    fn begin_key(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ScanProblem> {
        if self.depth == 1 {
            if self.scan.members.len() == MAX_MEMBERS {
                return Err(ScanProblem::TooManyMembers);
            }
            self.key_start = cursor.position();
            self.names.begin();
        }
        if self.state == State::FirstKey {
            self.fill_container();
        }
        self.is_key = true;
        self.state = State::Text;
        cursor.advance(1);
        self.text(cursor)
    }

    fn begin_value(&mut self, byte: u8, cursor: &mut Cursor<'_>) -> Result<(), ScanProblem> {
        let number = Number::begin(byte);
        let kind = match byte {
            b'"' => Kind::String,
            b'{' => Kind::Object { empty: true },
            b'[' => Kind::Array { empty: true },
            b't' => Kind::True,
            b'f' => Kind::False,
            b'n' => Kind::Null,
            _ if number.is_some() => Kind::Number,
            _ if self.state == State::FirstValue => return expected(Expected::ValueOrEnd),
            _ => return expected(Expected::Value),
        };
        if self.state == State::FirstValue {
            self.fill_container();
        }
        if self.depth == 1
            && let Some(member) = self.scan.members.last_mut()
        {
            member.kind = kind;
            member.value.start = cursor.position();
        }
        self.is_key = false;
        let literal = match kind {
            Kind::Object { .. } => return self.push(true, cursor),
            Kind::Array { .. } => return self.push(false, cursor),
            Kind::String => {
                cursor.advance(1);
                self.state = State::Text;
                return self.text(cursor);
            }
            Kind::Number => {
                cursor.advance(1);
                return number.map_or(Ok(()), |number| self.number(number, cursor));
            }
            Kind::True => Literal::True,
            Kind::False => Literal::False,
            Kind::Null => Literal::Null,
        };
        self.literal(literal, 0, cursor)
    }

    /// The innermost container has something in it, which counts where it is the value of a top-level member.
    fn fill_container(&mut self) {
        if self.depth == 2
            && let Some(member) = self.scan.members.last_mut()
            && let Kind::Object { empty } | Kind::Array { empty } = &mut member.kind
        {
            *empty = false;
        }
    }

    fn end_value(&mut self, end: usize) {
        self.state = State::Next;
        if self.depth == 1
            && let Some(member) = self.scan.members.last_mut()
        {
            member.value.end = end;
        }
    }

    fn end_text(&mut self, cursor: &mut Cursor<'_>) {
        if !self.is_key {
            return self.end_value(cursor.position());
        }
        if self.depth == 1 {
            self.end_name(cursor.position());
        }
        self.state = if cursor.take(b':') { State::Value } else { State::Colon };
    }

    fn end_name(&mut self, end: usize) {
        self.scan.members.push(Member {
            ordinal: self.scan.members.len(),
            key: self.key_start..end,
            value: 0..0,
            kind: Kind::Null,
            comma_before: self.last_comma,
            comma_after: None,
            name: self.names.finish(),
        });
    }

    /// The string being read is the name of a top-level member.
    fn is_name(&self) -> bool {
        self.is_key && self.depth == 1
    }

    fn number(&mut self, mut number: Number, cursor: &mut Cursor<'_>) -> Result<(), ScanProblem> {
        while let Some((&byte, rest)) = cursor.rest.split_first() {
            match number.next(byte) {
                Some(next) => number = next,
                None if number.may_end() => {
                    self.end_value(cursor.position());
                    return Ok(());
                }
                None => return expected(Expected::Digit),
            }
            cursor.rest = rest;
        }
        self.state = State::Number(number);
        Ok(())
    }

    fn literal(&mut self, literal: Literal, at: u8, cursor: &mut Cursor<'_>) -> Result<(), ScanProblem> {
        let letters = literal.letters().iter().skip(usize::from(at));
        for (read, letter) in (at..).zip(letters) {
            match cursor.rest.split_first() {
                Some((byte, rest)) if byte == letter => cursor.rest = rest,
                Some(_) => return expected(Expected::Literal),
                None => {
                    self.state = State::Literal(literal, read);
                    return Ok(());
                }
            }
        }
        self.end_value(cursor.position());
        Ok(())
    }
}

fn expected<T>(what: Expected) -> Result<T, ScanProblem> {
    Err(ScanProblem::Expected(what))
}
