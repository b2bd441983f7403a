//! Why a request went to its deployment: for the record, in words from a fixed set.

use bulkhead_model::routing::Strategy;
use bulkhead_snapshot::{Group, Resolved};

use crate::read::{Detour, Source};

/// What led a request to its deployment. It is put into words where it is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rule {
    source: Source,
    name: Name,
    order: i64,
    by: By,
}

/// How a model's name led to its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Exact,
    Alias,
    Wildcard,
    DeploymentId,
}

/// What picked one deployment of the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// There was no other to choose from.
    Only,
    Strategy(Strategy),
    /// It belongs together with requests that go there.
    Affinity,
    /// Its cooldown is over, and somebody has to try.
    Probe,
}

impl Rule {
    /// Of a request that goes to a deployment of this order.
    pub(crate) fn of(resolved: &Resolved<'_, '_>, detour: &Detour, order: i64, by: By) -> Self {
        let group = resolved.group;
        let name = match () {
            () if resolved.only.is_some() => Name::DeploymentId,
            () if group.pattern.is_some() => Name::Wildcard,
            () if *group.name == *detour.model => Name::Exact,
            () => Name::Alias,
        };
        Self { source: detour.source, name, order, by }
    }

    /// In words. The order is told where the group has several.
    pub(crate) fn text(&self, group: &Group) -> String {
        let source = match self.source {
            Source::Model => "",
            Source::Body => "fallback of the request, ",
            Source::Override => "fallback of an operator, ",
            Source::Key => "fallback of the key, ",
            Source::Team => "fallback of the team, ",
            Source::Group => "fallback of the model group, ",
            Source::Default => "default fallback, ",
        };
        let name = match self.name {
            Name::Exact => "exact",
            Name::Alias => "alias",
            Name::Wildcard => "wildcard",
            Name::DeploymentId => "deployment id",
        };
        let by = match self.by {
            By::Only => "only one",
            By::Affinity => "affinity",
            By::Probe => "probe",
            By::Strategy(strategy) => strategy.name(),
        };
        // For every record: put together without the machinery of formatting.
        let mut text = String::with_capacity(64);
        for part in [source, name, ", ", by] {
            text.push_str(part);
        }
        if group.deployments.iter().any(|deployment| deployment.order != self.order) {
            text.push_str(", order ");
            text.push_str(&self.order.to_string());
        }
        text
    }
}
