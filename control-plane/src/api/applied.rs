//! `?wait=applied`: the change is committed whatever comes of it; the answer says how far it got (design §4).

use std::collections::BTreeSet;

use axum::http::StatusCode;
use bulkhead_snapshot::Version;
use bulkhead_snapshot::wire::Id;
use serde_json::{Value, json};

use crate::publish::applied::{self, Applied};
use crate::store::Store;

/// Waits until every node that is there has applied the change: 200 when all have, else 202 with who has not.
pub(super) async fn wait(store: &Store, version: &Version, touched: &BTreeSet<Id>) -> (StatusCode, Value) {
    match applied::wait(store, version, touched).await {
        Ok(Applied { everywhere: true, body }) => (StatusCode::OK, body),
        Ok(Applied { everywhere: false, body }) => (StatusCode::ACCEPTED, body),
        Err(error) => {
            tracing::warn!(%error, "a change is committed, but nobody can say how far it got");
            (StatusCode::ACCEPTED, json!({"version": {"epoch": version.epoch, "seq": version.seq}}))
        }
    }
}
