//! Browsers of other origins (the Fetch standard), by LiteLLM's variable and with its framework's answers.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method};

const METHODS: HeaderValue = HeaderValue::from_static("DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT");
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");
const ANY: HeaderValue = HeaderValue::from_static("*");
const TRUE: HeaderValue = HeaderValue::from_static("true");
/// With credentials a browser does not take `*`.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "retry-after, x-litellm-call-id, x-litellm-model-id, x-litellm-model-group, x-litellm-response-cost, \
     x-litellm-attempted-retries, x-litellm-attempted-fallbacks",
);

/// Which origins a browser may call from. Where nobody said so, it may not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cors {
    /// `*`, without credentials.
    Any,
    /// These, with credentials.
    Listed(Vec<HeaderValue>),
}

/// What a browser hears that asks first.
#[derive(Debug)]
pub struct Preflight {
    /// Whether it may go on.
    pub allowed: bool,
    /// The headers of the answer.
    pub headers: HeaderMap,
}

impl Preflight {
    /// Status and text of the answer.
    pub fn answer(&self) -> (u16, &'static str) {
        if self.allowed { (200, "OK") } else { (400, "Disallowed CORS origin") }
    }
}

impl Cors {
    /// Reads a list of origins, separated by commas; `None` for one that is no origin.
    pub fn parse(list: &str) -> Option<Self> {
        let origins: Vec<_> = list.split(',').map(str::trim).filter(|origin| !origin.is_empty()).collect();
        if origins.contains(&"*") {
            return Some(Self::Any);
        }
        origins.iter().map(|origin| read(origin)).collect::<Option<_>>().map(Self::Listed)
    }

    fn allows(&self, origin: &HeaderValue) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(origins) => origins.contains(origin),
        }
    }

    /// The answer to a browser that asks whether it may send a request; `None` where this is the request itself.
    pub fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<Preflight> {
        if method != Method::OPTIONS || !headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            return None;
        }
        let origin = headers.get(ORIGIN)?;
        let mut answer = HeaderMap::with_capacity(8);
        self.mark(Some(origin), &mut answer);
        answer.remove(ACCESS_CONTROL_EXPOSE_HEADERS);
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        answer.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        if let Some(wanted) = headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
            answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
        }
        Some(Preflight { allowed: self.allows(origin), headers: answer })
    }

    /// Says in an answer that a browser may show it to a page of that origin.
    pub fn mark(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        match self {
            Self::Any if origin.is_some() => {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
                headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
            }
            Self::Any => {}
            Self::Listed(_) => {
                // What one origin got is nothing for another one.
                if !headers.get_all(VARY).iter().any(|name| name == ORIGIN.as_str()) {
                    headers.append(VARY, HeaderValue::from(ORIGIN));
                }
                let Some(origin) = origin.filter(|origin| self.allows(origin)) else { return };
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
                headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
                headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
            }
        }
    }
}

/// Scheme and host as a browser writes them: in lower case, with nothing behind them.
fn read(origin: &str) -> Option<HeaderValue> {
    let origin = origin.trim_end_matches('/').to_ascii_lowercase();
    let (scheme, host) = origin.split_once("://")?;
    let is_scheme =
        !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let is_host = !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ', '*']);
    (is_scheme && is_host).then(|| HeaderValue::try_from(&*origin).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(origin: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ORIGIN, HeaderValue::from_static(origin));
        headers.insert(ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("POST"));
        headers
            .insert(ACCESS_CONTROL_REQUEST_HEADERS, HeaderValue::from_static("authorization,content-type"));
        headers
    }

    fn text(headers: &HeaderMap, name: http::HeaderName) -> Option<&str> {
        headers.get(name).map(|value| value.to_str().unwrap())
    }

    #[test]
    fn a_preflight_is_answered_for_origins_that_are_listed() {
        let cors = Cors::parse(" https://App.example.com/ , http://localhost:5173").unwrap();
        let good = cors.preflight(&Method::OPTIONS, &asked("https://app.example.com")).unwrap();
        assert_eq!(good.answer(), (200, "OK"));
        assert_eq!(text(&good.headers, ACCESS_CONTROL_ALLOW_ORIGIN), Some("https://app.example.com"));
        assert_eq!(text(&good.headers, ACCESS_CONTROL_ALLOW_HEADERS), Some("authorization,content-type"));
        assert_eq!(text(&good.headers, ACCESS_CONTROL_ALLOW_CREDENTIALS), Some("true"));
        assert_eq!(text(&good.headers, VARY), Some("origin"));
        for other in ["https://app.example.com.evil.org", "http://app.example.com", "null"] {
            let bad = cors.preflight(&Method::OPTIONS, &asked(other)).unwrap();
            assert_eq!(bad.answer().0, 400, "{other}");
            assert_eq!(text(&bad.headers, ACCESS_CONTROL_ALLOW_ORIGIN), None, "{other}");
        }
        assert!(cors.preflight(&Method::POST, &asked("https://app.example.com")).is_none());
        assert!(cors.preflight(&Method::OPTIONS, &HeaderMap::new()).is_none());
    }

    #[test]
    fn any_origin_never_has_credentials() {
        let cors = Cors::parse("https://a.example.com,*").unwrap();
        let preflight = cors.preflight(&Method::OPTIONS, &asked("https://b.example.com")).unwrap();
        assert_eq!(preflight.answer().0, 200);
        assert_eq!(text(&preflight.headers, ACCESS_CONTROL_ALLOW_ORIGIN), Some("*"));
        assert_eq!(text(&preflight.headers, ACCESS_CONTROL_ALLOW_CREDENTIALS), None);
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for list in ["app.example.com", "https://", "https://a.example.com/path", "https://*.example.com"] {
            assert_eq!(Cors::parse(list), None, "{list}");
        }
        assert_eq!(Cors::parse(""), Some(Cors::Listed(Vec::new())));
    }
}
