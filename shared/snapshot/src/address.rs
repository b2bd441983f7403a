//! Where a provider is.

use bulkhead_dialect::providers::{Auth, Provider};
use bulkhead_model::Endpoint;
use http::header::HeaderValue;
use http::uri::Uri;

use crate::headers::header;

/// Where connections go: what makes two connections interchangeable.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// TLS or not.
    pub https: bool,
    /// Host name or address literal, without brackets.
    pub host: Box<str>,
    /// Port.
    pub port: u16,
}

/// Splits a base URL into where to connect, the `Host` header and the path before the endpoint's.
pub(crate) fn parse_base(base: &str, provider: &Provider) -> Result<(Target, HeaderValue, String), String> {
    let wrong = || format!("`{base}` is not an http or https URL");
    let uri: Uri = base.parse().map_err(|_| wrong())?;
    let https = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(wrong()),
    };
    let authority = uri.authority().ok_or_else(wrong)?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let port = authority.port_u16().unwrap_or(if https { 443 } else { 80 });
    let target = Target { https, host: host.into(), port };
    let path = match base_path(uri.path(), provider) {
        // As in LiteLLM: a resource's bare address is that of its models.
        path if path.is_empty() && is_foundry(host) && provider.auth == Auth::Foundry => "/models".to_owned(),
        path => path,
    };
    Ok((target, header(authority.as_str())?, path))
}

/// True for the address of a resource of Microsoft Foundry, which takes keys in a header of Azure's.
pub(crate) fn is_foundry(host: &str) -> bool {
    [".services.ai.azure.com", ".openai.azure.com"].iter().any(|domain| host.ends_with(domain))
}

/// The path of a base URL without what people add by habit: a trailing slash, the endpoint itself. Base URLs of
/// Anthropic, Azure, Cohere and Ollama come without the version that their paths start with.
fn base_path(path: &str, provider: &Provider) -> String {
    let mut path = path.trim_end_matches('/');
    let has = |endpoint: &&Endpoint| provider.endpoints.contains(**endpoint);
    let endpoints = Endpoint::ALL.iter().filter(|it| !it.is_upstream_only() || has(it)).map(|it| it.path());
    for endpoint in endpoints.filter(|endpoint| *endpoint != "/completions").chain(["/completions"]) {
        path = path.strip_suffix(endpoint).unwrap_or(path);
    }
    if provider.endpoints.iter().any(|it| matches!(it, Endpoint::CohereChat | Endpoint::OllamaChat)) {
        // LiteLLM's addresses of Cohere name the endpoint, also that of the version before.
        let path = ["/chat", "/embed"].iter().find_map(|end| path.strip_suffix(end)).unwrap_or(path);
        let version = ["/v1", "/v2", "/api"].iter().find_map(|version| path.strip_suffix(version));
        return version.unwrap_or(path).to_owned();
    }
    match provider.auth {
        Auth::XApiKey if !path.ends_with("/v1") => format!("{path}/v1"),
        Auth::AzureApiKey => {
            let path = path.strip_suffix("/v1").unwrap_or(path);
            path.strip_suffix("/openai").unwrap_or(path).to_owned()
        }
        _ => path.to_owned(),
    }
}

/// Percent-encodes one path segment, so that a model name cannot leave it.
pub(crate) fn encode(segment: &str) -> String {
    let mut out = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' | b'.' | b'@' => {
                out.push(char::from(byte))
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    // A segment of dots alone would climb.
    if out.bytes().all(|byte| byte == b'.') { out.replace('.', "%2E") } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_name_cannot_climb_out_of_its_segment() {
        for (model, segment) in [
            ("..", "%2E%2E"),
            ("a/../b", "a%2F..%2Fb"),
            ("x?y#z", "x%3Fy%23z"),
            ("é", "%C3%A9"),
            ("c@1", "c@1"),
        ] {
            assert_eq!(encode(model), segment);
        }
    }
}
