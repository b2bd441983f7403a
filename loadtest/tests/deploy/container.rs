//! Containers without a container engine: an image's files as the Dockerfile's script gathers them, and a program in
//! them with nothing else around it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime};

use bulkhead_testkit::eventually;
use parking_lot::Mutex;
use tempfile::TempDir;

use crate::manifests::root;

const PATIENCE: Duration = Duration::from_secs(30);

/// A binary that was built beside this test.
fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join(name);
    assert!(
        path.exists(),
        "{} is not there: `cargo build -p data-plane -p control-plane` makes it, or run `make test`",
        path.display()
    );
    path
}

/// An image.
pub(crate) struct Image {
    name: String,
    dir: TempDir,
}

impl Image {
    /// Gathered by the script of the Dockerfile.
    pub(crate) fn assemble(name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut script = Command::new(root().join("k8s/image/assemble"));
        assert!(script.arg(binary(name)).arg(dir.path()).status().unwrap().success());
        // As a cluster makes a name of a Service known.
        std::fs::write(dir.path().join("etc/hosts"), "127.0.0.1 localhost bulkhead-control-plane\n").unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(dir.path(), open).unwrap();
        Self { name: name.to_owned(), dir }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Starts its program; a volume is `ro` or `rw`, where its files are, and where it is mounted.
    pub(crate) fn run(
        &self,
        args: &[String],
        volumes: &[(&str, &Path, &str)],
        env: &[(String, String)],
    ) -> Container {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/deploy/container");
        let volumes = volumes.iter().map(|(mode, from, to)| format!("{mode}:{}:{to}", from.display()));
        let mut command = Command::new("unshare");
        command.arg("--mount").arg(script).arg(self.dir.path()).args(volumes).arg("--");
        command.arg(format!("/usr/local/bin/{}", self.name)).args(args);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").envs(env.iter().cloned());
        Container::spawn(&self.name, &mut command)
    }
}

/// A program that runs in its image, ended with its owner.
pub(crate) struct Container {
    name: String,
    child: Child,
    log: Arc<Mutex<String>>,
    lines: Receiver<String>,
}

impl Container {
    fn spawn(name: &str, command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = Arc::<Mutex<String>>::default();
        let (sender, lines) = channel();
        let (stderr, writer) = (child.stderr.take().unwrap(), log.clone());
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                writer.lock().push_str(&format!("{line}\n"));
                let _ = sender.send(line);
            }
        });
        Self { name: name.to_owned(), child, log, lines }
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().clone()
    }

    /// The address that it says it listens on, in the next line that has `before`.
    pub(crate) fn address(&self, before: &str) -> SocketAddr {
        let started = SystemTime::now();
        while started.elapsed().unwrap() < PATIENCE {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else { break };
            let Some((_, rest)) = line.split_once(before) else { continue };
            let (_, rest) = rest.split_once("://").unwrap();
            let end = rest.find(|c: char| !matches!(c, '.' | ':' | '0'..='9')).unwrap_or(rest.len());
            return rest.get(..end).unwrap().parse().unwrap();
        }
        panic!("{} did not say `{before}`:\n{}", self.name, self.log())
    }

    /// SIGTERM.
    pub(crate) fn stop(&self) {
        let status = Command::new("kill").arg(self.child.id().to_string()).status();
        assert!(status.unwrap().success());
    }

    /// Waits for its end; how it ended.
    pub(crate) async fn ended(&mut self, patience: Duration) -> ExitStatus {
        let mut status = None;
        let ended = eventually(patience, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        assert!(ended.await, "{} did not end:\n{}", self.name, self.log());
        status.unwrap()
    }

    /// The user and group that it runs as.
    pub(crate) fn identity(&self) -> [String; 2] {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        ["Uid:", "Gid:"].map(|name| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().collect::<Vec<_>>().join(" ")
        })
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of {} ---\n{}", self.name, self.log());
        }
    }
}
