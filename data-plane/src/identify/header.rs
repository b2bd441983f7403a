//! The key in the request's headers.

use bulkhead_model::ErrorKind;
use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName};

use crate::fault::{Fault, Outcome};

/// Headers that carry a key, in the order in which they are looked at (litellm.md §1).
const KEY_HEADERS: [HeaderName; 6] = [
    HeaderName::from_static("x-litellm-api-key"),
    AUTHORIZATION,
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-goog-api-key"),
    HeaderName::from_static("ocp-apim-subscription-key"),
];

/// True for a header that may hold the caller's key and so never leaves the gateway.
pub(crate) fn is_key_header(name: &HeaderName, configured: Option<&HeaderName>) -> bool {
    KEY_HEADERS.contains(name) || configured == Some(name)
}

/// The key: from the configured header, else from the first of the known ones that is there.
pub(crate) fn find<'h>(headers: &'h HeaderMap, configured: Option<&HeaderName>) -> Outcome<&'h str> {
    for name in configured.into_iter().chain(&KEY_HEADERS) {
        if let Some(value) = headers.get(name) {
            let text = value.to_str().map_err(|_| malformed())?.trim();
            return if *name == AUTHORIZATION {
                bearer(text)
            } else {
                Ok(strip_bearer(text).unwrap_or(text))
            }
            .and_then(|key| if key.is_empty() { Err(missing()) } else { Ok(key) });
        }
    }
    Err(missing())
}

/// `Authorization` wants its scheme; a bare `sk-…` is taken as well, since people do send it.
fn bearer(text: &str) -> Outcome<&str> {
    match strip_bearer(text) {
        Some(key) => Ok(key),
        None if text.starts_with("sk-") || text.is_empty() => Ok(text),
        None => Err(malformed()),
    }
}

fn strip_bearer(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    (rest.is_empty() || rest.starts_with(' ')).then(|| rest.trim())
}

fn missing() -> Box<Fault> {
    Fault::new(ErrorKind::NoKey, "Authentication Error, No api key passed in.").param("None")
}

fn malformed() -> Box<Fault> {
    let message = "Authentication Error, Malformed API Key passed in. Ensure Key has `Bearer ` prefix.";
    Fault::new(ErrorKind::MalformedKey, message).param("None")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn the_key_is_found_in_every_header_and_in_their_order() {
        for name in KEY_HEADERS.iter().filter(|name| **name != AUTHORIZATION) {
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
    }

    #[test]
    fn no_key_and_a_bad_one_are_told_apart() {
        for (pairs, kind) in [
            (&[][..], ErrorKind::NoKey),
            (&[("authorization", "Bearer ")], ErrorKind::NoKey),
            (&[("authorization", "Bearer")], ErrorKind::NoKey),
            (&[("x-api-key", "")], ErrorKind::NoKey),
            (&[("authorization", "Basic abc")], ErrorKind::MalformedKey),
            (&[("authorization", "Bearersk-1")], ErrorKind::MalformedKey),
        ] {
            assert_eq!(find(&headers(pairs), None).unwrap_err().kind, kind, "{pairs:?}");
        }
    }
}
