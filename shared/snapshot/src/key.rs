//! Compiled keys.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use bulkhead_model::rows::{BudgetRow, KeyRow, Limits, Spend};
use bulkhead_model::{KeyHash, UnixMillis};

use crate::access::{ModelAccess, RouteAccess};
use crate::table::Keyed;

/// A virtual key, ready to decide about a request. Small, because there may be a million.
#[derive(Debug)]
pub struct Key {
    /// What the client's key hashes to.
    pub hash: KeyHash,
    /// Its name in the ledger: `key:` and the id.
    pub ledger_id: Box<str>,
    /// `sk-...abcd`.
    pub name: Box<str>,
    /// The operator's name for it.
    pub alias: Option<Box<str>>,
    /// What it may do; keys that may do the same share it.
    pub policy: Arc<Policy>,
    /// From when it is refused.
    pub expires: Option<UnixMillis>,
    /// Refused while set.
    pub blocked: bool,
    /// The team it belongs to.
    pub team_id: Option<Arc<str>>,
    /// The user it belongs to.
    pub user_id: Option<Arc<str>>,
    /// A JSON object for records.
    pub metadata: Option<Box<str>>,
    /// What it spent before.
    pub spend: Spend,
}

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
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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
    /// Of teams and users.
    names: Shared<Arc<str>>,
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

impl Common {
    fn policy(&mut self, said: Said) -> Arc<Policy> {
        if let Some(Found(policy)) = self.policies.get(&said) {
            return policy.clone();
        }
        make_room(&mut self.policies, |Found(policy)| Arc::strong_count(policy) > 1);
        let policy = Arc::new(Policy::compile(said));
        self.policies.insert(Found(policy.clone()));
        policy
    }

    fn name(&mut self, name: &str) -> Arc<str> {
        if let Some(name) = self.names.get(name) {
            return name.clone();
        }
        make_room(&mut self.names, |name| Arc::strong_count(name) > 1);
        let name = Arc::<str>::from(name);
        self.names.insert(name.clone());
        name
    }
}

/// Before it grows, forgets what no key has any more; then makes room for as many again, so that this pays.
fn make_room<T: Eq + Hash>(shared: &mut Shared<T>, is_used: impl Fn(&T) -> bool) {
    if shared.len() == shared.capacity() {
        shared.retain(is_used);
        shared.reserve(shared.len().max(1));
    }
}

impl Key {
    pub(crate) fn compile(row: KeyRow, common: &mut Common) -> Self {
        let KeyRow {
            id,
            hash,
            name,
            alias,
            models,
            aliases,
            allowed_routes,
            limits,
            budget,
            expires,
            blocked,
            team_id,
            user_id,
            tags,
            metadata,
            spend,
            requires,
        } = row;
        let in_team = team_id.is_some();
        let said = Said { models, aliases, allowed_routes, limits, budget, tags, requires, in_team };
        Self {
            hash,
            ledger_id: format!("{LEDGER}{id}").into(),
            name: name.into(),
            alias: alias.map(Into::into),
            policy: common.policy(said),
            expires,
            blocked,
            team_id: team_id.map(|id| common.name(&id)),
            user_id: user_id.map(|id| common.name(&id)),
            metadata: metadata.map(Into::into),
            spend,
        }
    }

    /// Names the key in usage records.
    pub fn id(&self) -> &str {
        self.ledger_id.strip_prefix(LEDGER).unwrap_or(&self.ledger_id)
    }

    /// The row it was compiled from.
    pub fn row(&self) -> KeyRow {
        let Said { models, aliases, allowed_routes, limits, budget, tags, requires, in_team: _ } =
            self.policy.said.clone();
        KeyRow {
            id: self.id().to_owned(),
            hash: self.hash,
            name: self.name.to_string(),
            alias: self.alias.as_deref().map(str::to_owned),
            models,
            aliases,
            allowed_routes,
            limits,
            budget,
            expires: self.expires,
            blocked: self.blocked,
            team_id: self.team_id.as_deref().map(str::to_owned),
            user_id: self.user_id.as_deref().map(str::to_owned),
            tags,
            metadata: self.metadata.as_deref().map(str::to_owned),
            spend: self.spend,
            requires,
        }
    }
}

const LEDGER: &str = "key:";

impl Keyed for Key {
    type Key = KeyHash;

    fn key(&self) -> &KeyHash {
        &self.hash
    }

    fn spread(key: &KeyHash) -> u64 {
        key.0.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::tests::key;

    proptest! {
        #[test]
        fn a_key_gives_back_the_row_that_it_was_compiled_from(row in key()) {
            let key = Key::compile(row.clone(), &mut Common::default());
            prop_assert_eq!(key.id(), &row.id);
            prop_assert_eq!(key.row(), row);
        }
    }

    fn keys_with_limits(common: &mut Common, range: std::ops::Range<u64>) -> Vec<Key> {
        let limits = |rpm| Limits { rpm: Some(rpm), ..Limits::default() };
        let row = |rpm| KeyRow { limits: limits(rpm), ..KeyRow::of(KeyHash::of(&rpm.to_string())) };
        range.map(|rpm| Key::compile(row(rpm), common)).collect()
    }

    #[test]
    fn keys_that_may_do_the_same_share_a_policy() {
        let mut common = Common::default();
        let one = keys_with_limits(&mut common, 0..2);
        let two = keys_with_limits(&mut common, 1..3);
        assert!(Arc::ptr_eq(&one[1].policy, &two[0].policy));
        assert!(!Arc::ptr_eq(&one[0].policy, &two[1].policy));
        assert_eq!(common.policies.len(), 3);
    }

    #[test]
    fn policies_that_no_key_has_any_more_are_forgotten() {
        let mut common = Common::default();
        let kept = keys_with_limits(&mut common, 0..10);
        for round in 1..100 {
            keys_with_limits(&mut common, round * 1000..round * 1000 + 100);
        }
        assert!(common.policies.len() < 500, "{}", common.policies.len());
        let again = keys_with_limits(&mut common, 0..10);
        assert!(kept.iter().zip(&again).all(|(kept, again)| Arc::ptr_eq(&kept.policy, &again.policy)));
    }

    #[test]
    fn keys_of_one_team_share_its_name() {
        let mut common = Common::default();
        let row = |n: &str| KeyRow { team_id: Some("t".into()), ..KeyRow::of(KeyHash::of(n)) };
        let [one, two] = ["1", "2"].map(|n| Key::compile(row(n), &mut common).team_id.unwrap());
        assert!(Arc::ptr_eq(&one, &two));
    }

    #[test]
    fn an_alias_of_the_key_is_another_model() {
        let row = KeyRow { aliases: vec![("fast".into(), "gpt-4o".into())], ..KeyRow::of(KeyHash([0; 32])) };
        let key = Key::compile(row, &mut Common::default());
        assert_eq!((key.policy.aliased("fast"), key.policy.aliased("slow")), ("gpt-4o", "slow"));
    }

    #[test]
    fn all_team_models_means_all_only_in_a_team() {
        let row = KeyRow { models: vec!["all-team-models".into()], ..KeyRow::of(KeyHash([0; 32])) };
        let alone = Key::compile(row.clone(), &mut Common::default());
        assert_ne!(alone.policy.models, ModelAccess::All);
        let in_team = KeyRow { team_id: Some("t".into()), ..row };
        assert_eq!(Key::compile(in_team, &mut Common::default()).policy.models, ModelAccess::All);
    }
}
