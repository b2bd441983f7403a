//! LiteLLM's proxy as a process.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bulkhead_testkit::client::{Request, call};
use bulkhead_testkit::free_port;
use serde_json::Value;
use tempfile::TempDir;

use super::folder;
use super::outcome::{Billed, Bills, bills_of};
use crate::sdk::made;

/// Python needs this long to import it on a busy machine.
const START: Duration = Duration::from_secs(120);

pub(super) struct LiteLlm {
    child: Child,
    pub(super) addr: SocketAddr,
    dir: TempDir,
}

impl LiteLlm {
    /// Returns when it answers.
    pub(super) async fn start(config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.yaml");
        std::fs::write(&file, config).unwrap();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let child = Command::new(made("BULKHEAD_LITELLM_PYTHON"))
            .arg(folder().join("proxy.py"))
            .args(["--host", "127.0.0.1", "--port", &addr.port().to_string(), "--num_workers", "1"])
            .arg("--config")
            .arg(file)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", dir.path())
            .env("BILLED", dir.path().join("billed"))
            // Nothing is fetched: neither prices nor tokenizers.
            .envs([("LITELLM_LOCAL_MODEL_COST_MAP", "True"), ("HF_HUB_OFFLINE", "1")])
            .envs([
                ("LITELLM_MODE", "PRODUCTION"),
                ("LITELLM_LOG", "ERROR"),
                ("PYTHONDONTWRITEBYTECODE", "1"),
            ])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut litellm = Self { child, addr, dir };
        litellm.until_it_answers().await;
        litellm
    }

    async fn until_it_answers(&mut self) {
        let started = tokio::time::Instant::now();
        loop {
            let answer = call(self.addr, &Request::get("/health/liveliness")).await;
            if answer.is_ok_and(|answer| answer.status == 200) {
                return;
            }
            let ended = self.child.try_wait().unwrap().is_some();
            assert!(!ended && started.elapsed() < START, "LiteLLM did not start:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What it bills for these calls. It writes that down a while after the answer.
    pub(super) async fn bills(&self, ids: &[&str]) -> Bills {
        bills_of(ids, || self.bills_so_far()).await
    }

    fn bills_so_far(&self) -> Bills {
        let text = std::fs::read_to_string(self.dir.path().join("billed")).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.map(|line| Billed::theirs(&line)).collect()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl Drop for LiteLlm {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
