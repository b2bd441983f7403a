//! What all of them need.

use std::sync::Arc;
use std::time::Duration;

use bulkhead_credentials::{Environment, Keeper, Lease, Proof, Source, Unavailable};
use tokio::runtime::Handle;
use tokio::time::Instant;

/// Longer than any of these takes.
const WAIT: Duration = Duration::from_secs(20);

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A lease with these variables only.
pub(crate) fn lease(source: Source, variables: &[(&str, &str)]) -> Arc<Lease> {
    Keeper::with_environment(Handle::current(), environment(variables)).lease(&source)
}

pub(crate) async fn get(lease: &Lease) -> Result<Arc<Proof>, Unavailable> {
    lease.get(Instant::now() + WAIT).await
}

/// The token that the lease gives.
pub(crate) async fn token(lease: &Lease) -> String {
    match get(lease).await.as_deref() {
        Ok(Proof::Bearer(token)) => token.expose().to_owned(),
        other => panic!("{other:?}"),
    }
}

/// Why there is none, for somebody to change.
pub(crate) async fn wrong(lease: &Lease) -> String {
    let trouble = get(lease).await.unwrap_err();
    assert!(!trouble.waiting_may_help(), "{trouble}");
    assert!(!format!("{trouble:?}").contains("CANARY"), "{trouble:?}");
    trouble.to_string()
}
