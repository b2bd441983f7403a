//! The words the mock answers with, and the small text helpers that every dialect needs.

use std::fmt::Write;

/// Seconds since 1970 that every answer claims to be made at, so that answers are the same in every run.
pub(crate) const CREATED: u64 = 1_790_000_000;

/// The pieces of the ordinary answer; each counts as one token.
const SENTENCE: [&str; 12] =
    ["Hello", "!", " This", " is", " a", " mock", " answer", ",", " counted", " piece", " by", " piece."];

/// Two, three and four bytes, joined, combining and plain.
const MULTIBYTE: [&str; 10] = ["é", "ß", "漢字", "🦀", "👩\u{200d}🚀", " ", "नमस्ते", "e\u{301}", "𝄞", "ok"];

/// The ordinary answer.
pub(crate) fn sentence() -> Vec<String> {
    SENTENCE.iter().map(|&word| word.to_owned()).collect()
}

/// An answer of characters that have more than one byte.
pub(crate) fn multibyte() -> Vec<String> {
    MULTIBYTE.iter().map(|&word| word.to_owned()).collect()
}

/// So many words.
pub(crate) fn words(count: usize) -> Vec<String> {
    (0..count).map(|n| if n == 0 { "word0".to_owned() } else { format!(" word{n}") }).collect()
}

/// So many bytes, in pieces of at most `piece` bytes.
pub(crate) fn bytes(total: usize, piece: usize) -> Vec<String> {
    let digits = "0123456789abcdef".repeat(piece / 16 + 1);
    let mut left = total;
    let mut pieces = Vec::with_capacity(total / piece.max(1) + 1);
    while left > 0 {
        let take = left.min(piece);
        pieces.push(digits.chars().take(take).collect());
        left -= take;
    }
    pieces
}

/// Cuts a text into pieces of about `size` bytes, never inside a character.
pub(crate) fn pieces(text: &str, size: usize) -> Vec<String> {
    let mut out = Vec::with_capacity(text.len() / size.max(1) + 1);
    let mut piece = String::new();
    for c in text.chars() {
        piece.push(c);
        if piece.len() >= size {
            out.push(std::mem::take(&mut piece));
        }
    }
    if !piece.is_empty() || out.is_empty() {
        out.push(piece);
    }
    out
}

/// The text as a JSON string, quotes included.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

/// An id that looks like a provider's: letters and digits that follow from `seed` alone.
pub(crate) fn id(prefix: &str, seed: u64, length: usize) -> String {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut out = String::with_capacity(prefix.len() + length);
    out.push_str(prefix);
    let mut state = seed;
    let mut bits = 0;
    for n in 0..length {
        if n % 10 == 0 {
            state = mix(state);
            bits = state;
        }
        let digit = ALPHABET.get((bits % 62) as usize).copied().unwrap_or(b'0');
        out.push(char::from(digit));
        bits /= 62;
    }
    out
}

/// SplitMix64: a good spread of bits from consecutive numbers.
pub(crate) fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Compact JSON with line breaks and two spaces of indentation, as OpenAI sends what does not stream. Works on the
/// text, so members keep their order and numbers their spelling.
pub(crate) fn pretty(json: &str) -> String {
    let mut out = String::with_capacity(json.len() + json.len() / 2);
    let mut depth = 0_usize;
    let mut rest = json;
    while let Some(c) = rest.chars().next() {
        let (token, after) = rest.split_at(token_length(rest).unwrap_or(c.len_utf8()));
        rest = after;
        match c {
            '{' | '[' if rest.starts_with(['}', ']']) => {
                let (close, after) = rest.split_at(1);
                out.extend([token, close]);
                rest = after;
            }
            '{' | '[' => {
                out.push(c);
                depth += 1;
                line(&mut out, depth);
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            _ => out.push_str(token),
        }
    }
    out.push('\n');
    out
}

/// The length of the string, number or word at the beginning; `None` for punctuation.
fn token_length(json: &str) -> Option<usize> {
    let bytes = json.as_bytes();
    if bytes.first() != Some(&b'"') {
        return json.find(['{', '}', '[', ']', ',', ':', '"']).filter(|length| *length > 0);
    }
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        match bytes.get(at) {
            Some(b'"') => return Some(at + 1),
            // A backslash and what it escapes, of which only the first byte can be a quote.
            _ => at += 2,
        }
    }
}

fn line(out: &mut String, depth: usize) {
    out.push('\n');
    for _ in 0..depth {
        out.push_str("  ");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_the_size_asked_for() {
        assert_eq!(bytes(1_000_003, 1000).concat().len(), 1_000_003);
        assert_eq!(words(3), ["word0", " word1", " word2"]);
        assert_eq!(pieces("aé漢🦀", 2).concat(), "aé漢🦀");
        assert_eq!(pieces("", 4), [""]);
    }

    #[test]
    fn ids_differ_and_repeat() {
        assert_eq!(id("msg_01", 7, 22), id("msg_01", 7, 22));
        assert_ne!(id("msg_01", 7, 22), id("msg_01", 8, 22));
        assert_eq!(id("x", 1, 40).len(), 41);
    }

    #[test]
    fn pretty_json_means_the_same() {
        let json = r#"{"a":[],"b":{"c":"x, {\"y\"}: \\","d":[1,2.50]},"e":{}}"#;
        let pretty = pretty(json);
        assert!(pretty.starts_with("{\n  \"a\": [],\n"), "{pretty}");
        let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(parse(&pretty), parse(json));
    }
}
