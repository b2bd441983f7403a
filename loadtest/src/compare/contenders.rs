//! The processes that are compared, each started with a configuration that does the same work.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

use super::figures::{DIRECT, HAPROXY};
use super::traffic::{ANTHROPIC, MODELS, Model};
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
        // HAProxy and nginx are where not everybody's path leads.
        let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin";
        let child = Command::new("taskset")
            .env("PATH", path)
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
    log: PathBuf,
}

/// The contender with keys, limits and usage; the others only pass on.
pub(super) const GATEWAY: &str = "Bulkhead";

/// HAProxy once more.
const TWIN: &str = "HAProxy twin";

/// How much of a log is shown.
const LAST_WORDS: usize = 2000;

impl Contender {
    pub(super) fn is_gateway(&self) -> bool {
        self.name == GATEWAY
    }

    /// The end of its log, for whoever has to find out what went wrong.
    pub(super) fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let from = log.ceil_char_boundary(log.len().saturating_sub(LAST_WORDS));
        log.get(from..).unwrap_or_default().to_owned()
    }

    /// CPU time of all its processes so far.
    pub(super) fn cpu(&self) -> anyhow::Result<Duration> {
        Ok(self.processes()?.into_iter().map(cpu::time).sum::<io::Result<_>>()?)
    }

    /// Resident memory of all its processes, in bytes.
    pub(super) fn resident(&self) -> anyhow::Result<u64> {
        Ok(self.processes()?.into_iter().map(cpu::resident).sum::<io::Result<_>>()?)
    }

    /// The most that it ever was.
    pub(super) fn peak(&self) -> anyhow::Result<u64> {
        Ok(self.processes()?.into_iter().map(cpu::peak).sum::<io::Result<_>>()?)
    }

    fn processes(&self) -> anyhow::Result<Vec<u32>> {
        let pid = self.process.0.id();
        let mut all = cpu::children(pid).with_context(|| format!("{} ended", self.name))?;
        all.push(pid);
        Ok(all)
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
        let args = ["--listen", &addr.to_string(), "--log", "0"].map(str::to_owned);
        self.start(DIRECT, OTHER_CPU, &self.binaries.join("mock-provider"), &args, addr)
    }

    /// HAProxy, or its twin. Without `http-no-delay` it holds the last bytes that it has for 200 ms, in case that more
    /// come, which no operator would have for streams; it costs nothing that could be measured.
    pub(super) fn haproxy(&self, name: &'static str, provider: SocketAddr) -> anyhow::Result<Contender> {
        let addr = free_address()?;
        let text = format!(
            "global\n  nbthread 1\n  maxconn 4000\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 600s\n  \
             timeout server 600s\n  http-reuse always\n  option http-no-delay\nfrontend all\n  bind {addr}\n  default_backend provider\n\
             backend provider\n  server provider {provider}\n"
        );
        let config = self.write(&format!("{name}.cfg"), &text)?;
        self.start(name, MEASURED_CPU, Path::new("haproxy"), &["-db".into(), "-f".into(), config], addr)
    }

    /// All of them, in the order of the tables: HAProxy twice, nginx, the gateway, and the provider itself.
    pub(super) fn contenders(&self) -> anyhow::Result<Vec<Contender>> {
        let provider = self.provider()?;
        let at = provider.addr;
        let haproxy = self.haproxy(HAPROXY, at)?;
        Ok(vec![haproxy, self.haproxy(TWIN, at)?, self.nginx(at)?, self.bulkhead(at)?, provider])
    }

    pub(super) fn nginx(&self, provider: SocketAddr) -> anyhow::Result<Contender> {
        let addr = free_address()?;
        let dir = self.dir.display();
        let text = format!(
            "worker_processes 1; daemon off; pid {dir}/nginx.pid; error_log {dir}/nginx-error.log;\n\
             events {{ worker_connections 4096; }}\n\
             http {{ access_log off; keepalive_requests 1000000000; client_max_body_size 0; proxy_request_buffering off;\n\
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
        // Of its own, also where two are started one after the other.
        let state = tempfile::tempdir_in(self.dir)?.keep();
        let deployment = |model: &Model| {
            let (path, priced_as) = match model.provider {
                ANTHROPIC => ("", "claude-haiku-4-5"),
                _ => ("/v1", "gpt-4o-mini"),
            };
            format!(
                "  - model_name: {}\n    litellm_params: {{model: {}/{}, api_base: 'http://{provider}{path}', \
                 api_key: sk-upstream-compare}}\n    model_info: {{base_model: {priced_as}}}\n",
                model.alias, model.provider, model.name,
            )
        };
        let models: String = MODELS.iter().map(deployment).collect();
        let text = format!(
            "general_settings: {{master_key: {MASTER_KEY}}}\nmodel_list:\n{models}virtual_keys:\n  - {{key: {KEY}, key_alias: compare, rpm_limit: 1000000000, \
             tpm_limit: 1000000000000, max_parallel_requests: 100000, max_budget: 1000000, budget_duration: 30d}}\n",
        );
        let config = self.write("gateway.yaml", &text)?;
        let args = [
            ("--config", config),
            ("--listen", addr.to_string()),
            ("--ops-listen", ops.to_string()),
            ("--state-dir", state.display().to_string()),
        ];
        let args: Vec<_> = args.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]).collect();
        self.start(GATEWAY, MEASURED_CPU, &self.binaries.join("data-plane"), &args, addr)
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
                return Ok(Contender { name, addr, process, log });
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
