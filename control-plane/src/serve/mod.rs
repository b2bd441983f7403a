//! `control-plane serve`, from start to end.

mod database;
mod declared;
mod front;
mod given;
mod http;
mod options;
mod start;
mod status;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bulkhead_files::{Certificate, Watch};
use bulkhead_model::{KeyHash, random};
use bulkhead_pricing::PriceBook;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tonic::transport::server::TcpIncoming;

use crate::Failure;
use crate::api::MasterKey;
use crate::args::{Database, Serve};
use crate::grpc::{Join, Snapshots, Usage};
use crate::ledger::{Ingest, Ledger};
use crate::ops::{self, Counts, Ops};
use crate::publish::{self, Publisher, Registry};
use crate::store::Store;
use crate::{api, jobs};
use database::DatabaseFile;
use declared::{Declared, InForce};
use options::Options;

pub(crate) use status::Status;

/// Connections for requests and jobs.
const CONNECTIONS: u32 = 16;
/// How long requests in flight have when the process is told to stop.
const GRACE: Duration = Duration::from_secs(10);

/// What replicas count of everything is kept in so many rows.
const SHARDS: u64 = 16;

/// Of connections of nodes.
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);

/// Serves until it is told to stop.
pub(crate) async fn run(args: Serve) -> Result<(), Failure> {
    let (options, wait) = (Options::read(&args)?, args.drain_wait.unwrap_or_default());
    let http = bind("--listen", &args.listen).await?;
    let nodes = bind("--grpc-listen", &args.grpc_listen).await?;
    let operations = bind("--ops-listen", &args.ops_listen).await?;
    Ok(serve(options, args.database, wait, http, nodes, operations).await?)
}

async fn bind(flag: &str, address: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{flag} {address}"))
}

async fn serve(
    options: Options,
    database_flags: Database,
    wait: Duration,
    http: TcpListener,
    nodes: TcpListener,
    operations: TcpListener,
) -> anyhow::Result<()> {
    let Options { database, seal, given, files, http_tls, grpc_tls, front, listen, keep_changes, keep_usage } =
        options;
    let store = Store::new(&database, seal, CONNECTIONS)?;
    let (status, started) = Status::new();
    let (stop, stopping) = watch::channel(false);
    let number = random::number();
    let replica = format!("{number:016x}");
    say("management", &http, http_tls.is_some())?;
    say("nodes", &nodes, grpc_tls.is_some())?;
    say("operations", &operations, false)?;

    let publisher = Publisher::new(store.clone());
    let registry = Registry::new(replica.clone());
    let ledger = Ledger::new(&store);
    let counts = Arc::<Counts>::default();
    let ops = Ops {
        counts: counts.clone(),
        status: status.clone(),
        store: store.clone(),
        publisher: publisher.clone(),
        registry: registry.clone(),
        ledger: ledger.clone(),
    };
    let operations = operations.into_std()?;
    let _ops = side_thread("operations", 1, async move { Ok(ops::serve(operations, ops).await?) })?;
    let shard = i16::try_from(number % SHARDS).unwrap_or(0);
    let ingest = Ingest::new(ledger.clone(), store.clone(), shard);
    let (is_started, stops) = (started.clone(), stopping.clone());
    let _ingest = side_thread("ledger", 1, take_usage(ingest, is_started, stops))?;
    let stream = Stream { publisher, registry, ledger, store: store.clone(), started, stopping, listen };
    let nodes = nodes.into_std()?;
    let (http_files, grpc_files) = (Watch::new()?, Watch::new()?);
    let (given_files, database_files) = (Watch::new()?, Watch::new()?);
    let grpc_tls = grpc_tls.map(|certificate| renewed(certificate, grpc_files, &["h2"]));
    let stream = side_thread("stream", 2, stream.run(nodes, grpc_tls))?;

    let master_key = Arc::new(MasterKey::new(KeyHash::of(given.master_key.expose())));
    let api = api::State {
        store: store.clone(),
        master_key: master_key.clone(),
        prices: Arc::new(PriceBook::embedded()),
        env: |name| std::env::var(name).ok(),
        read: |path| std::fs::read_to_string(path),
    };
    let routes = api::all(publish::routes());
    let front = front.before(&routes);
    let app = http::app(api::router(api, routes, front.root()), status.clone(), counts.clone());
    let mut stopped = stop.subscribe();
    let http_tls = http_tls.map(|certificate| renewed(certificate, http_files, &["h2", "http/1.1"]));
    let http = tokio::spawn(http::serve(http, http_tls, front, app, async move {
        let _ = stopped.wait_for(|stopping| *stopping).await;
    }));
    if let Some(file) = database_flags.file() {
        let (store, status) = (store.clone(), status.clone());
        let file = DatabaseFile { database: database_flags, file, in_force: database, store, status };
        tokio::spawn(file.follow(database_files));
    }
    let (in_force, is_started) = (InForce::default(), status.clone());
    let declared = Declared { store: store.clone(), status: status.clone(), master_key, given, in_force };
    let start = start::Start { store: store.clone(), declared, status: is_started };
    tokio::spawn(async move {
        let declared = start.run().await;
        tokio::spawn(declared.follow(files, given_files));
        jobs::run(store, replica, counts, keep_changes, keep_usage).await
    });

    told_to_stop().await?;
    tracing::info!(wait_seconds = wait.as_secs(), "stopping");
    status.stop();
    // Whoever says it again will not wait.
    let _ = timeout(wait, told_to_stop()).await;
    stop.send_replace(true);
    let _ = timeout(GRACE, http).await;
    let ended = tokio::task::spawn_blocking(move || stream.join());
    let _ = timeout(GRACE, ended).await;
    tracing::info!("stopped");
    Ok(())
}

fn say(what: &str, listener: &TcpListener, tls: bool) -> anyhow::Result<()> {
    let scheme = if tls { "https" } else { "http" };
    tracing::info!("{what} listening on {scheme}://{}", listener.local_addr()?);
    Ok(())
}

/// What a listener offers with a certificate that is read anew when its files change.
fn renewed(certificate: Arc<Certificate>, files: Watch, protocols: &[&str]) -> Arc<ServerConfig> {
    tokio::spawn(certificate.clone().watch(files));
    certificate.server_config(protocols)
}

async fn told_to_stop() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// What serves nodes, on threads of its own: no request of the management API is in its way, nor the other way round.
struct Stream {
    publisher: Arc<Publisher>,
    registry: Arc<Registry>,
    ledger: Arc<Ledger>,
    store: Store,
    started: watch::Receiver<bool>,
    stopping: watch::Receiver<bool>,
    /// Hear notifications.
    listen: bool,
}

impl Stream {
    async fn run(self, nodes: std::net::TcpListener, tls: Option<Arc<ServerConfig>>) -> anyhow::Result<()> {
        let Self { publisher, registry, ledger, store, mut started, stopping, listen } = self;
        let join = Join::new(&store);
        tokio::spawn(join.clone().watch());
        tokio::spawn(registry.clone().run(store.clone()));
        let publish = publisher.clone();
        tokio::spawn(async move {
            if started.wait_for(|started| *started).await.is_ok() {
                publish.run(listen).await;
            }
        });
        let usage = Usage { ledger, join: join.clone(), stopping: stopping.clone() }.server();
        let service =
            Snapshots { publisher, registry: registry.clone(), join, usage, stopping: stopping.clone() };
        let incoming = TcpIncoming::from(TcpListener::from_std(nodes)?);
        let incoming = incoming.with_nodelay(Some(true)).with_keepalive(Some(TCP_KEEPALIVE));
        let serving = async {
            match tls {
                None => service.serve(incoming).await,
                Some(tls) => service.serve(tls::handshakes(incoming, tls)).await,
            }
        };
        tokio::select! {
            served = serving => served?,
            () = overdue(stopping) => tracing::warn!("some subscriptions did not end in time"),
        }
        // The last word on every node: it is not connected here any more.
        if timeout(GRACE / 4, registry.flush(&store)).await.is_err() {
            tracing::warn!("what nodes ran last was not written down");
        }
        Ok(())
    }
}

/// Takes in what nodes used, once the database was found good and until this replica stops.
async fn take_usage(
    ingest: Ingest,
    mut started: watch::Receiver<bool>,
    mut stopping: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let work = async {
        // Where nobody can say that it was found any more, the process ends.
        if started.wait_for(|started| *started).await.is_err() {
            return std::future::pending().await;
        }
        ingest.run().await
    };
    tokio::select! {
        never = work => match never {},
        _ = stopping.wait_for(|stopping| *stopping) => Ok(()),
    }
}

async fn overdue(mut stopping: watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
    sleep(GRACE / 2).await;
}

/// Runs a task on threads and a runtime of its own.
fn side_thread(
    name: &'static str,
    workers: usize,
    task: impl Future<Output = anyhow::Result<()>> + Send + 'static,
) -> anyhow::Result<std::thread::JoinHandle<()>> {
    let runtime =
        Builder::new_multi_thread().worker_threads(workers).enable_all().build().context("no runtime")?;
    let run = move || {
        if let Err(error) = runtime.block_on(task) {
            tracing::error!(error = format!("{error:#}"), "{name} ended");
        }
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(run).context("cannot start a thread")
}
