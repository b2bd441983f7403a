//! HAProxy before some nodes, sending by their readiness as a Service of Kubernetes does.

use std::net::SocketAddr;
use std::process::Command;

use bulkhead_testkit::free_port;
use tempfile::TempDir;

use super::process::Process;
use super::{Node, until};

/// A load balancer.
pub(crate) struct HaProxy {
    pub(crate) addr: SocketAddr,
    _process: Process,
    _dir: TempDir,
}

impl HaProxy {
    /// A probe each half second; two that fail in a row take a node out. It repeats no request.
    pub(crate) async fn before(nodes: &[Node]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let addr = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let servers: String = nodes
            .iter()
            .map(|node| {
                let (name, addr, probe) = (&node.name, node.addr, node.ops.port());
                format!("  server {name} {addr} check port {probe} inter 500 fall 2 rise 1\n")
            })
            .collect();
        let text = format!(
            "global\n  nbthread 1\n  maxconn 4000\ndefaults\n  mode http\n  retries 0\n  timeout connect 5s\n  \
             timeout client 600s\n  timeout server 600s\n  timeout check 500\nfrontend all\n  bind {addr}\n  \
             default_backend nodes\nbackend nodes\n  balance roundrobin\n  option httpchk GET /readyz\n{servers}"
        );
        let file = dir.path().join("haproxy.cfg");
        std::fs::write(&file, text).unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("haproxy");
        // Debian has it where only administrators look.
        command.env("PATH", format!("{path}:/usr/sbin")).args(["-db", "-f"]).arg(&file);
        let process = Process::spawn("haproxy", &mut command);
        until("HAProxy listens", || async { tokio::net::TcpStream::connect(addr).await.is_ok() }).await;
        Self { addr, _process: process, _dir: dir }
    }
}
