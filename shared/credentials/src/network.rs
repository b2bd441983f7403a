//! How tokens are asked for: over HTTP/1.1, with the system's certificates and its proxies.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Request, Response, Url};
use rustls::{ClientConfig, RootCertStore};

use crate::unavailable::Unavailable;

/// For one answer. A fetch may need a few.
const LONGEST_ANSWER: Duration = Duration::from_secs(10);
/// To one far away.
const CONNECT: Duration = Duration::from_secs(5);
/// To a metadata service, which is near or nowhere.
const CONNECT_NEAR: Duration = Duration::from_secs(2);
/// More than any token or metadata service sends.
const LONGEST_BODY: usize = 1 << 20;

/// Two clients, made when the first request goes out.
#[derive(Clone, Default)]
pub(crate) struct Network(Arc<OnceLock<Result<Clients, Unavailable>>>);

struct Clients {
    far: Client,
    /// For what is on this machine or next to it: never by a proxy.
    near: Client,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Network {
    /// Sends it. Redirects are not followed: nobody is to be sent elsewhere with a secret.
    pub(crate) async fn send(&self, request: Request) -> Result<Answer, Unavailable> {
        let clients = self.0.get_or_init(clients).as_ref().map_err(Clone::clone)?;
        let place = place(request.url());
        let client = if is_near(request.url()) { &clients.near } else { &clients.far };
        let failed = |error: reqwest::Error| Unavailable::for_now(format!("{place}: {}", cause(&error)));
        let answer = client.execute(request).await.map_err(failed)?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = body(answer, &place).await?;
        Ok(Answer { status, headers, body })
    }
}

async fn body(mut answer: Response, place: &str) -> Result<Vec<u8>, Unavailable> {
    let mut body = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(None) => return Ok(body),
            Ok(Some(chunk)) if body.len() + chunk.len() <= LONGEST_BODY => body.extend_from_slice(&chunk),
            Ok(Some(_)) => {
                return Err(Unavailable::for_now(format!(
                    "{place} answers with more than {LONGEST_BODY} bytes"
                )));
            }
            Err(error) => return Err(Unavailable::for_now(format!("{place}: {}", cause(&error)))),
        }
    }
}

/// Where a request goes, without what a query or a name and password may tell.
pub(crate) fn place(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

/// What an error of reqwest's is at the bottom of; above it, it repeats the address.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    if error.is_timeout() { "no answer in time".to_owned() } else { cause.to_string() }
}

fn clients() -> Result<Clients, Unavailable> {
    let failed =
        |error: &dyn std::error::Error| Unavailable::until_changed(format!("no HTTP client: {error}"));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?
        .with_root_certificates(roots())
        .with_no_client_auth();
    let client = |connect| {
        ClientBuilder::new()
            .tls_backend_preconfigured(tls.clone())
            .http1_only()
            .redirect(Policy::none())
            .referer(false)
            .user_agent("bulkhead")
            .connect_timeout(connect)
            .timeout(LONGEST_ANSWER)
            // The next request is in an hour.
            .pool_max_idle_per_host(0)
    };
    Ok(Clients {
        far: client(CONNECT).build().map_err(|error| failed(&error))?,
        near: client(CONNECT_NEAR).no_proxy().build().map_err(|error| failed(&error))?,
    })
}

/// What the system trusts, or the bundled authorities where it trusts none.
fn roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

/// This machine, and the metadata services that clouds put next to it.
fn is_near(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    match host.trim_matches(['[', ']']).parse() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_link_local(),
        Ok(IpAddr::V6(address)) => {
            address.is_loopback() || address.is_unicast_link_local() || address.is_unique_local()
        }
        Err(_) => host == "localhost" || host == "metadata.google.internal",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_services_are_near() {
        for (url, near) in [
            ("http://127.0.0.1:1/a", true),
            ("http://[::1]:1/a", true),
            ("http://169.254.169.254/latest", true),
            ("http://[fd00:ec2::254]/latest", true),
            ("http://metadata.google.internal/a", true),
            ("https://sts.us-east-1.amazonaws.com", false),
            ("http://10.0.0.1/a", false),
        ] {
            assert_eq!(is_near(&url.parse().unwrap()), near, "{url}");
        }
    }

    #[test]
    fn places_tell_no_secrets() {
        let url = "https://user:CANARY@example.com:8443/token?key=CANARY#CANARY".parse().unwrap();
        assert_eq!(place(&url), "https://example.com:8443/token");
    }
}
