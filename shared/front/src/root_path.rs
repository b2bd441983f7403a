//! The path under which a front proxy has this process.

use http::Uri;
use http::uri::PathAndQuery;

use crate::is_canonical;

/// The prefix of every path, empty where there is none. A proxy may strip it or keep it: both are understood, and so are
/// probes that know nothing of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RootPath(Box<str>);

impl RootPath {
    /// Reads `/api/v1`, also with a slash at the end or none at the beginning; nothing and `/` are no prefix.
    pub fn parse(text: &str) -> Option<Self> {
        let inside = text.trim().trim_start_matches('/').trim_end_matches('/');
        if inside.is_empty() {
            return Some(Self::default());
        }
        let plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.' | b'~');
        let prefix = format!("/{inside}");
        (is_canonical(&prefix) && prefix.bytes().all(plain)).then(|| Self(prefix.into()))
    }

    /// The prefix, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path below the prefix, for one that begins with it.
    fn below<'p>(&self, path: &'p str) -> Option<&'p str> {
        let rest = path.strip_prefix(&*self.0)?;
        match rest {
            "" => Some("/"),
            rest => rest.starts_with('/').then_some(rest),
        }
    }

    /// Takes the prefix off a request's target, where it has one and what is left has a route. From there on nobody sees
    /// it: who may call a route is decided by the path that is served.
    pub fn strip(&self, uri: &mut Uri, is_route: impl Fn(&str) -> bool) {
        if self.0.is_empty() {
            return;
        }
        let Some(path) = self.below(uri.path()).filter(|path| is_route(path)) else { return };
        let stripped = match uri.query() {
            None => PathAndQuery::try_from(path),
            Some(query) => PathAndQuery::try_from(format!("{path}?{query}")),
        };
        let mut parts = uri.clone().into_parts();
        if let Ok(stripped) = stripped {
            parts.path_and_query = Some(stripped);
            if let Ok(stripped) = Uri::from_parts(parts) {
                *uri = stripped;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripped(root: &str, target: &str) -> String {
        let mut uri: Uri = target.parse().unwrap();
        let is_route = |path: &str| ["/", "/v1/models", "/key/list"].contains(&path);
        RootPath::parse(root).unwrap().strip(&mut uri, is_route);
        uri.to_string()
    }

    #[test]
    fn a_prefix_is_taken_off_once_and_only_where_a_route_is_left() {
        for (root, target, expected) in [
            ("/api/v1", "/api/v1/v1/models?a=1&b", "/v1/models?a=1&b"),
            ("/api/v1", "/v1/models", "/v1/models"),
            ("/api/v1", "/api/v1", "/"),
            ("/api/v1", "/api/v1/", "/"),
            ("/api/v1", "/api/v1/api/v1/v1/models", "/api/v1/api/v1/v1/models"),
            ("/api/v1", "/api/v10/v1/models", "/api/v10/v1/models"),
            ("/api/v1", "/API/V1/v1/models", "/API/V1/v1/models"),
            ("/api/v1", "http://elsewhere/api/v1/key/list", "http://elsewhere/key/list"),
            ("/llmproxy/", "/llmproxy/key/list", "/key/list"),
            ("llmproxy", "/llmproxy//key/list", "/llmproxy//key/list"),
            ("/v1", "/v1/models", "/v1/models"),
            ("/v1", "/v1/v1/models", "/v1/models"),
            ("", "/v1/models", "/v1/models"),
            ("/", "/v1/models", "/v1/models"),
            ("/a", "*", "*"),
        ] {
            assert_eq!(stripped(root, target), expected, "{root} {target}");
        }
    }

    #[test]
    fn a_prefix_that_could_be_read_in_two_ways_is_none() {
        for text in ["/a//b", "/a/../b", "/a%2fb", "/a;b", "/a b", "/a?b", "/é", "/a/./b"] {
            assert_eq!(RootPath::parse(text), None, "{text}");
        }
        for text in ["", " ", "/", "//"] {
            assert_eq!(RootPath::parse(text), Some(RootPath::default()), "{text}");
        }
    }
}
