//! What the tests stand on.

mod database;

pub(crate) use database::Database;

use std::process::Command;

/// The binary under test.
pub(crate) fn control_plane() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_control-plane"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}
