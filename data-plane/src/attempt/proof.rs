//! What proves to a cloud who sends a request: a signature, or a token.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{Context, SHA256};
use bulkhead_credentials::{Lease, Proof, aws, shifted};
use bulkhead_dialect::error::bedrock::{ERROR_TYPE, blames_time};
use bulkhead_dialect::error::read_provider_error;
use bulkhead_dialect::json::Segments;
use bulkhead_model::{ErrorKind, Secret};
use bulkhead_snapshot::{Deployment, Identity};
use http::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HOST, HeaderName};
use http::response::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method};
use smallvec::SmallVec;
use tokio::time::Instant;

use super::prepared::Prepared;
use crate::apart::apart;
use crate::fault::{Fault, Outcome};
use crate::leases;
use crate::worker::Worker;

/// A signature that is older is made anew when a request is sent once more; AWS takes it for five minutes.
const FRESH: Duration = Duration::from_secs(60);
/// The name under which Bedrock's requests are signed.
const SERVICE: &str = "bedrock";

/// What proves who sends a request.
pub(super) struct Proven<'r> {
    lease: Arc<Lease>,
    proof: Arc<Proof>,
    headers: Added,
    /// Where its project has become known with the credentials only.
    pub(super) path: Option<PathAndQuery>,
    signing: Option<Signing<'r>>,
}

type Added = SmallVec<[(HeaderName, HeaderValue); 3]>;

/// All that a signature is made of but keys and time.
struct Signing<'r> {
    identity: &'r Identity,
    url: String,
    signed: Vec<(HeaderName, String)>,
    body_hash: String,
    since: Instant,
    /// The clock that it was signed by.
    ahead: i64,
}

/// Waits for a proof that is not there yet for as long as for a connection; most are there.
pub(super) async fn prove<'r>(
    worker: &Worker,
    identity: &'r Identity,
    prepared: &Prepared<'r>,
) -> Outcome<Proven<'r>> {
    let deployment = prepared.deployment;
    let lease = leases::lease(identity, &worker.node.keeper);
    let lease = lease.ok_or_else(|| unproven(deployment, &"its identity is taken"))?;
    let proof = match lease.now() {
        Some(proof) => proof,
        None => lease.get(prepared.waits.connected_by()).await.map_err(|why| unproven(deployment, &why))?,
    };
    let (headers, signing) = match &*proof {
        Proof::Bearer(token) => (bearer(token).map_err(|why| unproven(deployment, &why))?, None),
        Proof::Aws(keys) => {
            let signing = Signing::of(identity, prepared, lease.clock().ahead()).await;
            let signing = signing.map_err(|why| unproven(deployment, &why))?;
            (signing.sign(keys).map_err(|why| unproven(deployment, &why))?, Some(signing))
        }
    };
    let path = with_project(prepared, &lease, &proof)?;
    Ok(Proven { lease, proof, headers, path, signing })
}

/// The path with the project that the credentials name, where the deployment leaves that to them.
fn with_project(prepared: &Prepared<'_>, lease: &Lease, proof: &Arc<Proof>) -> Outcome<Option<PathAndQuery>> {
    let deployment = prepared.deployment;
    if !deployment.lacks_project() {
        return Ok(None);
    }
    let Some(project) = lease.project() else {
        // The metadata server may not have known it yet.
        lease.refused(proof);
        let why = "the credentials name no project; write vertex_project, or set VERTEXAI_PROJECT";
        return Err(unproven(deployment, &why));
    };
    deployment.path_in(&prepared.path, &project).map(Some).map_err(|why| unproven(deployment, &why))
}

impl Proven<'_> {
    /// Adds the headers; they are made anew where they have become old while the request waited.
    pub(super) fn add_to(&self, headers: &mut HeaderMap) {
        let again = self.signing.as_ref().filter(|signing| signing.since.elapsed() > FRESH);
        let again = again.and_then(|signing| match &*self.proof {
            Proof::Aws(keys) => signing.sign(keys).ok(),
            Proof::Bearer(_) => None,
        });
        for (name, value) in again.as_ref().unwrap_or(&self.headers) {
            headers.insert(name, value.clone());
        }
    }

    /// The provider refused; where it did so for the time of the signature, and says what time it is there, there is
    /// another signature, by that time.
    pub(super) fn signs_again(&mut self, head: &Parts, body: &[u8]) -> bool {
        let (Proof::Aws(keys), Some(signing)) = (&*self.proof, &mut self.signing) else { return false };
        let clock = self.lease.clock();
        let Some(theirs) = time_for_which_it_was_refused(head, body) else { return false };
        if !clock.correct(signing.ahead, theirs, SystemTime::now()) {
            return false;
        }
        (signing.ahead, signing.since) = (clock.ahead(), Instant::now());
        match signing.sign(keys) {
            Ok(headers) => self.headers = headers,
            Err(_) => return false,
        }
        true
    }

    /// The provider answered so; where it did not believe the proof, there is a new one for whoever comes next.
    pub(super) fn answered(&self, status: u16) {
        if matches!(status, 401 | 403) {
            self.lease.refused(&self.proof);
        }
    }
}

impl<'r> Signing<'r> {
    async fn of(identity: &'r Identity, prepared: &Prepared<'_>, ahead: i64) -> Result<Self, String> {
        let Prepared { deployment, path, body, .. } = prepared;
        let host = deployment.host.to_str().map_err(|error| error.to_string())?;
        let scheme = if deployment.target.https { "https" } else { "http" };
        let hashed = body.clone();
        let body_hash = apart(body.len(), move || hash(&hashed)).await.ok_or("the body was not hashed")?;
        let is_signed =
            |name: &HeaderName| *name == HOST || *name == CONTENT_TYPE || name.as_str().starts_with("x-amz-");
        let mut signed = Vec::new();
        for (name, value) in prepared.headers().iter().filter(|(name, _)| is_signed(name)) {
            let value = value.to_str().map_err(|_| format!("the header {name} is no text"))?;
            signed.push((name.clone(), value.to_owned()));
        }
        Ok(Self {
            identity,
            url: format!("{scheme}://{host}{path}"),
            signed,
            body_hash,
            since: Instant::now(),
            ahead,
        })
    }

    fn sign(&self, keys: &aws::Keys) -> Result<Added, String> {
        let headers: Vec<_> =
            self.signed.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let request = aws::Request {
            method: Method::POST.as_str(),
            url: &self.url,
            headers: &headers,
            body_hash: &self.body_hash,
        };
        let scope = aws::Scope { region: self.identity.region(), service: SERVICE };
        let time = shifted(SystemTime::now(), self.ahead);
        let made = aws::sign(&request, keys, scope, time).map_err(|error| error.to_string())?;
        made.into_iter().map(|(name, value)| Ok((HeaderName::from_static(name), sensitive(value)?))).collect()
    }
}

/// What time it is at the provider, where it refuses a request for its time.
fn time_for_which_it_was_refused(head: &Parts, body: &[u8]) -> Option<SystemTime> {
    let text = |name: &HeaderName| head.headers.get(name)?.to_str().ok();
    let error = read_provider_error(body);
    let named = text(&HeaderName::from_static(ERROR_TYPE)).or(error.kind.as_deref())?;
    let date = blames_time(named, &error.message).then(|| text(&DATE))??;
    httpdate::parse_http_date(date).ok()
}

fn hash(body: &Segments) -> String {
    let mut context = Context::new(&SHA256);
    body.iter().for_each(|chunk| context.update(chunk));
    context.finish().as_ref().iter().fold(String::with_capacity(64), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
        }
        text
    })
}

fn bearer(token: &Secret) -> Result<Added, String> {
    let value = sensitive(format!("Bearer {}", token.expose()))?;
    Ok(SmallVec::from_iter([(AUTHORIZATION, value)]))
}

fn sensitive(value: String) -> Result<HeaderValue, String> {
    let mut value =
        HeaderValue::try_from(value).map_err(|_| "what was fetched cannot be in a header".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

/// LiteLLM's words for a deployment without valid credentials.
fn unproven(deployment: &Deployment, why: &dyn std::fmt::Display) -> Box<Fault> {
    tracing::warn!(deployment = %deployment.id, %why, "no credentials for a request");
    let message = format!(
        "litellm.AuthenticationError: {} - {why}. Please tell the gateway's operator.",
        deployment.provider.exception
    );
    Fault::new(ErrorKind::UpstreamAuthentication, message)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_body_in_pieces_hashes_to_what_it_is_in_one() {
        let mut body = Segments::default();
        body.push(Bytes::from_static(b"ab"));
        body.push(Bytes::from_static(b"c"));
        // FIPS 180-2, appendix B.1.
        assert_eq!(hash(&body), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
