//! The snapshot in force, for people: counts and names, no secrets.

use bulkhead_snapshot::Snapshot;
use serde_json::{Value, json};

/// Revision, counts, and each model group with its deployments.
pub(super) fn of(snapshot: &Snapshot) -> Value {
    let groups: Vec<_> = snapshot
        .models
        .groups()
        .map(|group| {
            let deployments: Vec<_> = group
                .deployments
                .iter()
                .map(|deployment| {
                    json!({
                        "id": &*deployment.id,
                        "provider": &*deployment.provider.name,
                        "model": deployment.model.text(),
                        "host": &*deployment.target.host,
                        "order": deployment.order,
                        "weight": deployment.weight,
                        "priced": deployment.rates.is_some(),
                    })
                })
                .collect();
            json!({ "name": &*group.name, "access_groups": &group.access_groups, "deployments": deployments })
        })
        .collect();
    json!({
        "revision": snapshot.revision,
        "keys": snapshot.keys.len(),
        "prices": snapshot.prices.version(),
        "model_groups": groups,
    })
}
