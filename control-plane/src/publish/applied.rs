//! `?wait=applied`: a change is committed; this says where it is in force (design §4).

use std::collections::BTreeSet;
use std::time::Duration;

use bulkhead_snapshot::Version;
use bulkhead_snapshot::wire::Id;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::store::history::{self, Found};
use crate::store::nodes::{self, Known};
use crate::store::{PgConnection, Store, StoreError};

/// The answer comes by then.
pub(crate) const DEADLINE: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(20);
/// Whoever was not heard for so long is silent, and does not hold the answer up for ever.
const HEARD: Duration = Duration::from_secs(3);
/// Whoever was not heard for so long is not named.
const FORGOTTEN: Duration = Duration::from_secs(24 * 3600);

/// Where a change is in force.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Applied {
    /// On every node that is heard: 200, else 202.
    pub(crate) everywhere: bool,
    /// `{version, applied, pending, rejected, silent}`.
    pub(crate) body: Value,
}

/// Waits until a change is in force on every node that is heard, but not for long. `touched` are the resources that it
/// is about.
pub(crate) async fn wait(
    store: &Store,
    version: &Version,
    touched: &BTreeSet<Id>,
) -> Result<Applied, StoreError> {
    let names: BTreeSet<String> = touched.iter().map(ToString::to_string).collect();
    let deadline = Instant::now() + DEADLINE;
    loop {
        let mut transaction = store.begin().await?;
        let nodes = nodes::list(&mut transaction).await?;
        let having = having(&mut transaction, &nodes, version).await?;
        transaction.commit().await?;
        let fleet = Fleet::of(&nodes, &having, &names);
        if fleet.waits_for_nobody() || Instant::now() >= deadline {
            return Ok(fleet.said(version));
        }
        sleep(LOOK).await;
    }
}

/// The versions of nodes that have the change: its own, and later ones of this history. A number alone says nothing: a
/// node may run what the database has lost.
async fn having(
    connection: &mut PgConnection,
    nodes: &[Known],
    version: &Version,
) -> Result<Vec<Version>, StoreError> {
    let mut later: Vec<Version> = Vec::new();
    for runs in nodes.iter().filter_map(|known| known.told.version) {
        if runs.cluster == version.cluster && runs.is_later_than(version) && !later.contains(&runs) {
            later.push(runs);
        }
    }
    let mut having = vec![*version];
    for runs in later {
        if history::find(connection, &runs).await? == Found::Same {
            having.push(runs);
        }
    }
    Ok(having)
}

#[derive(Default)]
struct Fleet<'n> {
    applied: Vec<&'n str>,
    pending: Vec<&'n str>,
    /// Connected, but silent for longer than a living node is.
    hung: Vec<&'n str>,
    rejected: Vec<Value>,
    silent: Vec<&'n str>,
}

impl<'n> Fleet<'n> {
    fn of(nodes: &'n [Known], having: &[Version], names: &BTreeSet<String>) -> Self {
        let mut fleet = Self::default();
        for Known { told, .. } in nodes.iter().filter(|known| known.told.silence < FORGOTTEN) {
            let name = told.node.as_str();
            let has = told.version.is_some_and(|runs| having.contains(&runs));
            let rejects = rejection(&told.rejected, names);
            let refuses = told.refused.as_ref().or(told.held.as_ref());
            let is_heard = told.silence < HEARD;
            match (has, rejects, refuses) {
                (true, Some(reason), _) => fleet.rejected.push(json!({ "node": name, "reason": reason })),
                (true, None, _) => fleet.applied.push(name),
                (false, _, Some(reason)) if is_heard => {
                    fleet.rejected.push(json!({ "node": name, "reason": reason }));
                }
                _ if is_heard => fleet.pending.push(name),
                _ if told.is_connected() => fleet.hung.push(name),
                _ => fleet.silent.push(name),
            }
        }
        fleet
    }

    fn waits_for_nobody(&self) -> bool {
        self.pending.is_empty() && self.hung.is_empty()
    }

    fn said(mut self, version: &Version) -> Applied {
        self.silent.append(&mut self.hung);
        let Self { applied, pending, hung: _, rejected, silent } = self;
        let everywhere = pending.is_empty() && rejected.is_empty();
        let version = json!({ "epoch": version.epoch, "seq": version.seq });
        let body = json!({
            "version": version, "applied": applied, "pending": pending, "rejected": rejected, "silent": silent,
        });
        Applied { everywhere, body }
    }
}

/// Why a node has not taken one of the resources.
fn rejection<'r>(rejected: &'r Value, names: &BTreeSet<String>) -> Option<&'r str> {
    let rejected = rejected.as_array()?.iter();
    let text = |row: &'r Value, key| row.get(key).and_then(Value::as_str);
    rejected
        .filter(|row| text(row, "resource").is_some_and(|name| names.contains(name)))
        .find_map(|row| text(row, "reason"))
}
