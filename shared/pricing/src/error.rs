//! Why a catalog is refused.

use std::fmt;

/// Why a price catalog is refused. The one in use stays in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CatalogError {
    /// Not JSON, or not an object of models.
    Malformed(String),
    /// So few models that it must be a fragment.
    TooFew {
        /// How many there are.
        models: usize,
    },
    /// A member of the wrong type.
    WrongType {
        /// The model.
        model: String,
        /// The member; empty where the model itself is meant.
        field: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// A price that is negative or beyond reason.
    BadPrice {
        /// The model.
        model: String,
        /// The price field.
        field: String,
        /// What is wrong with it.
        why: String,
    },
    /// Less than half of the models of the catalog in use.
    Shrunk {
        /// Models in the catalog in use.
        before: usize,
        /// Models in the refused one.
        after: usize,
    },
    /// A price that went up or down by a factor of 1000 or more, as prices per thousand or million tokens do.
    Jump {
        /// The model.
        model: String,
        /// The price field.
        field: String,
        /// The price in use, in pico-dollars per unit.
        before: u64,
        /// The refused one, in pico-dollars per unit.
        after: u64,
    },
}

impl fmt::Display for CatalogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(why) => write!(f, "not a JSON object of models: {why}"),
            Self::TooFew { models } => write!(f, "only {models} models"),
            Self::WrongType { model, field, wanted } if field.is_empty() => {
                write!(f, "model `{model}` is not {wanted}")
            }
            Self::WrongType { model, field, wanted } => {
                write!(f, "`{field}` of model `{model}` is not {wanted}")
            }
            Self::BadPrice { model, field, why } => write!(f, "`{field}` of model `{model}`: {why}"),
            Self::Shrunk { before, after } => write!(f, "{after} models where there were {before}"),
            Self::Jump { model, field, before, after } => {
                write!(f, "`{field}` of model `{model}` jumps from {before} to {after} pico-dollars")
            }
        }
    }
}

impl std::error::Error for CatalogError {}
