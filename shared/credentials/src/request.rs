//! Requests for tokens, put together.

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method};
use reqwest::{Body, Request, Url};

use crate::unavailable::Unavailable;

/// An address. `what` says whose it is.
pub(crate) fn url(what: &str, text: &str) -> Result<Url, Unavailable> {
    let wrong = |why: &str| Unavailable::until_changed(format!("{what} is no address: {why}"));
    let url: Url = text.parse().map_err(|_| wrong("write it as https://host/path"))?;
    // Anything else, reqwest refuses.
    if matches!(url.scheme(), "http" | "https") { Ok(url) } else { Err(wrong("write it with https://")) }
}

/// With a query.
pub(crate) fn get(mut url: Url, query: &[(&str, &str)]) -> Request {
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    Request::new(Method::GET, url)
}

/// With a form.
pub(crate) fn form(url: Url, fields: &[(&str, &str)]) -> Request {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    post(url, "application/x-www-form-urlencoded", body)
}

/// With a JSON document.
pub(crate) fn json(url: Url, document: &serde_json::Value) -> Request {
    post(url, "application/json", document.to_string())
}

fn post(url: Url, kind: &'static str, body: String) -> Request {
    let mut request = Request::new(Method::POST, url);
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    *request.body_mut() = Some(Body::from(body));
    request
}

/// A header; secrets are among them.
pub(crate) fn with(request: Request, name: &str, value: &str) -> Result<Request, Unavailable> {
    let wrong = || {
        Unavailable::until_changed(format!(
            "what should go out in the header {name} cannot: it has other signs"
        ))
    };
    let name = HeaderName::try_from(name).map_err(|_| wrong())?;
    let mut value = HeaderValue::try_from(value).map_err(|_| wrong())?;
    value.set_sensitive(true);
    let mut request = request;
    request.headers_mut().insert(name, value);
    Ok(request)
}

/// `authorization: Bearer …`
pub(crate) fn with_bearer(request: Request, token: &str) -> Result<Request, Unavailable> {
    with(request, AUTHORIZATION.as_str(), &format!("Bearer {token}"))
}
