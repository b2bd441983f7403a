//! AWS's Signature Version 4.
//!
//! The path goes out encoded once, as `bulkhead_dialect::translate::bedrock_path` makes it: in a model's name, the
//! `:` of a version and the `/` of an ARN are `%3A` and `%2F`. AWS signs what it takes from the wire encoded once
//! more, S3 aside, and so does this.

mod sdk;
mod source;
mod sts;

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{self, SignableBody, SignableRequest, SigningSettings};
use aws_sigv4::sign::v4;
use bulkhead_model::Secret;
pub use source::Source;
pub(crate) use source::ambient;

/// Static keys, or keys for a session.
#[derive(Clone)]
pub struct Keys {
    /// The public half.
    pub access_key_id: String,
    /// The secret half.
    pub secret_access_key: Secret,
    /// Comes with keys that expire.
    pub session_token: Option<Secret>,
}

impl Keys {
    fn credentials(&self) -> Credentials {
        let token = self.session_token.as_ref().map(|token| token.expose().to_owned());
        Credentials::new(&self.access_key_id, self.secret_access_key.expose(), token, None, "bulkhead")
    }
}

/// What a signature is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope<'a> {
    /// `us-east-1`
    pub region: &'a str,
    /// `bedrock`
    pub service: &'a str,
}

/// What no body hashes to.
pub(crate) const NO_BODY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A request before it is signed.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// `POST`
    pub method: &'a str,
    /// With scheme, host, path and query, encoded as they go out.
    pub url: &'a str,
    /// The headers that are signed as well; `host` is in any case.
    pub headers: &'a [(&'a str, &'a str)],
    /// What all of the body hashes to by SHA-256, in hexadecimal digits.
    pub body_hash: &'a str,
}

/// Why a request cannot be signed: its address or a header is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the request cannot be signed: {0}")]
pub struct SignError(String);

/// The headers that sign a request: `authorization`, `x-amz-date` and, where there is a session, its token. The first
/// and the last are secrets. AWS takes them for five minutes.
pub fn sign(
    request: &Request<'_>,
    keys: &Keys,
    scope: Scope<'_>,
    time: SystemTime,
) -> Result<Vec<(&'static str, String)>, SignError> {
    sign_with(request, keys, scope, time, SigningSettings::default())
}

fn sign_with(
    request: &Request<'_>,
    keys: &Keys,
    scope: Scope<'_>,
    time: SystemTime,
    settings: SigningSettings,
) -> Result<Vec<(&'static str, String)>, SignError> {
    let failed = |error: &dyn std::error::Error| {
        let cause = error.source().map(ToString::to_string);
        SignError(cause.unwrap_or_else(|| error.to_string()))
    };
    let identity = keys.credentials().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(scope.region)
        .name(scope.service)
        .time(time)
        .settings(settings)
        .build()
        .map_err(|error| failed(&error))?
        .into();
    let body = SignableBody::Precomputed(request.body_hash.to_owned());
    let signable = SignableRequest::new(request.method, request.url, request.headers.iter().copied(), body);
    let signed = http_request::sign(signable.map_err(|error| failed(&error))?, &params);
    let (instructions, _) = signed.map_err(|error| failed(&error))?.into_parts();
    let (headers, _) = instructions.into_parts();
    Ok(headers.into_iter().map(|header| (header.name(), header.value().to_owned())).collect())
}

#[cfg(test)]
mod tests;
