//! A database of its own for each test, on the server that `scripts/with-postgres` started.

use std::time::{SystemTime, UNIX_EPOCH};

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};

use super::control_plane;

/// A database, dropped with its owner.
pub(crate) struct Database {
    server: String,
    name: String,
}

impl Database {
    /// An empty one.
    pub(crate) async fn empty() -> Self {
        let server = std::env::var("BULKHEAD_TEST_POSTGRES").expect(
            "no PostgreSQL: run `make test`, or scripts/with-postgres cargo nextest run -p control-plane",
        );
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let name = format!("test_{}_{nanos}", std::process::id());
        let database = Self { server, name };
        database.on_server(&format!("create database {}", database.name)).await;
        database
    }

    /// One with the schema.
    pub(crate) async fn migrated() -> Self {
        let database = Self::empty().await;
        database.migrate();
        database
    }

    /// Runs `control-plane migrate`.
    pub(crate) fn migrate(&self) {
        let output = control_plane().args(["migrate", "--database-url", &self.url()]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn url(&self) -> String {
        format!("{}/{}", self.server, self.name)
    }

    pub(crate) async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.unwrap()
    }

    async fn on_server(&self, statement: &str) {
        let mut connection = PgConnection::connect(&format!("{}/postgres", self.server)).await.unwrap();
        connection.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let statement = format!("drop database if exists {} with (force)", self.name);
        let server = self.server.clone();
        // Another runtime, because this may run within one.
        let drop = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                if let Ok(mut connection) = PgConnection::connect(&format!("{server}/postgres")).await {
                    let _ = connection.execute(AssertSqlSafe(statement)).await;
                }
            });
        });
        let _ = drop.join();
    }
}
