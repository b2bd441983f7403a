//! What a provider repeats of the credentials that the gateway sent it goes no further.

use std::borrow::Cow;
use std::sync::Arc;

use bulkhead_credentials::Proof;
use bulkhead_snapshot::Deployment;
use bytes::BytesMut;

use crate::leases;

const REDACTED: &str = "[redacted]";
/// Shorter values of a deployment's headers are names and versions, which occur in any text.
const SHORTEST: usize = 16;

/// What stands in for a key at the moment.
fn proof(deployment: &Deployment) -> Option<Arc<Proof>> {
    leases::begun(deployment)?.now()
}

fn credentials<'d>(deployment: &'d Deployment, proof: Option<&'d Proof>) -> impl Iterator<Item = &'d [u8]> {
    let values = deployment.headers.iter().map(|(_, value)| value.as_bytes());
    let bare = values.map(|value| value.strip_prefix(b"Bearer ").unwrap_or(value));
    let secrets = match proof {
        None => [None, None],
        Some(Proof::Bearer(token)) => [Some(token), None],
        Some(Proof::Aws(keys)) => [Some(&keys.secret_access_key), keys.session_token.as_ref()],
    };
    let secrets = secrets.into_iter().flatten().map(|secret| secret.expose().as_bytes());
    bare.chain(secrets).filter(|value| value.len() >= SHORTEST)
}

/// True where a text holds one of the deployment's credentials.
pub(super) fn repeats(deployment: &Deployment, text: &[u8]) -> bool {
    holds(credentials(deployment, proof(deployment).as_deref()), text)
}

fn holds<'s>(mut secrets: impl Iterator<Item = &'s [u8]>, text: &[u8]) -> bool {
    secrets.any(|secret| text.windows(secret.len()).any(|part| part == secret))
}

/// The text without the deployment's credentials.
pub(crate) fn without_credentials<'t>(deployment: &Deployment, text: &'t str) -> Cow<'t, str> {
    let proof = proof(deployment);
    if !holds(credentials(deployment, proof.as_deref()), text.as_bytes()) {
        return Cow::Borrowed(text);
    }
    let secrets =
        credentials(deployment, proof.as_deref()).filter_map(|secret| std::str::from_utf8(secret).ok());
    Cow::Owned(secrets.fold(text.to_owned(), |text, secret| text.replace(secret, REDACTED)))
}

/// Takes the deployment's credentials out of events that are about to leave.
pub(super) fn conceal_credentials(deployment: &Deployment, events: &mut BytesMut) {
    if repeats(deployment, events) {
        let text = String::from_utf8_lossy(events);
        let concealed = BytesMut::from(without_credentials(deployment, &text).as_bytes());
        *events = concealed;
    }
}
