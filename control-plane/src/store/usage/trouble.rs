//! Why a transaction failed, by what helps.

use std::sync::Arc;

/// What went wrong with a transaction that takes usage in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The database is away or busy: the same again, later.
    #[error("the database is not available: {0}")]
    Passing(#[source] sqlx::Error),
    /// Some number is there already, behind its mark.
    #[error("some numbers are there already")]
    Known,
    /// A day has no partition any more.
    #[error("a day has no partition any more")]
    NoPartition,
    /// The database does not take what it is given; why.
    #[error("the database refuses it: {0}")]
    Refused(Arc<str>),
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        const UNIQUE: &str = "23505";
        const CHECK: &str = "23514";
        // Data exceptions, integrity, limits of the program (rows and index entries), and what triggers raise.
        const OF_DATA: [&str; 4] = ["22", "23", "54", "P0"];
        let Some(said) = error.as_database_error() else { return Self::Passing(error) };
        match said.code().as_deref() {
            Some(UNIQUE) => Self::Known,
            // The check of a partition's bounds has no name.
            Some(CHECK) if said.constraint().is_none() => Self::NoPartition,
            Some(code) if OF_DATA.iter().any(|class| code.starts_with(class)) => {
                Self::Refused(said.message().into())
            }
            _ => Self::Passing(error),
        }
    }
}
