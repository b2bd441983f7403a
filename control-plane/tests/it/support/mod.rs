//! What the tests stand on.

mod change;
mod database;
mod node;
mod process;

pub(crate) use change::{cluster, commit, head, team_limit};
pub(crate) use database::Database;
pub(crate) use node::Node;
pub(crate) use process::{ControlPlane, MASTER};

use std::process::Command;
use std::time::Duration;

pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// The binary under test.
pub(crate) fn control_plane() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_control-plane"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// Runs a command on a database to its end: exit code, standard output, standard error.
pub(crate) fn run(database: &Database, args: &[&str]) -> (Option<i32>, String, String) {
    run_at(&database.url(), args)
}

/// As [`run`], on a database by its URL.
pub(crate) fn run_at(url: &str, args: &[&str]) -> (Option<i32>, String, String) {
    let output = control_plane()
        .args(args)
        .env("DATABASE_URL", url)
        .env("LITELLM_MASTER_KEY", MASTER)
        .env("BULKHEAD_LOG", "info")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// A join token for a group.
pub(crate) fn join_token(database: &Database, group: &str) -> String {
    let (code, out, err) = run(database, &["token", "create", "--group", group]);
    assert_eq!(code, Some(0), "{err}");
    out.trim().to_owned()
}
