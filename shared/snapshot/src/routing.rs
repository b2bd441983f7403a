//! Routing, compiled: chains by the group that failed.

use std::collections::{HashMap, HashSet};

use bulkhead_model::UnixMillis;
use bulkhead_model::routing::{ByFailure, ChainRow, OverrideRow, RoutingRow};

/// Why a request goes on to another group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FallbackKind {
    /// Any failure.
    General,
    /// The prompt does not fit the model.
    ContextWindow,
    /// The provider's rules about contents refuse.
    ContentPolicy,
}

/// Any group that has no chain of its own.
const ANY: &str = "*";

/// Routing in the form that a request needs.
#[derive(Debug)]
pub struct Routing {
    /// As declared.
    pub row: RoutingRow,
    general: Chains,
    context_window: Option<Chains>,
    content_policy: Option<Chains>,
    default: Box<[Box<str>]>,
    overrides: Box<[Override]>,
    policies: Map<ByFailure>,
}

type Map<T> = HashMap<Box<str>, T, foldhash::fast::RandomState>;

/// Chains by group.
#[derive(Debug, Default)]
struct Chains {
    exact: Map<Box<[Box<str>]>>,
    /// Groups with a provider before them, without it: the group they were declared for.
    bare: Map<Box<str>>,
}

#[derive(Debug)]
struct Override {
    group: Box<str>,
    targets: Box<[Box<str>]>,
    expires: UnixMillis,
    force: bool,
}

impl Routing {
    pub(crate) fn compile(row: &RoutingRow) -> Self {
        let special = |chains: &Option<Vec<ChainRow>>| chains.as_deref().map(Chains::compile);
        let policies =
            row.group_retry_policies.iter().map(|(group, policy)| (group.as_str().into(), *policy));
        Self {
            general: Chains::compile(&row.fallbacks),
            context_window: special(&row.context_window_fallbacks),
            content_policy: special(&row.content_policy_fallbacks),
            default: boxed(&row.default_fallbacks),
            overrides: row.overrides.iter().map(Override::compile).collect(),
            policies: policies.collect(),
            row: row.clone(),
        }
    }

    /// Where a request goes on after this group failed, by the chains that are declared for it: exact name, name without
    /// its provider, name with a provider before it, `*` (requirements R-071). Of several names the first is the most
    /// specific one: a model of a wildcard, then the wildcard.
    ///
    /// `None` is nothing declared. A special kind is empty where its list is declared and says nothing of the group: then
    /// the request goes nowhere, as with LiteLLM. It is `None` where the list is not declared: then the general kind holds.
    pub fn chain(&self, kind: FallbackKind, names: &[&str]) -> Option<&[Box<str>]> {
        let special = match kind {
            FallbackKind::General => return self.general.find(names),
            FallbackKind::ContextWindow => &self.context_window,
            FallbackKind::ContentPolicy => &self.content_policy,
        };
        special.as_ref().map(|chains| chains.find(names).unwrap_or_default())
    }

    /// Where a request goes on from a group that has no chain.
    pub fn default_chain(&self) -> &[Box<str>] {
        &self.default
    }

    /// An operator's chain for the group that is in force at this time, and whether it goes before the request's own.
    pub fn override_of(&self, names: &[&str], now: UnixMillis) -> Option<(&[Box<str>], bool)> {
        let find = |name: &str| {
            self.overrides.iter().rev().find(|other| &*other.group == name && now < other.expires)
        };
        let found = names.iter().find_map(|name| find(name)).or_else(|| find(ANY))?;
        Some((&found.targets, found.force))
    }

    /// Retries of a group by class of failure.
    pub fn retry_policy(&self, names: &[&str]) -> &ByFailure {
        names.iter().find_map(|name| self.policies.get(*name)).unwrap_or(&self.row.retry_policy)
    }
}

impl Chains {
    /// The first of two chains for one group holds.
    fn compile(rows: &[ChainRow]) -> Self {
        let mut chains = Self::default();
        for row in rows {
            let group: Box<str> = row.group.as_str().into();
            if let Some(bare) = without_provider(&group) {
                chains.bare.entry(bare.into()).or_insert_with(|| group.clone());
            }
            chains.exact.entry(group).or_insert_with(|| boxed(&row.targets));
        }
        chains
    }

    fn find(&self, names: &[&str]) -> Option<&[Box<str>]> {
        let exact = |name: &str| self.exact.get(name);
        let named = |name: &&str| {
            exact(name)
                .or_else(|| without_provider(name).and_then(exact))
                .or_else(|| self.bare.get(*name).and_then(|prefixed| exact(prefixed)))
        };
        names.iter().find_map(named).or_else(|| exact(ANY)).map(|targets| &**targets)
    }
}

impl Override {
    fn compile(row: &OverrideRow) -> Self {
        let OverrideRow { group, targets, expires, force } = row;
        Self { group: group.as_str().into(), targets: boxed(targets), expires: *expires, force: *force }
    }
}

/// The chain for a group, of a few that a key or a team declares: by the same order as [`Routing::chain`].
pub fn chain_of<'c>(chains: &'c [ChainRow], names: &[&str]) -> Option<&'c ChainRow> {
    let exact = |name: &str| chains.iter().find(|chain| chain.group == name);
    let named = |name: &&str| {
        let prefixed = || chains.iter().find(|chain| without_provider(&chain.group) == Some(name));
        exact(name).or_else(|| without_provider(name).and_then(exact)).or_else(prefixed)
    };
    names.iter().find_map(named).or_else(|| exact(ANY))
}

/// `gpt-4o` of `openai/gpt-4o`.
fn without_provider(group: &str) -> Option<&str> {
    let (provider, bare) = group.split_once('/')?;
    bulkhead_dialect::providers::provider(provider).map(|_| bare)
}

/// Each target once.
fn boxed(targets: &[String]) -> Box<[Box<str>]> {
    let mut seen = HashSet::new();
    targets
        .iter()
        .filter(|target| seen.insert(target.as_str()))
        .map(|target| target.as_str().into())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chains(chains: &[(&str, &[&str])]) -> Vec<ChainRow> {
        let row = |(group, targets): &(&str, &[&str])| ChainRow {
            group: (*group).to_owned(),
            targets: targets.iter().map(|target| (*target).to_owned()).collect(),
        };
        chains.iter().map(row).collect()
    }

    fn shown(chain: Option<&[Box<str>]>) -> Option<String> {
        chain.map(|targets| targets.join(","))
    }

    #[test]
    fn a_chain_is_found_by_name_then_without_provider_then_with_one_then_for_any() {
        let all: &[(&str, &[&str])] = &[
            ("openai/a", &["exact"]),
            ("a", &["bare"]),
            ("azure/b", &["prefixed"]),
            ("openai/b", &["later"]),
            ("nobody/c", &["unknown provider"]),
            ("*", &["any"]),
            ("a", &["twice"]),
        ];
        let routing = Routing::compile(&RoutingRow { fallbacks: chains(all), ..RoutingRow::default() });
        for (group, expected) in [
            ("openai/a", "exact"),
            ("a", "bare"),
            ("azure/a", "bare"),
            ("nobody/a", "any"),
            ("b", "prefixed"),
            ("groq/b", "any"),
            ("c", "any"),
            ("nobody/c", "unknown provider"),
            ("other", "any"),
        ] {
            let found = shown(routing.chain(FallbackKind::General, &[group]));
            assert_eq!(found.as_deref(), Some(expected), "{group}");
            let found = chain_of(&routing.row.fallbacks, &[group]).map(|chain| chain.targets.join(","));
            assert_eq!(found.as_deref(), Some(expected), "{group}, of a key");
        }
        assert_eq!(Routing::compile(&RoutingRow::default()).chain(FallbackKind::General, &["a"]), None);
        let of_wildcard = |names: &[&str]| shown(routing.chain(FallbackKind::General, names));
        assert_eq!(
            of_wildcard(&["other", "openai/b"]).as_deref(),
            Some("later"),
            "the wildcard's before any"
        );
        assert_eq!(of_wildcard(&["a", "openai/b"]).as_deref(), Some("bare"), "its own before the wildcard's");
    }

    #[test]
    fn a_special_kind_is_unset_or_says_nothing_or_has_a_chain() {
        let row = RoutingRow {
            fallbacks: chains(&[("a", &["b"])]),
            context_window_fallbacks: Some(chains(&[("a", &["long"])])),
            ..RoutingRow::default()
        };
        let routing = Routing::compile(&row);
        let found = |kind, group| shown(routing.chain(kind, &[group]));
        assert_eq!(found(FallbackKind::ContextWindow, "a").as_deref(), Some("long"));
        assert_eq!(found(FallbackKind::ContextWindow, "other").as_deref(), Some(""));
        assert_eq!(found(FallbackKind::ContentPolicy, "a"), None);
    }

    #[test]
    fn each_target_comes_once() {
        let row = RoutingRow {
            fallbacks: chains(&[("a", &["b", "c", "b"])]),
            default_fallbacks: vec!["d".into(), "d".into()],
            ..RoutingRow::default()
        };
        let routing = Routing::compile(&row);
        assert_eq!(shown(routing.chain(FallbackKind::General, &["a"])).as_deref(), Some("b,c"));
        assert_eq!(routing.default_chain().join(","), "d");
    }

    #[test]
    fn an_override_holds_until_it_expires_and_the_latest_counts() {
        let one = |group: &str, target: &str, expires, force| OverrideRow {
            group: group.into(),
            targets: vec![target.into()],
            expires: UnixMillis(expires),
            force,
        };
        let overrides =
            vec![one("a", "old", 100, true), one("a", "new", 50, false), one("*", "any", 200, false)];
        let routing = Routing::compile(&RoutingRow { overrides, ..RoutingRow::default() });
        let found = |group: &str, now| {
            routing.override_of(&[group], UnixMillis(now)).map(|(targets, force)| (targets.join(","), force))
        };
        assert_eq!(found("a", 49), Some(("new".into(), false)));
        assert_eq!(found("a", 50), Some(("old".into(), true)));
        assert_eq!(found("a", 100), Some(("any".into(), false)));
        assert_eq!(found("b", 0), Some(("any".into(), false)));
        assert_eq!(found("a", 200), None);
    }

    #[test]
    fn a_groups_retries_take_the_place_of_everybodys() {
        let own = ByFailure { timeout: Some(1), ..ByFailure::default() };
        let row = RoutingRow {
            retry_policy: ByFailure { rate_limit: Some(3), ..ByFailure::default() },
            group_retry_policies: vec![("a".into(), own)],
            ..RoutingRow::default()
        };
        let routing = Routing::compile(&row);
        assert_eq!(*routing.retry_policy(&["a"]), own);
        assert_eq!(routing.retry_policy(&["b"]).rate_limit, Some(3));
    }
}
