//! A database of a test's own on the server that `scripts/with-postgres` started.

use std::process::Command;

pub(crate) struct Database {
    server: String,
    name: String,
}

impl Database {
    /// An empty one.
    pub(crate) fn create() -> Self {
        let server = std::env::var("BULKHEAD_TEST_POSTGRES")
            .expect("no PostgreSQL: run `make test`, or scripts/with-postgres cargo nextest run");
        let database = Self { server, name: format!("deploy_{}", std::process::id()) };
        database.execute("create");
        database
    }

    pub(crate) fn url(&self) -> String {
        format!("{}/{}", self.server, self.name)
    }

    fn execute(&self, verb: &str) {
        let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let psql = versions.map(|version| version.path().join("bin/psql")).filter(|path| path.exists()).max();
        let statement = format!("{verb} database {}", self.name);
        let status = Command::new(psql.unwrap_or_else(|| "psql".into()))
            .args(["-X", "-q", "-d", &format!("{}/postgres", self.server), "-c", &statement])
            .status();
        assert!(status.unwrap().success(), "{statement}");
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.execute("drop");
        }
    }
}
