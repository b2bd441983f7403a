//! YAML as a tree in which every node knows its place.
//!
//! Scalars keep their text: prices and budgets are read exactly, and a number that is passed on keeps its spelling.

mod build;
mod merge;
mod scalar;
mod syntax;

pub(crate) use build::parse;
pub(crate) use scalar::{Kind, Scalar, boolean, number};

use crate::problem::Place;

/// A node. It may hold secrets, so it cannot be printed.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

#[derive(Clone)]
pub(crate) enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Map),
}

/// A mapping in the order of the file, without duplicates.
#[derive(Clone, Default)]
pub(crate) struct Map {
    pub(crate) entries: Vec<Entry>,
}

#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) place: Place,
    pub(crate) value: Node,
}

impl Map {
    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Adds an entry, or replaces the one of the same key.
    pub(crate) fn put(&mut self, entry: Entry) {
        match self.entries.iter_mut().find(|old| old.key == entry.key) {
            Some(old) => *old = entry,
            None => self.entries.push(entry),
        }
    }
}

impl Node {
    /// True for `null`, `~` and nothing at all.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if scalar.kind() == Kind::Null)
    }

    /// True for values that switch a key off: null, false, an empty text, list or mapping.
    pub(crate) fn is_unset(&self) -> bool {
        match &self.value {
            Value::Scalar(scalar) => {
                scalar.text.is_empty() || matches!(scalar.kind(), Kind::Null | Kind::Bool(false))
            }
            Value::List(items) => items.is_empty(),
            Value::Map(map) => map.entries.is_empty(),
        }
    }
}
