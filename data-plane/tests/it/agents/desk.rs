//! Where an agent works: a home that knows nothing, and a folder with one file.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// What is in the file that the agent reads and copies.
pub(super) const NOTE: &str = "the heron stands in the reeds at dawn";

pub(super) struct Desk {
    dir: TempDir,
}

impl Desk {
    pub(super) fn new() -> Self {
        let desk = Self { dir: tempfile::tempdir().unwrap() };
        for folder in [desk.home(), desk.work()] {
            std::fs::create_dir(folder).unwrap();
        }
        std::fs::write(desk.note(), NOTE).unwrap();
        desk
    }

    pub(super) fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    pub(super) fn note(&self) -> PathBuf {
        self.work().join("note.txt")
    }

    /// A file below the home.
    pub(super) fn write(&self, name: &str, text: &str) {
        let path = self.home().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// What the agent wrote into its copy.
    pub(super) fn copy(&self) -> Option<String> {
        std::fs::read_to_string(self.work().join("copy.txt")).ok()
    }

    /// A program that has a minute, and nothing of the environment of the tests.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", "60"]).arg(program).current_dir(self.work()).stdin(Stdio::null());
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("PATH", path).env("HOME", self.home()).env("TMPDIR", self.dir.path());
        command
    }
}

/// Runs it on a thread, while the test goes on with what else it does.
pub(super) async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}
