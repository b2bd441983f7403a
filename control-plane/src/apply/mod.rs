//! `control-plane apply --config`, and `check`: what a file declares becomes rows that only the file changes.

mod file;
mod given;
mod master_key;

use std::path::Path;

use bulkhead_files::Reader;
use bulkhead_model::Secret;
use bulkhead_snapshot::Version;

use crate::Failure;
use crate::args::{ConfigFile, Database, Keys, database_and_seal};
use crate::store::files::Kind;
use crate::store::{Change, PgConnection, Store, StoreError, audit, files, settings};

pub(crate) use file::File;
pub(crate) use master_key::put_master_key;

/// So many times somebody else may come first.
const TRIES: u32 = 5;
const CONNECTIONS: u32 = 2;

/// When a file is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// An operator says so.
    Told,
    /// A replica has it: only when it never was applied, or when it takes the place of what this replica had and what is
    /// in force until now, of that generation. Where replicas see a file change at different times, whoever comes last
    /// neither goes back nor keeps others from going back.
    Seen { before: Option<i64> },
}

impl When {
    /// In whose name.
    fn by(self) -> &'static str {
        match self {
            Self::Told => "command line",
            Self::Seen { .. } => "serve",
        }
    }
}

/// What applying a file did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is in force already, since that generation.
    InForce(i64),
    /// Another file was applied after this one; it was left alone.
    Older,
    /// It is in force now, as that generation; the version, where nodes notice.
    Applied(i64, Option<Version>),
}

/// Why a file was not applied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotApplied {
    /// The API declares these.
    #[error("the API manages what the file declares, too: {}; remove it there, or here", .0.join(", "))]
    Others(Vec<String>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// `control-plane check`.
pub(crate) fn check(args: &ConfigFile) -> Result<(), Failure> {
    let file = read(&args.config, None)?;
    tracing::info!(
        deployments = file.declared.deployments.len(),
        keys = file.declared.keys.len(),
        "{} is good",
        args.config.display()
    );
    Ok(())
}

/// `control-plane apply`.
pub(crate) async fn run(args: &ConfigFile, database: &Database, keys: &Keys) -> Result<(), Failure> {
    let given = keys.given_master_key().map_err(|problem| Failure::Usage(problem.to_string()))?;
    let file = read(&args.config, given.as_ref())?;
    let (url, seal) = database_and_seal(database, keys, file.declared.master_key.as_ref())?;
    let store = Store::new(&url, seal, CONNECTIONS).map_err(anyhow::Error::from)?;
    match apply(&store, &file, When::Told).await {
        Ok(Outcome::Applied(_, version)) => {
            let version = version.map_or_else(|| "unchanged".to_owned(), |version| version.to_string());
            tracing::info!(version, "{} is applied", file.name);
            Ok(())
        }
        Ok(Outcome::InForce(_) | Outcome::Older) => {
            tracing::info!("{} is in force already", file.name);
            Ok(())
        }
        Err(NotApplied::Others(others)) => {
            Err(Failure::Usage(format!("{}: {}", file.name, NotApplied::Others(others))))
        }
        Err(NotApplied::Store(error)) => {
            Err(anyhow::Error::from(error).context("nothing was applied").into())
        }
    }
}

fn read(path: &Path, master_key: Option<&Secret>) -> Result<File, Failure> {
    let read = File::read(path, master_key, &Reader::default());
    read.map_err(|problems| Failure::Usage(problems.to_string()))
}

/// Applies a file, all of it or nothing.
pub(crate) async fn apply(store: &Store, file: &File, when: When) -> Result<Outcome, NotApplied> {
    let mut tries = 0;
    loop {
        match once(store, file, when).await {
            // Somebody else applied something at the same time.
            Err(NotApplied::Store(StoreError::Constraint(_))) if tries < TRIES => tries += 1,
            outcome => return outcome,
        }
    }
}

async fn once(store: &Store, file: &File, when: When) -> Result<Outcome, NotApplied> {
    let mut change = store.change(&file.name).await?;
    let generation = match standing(change.connection(), Kind::Config, &file.hash, when).await? {
        Standing::InForce(generation) => return Ok(Outcome::InForce(generation)),
        Standing::Older => return Ok(Outcome::Older),
        Standing::Next(generation) => generation,
    };
    let path = file.path.display().to_string();
    files::note(change.connection(), Kind::Config, generation, &file.hash, &path).await?;
    audit::note(change.connection(), when.by(), "apply", &format!("{path} (generation {generation})"))
        .await?;
    write(&mut change, file).await?;
    Ok(Outcome::Applied(generation, change.commit().await?))
}

/// How what a replica has stands to what is in force.
enum Standing {
    InForce(i64),
    Older,
    /// It is to be in force, as this generation.
    Next(i64),
}

async fn standing(
    connection: &mut PgConnection,
    kind: Kind,
    hash: &[u8; 32],
    when: When,
) -> Result<Standing, StoreError> {
    let Some(latest) = files::latest(connection, kind).await? else { return Ok(Standing::Next(1)) };
    if latest.hash == *hash {
        return Ok(Standing::InForce(latest.generation));
    }
    let goes_on = match when {
        When::Told => true,
        When::Seen { before } => {
            before == Some(latest.generation) || !files::was_applied(connection, kind, hash).await?
        }
    };
    Ok(if goes_on { Standing::Next(latest.generation + 1) } else { Standing::Older })
}

async fn write(change: &mut Change, file: &File) -> Result<(), NotApplied> {
    let fallbacks = put_settings(change, file).await?;
    let deployments: Vec<_> = file.declared.deployments.iter().map(given::of).collect();
    let models = files::put_deployments(change, &file.name, &deployments).await?;
    let keys = files::put_keys(change, &file.name, &file.declared.keys).await?;
    let models = models.into_iter().map(|id| format!("model {id}"));
    let keys = keys.into_iter().map(|id| format!("key {id}"));
    let others: Vec<_> = fallbacks.into_iter().chain(models).chain(keys).collect();
    if others.is_empty() { Ok(()) } else { Err(NotApplied::Others(others)) }
}

/// Overrides are no part of a file: those there are stay. What the API declared comes back; then nothing may be committed.
async fn put_settings(change: &mut Change, file: &File) -> Result<Vec<String>, StoreError> {
    let mut row = file.declared.settings.clone();
    let Some(before) = settings::locked(change.connection()).await? else {
        settings::put(change, &row, Some(&file.name)).await?;
        return Ok(Vec::new());
    };
    let routing = before.row.routing;
    row.routing.overrides = routing.overrides;
    settings::put(change, &row, Some(&file.name)).await?;
    let lists = [Some(routing.fallbacks), routing.context_window_fallbacks, routing.content_policy_fallbacks];
    let declared = lists.into_iter().flatten().flatten().map(|chain| format!("fallbacks of {}", chain.group));
    Ok(if before.owner.is_none() { declared.collect() } else { Vec::new() })
}
