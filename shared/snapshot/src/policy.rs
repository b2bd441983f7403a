//! What keys may do: keys that may do the same share it.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use bulkhead_model::rows::{BudgetRow, FallbackPolicy, Limits};

use crate::access::{ModelAccess, RouteAccess};

/// What a key may do.
#[derive(Debug)]
pub struct Policy {
    /// As declared.
    pub said: Said,
    /// Models it may use.
    pub models: ModelAccess,
    /// Routes it may call.
    pub routes: RouteAccess,
}

/// What a key may do, as declared.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Said {
    /// Model names, wildcards and access groups; empty allows all.
    pub models: Vec<String>,
    /// Model names that mean another model for this key.
    pub aliases: Vec<(String, String)>,
    /// Routes and route groups; empty allows all inference routes.
    pub allowed_routes: Vec<String>,
    /// Rate and concurrency limits.
    pub limits: Limits,
    /// Its budget.
    pub budget: Option<BudgetRow>,
    /// Tags for records and tag routing.
    pub tags: Vec<String>,
    /// What it says of fallbacks; before its team's.
    pub fallbacks: FallbackPolicy,
    /// Restrictions that have to be known.
    pub requires: Vec<String>,
    /// It belongs to a team, whose models it can inherit.
    pub in_team: bool,
}

impl Policy {
    fn compile(said: Said) -> Self {
        // The team's own list decides then; every layer has to allow a model.
        let inherits = said.in_team && said.models.iter().any(|model| model == "all-team-models");
        Self {
            models: if inherits { ModelAccess::All } else { ModelAccess::compile(&said.models) },
            routes: RouteAccess::compile(&said.allowed_routes),
            said,
        }
    }

    /// What `model` means for a key with this policy.
    pub fn aliased<'a>(&'a self, model: &'a str) -> &'a str {
        self.said.aliases.iter().find(|(from, _)| from == model).map_or(model, |(_, to)| to)
    }
}

/// What many keys have in common, so that they share it.
#[derive(Debug, Default)]
pub(crate) struct Common {
    policies: Shared<Found>,
    teams: Shared<TeamId>,
}

type Shared<T> = HashSet<T, foldhash::fast::RandomState>;

/// A policy that is found by what was declared.
#[derive(Debug)]
struct Found(Arc<Policy>);

impl Borrow<Said> for Found {
    fn borrow(&self) -> &Said {
        &self.0.said
    }
}

impl Hash for Found {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.said.hash(state);
    }
}

impl PartialEq for Found {
    fn eq(&self, other: &Self) -> bool {
        self.0.said == other.0.said
    }
}

impl Eq for Found {}

/// The id of a team. Half as large as an `Arc<str>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct TeamId(Arc<String>);

impl TeamId {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for TeamId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Common {
    pub(crate) fn policy(&mut self, said: Said) -> Arc<Policy> {
        if let Some(Found(policy)) = self.policies.get(&said) {
            return policy.clone();
        }
        make_room(&mut self.policies, |Found(policy)| Arc::strong_count(policy) > 1);
        let policy = Arc::new(Policy::compile(said));
        self.policies.insert(Found(policy.clone()));
        policy
    }

    pub(crate) fn team(&mut self, id: &str) -> TeamId {
        if let Some(team) = self.teams.get(id) {
            return team.clone();
        }
        make_room(&mut self.teams, |TeamId(id)| Arc::strong_count(id) > 1);
        let team = TeamId(Arc::new(id.to_owned()));
        self.teams.insert(team.clone());
        team
    }
}

/// Before it grows, forgets what no key has any more; then makes room for as many again, so that this pays.
fn make_room<T: Eq + Hash>(shared: &mut Shared<T>, is_used: impl Fn(&T) -> bool) {
    if shared.len() == shared.capacity() {
        shared.retain(is_used);
        shared.reserve(shared.len().max(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(models: &[&str]) -> Said {
        Said { models: models.iter().map(|model| (*model).to_owned()).collect(), ..Said::default() }
    }

    fn with_limits(common: &mut Common, range: std::ops::Range<u64>) -> Vec<Arc<Policy>> {
        let limits = |rpm| Limits { rpm: Some(rpm), ..Limits::default() };
        range.map(|rpm| common.policy(Said { limits: limits(rpm), ..said(&[]) })).collect()
    }

    #[test]
    fn what_says_the_same_is_one_policy() {
        let mut common = Common::default();
        let one = with_limits(&mut common, 0..2);
        let two = with_limits(&mut common, 1..3);
        assert!(Arc::ptr_eq(&one[1], &two[0]));
        assert!(!Arc::ptr_eq(&one[0], &two[1]));
        assert_eq!(common.policies.len(), 3);
    }

    #[test]
    fn policies_that_no_key_has_any_more_are_forgotten() {
        let mut common = Common::default();
        let kept = with_limits(&mut common, 0..10);
        for round in 1..100 {
            with_limits(&mut common, round * 1000..round * 1000 + 100);
        }
        assert!(common.policies.len() < 500, "{}", common.policies.len());
        let again = with_limits(&mut common, 0..10);
        assert!(kept.iter().zip(&again).all(|(kept, again)| Arc::ptr_eq(kept, again)));
    }

    #[test]
    fn an_alias_of_the_key_is_another_model() {
        let aliases = vec![("fast".into(), "gpt-4o".into())];
        let policy = Policy::compile(Said { aliases, ..said(&[]) });
        assert_eq!((policy.aliased("fast"), policy.aliased("slow")), ("gpt-4o", "slow"));
    }

    #[test]
    fn all_team_models_means_all_only_in_a_team() {
        let alone = said(&["all-team-models"]);
        assert_ne!(Policy::compile(alone.clone()).models, ModelAccess::All);
        assert_eq!(Policy::compile(Said { in_team: true, ..alone }).models, ModelAccess::All);
    }
}
