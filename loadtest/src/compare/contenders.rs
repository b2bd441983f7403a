//! The processes that are compared, each started with a configuration that does the same work.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::cpu;

/// The virtual key of the gateway's configuration.
pub(super) const KEY: &str = "sk-compare-4TgB8pQmX2sVnRd6WfYh";

const MASTER_KEY: &str = "sk-compare-9fKw3ZyLc7HtJ5rQ1eUa";

/// The CPU of whatever is measured; the load and the mock provider have the other one.
const MEASURED_CPU: &str = "0";
const OTHER_CPU: &str = "1";

/// How often and how many times is looked whether a process has started or ended.
const LOOK: Duration = Duration::from_millis(20);
const LOOKS: u32 = 500;

/// A process that ends with its owner.
pub(super) struct Process(Child);

impl Process {
    fn start(cpu: &str, program: &Path, args: &[String], log: &Path) -> anyhow::Result<Self> {
        let log = fs::File::create(log)?;
        let child = Command::new("taskset")
            .args(["-c", cpu])
            .arg(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self(child))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            // nginx ends its workers only when it is asked to end.
            let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        }
        for _ in 0..LOOKS {
            if !matches!(self.0.try_wait(), Ok(None)) {
                break;
            }
            std::thread::sleep(LOOK);
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Something that stands between the load and the provider, or the provider itself.
pub(super) struct Contender {
    pub(super) name: &'static str,
    pub(super) addr: SocketAddr,
    process: Process,
}

impl Contender {
    /// CPU time of all its processes so far.
    pub(super) fn cpu(&self) -> anyhow::Result<Duration> {
        let pid = self.process.0.id();
        let mut total = cpu::time(pid)?;
        for child in cpu::children(pid)? {
            total += cpu::time(child)?;
        }
        Ok(total)
    }

    /// Resident memory of all its processes, in bytes.
    pub(super) fn resident(&self) -> anyhow::Result<u64> {
        let pid = self.process.0.id();
        let mut total = cpu::resident(pid)?;
        for child in cpu::children(pid)? {
            total += cpu::resident(child)?;
        }
        Ok(total)
    }
}

/// Where the programs are, and where their files go.
pub(super) struct Bench<'a> {
    pub(super) dir: &'a Path,
    /// The directory of `data-plane` and `mock-provider`.
    pub(super) binaries: PathBuf,
}

impl Bench<'_> {
    pub(super) fn provider(&self) -> anyhow::Result<Contender> {
        let addr = free_address()?;
        let args = ["--listen", &addr.to_string()].map(str::to_owned);
        self.start("direct", OTHER_CPU, &self.binaries.join("mock-provider"), &args, addr)
    }

    pub(super) fn haproxy(&self, name: &'static str, provider: SocketAddr) -> anyhow::Result<Contender> {
        let addr = free_address()?;
        let text = format!(
            "global\n  nbthread 1\n  maxconn 4000\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 600s\n  \
             timeout server 600s\n  http-reuse always\nfrontend all\n  bind {addr}\n  default_backend provider\n\
             backend provider\n  server provider {provider}\n"
        );
        let config = self.write(&format!("{name}.cfg"), &text)?;
        self.start(name, MEASURED_CPU, Path::new("haproxy"), &["-db".into(), "-f".into(), config], addr)
    }

    pub(super) fn nginx(&self, provider: SocketAddr) -> anyhow::Result<Contender> {
        let addr = free_address()?;
        let dir = self.dir.display();
        let text = format!(
            "worker_processes 1; daemon off; pid {dir}/nginx.pid; error_log {dir}/nginx-error.log;\n\
             events {{ worker_connections 4096; }}\n\
             http {{ access_log off; keepalive_requests 1000000000;\n\
             upstream provider {{ server {provider}; keepalive 256; keepalive_requests 1000000000; }}\n\
             server {{ listen {addr}; location / {{ proxy_pass http://provider; proxy_http_version 1.1;\n\
             proxy_set_header Connection \"\"; proxy_buffering off; }} }} }}\n"
        );
        let config = self.write("nginx.conf", &text)?;
        self.start("nginx", MEASURED_CPU, Path::new("nginx"), &["-c".into(), config], addr)
    }

    /// The gateway with everything on: a key with limits and a budget, usage records, metrics, and aliases that differ
    /// from the provider's names of the models.
    pub(super) fn bulkhead(&self, provider: SocketAddr) -> anyhow::Result<Contender> {
        let (addr, ops) = (free_address()?, free_address()?);
        let deployment = |alias: &str, model: &str| {
            format!(
                "  - model_name: {alias}\n    litellm_params: {{model: openai/{model}, api_base: 'http://{provider}/v1', \
                 api_key: sk-upstream-compare}}\n    model_info: {{base_model: gpt-4o-mini}}\n"
            )
        };
        let text = format!(
            "general_settings: {{master_key: {MASTER_KEY}}}\nmodel_list:\n{}{}virtual_keys:\n  - {{key: {KEY}, key_alias: compare, rpm_limit: 1000000000, \
             tpm_limit: 1000000000000, max_parallel_requests: 100000, max_budget: 1000000, budget_duration: 30d}}\n",
            deployment("plain", "ok"),
            deployment("stream", "chunks-20"),
        );
        let config = self.write("gateway.yaml", &text)?;
        let args = [
            ("--config", config),
            ("--listen", addr.to_string()),
            ("--ops-listen", ops.to_string()),
            ("--state-dir", self.dir.join("state").display().to_string()),
        ];
        let args: Vec<_> = args.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]).collect();
        self.start("Bulkhead", MEASURED_CPU, &self.binaries.join("data-plane"), &args, addr)
    }

    fn write(&self, name: &str, text: &str) -> anyhow::Result<String> {
        let path = self.dir.join(name);
        fs::write(&path, text)?;
        Ok(path.display().to_string())
    }

    fn start(
        &self,
        name: &'static str,
        cpu: &str,
        program: &Path,
        args: &[String],
        addr: SocketAddr,
    ) -> anyhow::Result<Contender> {
        let log = self.dir.join(format!("{name}.log"));
        let mut process = Process::start(cpu, program, args, &log)?;
        for _ in 0..LOOKS {
            if TcpStream::connect(addr).is_ok() {
                return Ok(Contender { name, addr, process });
            }
            if process.0.try_wait()?.is_some() {
                break;
            }
            std::thread::sleep(LOOK);
        }
        bail!("{name} does not listen:\n{}", fs::read_to_string(&log).unwrap_or_default());
    }
}

fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
