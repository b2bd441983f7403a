//! Paths that everybody on the way reads alike.

use std::borrow::Cow;

/// True for a path that no proxy would rewrite and no server decodes into another one: no empty segment, none that means
/// this folder or the one above, no parameters, no encoded slash. What is not canonical is not looked up at all
///
pub fn is_canonical(path: &str) -> bool {
    let Some(below) = path.strip_prefix('/') else { return false };
    below.is_empty() || below.strip_suffix('/').unwrap_or(below).split('/').all(is_segment)
}

/// As [`is_canonical`], for a path that ends with a name of the client's: SDKs encode the slashes in it.
pub fn is_canonical_with_name(path: &str) -> bool {
    match path.contains('%') {
        true => is_canonical(&path.replace("%2F", "/").replace("%2f", "/")),
        false => is_canonical(path),
    }
}

/// A name in a path as its client means it. One that is not encoded properly stands for itself.
pub fn decoded(name: &str) -> Cow<'_, str> {
    let Some((first, rest)) = name.split_once('%') else { return Cow::Borrowed(name) };
    let mut bytes = first.as_bytes().to_vec();
    for part in rest.split('%') {
        let Some(byte) = part.get(..2).and_then(hex) else {
            return Cow::Borrowed(name);
        };
        bytes.push(byte);
        bytes.extend_from_slice(part.get(2..).unwrap_or_default().as_bytes());
    }
    String::from_utf8(bytes).map_or(Cow::Borrowed(name), Cow::Owned)
}

fn is_segment(segment: &str) -> bool {
    !segment.is_empty()
        && !matches!(segment, "." | "..")
        && segment.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b';' | b'\\' | b'?' | b'#'))
        && encoded(segment).all(|byte| byte.is_some_and(is_harmless))
}

/// The bytes that are written in hex; `None` for one that is no hex.
fn encoded(segment: &str) -> impl Iterator<Item = Option<u8>> {
    segment.split('%').skip(1).map(|rest| rest.get(..2).and_then(hex))
}

fn hex(two: &str) -> Option<u8> {
    let is_hex = two.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u8::from_str_radix(two, 16).ok()).flatten()
}

/// Bytes that mean nothing to whoever takes a path apart.
fn is_harmless(byte: u8) -> bool {
    !byte.is_ascii_control() && !matches!(byte, b'.' | b'/' | b'\\' | b';' | b'%')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_have_encoded_slashes_and_nothing_else_of_the_kind() {
        for (path, canonical) in [
            ("/v1/models/openai%2Fgpt-4o", true),
            ("/v1/models/openai%2fgpt-4o", true),
            ("/v1/models/openai%252Fgpt-4o", false),
            ("/v1/models/..%2Fkey", false),
            ("/v1/models/a%2F%2Fb", false),
            ("/v1/models/a%2F", true),
            ("/v1/models/a%5Cb", false),
        ] {
            assert_eq!(is_canonical_with_name(path), canonical, "{path}");
        }
        for (name, meant) in [
            ("gpt-4o", "gpt-4o"),
            ("openai%2Fgpt-4o", "openai/gpt-4o"),
            ("caf%C3%A9%20x", "café x"),
            ("100%", "100%"),
            ("a%zz", "a%zz"),
            ("a%+1", "a%+1"),
            ("a%ff", "a%ff"),
        ] {
            assert_eq!(decoded(name), meant);
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_not_canonical() {
        for path in [
            "/",
            "/v1/models",
            "/metrics/",
            "/v1/models/ft:gpt-4o:org::id",
            "/engines/org/model@2024/completions",
            "/key/a%20b",
            "/team/caf%C3%A9",
            "/a/...",
            "/v1/models/gpt%2D4o",
            "/a/.well-known",
        ] {
            assert!(is_canonical(path), "{path}");
        }
        for path in [
            "",
            "*",
            "v1",
            "//",
            "//v1/models",
            "/v1//models",
            "/v1/models//",
            "/.",
            "/v1/./models",
            "/v1/../models",
            "/v1/models/..",
            "/v1/%2e%2e/models",
            "/v1/%2E/models",
            "/v1%2fmodels",
            "/v1/models%5cx",
            "/v1\\models",
            "/v1/models;x=1",
            "/v1/models%3bx",
            "/v1/models%00",
            "/v1/models%0a",
            "/v1/models%",
            "/v1/models%2",
            "/v1/models%zz",
            "/v1/models%252e",
            "/v1/modèles",
        ] {
            assert!(!is_canonical(path), "{path}");
        }
    }
}
