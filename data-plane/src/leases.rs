//! What keeps the proofs of deployments' identities fresh, for as long as there is a snapshot with them.

use std::sync::Arc;

use bulkhead_credentials::{Hidden, Keeper, Lease, Source, aws, entra, google};
use bulkhead_dialect::cloud::Cloud;
use bulkhead_model::Secret;
use bulkhead_snapshot::{Deployment, Identity, Snapshot};

/// Begins to fetch what the deployments of a snapshot will need, before it is in force. It ends with the last
/// snapshot that has them.
pub(crate) fn begin(snapshot: &Snapshot, keeper: &Arc<Keeper>) {
    for deployment in snapshot.models.groups().flat_map(|group| &group.deployments) {
        if let Some(identity) = &deployment.identity {
            lease(identity, keeper);
        }
    }
}

/// The lease on an identity's proof.
pub(crate) fn lease(identity: &Identity, keeper: &Arc<Keeper>) -> Option<Arc<Lease>> {
    identity.keep(|| keeper.lease(&source(identity)))
}

/// The same, where it has begun.
pub(crate) fn begun(deployment: &Deployment) -> Option<Arc<Lease>> {
    deployment.identity.as_ref()?.kept()
}

fn source(identity: &Identity) -> Source {
    let hidden = |name| identity.said(name).cloned().map(Hidden::from);
    let text = |name| identity.said(name).map(|value: &Secret| value.expose().to_owned());
    match identity.cloud() {
        Cloud::Aws => Source::Aws(aws::Source {
            access_key_id: text("aws_access_key_id"),
            secret_access_key: hidden("aws_secret_access_key"),
            session_token: hidden("aws_session_token"),
            profile_name: text("aws_profile_name"),
            role_name: text("aws_role_name"),
            session_name: text("aws_session_name"),
            external_id: text("aws_external_id"),
            web_identity_token: hidden("aws_web_identity_token"),
            sts_endpoint: text("aws_sts_endpoint"),
            region_name: Some(identity.region().to_owned()),
        }),
        Cloud::Google => Source::Google(google::Source { credentials: hidden("vertex_credentials") }),
        Cloud::Azure => Source::Entra(entra::Source {
            tenant_id: text("tenant_id"),
            client_id: text("client_id"),
            client_secret: hidden("client_secret"),
            ad_token: hidden("azure_ad_token"),
            scope: text("azure_scope"),
        }),
    }
}
