//! A running gateway, and a look at everything that comes out of it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use bulkhead_testkit::client::{Answer, Client, Request, call};
use bulkhead_testkit::{GatewayYaml, MockProvider, canary, eventually};
use parking_lot::Mutex;
use serde_json::Value;
use tempfile::TempDir;

/// A master key that passes every check and is a canary.
pub(crate) const MASTER: &str = canary::MASTER_KEY;
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A gateway process with a directory of its own. Ending it looks for canaries in all it wrote and said.
pub(crate) struct Gateway {
    child: Child,
    pub(crate) addr: SocketAddr,
    pub(crate) ops: SocketAddr,
    dir: Arc<TempDir>,
    log: Arc<Mutex<Vec<u8>>>,
    env: Vec<(String, String)>,
}

/// How a gateway is started.
pub(crate) struct Builder {
    /// `None` where a control plane says what is served.
    yaml: Option<String>,
    env: Vec<(String, String)>,
    dir: Option<Arc<TempDir>>,
    wrapper: Vec<String>,
    args: Vec<String>,
    state: Option<PathBuf>,
}

/// A file with the mock as provider of `gpt` (the model's faults by name: `gpt-<fault>`), `embed` and `claude`, whose
/// keys are canaries.
pub(crate) fn yaml(mock: &MockProvider) -> GatewayYaml {
    GatewayYaml::new()
        .master_key(MASTER)
        .deployment("gpt")
        .provider("openai")
        .model("ok")
        .base(mock.base_url())
        .key(canary::OPENAI_KEY)
        .info("base_model", "gpt-4o")
        .deployment("embed")
        .provider("openai")
        .model("ok")
        .base(mock.base_url())
        .key(canary::OPENAI_KEY)
        .info("base_model", "text-embedding-3-small")
        .deployment("claude")
        .provider("anthropic")
        .model("ok")
        .base(mock.origin())
        .key(canary::ANTHROPIC_KEY)
        .info("base_model", "claude-sonnet-4-5")
}

/// Adds a model group that misbehaves: an OpenAI one, or an Anthropic one where the group's name says `claude`.
pub(crate) fn faulty(yaml: GatewayYaml, mock: &MockProvider, group: &str, model: &str) -> GatewayYaml {
    let claude = group.starts_with("claude");
    let (provider, base, key, price) = if claude {
        ("anthropic", mock.origin(), canary::ANTHROPIC_KEY, "claude-sonnet-4-5")
    } else {
        ("openai", mock.base_url(), canary::OPENAI_KEY, "gpt-4o")
    };
    yaml.deployment(group).provider(provider).model(model).base(base).key(key).info("base_model", price)
}

impl Gateway {
    pub(crate) fn with(yaml: impl Into<String>) -> Builder {
        Builder { yaml: Some(yaml.into()), ..Self::managed() }
    }

    /// A gateway without a file: the control plane is named in the environment, which a new process inherits.
    pub(crate) fn managed() -> Builder {
        let (env, wrapper, args) = Default::default();
        Builder { yaml: None, env, dir: None, wrapper, args, state: None }
    }

    /// A gateway with [`yaml`] and nothing else.
    pub(crate) async fn start(mock: &MockProvider) -> Self {
        Self::with(yaml(mock).text()).start().await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Sends a request on a connection of its own.
    pub(crate) async fn call(&self, request: &Request) -> Answer {
        let answer = call(self.addr, request).await.unwrap();
        self.look(&answer.raw, "an answer");
        answer
    }

    /// A POST of JSON with a key.
    pub(crate) async fn post(&self, path: &str, key: &str, body: impl Into<String>) -> Answer {
        self.call(&Request::post(path).bearer(key).json(body)).await
    }

    pub(crate) async fn get(&self, path: &str, key: &str) -> Answer {
        self.call(&Request::get(path).bearer(key)).await
    }

    /// Sends all requests at the same moment, each on a connection of its own; the answers are in their order.
    pub(crate) async fn at_once(&self, requests: Vec<Request>) -> Vec<Answer> {
        let barrier = Arc::new(tokio::sync::Barrier::new(requests.len()));
        let send = |request: Request| {
            let (addr, barrier) = (self.addr, barrier.clone());
            tokio::spawn(async move {
                let mut client = Client::connect(addr).await.unwrap();
                barrier.wait().await;
                client.exchange(&request).await
            })
        };
        let tasks: Vec<_> = requests.into_iter().map(send).collect();
        let mut answers = Vec::with_capacity(tasks.len());
        for task in tasks {
            let answer = task.await.unwrap();
            self.look(&answer.raw, "an answer");
            answers.push(answer);
        }
        answers
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.addr).await.unwrap()
    }

    /// The operations port.
    pub(crate) async fn ops(&self, path: &str) -> Answer {
        let answer = call(self.ops, &Request::get(path)).await.unwrap();
        self.look(&answer.raw, "the operations port");
        answer
    }

    /// The sum of a metric over its labels, where all of `labels` occur in the line.
    pub(crate) async fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let text = self.ops("/metrics").await.text();
        let lines = text.lines().filter(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
                && labels.iter().all(|label| line.contains(label))
        });
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// Waits until a metric has a value.
    pub(crate) async fn until_metric(&self, name: &str, labels: &[&str], value: f64) {
        let started = std::time::SystemTime::now();
        loop {
            let now = self.metric(name, labels).await;
            if (now - value).abs() < f64::EPSILON {
                return;
            }
            assert!(started.elapsed().unwrap() < PATIENCE, "{name} {labels:?} is {now}, not {value}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Usage records written so far.
    pub(crate) fn usage(&self) -> Vec<Value> {
        usage_in(self.dir.path())
    }

    /// Waits until there are this many usage records, and returns them.
    pub(crate) async fn usage_of(&self, count: usize) -> Vec<Value> {
        eventually(PATIENCE, || self.usage().len() >= count).await;
        let usage = self.usage();
        assert_eq!(usage.len(), count, "{usage:#?}");
        usage
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.dir.path().join("gateway.yaml")
    }

    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&self.log.lock()).into_owned()
    }

    pub(crate) async fn until_log(&self, text: &str) {
        assert!(eventually(PATIENCE, || self.log().contains(text)).await, "no `{text}` in:\n{}", self.log());
    }

    /// Sends a signal by name, such as `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        let status =
            Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(status.success());
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`, then a new process on the same directory.
    pub(crate) async fn crash_and_restart(mut self) -> Self {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.again().await
    }

    /// SIGTERM, the end of the process, then a new one on the same directory.
    pub(crate) async fn restart(mut self) -> Self {
        assert!(self.terminate().await.success());
        self.again().await
    }

    /// SIGTERM; how the process ended.
    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.ended().await
    }

    /// Waits until the process has ended of itself; how it did.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        let ended = eventually(Duration::from_secs(60), || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        assert!(ended.await, "the gateway did not end:\n{}", self.log());
        status.unwrap()
    }

    async fn again(self) -> Self {
        let yaml = std::fs::read_to_string(self.config()).ok();
        let (env, dir) = (self.env.clone(), self.dir.clone());
        drop(self);
        Builder { yaml, env, dir: Some(dir), ..Self::managed() }.start().await
    }

    fn look(&self, bytes: &[u8], place: &str) {
        let found = canary::scan(bytes);
        assert!(found.is_empty(), "{found:?} in {place}: {}", String::from_utf8_lossy(bytes));
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of the gateway ---\n{}", self.log());
            return;
        }
        self.look(&self.log.lock().clone(), "the log");
        for file in files_in(&self.dir.path().join("state")) {
            // Whoever runs in this directory now may have removed it.
            if let Ok(bytes) = std::fs::read(&file) {
                self.look(&bytes, &file.display().to_string());
            }
        }
    }
}

impl Builder {
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs the gateway by a command that ends with `exec "$@"` or the like.
    pub(crate) fn wrapped(mut self, command: &[&str]) -> Self {
        self.wrapper = command.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// Adds a flag with its value.
    pub(crate) fn arg(mut self, flag: &str, value: impl Into<String>) -> Self {
        self.args.extend([flag.to_owned(), value.into()]);
        self
    }

    /// Keeps the state elsewhere than in the gateway's own directory.
    pub(crate) fn state_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.state = Some(path.into());
        self
    }

    /// Uses a directory that is there already, such as another gateway's.
    pub(crate) fn in_dir_of(mut self, gateway: &Gateway) -> Self {
        self.dir = Some(gateway.dir.clone());
        self
    }

    /// Writes the file and starts the process; returns when it listens.
    pub(crate) async fn start(self) -> Gateway {
        let env = self.env.clone();
        let (mut child, dir) = self.spawn();
        let log = Arc::<Mutex<Vec<u8>>>::default();
        let lines = read_log(&mut child, log.clone());
        let (mut inference, mut operations) = (None, None);
        while inference.is_none() || operations.is_none() {
            let Ok(line) = lines.recv_timeout(Duration::from_secs(30)) else {
                panic!("the gateway did not start:\n{}", String::from_utf8_lossy(&log.lock()));
            };
            inference = inference.or_else(|| address(&line, "inference listening on "));
            operations = operations.or_else(|| address(&line, "operations listening on "));
        }
        Gateway { child, addr: inference.unwrap(), ops: operations.unwrap(), dir, log, env }
    }

    /// Starts a process that is expected to refuse its configuration: exit code and what it said.
    pub(crate) fn refused(self) -> (Option<i32>, String) {
        let (child, _dir) = self.spawn();
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(canary::scan(text.as_bytes()).is_empty(), "{text}");
        (output.status.code(), text)
    }

    fn spawn(self) -> (Child, Arc<TempDir>) {
        let dir = self.dir.unwrap_or_else(|| Arc::new(tempfile::tempdir().unwrap()));
        let config = dir.path().join("gateway.yaml");
        let file = self.yaml.map(|yaml| {
            std::fs::write(&config, yaml).unwrap();
            ["--config".as_ref(), config.as_os_str()]
        });
        let binary = env!("CARGO_BIN_EXE_data-plane");
        let mut command = Command::new(self.wrapper.first().map_or(binary, String::as_str));
        if !self.wrapper.is_empty() {
            command.args(&self.wrapper[1..]).arg(binary);
        }
        let child = command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(self.env)
            .args(file.into_iter().flatten())
            .args(["--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0", "--node-name", "test"])
            .arg("--state-dir")
            .arg(self.state.unwrap_or_else(|| dir.path().join("state")))
            .args(self.args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        (child, dir)
    }
}

/// Reads the log on a thread, so that the process never waits for its reader.
fn read_log(child: &mut Child, log: Arc<Mutex<Vec<u8>>>) -> Receiver<String> {
    let stderr = child.stderr.take().unwrap();
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let mut log = log.lock();
            log.extend_from_slice(line.as_bytes());
            log.push(b'\n');
            drop(log);
            let _ = sender.send(line);
        }
    });
    lines
}

fn address(line: &str, before: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once(before)?;
    let (_, rest) = rest.split_once("://")?;
    let end = rest.find(|c: char| c != '.' && c != ':' && !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// Usage records under a gateway's directory.
pub(crate) fn usage_in(dir: &Path) -> Vec<Value> {
    let mut files = files_in(&dir.join("state/usage"));
    files.sort();
    files
        .iter()
        .flat_map(|file| {
            let text = std::fs::read_to_string(file).unwrap();
            // A line that is being written has no end yet.
            let complete = text.rfind('\n').map_or(0, |end| end + 1);
            text[..complete].lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
        })
        .collect()
}

fn files_in(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    entries
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| if path.is_dir() { files_in(&path) } else { vec![path] })
        .collect()
}
