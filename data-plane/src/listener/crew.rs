//! The workers: a thread each, with a current-thread runtime, connections and a pool of its own (design §9).

use std::io;
use std::net::{IpAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use bulkhead_telemetry::metric::Gauge;
use rustls::ServerConfig;
use tokio::runtime::Builder;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

use super::connection::{self, Accepted};
use crate::worker::Worker;

/// Connections that wait for a worker to take them; more are closed.
const HANDOVER: usize = 4096;
const HEARTBEAT: Duration = Duration::from_millis(500);
const SWEEP: Duration = Duration::from_secs(5);
/// How long connections have to say that they are cut.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long a connection without a request is kept when the drain begins: a request may be on its way.
const FAREWELL: Duration = Duration::from_secs(1);

/// Threads that a worker has beside its own, for what would keep it from everything else.
const THREADS: usize = 4;

/// How a worker is told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drain {
    /// Serve.
    No,
    /// Finish what is in flight.
    Finish,
    /// Tell those who still wait that there is no more time, and end.
    Cut,
}

/// All workers.
pub(crate) struct Crew {
    members: Vec<Member>,
}

struct Member {
    worker: Arc<Worker>,
    handover: mpsc::Sender<Accepted<TcpStream>>,
    /// Connections given to this worker and not ended.
    load: Arc<Gauge>,
    thread: parking_lot::Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Crew {
    /// Starts a thread for each worker.
    pub(crate) fn start(
        workers: Vec<Arc<Worker>>,
        tls: Option<Arc<ServerConfig>>,
        drain: &watch::Receiver<Drain>,
    ) -> io::Result<Arc<Self>> {
        let members = workers
            .into_iter()
            .enumerate()
            .map(|(index, worker)| Member::start(index, worker, tls.clone(), drain.clone()))
            .collect::<io::Result<_>>()?;
        Ok(Arc::new(Self { members }))
    }

    /// Gives a connection to the worker with the fewest.
    pub(super) fn assign(&self, socket: TcpStream, peer: IpAddr) {
        let Some(member) = self.members.iter().min_by_key(|member| member.load.get()) else { return };
        member.load.add(1);
        if member.handover.try_send(Accepted { socket, peer, at: Instant::now() }).is_err() {
            member.load.sub(1);
            member.worker.metrics.turned_away.add(1);
            tracing::warn!("a connection was closed: its worker does not take any");
        }
    }

    /// Every worker.
    pub(crate) fn workers(&self) -> impl Iterator<Item = &Arc<Worker>> {
        self.members.iter().map(|member| &member.worker)
    }

    /// Waits for the threads, which end when they are told to drain and have.
    pub(crate) fn join(&self) {
        for member in &self.members {
            if let Some(thread) = member.thread.lock().take() {
                let _ = thread.join();
            }
        }
    }
}

impl Member {
    fn start(
        index: usize,
        worker: Arc<Worker>,
        tls: Option<Arc<ServerConfig>>,
        drain: watch::Receiver<Drain>,
    ) -> io::Result<Self> {
        let (handover, sockets) = mpsc::channel(HANDOVER);
        let load = Arc::<Gauge>::default();
        let turn = Turn {
            worker: worker.clone(),
            sockets,
            load: load.clone(),
            tls: tls.map(TlsAcceptor::from),
            drain,
        };
        let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(THREADS).build()?;
        let thread = std::thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn(move || runtime.block_on(turn.run()))?;
        Ok(Self { worker, handover, load, thread: parking_lot::Mutex::new(Some(thread)) })
    }
}

/// What a worker's thread does.
struct Turn {
    worker: Arc<Worker>,
    sockets: mpsc::Receiver<Accepted<TcpStream>>,
    load: Arc<Gauge>,
    tls: Option<TlsAcceptor>,
    drain: watch::Receiver<Drain>,
}

impl Turn {
    async fn run(mut self) {
        let tasks = TaskTracker::new();
        let mut heartbeat = interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut swept = Instant::now();
        let mut drain = self.drain.clone();
        loop {
            tokio::select! {
                biased;
                Some(accepted) = self.sockets.recv() => self.take(accepted, &tasks),
                _ = heartbeat.tick() => {
                    self.worker.beat();
                    if swept.elapsed() >= SWEEP {
                        swept = Instant::now();
                        self.worker.pool.sweep();
                    }
                }
                _ = drain.wait_for(|drain| *drain != Drain::No) => break,
            }
        }
        self.finish(&tasks).await;
    }

    fn take(&self, accepted: Accepted<TcpStream>, tasks: &TaskTracker) {
        let guard = LoadGuard(self.load.clone());
        let Accepted { socket, peer, at } = accepted;
        let socket = match tokio::net::TcpStream::from_std(socket) {
            Ok(socket) => socket,
            Err(error) => return tracing::debug!(%error, "a connection ended before it was served"),
        };
        let (worker, tls, drain) = (self.worker.clone(), self.tls.clone(), self.drain.clone());
        tasks.spawn(async move {
            connection::serve(worker, Accepted { socket, peer, at }, tls, drain).await;
            drop(guard);
        });
    }

    /// Serves what was handed over already, then waits for every connection to end.
    async fn finish(mut self, tasks: &TaskTracker) {
        self.sockets.close();
        while let Ok(accepted) = self.sockets.try_recv() {
            self.take(accepted, tasks);
        }
        tasks.close();
        let beating = async {
            let mut heartbeat = interval(HEARTBEAT);
            loop {
                heartbeat.tick().await;
                self.worker.beat();
            }
        };
        let mut drain = self.drain.clone();
        let cut = async {
            let _ = drain.wait_for(|drain| *drain == Drain::Cut).await;
            tracing::warn!(left = tasks.len(), "connections are cut: the grace period is over");
            tokio::time::sleep(LAST_WORDS).await;
        };
        tokio::select! {
            // First, so that it is told also where every connection has seen it already.
            biased;
            () = cut => {}
            () = tasks.wait() => {}
            () = beating => {}
        }
    }
}

/// Waits until a connection is to take no more requests, then until it is to end.
pub(super) async fn next_phase(phase: Drain, drain: &mut watch::Receiver<Drain>) -> Drain {
    let _ = drain.wait_for(|drain| *drain != phase).await;
    if phase == Drain::No {
        let _ = timeout(FAREWELL, drain.wait_for(|drain| *drain == Drain::Cut)).await;
    }
    *drain.borrow()
}

struct LoadGuard(Arc<Gauge>);

impl Drop for LoadGuard {
    fn drop(&mut self) {
        self.0.sub(1);
    }
}
