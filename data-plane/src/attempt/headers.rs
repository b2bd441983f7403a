//! The headers of a request to a provider: an allow-list, then the deployment's own (design §5).

use bulkhead_model::Dialect;
use bulkhead_model::presented::is_key_header;
use bulkhead_snapshot::{Deployment, Settings};
use http::HeaderMap;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT};

use crate::respond::named_by_connection;

const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");
pub(super) const ANTHROPIC_BETA: HeaderName = HeaderName::from_static("anthropic-beta");
const ALLOWED: [HeaderName; 3] =
    [ACCEPT, HeaderName::from_static("openai-beta"), HeaderName::from_static("idempotency-key")];
/// The version to speak when the client names none.
const DEFAULT_VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");

/// Builds the headers.
pub(crate) fn upstream_headers(
    client: &HeaderMap,
    dialect: Dialect,
    beta: Option<&HeaderValue>,
    deployment: &Deployment,
    settings: &Settings,
) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(16);
    headers.insert(HOST, deployment.host.clone());
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("bulkhead/", env!("CARGO_PKG_VERSION"))));
    if settings.forward_client_headers {
        forward_extensions(client, settings, &mut headers);
    }
    for name in &ALLOWED {
        if let Some(value) = client.get(name) {
            headers.insert(name, value.clone());
        }
    }
    if dialect == Dialect::Anthropic {
        headers.insert(ANTHROPIC_VERSION, client.get(ANTHROPIC_VERSION).cloned().unwrap_or(DEFAULT_VERSION));
        if let Some(beta) = beta {
            headers.insert(ANTHROPIC_BETA, beta.clone());
        }
    }
    for (name, value) in &deployment.headers {
        headers.insert(name, value.clone());
    }
    headers
}

/// The client's own `x-*` headers, without anything that identifies it to the gateway, and without what AWS's clients
/// sign: whoever signs for the provider says that anew.
fn forward_extensions(client: &HeaderMap, settings: &Settings, headers: &mut HeaderMap) {
    let of_this_hop = named_by_connection(client);
    for (name, value) in client {
        let text = name.as_str();
        let private = ["x-forwarded-", "x-litellm-", "x-stainless-", "x-real-ip", "x-amz-"];
        if text.starts_with("x-")
            && !private.iter().any(|prefix| text.starts_with(prefix))
            && !is_key_header(name, settings.key_header.as_ref())
            && !of_this_hop.contains(name)
        {
            headers.append(name, value.clone());
        }
    }
}
