//! Whether the schema is the one that this release knows.

use std::collections::BTreeSet;

use sqlx::PgConnection;

use super::StoreError;

/// How the schema differs from the one that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Misfit {
    /// Migrations are missing, this one among them.
    #[error("the database's schema is too old (migration {0} is missing): run `control-plane migrate`")]
    TooOld(i64),
    /// It has migrations that this release does not know.
    #[error("the database's schema is newer than this release (migration {0}): run the release that made it")]
    Newer(i64),
}

/// Compares what was applied with what is wanted.
pub(crate) async fn misfit(
    connection: &mut PgConnection,
    wanted: &BTreeSet<i64>,
) -> Result<Option<Misfit>, StoreError> {
    let known: bool = sqlx::query_scalar("select to_regclass('_sqlx_migrations') is not null")
        .persistent(false)
        .fetch_one(&mut *connection)
        .await?;
    let applied: BTreeSet<i64> = if known {
        let versions: Vec<i64> = sqlx::query_scalar("select version from _sqlx_migrations where success")
            .persistent(false)
            .fetch_all(connection)
            .await?;
        versions.into_iter().collect()
    } else {
        BTreeSet::new()
    };
    let missing = wanted.difference(&applied).next().map(|version| Misfit::TooOld(*version));
    Ok(missing.or_else(|| applied.difference(wanted).last().map(|version| Misfit::Newer(*version))))
}
