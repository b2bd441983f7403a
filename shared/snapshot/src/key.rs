//! Compiled keys.

use std::collections::HashMap;
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
    pub team_id: Option<Box<str>>,
    /// The user it belongs to.
    pub user_id: Option<Box<str>>,
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

/// Policies in use, so that keys that may do the same share one.
#[derive(Debug, Default)]
pub(crate) struct Policies(HashMap<Said, Arc<Policy>, foldhash::fast::RandomState>);

impl Policies {
    fn get(&mut self, said: Said) -> Arc<Policy> {
        if let Some(policy) = self.0.get(&said) {
            return policy.clone();
        }
        if self.0.len() == self.0.capacity() {
            // Before the map grows: forget those that no key has any more.
            self.0.retain(|_, policy| Arc::strong_count(policy) > 1);
        }
        let policy = Arc::new(Policy::compile(said.clone()));
        self.0.insert(said, policy.clone());
        policy
    }
}

impl Key {
    pub(crate) fn compile(row: KeyRow, policies: &mut Policies) -> Self {
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
            policy: policies.get(said),
            expires,
            blocked,
            team_id: team_id.map(Into::into),
            user_id: user_id.map(Into::into),
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
