//! Writing JSON: commas and brackets in one place.

use std::fmt::Write;

use bytes::{BufMut, BytesMut};

/// Room for a plain body, so that it does not grow step by step.
pub(super) const USUAL_SIZE: usize = 1 << 10;

/// An object being written.
pub(super) struct Fields<'o> {
    out: &'o mut BytesMut,
    first: bool,
}

/// An array being written.
pub(super) struct Items<'o> {
    out: &'o mut BytesMut,
    first: bool,
}

/// Writes an object.
pub(super) fn object(out: &mut BytesMut, fill: impl FnOnce(&mut Fields<'_>)) {
    out.put_u8(b'{');
    fill(&mut Fields { out, first: true });
    out.put_u8(b'}');
}

/// Writes an array.
pub(super) fn array(out: &mut BytesMut, fill: impl FnOnce(&mut Items<'_>)) {
    out.put_u8(b'[');
    fill(&mut Items { out, first: true });
    out.put_u8(b']');
}

/// Writes a string.
pub(super) fn string(out: &mut BytesMut, text: &str) {
    out.put_u8(b'"');
    string_inner(out, text);
    out.put_u8(b'"');
}

/// Writes what stands between the quotes of a string.
pub(super) fn string_inner(out: &mut BytesMut, text: &str) {
    let bytes = text.as_bytes();
    let mut start = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0..0x20 => b"",
            _ => continue,
        };
        out.extend_from_slice(bytes.get(start..at).unwrap_or_default());
        start = at + 1;
        if escape.is_empty() {
            unsigned_hex(out, *byte);
        }
        out.extend_from_slice(escape);
    }
    out.extend_from_slice(bytes.get(start..).unwrap_or_default());
}

/// Puts the JSON from here on onto one line, as an event wants it. In strings a line end cannot be; arguments of calls
/// are copied as a model wrote them, and some models write them over several lines.
pub(super) fn on_one_line(out: &mut BytesMut, start: usize) {
    for byte in out.get_mut(start..).into_iter().flatten() {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
}

/// Writes a whole number.
pub(super) fn number(out: &mut BytesMut, number: u64) {
    // Writing into memory does not fail.
    let _ = write!(out, "{number}");
}

fn unsigned_hex(out: &mut BytesMut, byte: u8) {
    let _ = write!(out, "\\u{byte:04x}");
}

fn comma(out: &mut BytesMut, first: &mut bool) {
    if !std::mem::replace(first, false) {
        out.put_u8(b',');
    }
}

impl Fields<'_> {
    /// The place of the value of a member.
    pub(super) fn value(&mut self, name: &str) -> &mut BytesMut {
        comma(self.out, &mut self.first);
        string(self.out, name);
        self.out.put_u8(b':');
        self.out
    }

    pub(super) fn text(&mut self, name: &str, text: &str) {
        string(self.value(name), text);
    }

    pub(super) fn raw(&mut self, name: &str, json: &[u8]) {
        self.value(name).extend_from_slice(json);
    }

    pub(super) fn number(&mut self, name: &str, value: u64) {
        number(self.value(name), value);
    }

    pub(super) fn flag(&mut self, name: &str, value: bool) {
        self.raw(name, if value { b"true" } else { b"false" });
    }

    pub(super) fn object(&mut self, name: &str, fill: impl FnOnce(&mut Fields<'_>)) {
        object(self.value(name), fill);
    }

    pub(super) fn array(&mut self, name: &str, fill: impl FnOnce(&mut Items<'_>)) {
        array(self.value(name), fill);
    }
}

impl Items<'_> {
    /// The place of the next element.
    pub(super) fn value(&mut self) -> &mut BytesMut {
        comma(self.out, &mut self.first);
        self.out
    }

    pub(super) fn object(&mut self, fill: impl FnOnce(&mut Fields<'_>)) {
        object(self.value(), fill);
    }

    pub(super) fn text(&mut self, text: &str) {
        string(self.value(), text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let text: String = (0u8..0x80).map(char::from).chain("é\u{2028}😀".chars()).collect();
        let mut out = BytesMut::new();
        object(&mut out, |fields| {
            fields.text("a\"", &text);
            fields.array("b", |items| {
                items.text("x");
                items.object(|_| {});
            });
            fields.number("c", 7);
            fields.flag("d", true);
        });
        let read: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(read, serde_json::json!({"a\"": text, "b": ["x", {}], "c": 7, "d": true}));
    }
}
