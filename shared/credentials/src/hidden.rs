//! A secret that is declared.

use std::fmt;
use std::hash::{Hash, Hasher};

use bulkhead_model::Secret;

/// A secret among what is declared: sources are compared and found again by it, and printed without it.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(Secret);

impl Hidden {
    /// The secret itself.
    pub fn secret(&self) -> &Secret {
        &self.0
    }

    pub(crate) fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl From<Secret> for Hidden {
    fn from(secret: Secret) -> Self {
        Self(secret)
    }
}

impl From<&str> for Hidden {
    fn from(secret: &str) -> Self {
        Self(Secret::new(secret))
    }
}

impl Hash for Hidden {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.expose().hash(state);
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}
