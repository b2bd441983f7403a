//! Data planes that follow a control plane.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_testkit::body;
use bulkhead_testkit::client::{Answer, Request, call};
use tempfile::TempDir;

use super::process::{Process, command};
use super::until;

/// A chat with a model.
pub(crate) fn chat(model: &str, key: &str) -> Request {
    Request::post("/v1/chat/completions").bearer(key).json(body::chat(model, "Hi"))
}

/// A data plane, which keeps its addresses and its state when it is started again.
pub(crate) struct Node {
    pub(crate) process: Process,
    pub(crate) name: String,
    pub(crate) addr: SocketAddr,
    pub(crate) ops: SocketAddr,
    terms: Terms,
    dir: Arc<TempDir>,
}

/// Whom it follows and how.
#[derive(Clone)]
struct Terms {
    control_plane: SocketAddr,
    token: String,
    flags: Vec<String>,
}

impl Node {
    /// One with an empty state directory; it listens, and may be ready later.
    pub(crate) fn launch(name: &str, control_plane: SocketAddr, token: &str) -> Self {
        Self::launch_with(name, control_plane, token, &[])
    }

    pub(crate) fn launch_with(name: &str, control_plane: SocketAddr, token: &str, flags: &[&str]) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let flags = flags.iter().copied().map(str::to_owned).collect();
        let terms = Terms { control_plane, token: token.to_owned(), flags };
        Self::launch_at(name, terms, [any; 2], Arc::new(tempfile::tempdir().unwrap()))
    }

    fn launch_at(name: &str, terms: Terms, addresses: [SocketAddr; 2], dir: Arc<TempDir>) -> Self {
        let mut command = command("data-plane");
        let [listen, ops] = addresses.map(|address| address.to_string());
        command
            .args(["--control-plane", &format!("http://{}", terms.control_plane), "--node-name", name])
            .args(["--listen", &listen, "--ops-listen", &ops])
            .args(&terms.flags)
            .env("BULKHEAD_JOIN_TOKEN", &terms.token)
            .env("BULKHEAD_STATE_DIR", dir.path());
        let process = Process::spawn(name, &mut command);
        let [addr, ops] = process.addresses(["inference listening on ", "operations listening on "]);
        Self { process, name: name.to_owned(), addr, ops, terms, dir }
    }

    /// Starts it again after it ended.
    pub(crate) fn relaunch(&mut self) {
        *self = Self::launch_at(&self.name, self.terms.clone(), [self.addr, self.ops], self.dir.clone());
    }

    pub(crate) fn state(&self) -> &Path {
        self.dir.path()
    }

    /// Sends a request on a connection of its own.
    pub(crate) async fn call(&self, request: &Request) -> Answer {
        call(self.addr, request).await.unwrap()
    }

    /// The status of a chat.
    pub(crate) async fn status(&self, model: &str, key: &str) -> u16 {
        self.call(&chat(model, key)).await.status
    }

    pub(crate) async fn until_status(&self, model: &str, key: &str, status: u16) -> Duration {
        let what = format!("{status} for {model} on {}", self.name);
        until(&what, || async { self.status(model, key).await == status }).await
    }

    /// `/readyz`: whether it is ready, and what it says.
    pub(crate) async fn readiness(&self) -> (u16, String) {
        let answer = call(self.ops, &Request::get("/readyz")).await.unwrap();
        (answer.status, answer.text())
    }

    pub(crate) async fn until_ready(&self) -> Duration {
        until(&format!("{} is ready", self.name), || async { self.readiness().await.0 == 200 }).await
    }

    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let text = call(self.ops, &Request::get("/metrics")).await.unwrap().text();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or_else(|| panic!("no {name} in:\n{text}"))
    }
}
