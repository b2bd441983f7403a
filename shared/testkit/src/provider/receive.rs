//! Reading a request body: hashed as it arrives, kept whole while it is small, and as an outline when it is not.

use aws_lc_rs::digest::{Context, SHA256};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;

/// Bodies up to this size are kept and logged; of larger ones only length, hash and outline remain, so that many
/// bodies of 100 MB at once do not need their size in memory.
pub(crate) const KEPT: usize = 1 << 20;

/// How much of a string an outline keeps.
const OUTLINE_STRING: usize = 1024;

/// A request body.
pub(crate) struct Received {
    /// The body, or its outline where it was larger than [`KEPT`].
    pub(crate) json: Bytes,
    /// True where `json` is the body itself.
    pub(crate) whole: bool,
    /// Length of the body.
    pub(crate) length: u64,
    /// SHA-256 of the body.
    pub(crate) sha256: [u8; 32],
}

/// Reads a body to its end; an error when the client leaves before that.
pub(crate) async fn receive(mut body: Incoming) -> Result<Received, hyper::Error> {
    let mut hash = Context::new(&SHA256);
    let mut length = 0;
    let mut kept = Kept::Nothing;
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            hash.update(&data);
            length += data.len() as u64;
            kept = kept.and(data);
        }
    }
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(hash.finish().as_ref());
    let (json, whole) = match kept {
        Kept::Nothing => (Bytes::new(), true),
        Kept::One(data) => (data, true),
        Kept::Some(data) => (data.freeze(), true),
        Kept::Outline(outline) => (Bytes::from(outline.out), false),
    };
    Ok(Received { json, whole, length, sha256 })
}

/// What is kept so far. A body that came in one piece is not copied.
enum Kept {
    Nothing,
    One(Bytes),
    Some(BytesMut),
    Outline(Outline),
}

impl Kept {
    fn and(self, data: Bytes) -> Self {
        let mut all = match self {
            Self::Nothing if data.len() <= KEPT => return Self::One(data),
            Self::Nothing => BytesMut::new(),
            Self::One(first) => BytesMut::from(first),
            Self::Some(all) => all,
            Self::Outline(mut outline) => {
                outline.feed(&data);
                return Self::Outline(outline);
            }
        };
        if all.len() + data.len() > KEPT {
            let mut outline = Outline::default();
            outline.feed(&all);
            outline.feed(&data);
            return Self::Outline(outline);
        }
        all.extend_from_slice(&data);
        Self::Some(all)
    }
}

/// Copies JSON but leaves out what a string has beyond its first kilobyte. The result parses as the body does.
#[derive(Default)]
struct Outline {
    out: Vec<u8>,
    in_string: bool,
    /// Bytes of the string that were copied.
    copied: usize,
    /// Bytes of an escape that still belong together: `\n` has one after the backslash, `\u0041` five.
    escape: u8,
    skipping: bool,
}

impl Outline {
    fn feed(&mut self, data: &[u8]) {
        let mut rest = data;
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            if self.in_string {
                self.string_byte(byte);
                if self.skipping && self.escape == 0 {
                    // Most of a large body is passed over here.
                    let next = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
                    rest = rest.split_at(next).1;
                }
                continue;
            }
            if byte == b'"' {
                (self.in_string, self.copied, self.skipping) = (true, 0, false);
            }
            self.out.push(byte);
        }
    }

    fn string_byte(&mut self, byte: u8) {
        let plain = self.escape == 0 && byte != b'\\';
        if self.escape == 0 && byte == b'"' {
            (self.in_string, self.skipping) = (false, false);
            self.out.push(byte);
            return;
        }
        // Copying stops at a plain ASCII character only: never inside an escape, a surrogate pair or UTF-8.
        if plain && byte.is_ascii() && self.copied >= OUTLINE_STRING {
            self.skipping = true;
        }
        self.escape = match (self.escape, byte) {
            (0, b'\\') => 1,
            (0, _) => 0,
            (1, b'u') => 4,
            (left, _) => left - 1,
        };
        if !self.skipping {
            self.copied += 1;
            self.out.push(byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(text: &str, step: usize) -> String {
        let mut outline = Outline::default();
        text.as_bytes().chunks(step).for_each(|part| outline.feed(part));
        String::from_utf8(outline.out).unwrap()
    }

    #[test]
    fn an_outline_drops_only_the_rest_of_long_strings() {
        let body =
            |long: &str| format!(r#"{{"model":"ok","text":"{long}","q":"a\"b\\","n":[1,{{"x":null}}]}}"#);
        let short = body("short \\u0041");
        assert_eq!(outline(&short, 3), short);
        for long in
            ["x".repeat(5000), "é漢x".repeat(2000), "\\ud83e\\udd80z".repeat(900), "\\\"x".repeat(3000)]
        {
            let outline = outline(&body(&long), 7);
            assert!(outline.len() < 1400, "{}", outline.len());
            let value: serde_json::Value = serde_json::from_str(&outline).unwrap();
            assert_eq!(value["model"], "ok");
            assert_eq!(value["q"], "a\"b\\");
        }
    }
}
