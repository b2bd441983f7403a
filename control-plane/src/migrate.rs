//! `control-plane migrate`: the schema, brought up to date beside a running fleet.

use std::time::Duration;

use anyhow::Context;
use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor};

use crate::Failure;
use crate::args::Database;

/// Every migration, in the order of their times; forward only.
pub(crate) static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

/// A statement that waits for a lock makes everybody behind it wait, so it gives up soon and is tried again.
const LOCK_TIMEOUT: &str = "set lock_timeout = '200ms'";
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(200);

/// Applies what is missing.
pub(crate) async fn run(database: &Database) -> Result<(), Failure> {
    let url = database.only_url()?;
    let mut connection = PgConnection::connect(url.expose()).await.context("cannot reach the database")?;
    connection.execute(LOCK_TIMEOUT).await.context("cannot prepare the connection")?;
    let mut tries = 0;
    loop {
        match MIGRATIONS.run(&mut connection).await {
            Ok(()) => break,
            Err(error) if waited_for_a_lock(&error) && tries < TRIES => {
                tries += 1;
                tracing::info!(tries, "somebody holds a lock: trying again");
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => {
                return Err(anyhow::Error::from(error).context("the schema could not be changed").into());
            }
        }
    }
    let newest = MIGRATIONS.iter().last().map_or(0, |migration| migration.version);
    tracing::info!(version = newest, "the schema is up to date");
    Ok(())
}

fn waited_for_a_lock(error: &sqlx::migrate::MigrateError) -> bool {
    /// `lock_not_available`
    const CODE: &str = "55P03";
    let database = match error {
        sqlx::migrate::MigrateError::Execute(error)
        | sqlx::migrate::MigrateError::ExecuteMigration(error, _) => error.as_database_error(),
        _ => None,
    };
    database.is_some_and(|error| error.code().as_deref() == Some(CODE))
}
