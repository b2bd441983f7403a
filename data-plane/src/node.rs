//! A node from start to end: configuration, state, listeners, workers, drain.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwapOption;
use bulkhead_config::Problems;
use bulkhead_credentials::Keeper;
use bulkhead_files::{Certificate, Watch};
use bulkhead_model::{Clock, random};
use bulkhead_sealed::StateKeys;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::admit::{Gate, Ledger, unsettled};
use crate::args::Args;
use crate::flags::{Peer, both};
use crate::health::Health;
use crate::listener::{AccessLog, Bound, Crew, Drain, Front, bind};
use crate::management::Management;
use crate::ops::{self, Ops};
use crate::read::BodyMemory;
use crate::snapshot::{Link, Reloads};
use crate::source::Source;
use crate::trace::{self, Tracer};
use crate::upstream::Dialer;
use crate::usage::{self, Recorder, SpoolOptions};
use crate::worker::{Node, Worker};

/// LiteLLM's defaults for the variables of the same names.
const GRACEFUL_SHUTDOWN_TIMEOUT: u64 = 30;
const KEEPALIVE_TIMEOUT: u64 = 75;
const SWEEP: Duration = Duration::from_secs(60);

/// Why a node did not start or ended badly.
pub(crate) enum Failure {
    /// What the operator wrote is wrong.
    Configuration(Problems),
    /// Anything else.
    Other(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

/// Runs a node until it is told to stop.
pub(crate) fn run(args: Args, env: HashMap<String, String>) -> Result<(), Failure> {
    let grace = seconds(&env, "GRACEFUL_SHUTDOWN_TIMEOUT", GRACEFUL_SHUTDOWN_TIMEOUT);
    let patience = seconds(&env, "KEEPALIVE_TIMEOUT", KEEPALIVE_TIMEOUT);
    let flags = both(both(certificate(&args), management(&args)), both(front(&args, &env), traces(&env)));
    let (source, ((certificate, management), (front, traces))) =
        both(Source::read(&args, env), flags).map_err(Failure::Configuration)?;
    let control =
        Builder::new_current_thread().enable_all().max_blocking_threads(4).build().context("no runtime")?;
    let start = Start { source, certificate, management, front, patience, traces };
    let served = control.block_on(async {
        let mut signals = Signals::new().context("cannot listen to signals")?;
        let running = start.run(&args).await?;
        signals.told_to_stop().await;
        running.drain(args.drain_wait.unwrap_or_default(), grace, signals).await
    });
    served.map_err(Failure::Other)
}

fn certificate(args: &Args) -> Result<Option<Arc<Certificate>>, Problems> {
    match (&args.tls_cert, &args.tls_key) {
        (Some(cert), Some(key)) => Certificate::open("--tls", cert, key).map(Some),
        _ => Ok(None),
    }
}

fn management(args: &Args) -> Result<Option<Peer>, Problems> {
    let url = args.management_url.as_deref();
    url.map(|url| Peer::parse("--management-url", url)).transpose().map_err(|problem| Problems(vec![problem]))
}

fn traces(env: &HashMap<String, String>) -> Result<Option<trace::Settings>, Problems> {
    trace::Settings::read(|name| env.get(name).map(String::as_str)).map_err(|problem| Problems(vec![problem]))
}

fn front(args: &Args, env: &HashMap<String, String>) -> Result<Front, Problems> {
    let variable = |name: &str| env.get(name).map(String::as_str);
    let one = |problem| Problems(vec![problem]);
    let root =
        bulkhead_front::root_path(args.root_path.as_deref(), variable("SERVER_ROOT_PATH")).map_err(one);
    let cors =
        bulkhead_front::cors(args.cors_origins.as_deref(), variable("LITELLM_CORS_ORIGINS")).map_err(one);
    let (root, cors) = both(root, cors)?;
    Ok(Front { root, cors, log: AccessLog::new(args.access_log), ..Front::default() })
}

fn seconds(env: &HashMap<String, String>, name: &str, default: u64) -> Duration {
    let value = env.get(name).and_then(|text| text.parse().ok()).filter(|seconds| *seconds > 0);
    Duration::from_secs(value.unwrap_or(default))
}

/// What a node starts with.
struct Start {
    source: Source,
    certificate: Option<Arc<Certificate>>,
    management: Option<Peer>,
    front: Front,
    patience: Duration,
    traces: Option<trace::Settings>,
}

impl Start {
    async fn run(self, args: &Args) -> anyhow::Result<Running> {
        let Self { source, certificate, management, front, patience, traces } = self;
        // SIGHUP is heard from here on, so that it does not end a process that says it listens.
        let (config_files, tls_files) = (Watch::new()?, Watch::new()?);
        let lock = lock(&args.state_dir)?;
        let inference = bind(&args.listen).await.with_context(|| format!("--listen {}", args.listen))?;
        let operations =
            bind(&args.ops_listen).await.with_context(|| format!("--ops-listen {}", args.ops_listen))?;
        let (address, ops_address) = (inference.address, operations.address.to_string());
        let source = source.open(&args.state_dir)?;
        let management = management.map(|peer| forwarder(peer, args.management_timeout)).transpose()?;
        let tracer = traces.map(tracer).transpose()?;
        let name = args.node_name.clone().unwrap_or_else(host_name);
        let spool = source.state_keys().map(|keys| (keys, args.managed.spool()));
        let ties = Ties { ops_address, front, patience, link: source.link(), management, spool, tracer };
        let node = open(&args.state_dir, &name, ties)?;
        source.follow(&node, name, config_files)?;
        let (phase, draining) = watch::channel(Drain::No);
        let tls = certificate.clone().map(|certificate| certificate.server_config(&["h2", "http/1.1"]));
        let crew = Crew::start(workers(&node), tls, &draining).context("cannot start the workers")?;
        let ops = Ops { node: node.clone(), crew: crew.clone() };
        let _operations = side_thread("operations", ops::serve(operations, ops))?;
        let (stop, stopped) = watch::channel(false);
        let listener = listen(inference, &crew, stopped)?;
        tokio::spawn(sweep(node.clone()));
        let scheme = if certificate.is_some() { "https" } else { "http" };
        if let Some(certificate) = certificate {
            tokio::spawn(certificate.watch(tls_files));
        }
        tracing::info!("inference listening on {scheme}://{address}");
        tracing::info!("operations listening on http://{}", node.ops_address);
        Ok(Running { node, crew, listener, stop, phase, _lock: lock })
    }
}

/// A node that serves.
struct Running {
    node: Arc<Node>,
    crew: Arc<Crew>,
    listener: JoinHandle<()>,
    stop: watch::Sender<bool>,
    phase: watch::Sender<Drain>,
    _lock: File,
}

impl Running {
    /// Is unready, and for `wait` still serves whoever has not noticed. Then takes no more connections, finishes what
    /// is in flight, cuts what takes longer than `grace` or than whoever said stop has patience for, and writes down
    /// what was used.
    async fn drain(self, wait: Duration, grace: Duration, mut signals: Signals) -> anyhow::Result<()> {
        let Self { node, crew, listener, stop, phase, _lock } = self;
        tracing::info!(wait_seconds = wait.as_secs(), grace_seconds = grace.as_secs(), "draining");
        node.draining.store(true, Ordering::Relaxed);
        let grace = if passed(wait, &mut signals).await { grace } else { Duration::ZERO };
        stop.send_replace(true);
        // The workers take connections for as long as the listener has some.
        let _ =
            tokio::task::spawn_blocking(move || listener.join()).await.context("the listener did not end")?;
        phase.send_replace(Drain::Finish);
        let mut finished = tokio::task::spawn_blocking(move || crew.join());
        let ended = tokio::select! {
            ended = &mut finished => ended,
            _ = passed(grace, &mut signals) => {
                node.time_is_up.store(true, Ordering::Relaxed);
                phase.send_replace(Drain::Cut);
                finished.await
            }
        };
        ended.context("the workers did not end")?;
        node.front.log.close();
        node.recorder.close();
        // Before what may take long: whoever ends the process meanwhile leaves no claims behind.
        node.gate.ledger().close();
        tokio::select! {
            () = usage::emptied(&node) => {}
            () = signals.told_to_stop() => {}
        }
        tracing::info!("drained");
        Ok(())
    }
}

fn workers(node: &Arc<Node>) -> Vec<Arc<Worker>> {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let dialer = Arc::new(Dialer::new());
    std::iter::repeat_with(|| Worker::new(node.clone(), dialer.clone(), random::number()))
        .take(count)
        .collect()
}

/// What a node has beside its state.
struct Ties {
    ops_address: String,
    front: Front,
    patience: Duration,
    link: Option<Arc<Link>>,
    management: Option<Management>,
    /// What the spool of a managed node is encrypted with, and how large it may be.
    spool: Option<(StateKeys, SpoolOptions)>,
    tracer: Option<Arc<Tracer>>,
}

fn tracer(settings: trace::Settings) -> anyhow::Result<Arc<Tracer>> {
    let (tracer, spans) = Tracer::new(&settings);
    let tracer = Arc::new(tracer);
    side_thread("traces", trace::export(settings, tracer.clone(), spans))?;
    Ok(tracer)
}

fn forwarder(peer: Peer, patience: Duration) -> anyhow::Result<Management> {
    let (management, work) = Management::new(peer, patience);
    side_thread("management", work)?;
    Ok(management)
}

/// Tokens of clouds are fetched by a thread of its own, whatever the others are at.
fn keeper() -> anyhow::Result<Arc<Keeper>> {
    let runtime = side_runtime()?;
    let keeper = Keeper::new(runtime.handle().clone());
    let run = move || runtime.block_on(std::future::pending::<()>());
    std::thread::Builder::new().name("credentials".to_owned()).spawn(run).context("cannot start a thread")?;
    Ok(keeper)
}

/// Opens the state directory's ledger and records. What a crash left unsettled becomes a record of its own.
fn open(state: &Path, name: &str, ties: Ties) -> anyhow::Result<Arc<Node>> {
    let Ties { ops_address, front, patience, link, management, spool, tracer } = ties;
    let recorder = match spool {
        Some((keys, options)) => Recorder::managed(state, keys, options, Clock::System),
        None => Recorder::standalone(state, name, random::number()),
    };
    let recorder = recorder.with_context(|| format!("--state-dir {}", state.display()))?;
    if let Some(tracer) = &tracer {
        recorder.trace(tracer.clone());
    }
    let (ledger, left) = Ledger::open(state).with_context(|| format!("--state-dir {}", state.display()))?;
    for (id, saved) in left {
        let bound = unsettled(&saved);
        tracing::warn!(holder = %id, usd = %bound, "the last process ended badly: this much counts as spent");
        // Its team, its user and its membership hold the same money once more.
        if id.starts_with("key:") {
            recorder.unsettled(Clock::System.now(), &id, bound);
        }
    }
    let keeper = keeper()?;
    Ok(Arc::new(Node {
        keeper,
        snapshot: ArcSwapOption::empty(),
        gate: Gate::new(Clock::System, ledger),
        health: Health::default(),
        body_memory: Arc::new(BodyMemory::default()),
        recorder,
        clock: Clock::System,
        ops_address,
        front,
        draining: AtomicBool::new(false),
        time_is_up: AtomicBool::new(false),
        patience,
        reloads: Reloads::default(),
        link,
        management,
        tracer,
    }))
}

/// Two processes on one state directory would each think they are alone with the budgets.
fn lock(dir: &Path) -> anyhow::Result<File> {
    std::fs::create_dir_all(dir).with_context(|| format!("--state-dir {}", dir.display()))?;
    let file = File::create(dir.join("lock")).with_context(|| format!("--state-dir {}", dir.display()))?;
    file.try_lock().map_err(|_| {
        anyhow::anyhow!("--state-dir {}: another process uses it; give each its own", dir.display())
    })?;
    Ok(file)
}

fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "node".to_owned(), |name| name.trim().to_owned())
}

async fn sweep(node: Arc<Node>) {
    let mut ticks = interval(SWEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        node.gate.sweep();
        if let Some(snapshot) = node.snapshot.load_full() {
            node.health.sweep(&snapshot);
        }
    }
}

/// Runs a task on a thread and runtime of its own, until the process ends.
pub(crate) fn side_thread(
    name: &'static str,
    task: impl Future<Output = std::io::Result<()>> + Send + 'static,
) -> anyhow::Result<JoinHandle<()>> {
    let runtime = side_runtime()?;
    let run = move || {
        if let Err(error) = runtime.block_on(task) {
            tracing::error!(%error, "{name} ended");
        }
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(run).context("cannot start a thread")
}

fn side_runtime() -> anyhow::Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("no runtime")
}

fn listen(bound: Bound, crew: &Arc<Crew>, stop: watch::Receiver<bool>) -> anyhow::Result<JoinHandle<()>> {
    let crew = crew.clone();
    side_thread("listener", async move { bound.accept(crew, stop).await })
}

/// True when the time has passed, false when somebody who will not wait for it has said so again.
async fn passed(time: Duration, signals: &mut Signals) -> bool {
    tokio::select! {
        () = sleep(time) => true,
        () = signals.told_to_stop() => {
            tracing::info!("told to stop once more");
            false
        }
    }
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn told_to_stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
