//! Compiled keys and the table they are found in.

use std::collections::HashMap;
use std::sync::Arc;

use bulkhead_model::rows::{BudgetRow, KeyRow, Limits};
use bulkhead_model::{KeyHash, UnixMillis};

use crate::access::{ModelAccess, RouteAccess};

/// A virtual key, ready to decide about a request.
#[derive(Debug)]
pub struct Key {
    /// Names the key in ledgers and usage records.
    pub id: Box<str>,
    /// Its name in the ledger: `key:` and the id.
    pub ledger_id: Box<str>,
    /// What the client's key hashes to.
    pub hash: KeyHash,
    /// `sk-...abcd`.
    pub name: Box<str>,
    /// The operator's name for it.
    pub alias: Option<Box<str>>,
    /// Models it may use.
    pub models: ModelAccess,
    /// Model names that mean another model for this key.
    pub aliases: Box<[(Box<str>, Box<str>)]>,
    /// Routes it may call.
    pub routes: RouteAccess,
    /// The routes as declared, for the error message.
    pub allowed_routes: Box<[Box<str>]>,
    /// Rate and concurrency limits.
    pub limits: Limits,
    /// Its budget.
    pub budget: Option<BudgetRow>,
    /// From when it is refused.
    pub expires: Option<UnixMillis>,
    /// Refused while set.
    pub blocked: bool,
    /// The team it belongs to.
    pub team_id: Option<Box<str>>,
    /// The user it belongs to.
    pub user_id: Option<Box<str>>,
    /// Tags for records and tag routing.
    pub tags: Box<[Box<str>]>,
    /// A JSON object for records.
    pub metadata: Option<Box<str>>,
}

impl Key {
    pub(crate) fn compile(row: &KeyRow) -> Self {
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
        } = row;
        Self {
            id: boxed(id),
            ledger_id: format!("key:{id}").into(),
            hash: *hash,
            name: boxed(name),
            alias: alias.as_deref().map(boxed),
            models: ModelAccess::compile(models),
            aliases: aliases.iter().map(|(from, to)| (boxed(from), boxed(to))).collect(),
            routes: RouteAccess::compile(allowed_routes),
            allowed_routes: allowed_routes.iter().map(|route| boxed(route)).collect(),
            limits: *limits,
            budget: *budget,
            expires: *expires,
            blocked: *blocked,
            team_id: team_id.as_deref().map(boxed),
            user_id: user_id.as_deref().map(boxed),
            tags: tags.iter().map(|tag| boxed(tag)).collect(),
            metadata: metadata.as_deref().map(boxed),
        }
    }

    /// What `model` means for this key.
    pub fn aliased<'a>(&'a self, model: &'a str) -> &'a str {
        self.aliases.iter().find(|(from, _)| **from == *model).map_or(model, |(_, to)| to)
    }
}

fn boxed(text: &str) -> Box<str> {
    text.into()
}

/// All keys, by hash.
#[derive(Debug, Default)]
pub struct KeyTable {
    by_hash: HashMap<KeyHash, Arc<Key>, foldhash::fast::RandomState>,
}

impl KeyTable {
    pub(crate) fn insert(&mut self, key: Key) -> Option<Arc<Key>> {
        self.by_hash.insert(key.hash, Arc::new(key))
    }

    /// Finds a key by what it hashes to.
    pub fn get(&self, hash: &KeyHash) -> Option<&Arc<Key>> {
        self.by_hash.get(hash)
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.by_hash.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.by_hash.is_empty()
    }

    /// Every key, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Key>> {
        self.by_hash.values()
    }
}
