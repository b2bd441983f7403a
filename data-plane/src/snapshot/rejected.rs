//! Rows that are not in force as they came: for the control plane, and for people.

use bulkhead_proto as proto;
use bulkhead_snapshot::Catalog;
use bulkhead_snapshot::wire::Id;

/// More are counted, not named: every answer to a push repeats them.
const NAMED: usize = 200;

/// Rows that were rejected, and how many there are in all.
#[derive(Default)]
pub(crate) struct Rejections {
    named: Vec<(Id, String)>,
    pub(crate) count: usize,
}

impl Rejections {
    pub(super) fn of(catalog: &Catalog) -> Self {
        let named: Vec<_> = catalog.rejected().take(NAMED).map(|(id, reason)| (id.clone(), reason)).collect();
        let count = if named.len() < NAMED { named.len() } else { catalog.rejected().count() };
        Self { named, count }
    }

    /// For the control plane.
    pub(super) fn encode(&self) -> Vec<proto::Rejected> {
        let named = self
            .named
            .iter()
            .map(|(id, reason)| proto::Rejected { resource: Some(id.encode()), reason: reason.clone() });
        let more = self.count.saturating_sub(self.named.len());
        let rest = (more > 0).then(|| proto::Rejected { resource: None, reason: format!("and {more} more") });
        named.chain(rest).collect()
    }

    /// For people: what, and why. Of a key's hash only the beginning.
    pub(crate) fn named(&self) -> impl Iterator<Item = (String, &str)> {
        self.named.iter().map(|(id, reason)| {
            let mut name = id.to_string();
            if let Id::Key(_) = id {
                name.truncate("key ".len() + 8);
            }
            (name, reason.as_str())
        })
    }
}
