//! What a scan finds: the members of the top-level object and where they lie.

use std::ops::Range;

use serde::de::DeserializeOwned;

use super::Segments;

/// Longest number in bytes that [`Member::u64_value`] reads.
const LONGEST_NUMBER: usize = 64;

/// What kind of value a member has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    String,
    /// A number.
    Number,
    /// `true`.
    True,
    /// `false`.
    False,
    /// `null`.
    Null,
    /// An object.
    Object {
        /// It has no member.
        empty: bool,
    },
    /// An array.
    Array {
        /// It has no element.
        empty: bool,
    },
}

/// One member of the top-level object. All offsets are bytes from the start of the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its place in the object, from zero.
    pub ordinal: usize,
    /// The name with its quotes, as it is spelled.
    pub key: Range<usize>,
    /// The value, without the white space around it.
    pub value: Range<usize>,
    /// The value's kind.
    pub kind: Kind,
    /// The comma before it; the first member has none.
    pub comma_before: Option<usize>,
    /// The comma after it; the last member has none.
    pub comma_after: Option<usize>,
    /// The name in the arena of the scan.
    pub(super) name: Option<Range<usize>>,
}

impl Member {
    /// The text of a string value. `None` for another kind, for more than `cap` bytes with quotes and escapes, and
    /// for a lone surrogate.
    pub fn string_value(&self, body: &Segments, cap: usize) -> Option<String> {
        if self.kind != Kind::String {
            return None;
        }
        self.json_value(body, cap)
    }

    /// A whole number from zero on, however it is spelled (`16`, `16.0`, `1.6e1`). `None` for anything else, and for
    /// a spelling with point or exponent above 2⁵³, where it would no longer be exact.
    pub fn u64_value(&self, body: &Segments) -> Option<u64> {
        if self.kind != Kind::Number {
            return None;
        }
        super::view::whole_number(&body.bytes(self.value.clone(), LONGEST_NUMBER)?)
    }

    /// The value of `true` or `false`.
    pub fn bool_value(&self) -> Option<bool> {
        match self.kind {
            Kind::True => Some(true),
            Kind::False => Some(false),
            _ => None,
        }
    }

    /// The value, read into a type. `None` when it is longer than `cap` bytes or does not fit the type.
    pub fn json_value<T: DeserializeOwned>(&self, body: &Segments, cap: usize) -> Option<T> {
        serde_json::from_slice(&body.bytes(self.value.clone(), cap)?).ok()
    }
}

/// A scanned body: its top-level members in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scan {
    /// Offset of the object's `{`.
    pub open: usize,
    /// Offset of the object's `}`.
    pub close: usize,
    /// Bytes of the whole body.
    pub len: usize,
    pub(super) members: Vec<Member>,
    pub(super) names: Vec<u8>,
}

impl Scan {
    /// All members, in order.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// A member's name without escapes. `None` for a name that can equal nothing: longer than 256 bytes, or with a
    /// lone surrogate.
    pub fn name(&self, member: &Member) -> Option<&str> {
        std::str::from_utf8(self.names.get(member.name.clone()?)?).ok()
    }

    /// The first member of this name.
    pub fn find(&self, name: &str) -> Option<&Member> {
        self.all(name).next()
    }

    /// Every member of this name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(move |member| self.raw_name(member) == Some(name.as_bytes()))
    }

    /// A name of the list that occurs more than once.
    pub fn first_duplicate<'a>(&self, governed: &[&'a str]) -> Option<&'a str> {
        let mut names: Vec<&[u8]> = self.members.iter().filter_map(|member| self.raw_name(member)).collect();
        names.sort_unstable();
        let mut repeated = names.array_windows().filter(|[one, next]| one == next).map(|[name, _]| *name);
        repeated.find_map(|name| governed.iter().copied().find(|listed| listed.as_bytes() == name))
    }

    fn raw_name(&self, member: &Member) -> Option<&[u8]> {
        self.names.get(member.name.clone()?)
    }
}
