//! The fleet, as the management API shows it: what each node runs and why not something else.

use bulkhead_model::hash::hex;
use bulkhead_snapshot::Version;
use serde_json::{Value, json};

use super::catch_up::uuid;
use crate::store::history::{self, Forced};
use crate::store::nodes::{self, Known};
use crate::store::{Store, StoreError};

/// Every node that was ever heard, and where the history stands.
pub(crate) async fn list(store: &Store) -> Result<Value, StoreError> {
    let mut transaction = store.begin().await?;
    let head = history::head(&mut transaction).await?.version;
    let nodes = nodes::list(&mut transaction).await?;
    let nodes: Vec<_> = nodes.iter().map(|known| shown(known, &head)).collect();
    Ok(json!({ "head": version(&head), "nodes": nodes }))
}

/// Lets the full sync of one version through that nodes refuse because it loses more than half of something.
pub(crate) async fn force(store: &Store, epoch: u64, seq: u64, by: &str) -> Result<Forced, StoreError> {
    let mut transaction = store.begin().await?;
    let forced = history::force(&mut transaction, epoch, seq, by).await?;
    transaction.commit().await?;
    Ok(forced)
}

fn shown(known: &Known, head: &Version) -> Value {
    let Known { told, replica } = known;
    json!({
        "node": told.node,
        "group": told.group,
        "release": told.release,
        "incarnation": text(&told.incarnation),
        "replica": replica,
        "connected": told.is_connected(),
        "heard_seconds_ago": (told.silence.as_secs_f64() * 10.0).round() / 10.0,
        "version": told.version.as_ref().map(version),
        "current": told.version.as_ref() == Some(head),
        "rejected": told.rejected,
        "refused": told.refused,
        "held": told.held,
    })
}

fn version(version: &Version) -> Value {
    let Version { cluster, epoch, seq, hash } = version;
    json!({ "cluster": uuid(cluster), "epoch": epoch, "seq": seq, "hash": text(hash) })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(hex(bytes)).unwrap_or_default()
}
