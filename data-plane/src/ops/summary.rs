//! The snapshot in force, for people: counts and names, no secrets.

use bulkhead_snapshot::{Deployment, Snapshot, Version};
use serde_json::{Map, Value, json};

use crate::snapshot::{Link, Shown};

/// Revision, counts, each model group with its deployments, and the tie to the control plane where there is one.
pub(super) fn of(snapshot: Option<&Snapshot>, link: Option<&Link>) -> Value {
    let mut all = snapshot.map(in_force).unwrap_or_default();
    if let Some(link) = link {
        all.insert("control_plane".to_owned(), tie(link));
    }
    Value::Object(all)
}

fn in_force(snapshot: &Snapshot) -> Map<String, Value> {
    let groups: Vec<_> = snapshot
        .models
        .groups()
        .map(|group| {
            let deployments: Vec<_> = group.deployments.iter().map(|it| deployment(it)).collect();
            json!({ "name": &*group.name, "access_groups": &group.access_groups, "deployments": deployments })
        })
        .collect();
    Map::from_iter([
        ("revision".to_owned(), snapshot.revision.into()),
        ("keys".to_owned(), snapshot.keys.len().into()),
        ("prices".to_owned(), snapshot.prices.version().into()),
        ("model_groups".to_owned(), groups.into()),
    ])
}

fn deployment(deployment: &Deployment) -> Value {
    json!({
        "id": &*deployment.id,
        "provider": &*deployment.provider.name,
        "model": deployment.model.text(),
        "host": &*deployment.target.host,
        "order": deployment.order,
        "weight": deployment.weight,
        "priced": deployment.rates.is_some(),
    })
}

fn tie(link: &Link) -> Value {
    let Shown { version, rejected, held, trouble, refused, unsaved } = link.shown();
    let named: Vec<_> =
        rejected.named().map(|(row, reason)| json!({ "row": row, "reason": reason })).collect();
    json!({
        "connected": link.is_connected(),
        "stale_seconds": link.stale().as_secs(),
        "suspended": link.is_suspended(),
        "version": version.map(|version| {
            let Version { cluster, epoch, seq, hash } = version;
            json!({ "cluster": digits(&cluster), "epoch": epoch, "seq": seq, "hash": digits(&hash) })
        }),
        "rejected": { "count": rejected.count, "rows": named },
        "held": held,
        "refused": refused,
        "trouble": trouble,
        "not_on_disk": unsaved,
    })
}

/// In hex.
pub(super) fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a managed node follows, how long ago it heard of it, and what is wrong.
pub(super) fn in_a_line(link: &Link) -> String {
    let Shown { version, rejected, held, trouble, refused, unsaved } = link.shown();
    let version = version.map_or_else(|| "none".to_owned(), |version| version.to_string());
    let connected = if link.is_connected() { "connected" } else { "not connected" };
    let mut line = format!("version {version}, {connected}, heard {} s ago", link.stale().as_secs());
    if rejected.count > 0 {
        line.push_str(&format!(", {} rows rejected", rejected.count));
    }
    let troubles = [("held", held), ("refused", refused), ("control plane", trouble), ("disk", unsaved)];
    for (what, trouble) in troubles {
        if let Some(trouble) = trouble {
            line.push_str(&format!("\n{what}: {trouble}"));
        }
    }
    line
}
