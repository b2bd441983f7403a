//! Lists and objects with some of what is in them changed. What stays keeps its bytes.

use std::borrow::Cow;

use crate::json::view::{elements, members, part};

/// What becomes of an element or a member.
pub(super) enum Change {
    Keep,
    Drop,
    Put(Vec<u8>),
}

impl Change {
    /// Another value, where there is one.
    pub(super) fn to(other: Option<Vec<u8>>) -> Self {
        other.map_or(Self::Keep, Self::Put)
    }
}

/// A list; `None` where nothing changes.
pub(super) fn list(data: &[u8], mut change: impl FnMut(&[u8]) -> Change) -> Option<Vec<u8>> {
    let mut pieces = Pieces::default();
    for range in elements(data) {
        let element = part(data, range);
        pieces.take(b"", element, change(element));
    }
    pieces.joined(b'[', b']')
}

/// An object; `None` where nothing changes.
pub(super) fn object(data: &[u8], mut change: impl FnMut(&[u8], &[u8]) -> Change) -> Option<Vec<u8>> {
    let mut pieces = Pieces::default();
    for (name, range) in members(data) {
        let value = part(data, range);
        pieces.take(name, value, change(name, value));
    }
    pieces.joined(b'{', b'}')
}

#[derive(Default)]
struct Pieces<'a> {
    /// Names, which elements of lists do not have, and values.
    kept: Vec<(&'a [u8], Cow<'a, [u8]>)>,
    is_changed: bool,
}

impl<'a> Pieces<'a> {
    fn take(&mut self, name: &'a [u8], value: &'a [u8], change: Change) {
        self.is_changed |= !matches!(change, Change::Keep);
        match change {
            Change::Keep => self.kept.push((name, value.into())),
            Change::Put(other) => self.kept.push((name, other.into())),
            Change::Drop => {}
        }
    }

    fn joined(self, open: u8, close: u8) -> Option<Vec<u8>> {
        if !self.is_changed {
            return None;
        }
        let is_object = open == b'{';
        let length: usize = self.kept.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
        let mut out = Vec::with_capacity(length + 2);
        out.push(open);
        for (at, (name, value)) in self.kept.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            if is_object {
                out.push(b'"');
                out.extend_from_slice(name);
                out.extend_from_slice(b"\":");
            }
            out.extend_from_slice(value);
        }
        out.push(close);
        Some(out)
    }
}
