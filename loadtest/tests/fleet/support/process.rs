//! Processes under test, and the signals they are sent.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use bulkhead_testkit::canary;
use bulkhead_testkit::client::{Request, call};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{Api, MASTER, until};

/// A binary that was built beside this test.
pub(crate) fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join(name);
    assert!(
        path.exists(),
        "{} is not there: `cargo build -p data-plane -p control-plane` makes it, or run `make test`",
        path.display()
    );
    path
}

/// A command that knows nothing of this process's environment.
pub(crate) fn command(name: &str) -> Command {
    let mut command = Command::new(binary(name));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// Sends a signal by name, such as `STOP`.
pub(crate) fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status().unwrap();
    assert!(status.success(), "kill -{name}");
}

/// A process that is ended with its owner. What it said must hold no secret, and nothing of a panic.
pub(crate) struct Process {
    child: Child,
    name: String,
    log: Arc<Mutex<String>>,
    lines: Receiver<String>,
}

impl Process {
    pub(crate) fn spawn(name: &str, command: &mut Command) -> Self {
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
        Self { child, name: name.to_owned(), log, lines }
    }

    /// The addresses that it says it listens on, in the order of what comes before them.
    pub(crate) fn addresses<const COUNT: usize>(&self, before: [&str; COUNT]) -> [SocketAddr; COUNT] {
        let mut found = [None; COUNT];
        while found.iter().any(Option::is_none) {
            let Ok(line) = self.lines.recv_timeout(Duration::from_secs(30)) else {
                panic!("{} did not start:\n{}", self.name, self.log());
            };
            for (slot, before) in found.iter_mut().zip(before) {
                *slot = slot.or_else(|| address(&line, before));
            }
        }
        found.map(Option::unwrap)
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().clone()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for it to end by itself.
    pub(crate) async fn ended(&mut self, patience: Duration) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < patience, "{} did not end in {patience:?}:\n{}", self.name, self.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let log = self.log();
        if std::thread::panicking() {
            let lines: Vec<&str> = log.lines().collect();
            let last = lines.iter().skip(lines.len().saturating_sub(40));
            eprintln!("--- the last of {} ---", self.name);
            last.for_each(|line| eprintln!("{line}"));
            return;
        }
        let found = canary::scan(log.as_bytes());
        assert!(found.is_empty(), "{found:?} in the log of {}", self.name);
        let panic = log.lines().find(|line| line.contains("panicked at"));
        assert_eq!(panic, None, "in the log of {}", self.name);
    }
}

fn address(line: &str, before: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once(before)?;
    let (_, rest) = rest.split_once("://")?;
    let end = rest.find(|c: char| c != '.' && c != ':' && !c.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

/// A control plane, which keeps its addresses when it is started again.
pub(crate) struct ControlPlane {
    pub(crate) process: Process,
    database: String,
    pub(crate) http: SocketAddr,
    pub(crate) grpc: SocketAddr,
    pub(crate) ops: SocketAddr,
}

impl ControlPlane {
    /// One that listens, whatever its database is like.
    pub(crate) fn launch(database: &str) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::launch_at(database, [any; 3], |_| {})
    }

    /// One that is told more.
    pub(crate) fn launch_with(database: &str, tell: impl FnOnce(&mut Command)) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::launch_at(database, [any; 3], tell)
    }

    fn launch_at(database: &str, addresses: [SocketAddr; 3], tell: impl FnOnce(&mut Command)) -> Self {
        let mut command = command("control-plane");
        command.arg("serve").env("DATABASE_URL", database).env("LITELLM_MASTER_KEY", MASTER);
        tell(&mut command);
        for (flag, address) in ["--listen", "--grpc-listen", "--ops-listen"].iter().zip(addresses) {
            command.args([flag, address.to_string().as_str()]);
        }
        let process = Process::spawn("a control plane", &mut command);
        let said = ["management listening on ", "nodes listening on ", "operations listening on "];
        let [http, grpc, ops] = process.addresses(said);
        Self { process, database: database.to_owned(), http, grpc, ops }
    }

    /// Starts it again after it was killed.
    pub(crate) fn relaunch(&mut self) {
        *self = Self::launch_at(&self.database, [self.http, self.grpc, self.ops], |_| {});
    }

    /// `/readyz`: whether it is ready, and what it says.
    pub(crate) async fn readiness(&self) -> (u16, String) {
        let answer = call(self.ops, &Request::get("/readyz")).await.unwrap();
        (answer.status, answer.text())
    }

    pub(crate) async fn until_ready(&self) -> Duration {
        until("a control plane is ready", || async { self.readiness().await.0 == 200 }).await
    }

    /// A connection to the management API.
    pub(crate) fn api(&self) -> Api {
        Api::of(self.http)
    }

    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let text = call(self.ops, &Request::get("/metrics")).await.unwrap().text();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or_else(|| panic!("no {name} in:\n{text}"))
    }
}
