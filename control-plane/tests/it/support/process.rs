//! A running control plane.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use bulkhead_testkit::client::{Answer, Request, call};
use bulkhead_testkit::{canary, eventually};
use parking_lot::Mutex;

use super::{Database, PATIENCE, control_plane};

/// A master key that passes every check and is a canary.
pub(crate) const MASTER: &str = canary::MASTER_KEY;

/// A process. Ending it looks for canaries in all it said.
pub(crate) struct ControlPlane {
    child: Child,
    pub(crate) http: SocketAddr,
    pub(crate) grpc: SocketAddr,
    pub(crate) ops: SocketAddr,
    log: Arc<Mutex<String>>,
}

impl ControlPlane {
    /// One that serves; returns when it is ready.
    pub(crate) async fn start(database: &Database) -> Self {
        Self::start_with(database, &[]).await
    }

    pub(crate) async fn start_with(database: &Database, args: &[&str]) -> Self {
        let control_plane = Self::launch(&database.url(), args);
        control_plane.until_ready().await;
        control_plane
    }

    /// One that listens, whatever its database is like.
    pub(crate) fn launch(url: &str, args: &[&str]) -> Self {
        let grpc = ["--grpc-listen", "127.0.0.1:0"];
        let grpc = if args.contains(&grpc[0]) { &[][..] } else { &grpc };
        let mut child = control_plane()
            .arg("serve")
            .env("DATABASE_URL", url)
            .env("LITELLM_MASTER_KEY", MASTER)
            .args(["--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"])
            .args(grpc)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::<Mutex<String>>::default();
        let lines = read_log(&mut child, log.clone());
        let (mut http, mut grpc, mut ops) = (None, None, None);
        while http.is_none() || grpc.is_none() || ops.is_none() {
            let Ok(line) = lines.recv_timeout(Duration::from_secs(30)) else {
                panic!("the control plane did not start:\n{}", log.lock());
            };
            http = http.or_else(|| address(&line, "management listening on "));
            grpc = grpc.or_else(|| address(&line, "nodes listening on "));
            ops = ops.or_else(|| address(&line, "operations listening on "));
        }
        Self { child, http: http.unwrap(), grpc: grpc.unwrap(), ops: ops.unwrap(), log }
    }

    /// `/readyz`: whether it is ready, and what it says.
    pub(crate) async fn readiness(&self) -> (u16, String) {
        let answer = call(self.ops, &Request::get("/readyz")).await.unwrap();
        (answer.status, answer.text())
    }

    pub(crate) async fn until_ready(&self) {
        self.until_readiness(|status, _| status == 200).await;
    }

    pub(crate) async fn until_readiness(&self, good: impl Fn(u16, &str) -> bool) {
        let started = std::time::SystemTime::now();
        loop {
            let (status, text) = self.readiness().await;
            if good(status, &text) {
                return;
            }
            assert!(started.elapsed().unwrap() < PATIENCE, "{status} {text}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let text = call(self.ops, &Request::get("/metrics")).await.unwrap().text();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or_else(|| panic!("no {name} in:\n{text}"))
    }

    pub(crate) async fn until_metric(&self, name: &str, wanted: f64) {
        let started = std::time::SystemTime::now();
        loop {
            let value = self.metric(name).await;
            if value == wanted {
                return;
            }
            assert!(started.elapsed().unwrap() < PATIENCE, "{name} is {value}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A request of the management API with the master key.
    pub(crate) async fn call(&self, request: Request) -> Answer {
        call(self.http, &request.bearer(MASTER)).await.unwrap()
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().clone()
    }

    pub(crate) async fn until_log(&self, text: &str) {
        assert!(eventually(PATIENCE, || self.log().contains(text)).await, "no `{text}` in:\n{}", self.log());
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal by name, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let kill = std::process::Command::new("kill").args([&format!("-{name}"), &pid]).status();
        assert!(kill.unwrap().success());
    }

    /// SIGTERM; how the process ended.
    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.ended().await
    }

    /// Waits for its end; how it ended.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        let ended = eventually(Duration::from_secs(30), || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        assert!(ended.await, "it did not end:\n{}", self.log());
        status.unwrap()
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of the control plane ---\n{}", self.log());
            return;
        }
        let found = canary::scan(self.log().as_bytes());
        assert!(found.is_empty(), "{found:?} in the log");
    }
}

fn read_log(child: &mut Child, log: Arc<Mutex<String>>) -> Receiver<String> {
    let stderr = child.stderr.take().unwrap();
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            log.lock().push_str(&format!("{line}\n"));
            let _ = sender.send(line);
        }
    });
    lines
}

fn address(line: &str, before: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once(before)?;
    let (_, rest) = rest.split_once("://")?;
    let end = rest.find(|c: char| c != '.' && c != ':' && !c.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}
