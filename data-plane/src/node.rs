//! A node from start to end: configuration, state, listeners, workers, drain.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwapOption;
use bulkhead_config::Problems;
use bulkhead_model::Clock;
use bulkhead_snapshot::Snapshot;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::admit::{Gate, Ledger, unsettled};
use crate::args::Args;
use crate::listener::{Bound, Crew, Drain, bind, server_config};
use crate::ops::{self, Ops};
use crate::read::BodyMemory;
use crate::snapshot::{FileSource, Reloads};
use crate::upstream::Dialer;
use crate::usage::Recorder;
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
    let source = Arc::new(FileSource::new(args.config.clone(), env));
    let snapshot = source.load(1).map_err(Failure::Configuration)?;
    let control =
        Builder::new_current_thread().enable_all().max_blocking_threads(4).build().context("no runtime")?;
    control.block_on(serve(&args, source, snapshot, grace, patience)).map_err(Failure::Other)
}

fn seconds(env: &HashMap<String, String>, name: &str, default: u64) -> Duration {
    let value = env.get(name).and_then(|text| text.parse().ok()).filter(|seconds| *seconds > 0);
    Duration::from_secs(value.unwrap_or(default))
}

async fn serve(
    args: &Args,
    source: Arc<FileSource>,
    snapshot: Snapshot,
    grace: Duration,
    patience: Duration,
) -> anyhow::Result<()> {
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(cert), Some(key)) => Some(server_config(cert, key)?),
        _ => None,
    };
    let _lock = lock(&args.state_dir)?;
    let inference = bind(&args.listen).await.with_context(|| format!("--listen {}", args.listen))?;
    let operations =
        bind(&args.ops_listen).await.with_context(|| format!("--ops-listen {}", args.ops_listen))?;
    let ops_address = operations.address.to_string();
    let node = open(args, snapshot, &ops_address, patience)?;
    let (drain, draining) = watch::channel(Drain::No);
    let scheme = if tls.is_some() { "https" } else { "http" };
    let crew = Crew::start(workers(&node), tls, &draining).context("cannot start the workers")?;
    tracing::info!("inference listening on {scheme}://{}", inference.address);
    tracing::info!("operations listening on http://{ops_address}");

    let _ops =
        side_thread("operations", ops::serve(operations, Ops { node: node.clone(), crew: crew.clone() }))?;
    let (stop, stopped) = watch::channel(false);
    let _listener = listen(inference, &crew, stopped)?;
    tokio::spawn(crate::snapshot::watch(source, node.clone()));
    tokio::spawn(sweep(node.clone()));

    until_told().await?;
    tracing::info!(grace_seconds = grace.as_secs(), "draining");
    node.draining.store(true, Ordering::Relaxed);
    let _ = stop.send(true);
    let _ = drain.send(Drain::Until(Instant::now() + grace));
    let finished = crew.clone();
    tokio::task::spawn_blocking(move || finished.join()).await.context("the workers did not end")?;
    node.recorder.close();
    node.gate.ledger().close();
    tracing::info!("drained");
    Ok(())
}

fn workers(node: &Arc<Node>) -> Vec<Arc<Worker>> {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let dialer = Arc::new(Dialer::new());
    std::iter::repeat_with(|| Worker::new(node.clone(), dialer.clone(), random())).take(count).collect()
}

/// Opens the state directory's ledger and records. What a crash left unsettled becomes a record of its own.
fn open(args: &Args, snapshot: Snapshot, ops_address: &str, patience: Duration) -> anyhow::Result<Arc<Node>> {
    let state = &args.state_dir;
    let name = args.node_name.clone().unwrap_or_else(host_name);
    let recorder = Recorder::start(state, &name, random())
        .with_context(|| format!("--state-dir {}", state.display()))?;
    let (ledger, left) = Ledger::open(state).with_context(|| format!("--state-dir {}", state.display()))?;
    for (id, saved) in left {
        let bound = unsettled(&saved).to_string();
        tracing::warn!(holder = %id, usd = %bound, "the last process ended badly: this much counts as spent");
        recorder.unsettled(Clock::System.now(), &id, bound);
    }
    Ok(Arc::new(Node {
        snapshot: ArcSwapOption::from_pointee(snapshot),
        gate: Gate::new(Clock::System, ledger),
        body_memory: Arc::new(BodyMemory::default()),
        recorder,
        clock: Clock::System,
        ops_address: ops_address.to_owned(),
        draining: AtomicBool::new(false),
        patience,
        reloads: Reloads::default(),
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

fn random() -> u64 {
    let mut bytes = [0; 8];
    // Only ids and shuffling depend on it; without the system's randomness they depend on where the stack is.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    u64::from_ne_bytes(bytes)
}

async fn sweep(node: Arc<Node>) {
    let mut ticks = interval(SWEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        node.gate.sweep();
    }
}

/// Runs a task on a thread and runtime of its own, until the process ends.
fn side_thread(
    name: &'static str,
    task: impl Future<Output = std::io::Result<()>> + Send + 'static,
) -> anyhow::Result<std::thread::JoinHandle<()>> {
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

fn listen(
    bound: Bound,
    crew: &Arc<Crew>,
    stop: watch::Receiver<bool>,
) -> anyhow::Result<std::thread::JoinHandle<()>> {
    let crew = crew.clone();
    side_thread("listener", async move { bound.accept(crew, stop).await })
}

async fn until_told() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
