//! The key that a client presents in the headers of a request.

use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName};

/// Headers that carry a key, in the order in which they are looked at (litellm.md §1).
static HEADERS: [HeaderName; 6] = [
    HeaderName::from_static("x-litellm-api-key"),
    AUTHORIZATION,
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-goog-api-key"),
    HeaderName::from_static("ocp-apim-subscription-key"),
];

/// Why there is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoKey {
    /// No header holds one.
    #[error("Authentication Error, No api key passed in.")]
    Missing,
    /// The first that could hold one holds something else.
    #[error("Authentication Error, Malformed API Key passed in. Ensure Key has `Bearer ` prefix.")]
    Malformed,
}

/// The key: from the configured header, else from the first of the known ones that is there.
pub fn find<'h>(headers: &'h HeaderMap, configured: Option<&HeaderName>) -> Result<&'h str, NoKey> {
    let present = |name| Some((name, headers.get(name)?));
    let (name, value) = configured.into_iter().chain(&HEADERS).find_map(present).ok_or(NoKey::Missing)?;
    let text = value.to_str().map_err(|_| NoKey::Malformed)?.trim();
    let key = match without_scheme(text) {
        Some(key) => key,
        // `Authorization` wants its scheme; a bare `sk-…` is taken as well, since people do send it.
        None if *name == AUTHORIZATION && !text.starts_with("sk-") && !text.is_empty() => {
            return Err(NoKey::Malformed);
        }
        None => text,
    };
    if key.is_empty() { Err(NoKey::Missing) } else { Ok(key) }
}

/// True for a header that may hold the caller's key.
pub fn is_key_header(name: &HeaderName, configured: Option<&HeaderName>) -> bool {
    HEADERS.contains(name) || configured == Some(name)
}

fn without_scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    (rest.is_empty() || rest.starts_with(' ')).then(|| rest.trim())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn the_key_is_found_in_every_header_and_in_their_order() {
        for name in HEADERS.iter().filter(|name| **name != AUTHORIZATION) {
            let mut map = HeaderMap::new();
            map.insert(name, HeaderValue::from_static("sk-1"));
            assert_eq!(find(&map, None).unwrap(), "sk-1", "{name}");
        }
        for (pairs, key) in [
            (&[("authorization", "Bearer sk-1")][..], "sk-1"),
            (&[("authorization", "bearer   sk-1 ")], "sk-1"),
            (&[("authorization", "sk-1")], "sk-1"),
            (&[("x-api-key", "sk-2"), ("authorization", "Bearer sk-1")], "sk-1"),
            (&[("x-litellm-api-key", "Bearer sk-3"), ("authorization", "Bearer sk-1")], "sk-3"),
        ] {
            assert_eq!(find(&headers(pairs), None).unwrap(), key);
        }
        let custom = HeaderName::from_static("x-my-key");
        let map = headers(&[("x-my-key", "sk-9"), ("authorization", "Bearer sk-1")]);
        assert_eq!(find(&map, Some(&custom)).unwrap(), "sk-9");
        assert!(is_key_header(&custom, Some(&custom)) && !is_key_header(&custom, None));
        assert!(is_key_header(&AUTHORIZATION, None));
    }

    #[test]
    fn no_key_and_a_bad_one_are_told_apart() {
        for (pairs, why) in [
            (&[][..], NoKey::Missing),
            (&[("authorization", "Bearer ")], NoKey::Missing),
            (&[("authorization", "Bearer")], NoKey::Missing),
            (&[("x-api-key", "")], NoKey::Missing),
            (&[("authorization", "Basic abc")], NoKey::Malformed),
            (&[("authorization", "Bearersk-1")], NoKey::Malformed),
        ] {
            assert_eq!(find(&headers(pairs), None).unwrap_err(), why, "{pairs:?}");
        }
    }
}
