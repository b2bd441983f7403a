//! What flags say, checked.

use std::net::IpAddr;

use bulkhead_config::flag::problem;
use bulkhead_config::{Problem, Problems};
use bulkhead_snapshot::Target;
use http::Uri;
use http::uri::{Authority, Scheme};

/// A base URL of the control plane.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) target: Target,
    pub(crate) authority: Authority,
    /// The path before every route's, without a slash at its end.
    pub(crate) prefix: String,
}

impl Peer {
    /// Reads the value of `flag`. What it says of a bad one quotes nothing: it may hold a password.
    pub(crate) fn parse(flag: &str, url: &str) -> Result<Self, Problem> {
        let wrong =
            |what: &str| problem(flag, what, "a base URL such as https://control-plane.internal:4002");
        let uri: Uri = url.trim().parse().map_err(|_| wrong("this is not a URL"))?;
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong("the URL does not begin with http:// or https://")),
        };
        let authority = uri.authority().cloned().ok_or_else(|| wrong("the URL has no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("the URL holds a user name or password, which has no meaning here"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || uri.query().is_some() {
            return Err(wrong("the URL has no host, or more than a path behind it"));
        }
        let port = authority.port_u16().unwrap_or(if https { 443 } else { 80 });
        let target = Target { https, host: host.into(), port };
        Ok(Self { target, prefix: uri.path().trim_end_matches('/').to_owned(), authority })
    }

    /// Scheme and authority, as requests name them.
    pub(crate) fn origin(&self) -> Uri {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(if self.target.https { Scheme::HTTPS } else { Scheme::HTTP });
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(http::uri::PathAndQuery::from_static("/"));
        Uri::from_parts(parts).unwrap_or_default()
    }

    /// True where what is sent never leaves the machine.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = &*self.target.host;
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

/// Both, or everything that is wrong with either.
pub(crate) fn both<A, B>(one: Result<A, Problems>, other: Result<B, Problems>) -> Result<(A, B), Problems> {
    match (one, other) {
        (Ok(one), Ok(other)) => Ok((one, other)),
        (Err(Problems(mut problems)), Err(Problems(more))) => {
            problems.extend(more);
            Err(Problems(problems))
        }
        (Err(problems), _) | (_, Err(problems)) => Err(problems),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_taken_apart() {
        for (url, host, port, prefix, loopback) in [
            ("https://cp:4002", "cp", 4002, "", false),
            ("http://127.0.0.1:4001/", "127.0.0.1", 4001, "", true),
            ("http://[::1]:4001/gateway/", "::1", 4001, "/gateway", true),
            ("http://localhost", "localhost", 80, "", true),
            ("https://localhost.example.com", "localhost.example.com", 443, "", false),
        ] {
            let peer = Peer::parse("--management-url", url).unwrap();
            assert_eq!((&*peer.target.host, peer.target.port, &*peer.prefix), (host, port, prefix), "{url}");
            assert_eq!(peer.is_loopback(), loopback, "{url}");
        }
    }

    #[test]
    fn a_bad_base_url_is_not_quoted() {
        for url in ["cp:4002", "ftp://cp", "/cp", "", "https://me:hush@cp", "https://cp?hush", "http://"] {
            let problem = Peer::parse("--control-plane", url).unwrap_err().to_string();
            assert!(problem.starts_with("command line: --control-plane: "), "{problem}");
            assert!(!problem.contains("hush"), "{problem}");
        }
    }
}
