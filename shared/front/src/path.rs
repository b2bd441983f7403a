//! Paths that everybody on the way reads alike.

/// True for a path that no proxy would rewrite and no server decodes into another one: no empty segment, none that means
/// this folder or the one above, no parameters, no encoded slash. What is not canonical is not looked up at all
///
pub fn is_canonical(path: &str) -> bool {
    let Some(below) = path.strip_prefix('/') else { return false };
    below.is_empty() || below.strip_suffix('/').unwrap_or(below).split('/').all(is_segment)
}

fn is_segment(segment: &str) -> bool {
    !segment.is_empty()
        && !matches!(segment, "." | "..")
        && segment.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b';' | b'\\' | b'?' | b'#'))
        && encoded(segment).all(|byte| byte.is_some_and(is_harmless))
}

/// The bytes that are written in hex; `None` for one that is no hex.
fn encoded(segment: &str) -> impl Iterator<Item = Option<u8>> {
    segment.split('%').skip(1).map(|rest| {
        let hex = rest.get(..2).filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        u8::from_str_radix(hex, 16).ok()
    })
}

/// Bytes that mean nothing to whoever takes a path apart.
fn is_harmless(byte: u8) -> bool {
    !byte.is_ascii_control() && !matches!(byte, b'.' | b'/' | b'\\' | b';' | b'%')
}

#[cfg(test)]
mod tests {
    use super::*;

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
