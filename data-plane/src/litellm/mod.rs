//! What LiteLLM's Prometheus callback counts (litellm.md §7.1): by key, team, user, model and deployment.
//!
//! It is counted on the recorder's thread, from the records of usage, so that a worker pays for one flag. Every set of
//! labels is from the snapshot, never from a caller; their number is bounded.

mod class;
mod series;

use std::collections::{HashMap, HashSet};

use bulkhead_model::KeyHash;
use parking_lot::Mutex;

use crate::usage::UsageEvent;

pub(crate) use class::exception_class;
pub(crate) use series::{Failure, Histogram, Series};

/// Keys with series of their own. The rest is `other`.
const KEYS: usize = 1000;
/// Sets of labels. Beyond, keys that are new are `other`, and beyond half as many again everything that is new.
const SERIES: usize = 4000;

/// The name of what has no series of its own.
const OTHER: &str = "other";
/// LiteLLM's name for whoever has the master key.
const MASTER: &str = "litellm_proxy_master_key";

/// Who asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Owner {
    pub(crate) hash: Option<KeyHash>,
    pub(crate) key: Box<str>,
    pub(crate) alias: Box<str>,
    pub(crate) team: Box<str>,
    pub(crate) team_alias: Box<str>,
    pub(crate) user: Box<str>,
}

/// Where it went.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) deployment: Box<str>,
    pub(crate) group: Box<str>,
    pub(crate) provider: Box<str>,
    pub(crate) api_base: Box<str>,
    /// The provider's name of the model; of a wildcard the pattern.
    pub(crate) model: Box<str>,
}

/// What is counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Of {
    pub(crate) owner: Owner,
    /// The model asked for; where a wildcard serves it, the wildcard.
    pub(crate) requested: Box<str>,
    pub(crate) place: Place,
    pub(crate) tier: &'static str,
}

/// All that was counted.
#[derive(Default)]
pub(crate) struct Tally(Mutex<Table>);

/// All series.
#[derive(Default)]
pub(crate) struct Table {
    owners: HashSet<Owner>,
    series: HashMap<Of, Series>,
    /// Deployments whose last exchange failed.
    failing: HashSet<Box<str>>,
}

impl Tally {
    /// Counts what ended.
    pub(crate) fn count<'e>(&self, events: impl Iterator<Item = &'e UsageEvent>) {
        let mut counted = events.filter(|event| event.exchange.litellm_metrics).peekable();
        if counted.peek().is_none() {
            return;
        }
        let mut table = self.0.lock();
        counted.for_each(|event| table.count(event));
    }

    /// Looks at what was counted. The recorder waits meanwhile, and nobody else.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Table) -> T) -> T {
        look(&self.0.lock())
    }
}

impl Table {
    pub(crate) fn series(&self) -> impl Iterator<Item = (&Of, &Series)> {
        self.series.iter()
    }

    /// Those that have series of their own.
    pub(crate) fn owners(&self) -> impl Iterator<Item = &Owner> {
        self.owners.iter()
    }

    /// Whether a deployment's last exchange failed.
    pub(crate) fn is_failing(&self, deployment: &str) -> bool {
        self.failing.contains(deployment)
    }

    fn count(&mut self, event: &UsageEvent) {
        self.note(event);
        let of = self.place(Of::read(event));
        self.series.entry(of).or_default().count(event);
    }

    /// Notes how the deployment fares. What the caller did is no failure of it.
    fn note(&mut self, event: &UsageEvent) {
        let id = &event.exchange.routed.deployment.id;
        match event.outcome {
            Ok(()) => drop(self.failing.remove(id)),
            Err(kind) if crate::health::counts(kind, kind.status(), true) && self.failing.len() < SERIES => {
                self.failing.insert(id.clone());
            }
            Err(_) => {}
        }
    }

    /// The series that there is room for.
    fn place(&mut self, mut of: Of) -> Of {
        if self.series.contains_key(&of) {
            return of;
        }
        let is_known = self.owners.contains(&of.owner);
        if self.series.len() >= SERIES || (!is_known && self.owners.len() >= KEYS) {
            of.owner = Owner::other();
        } else if !is_known {
            self.owners.insert(of.owner.clone());
        }
        if self.series.len() >= SERIES + SERIES / 2 && !self.series.contains_key(&of) {
            return Of::other();
        }
        of
    }
}

impl Of {
    fn read(event: &UsageEvent) -> Self {
        let exchange = &*event.exchange;
        let deployment = &*exchange.routed.deployment;
        // Of a wildcard callers choose the rest of the name, also where another group serves the request in the end.
        let asked_for = exchange.fell_back.as_ref().map_or(&exchange.group.name, |(group, _)| group);
        let is_wildcard = asked_for.contains('*');
        let place = Place {
            deployment: deployment.id.clone(),
            group: deployment.group.clone(),
            provider: (&*deployment.provider.name).into(),
            api_base: deployment.api_base.to_str().unwrap_or_default().into(),
            model: deployment.model.text().into(),
        };
        Self {
            owner: Owner::read(event),
            requested: if is_wildcard { asked_for.clone() } else { exchange.asked.as_str().into() },
            place,
            tier: event.usage.tier.label(),
        }
    }

    fn other() -> Self {
        let other = || Box::<str>::from(OTHER);
        let place = Place {
            deployment: other(),
            group: other(),
            provider: other(),
            api_base: Box::default(),
            model: other(),
        };
        Self { owner: Owner::other(), requested: other(), place, tier: OTHER }
    }
}

impl Owner {
    fn read(event: &UsageEvent) -> Self {
        let Some(of) = event.exchange.caller.principals() else {
            return Self { key: MASTER.into(), ..Self::nobody() };
        };
        let text = |text: Option<&str>| text.unwrap_or_default().into();
        let key = &of.key;
        Self {
            hash: Some(*key.hash()),
            key: key.hash().to_string().into(),
            alias: text(key.alias()),
            team: text(key.team_id()),
            team_alias: text(of.team.as_ref().and_then(|team| team.row.alias.as_deref())),
            user: text(key.user_id()),
        }
    }

    fn nobody() -> Self {
        let empty = Box::<str>::default;
        Self { hash: None, key: empty(), alias: empty(), team: empty(), team_alias: empty(), user: empty() }
    }

    fn other() -> Self {
        Self { key: OTHER.into(), ..Self::nobody() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(key: usize, model: usize) -> Of {
        let owner = Owner { key: key.to_string().into(), ..Owner::nobody() };
        Of { owner, requested: model.to_string().into(), ..Of::other() }
    }

    fn counted(of: impl Iterator<Item = Of>) -> Table {
        let mut table = Table::default();
        for of in of {
            let of = table.place(of);
            table.series.entry(of).or_default();
        }
        table
    }

    #[test]
    fn keys_over_the_cap_are_other_and_known_ones_stay() {
        let mut table = counted((0..KEYS + 50).map(|key| of(key, 0)));
        assert_eq!((table.owners.len(), table.series.len()), (KEYS, KEYS + 1));
        assert_eq!(table.place(of(KEYS + 99, 0)), Of { owner: Owner::other(), ..of(0, 0) });
        assert_eq!(table.place(of(7, 0)), of(7, 0));
        assert_eq!(table.place(of(7, 1)), of(7, 1));
    }

    #[test]
    fn however_many_models_and_keys_there_are_the_series_are_bounded() {
        let table = counted((0..20 * SERIES).map(|n| of(n % 900, n)));
        assert_eq!(table.series.len(), SERIES + SERIES / 2 + 1);
        assert!(table.series.contains_key(&Of::other()));
    }
}
