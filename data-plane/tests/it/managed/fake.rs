//! A control plane of a test: a few rows, one history, and everything that can go wrong on the stream.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use bulkhead_model::KeyHash;
use bulkhead_proto::push::Push as Said;
use bulkhead_proto::report::Report as Say;
use bulkhead_proto::snapshots_server::{Snapshots, SnapshotsServer};
use bulkhead_proto::{self as proto, Hello, Item, Push, Report};
use bulkhead_snapshot::wire::{Id, Row, encode};
use bulkhead_snapshot::{Digest, Version, digest_of_delta, digest_of_items};
use bulkhead_testkit::{canary, eventually};
use bytes::Bytes;
use futures_util::Stream;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tonic::codegen::Service;
use tonic::{Request, Response, Status, Streaming};

use crate::support::PATIENCE;

const BEAT: Duration = Duration::from_secs(1);

/// A control plane on a thread of its own.
pub(crate) struct Fake {
    pub(crate) addr: SocketAddr,
    shared: Arc<Shared>,
    /// Ends the runtime when it is dropped.
    _stop: mpsc::Sender<()>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Held by a test to stop the thread where it is.
    frozen: Mutex<()>,
}

struct State {
    cluster: u8,
    epoch: u64,
    rows: BTreeMap<Id, Row>,
    /// `hashes[seq]`.
    hashes: Vec<[u8; 32]>,
    sessions: Vec<Sink>,
    hellos: Vec<Hello>,
    reports: Vec<Say>,
    /// Answers a hello with nothing.
    mute: bool,
    token: String,
}

type Sink = mpsc::UnboundedSender<Result<Push, Status>>;

impl Default for State {
    fn default() -> Self {
        Self {
            cluster: 7,
            epoch: 1,
            rows: BTreeMap::new(),
            hashes: vec![[0; 32]],
            sessions: Vec::new(),
            hellos: Vec::new(),
            reports: Vec::new(),
            mute: false,
            token: canary::JOIN_TOKEN.to_owned(),
        }
    }
}

impl Fake {
    pub(crate) fn start(rows: Vec<Row>) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), rows, None)
    }

    pub(crate) fn start_at(addr: SocketAddr, rows: Vec<Row>, tls: Option<TlsAcceptor>) -> Self {
        let shared = Arc::<Shared>::default();
        shared.state.lock().change(rows, Vec::new());
        let (stop, stopped) = mpsc::channel(1);
        let (bound, address) = sync_channel(1);
        let serving = shared.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind(addr).await.unwrap();
                bound.send(listener.local_addr().unwrap()).unwrap();
                serve(listener, serving, tls, stopped).await;
            });
        });
        Self { addr: address.recv().unwrap(), shared, _stop: stop }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Commits a change and publishes it.
    pub(crate) fn change(&self, put: Vec<Row>, delete: Vec<Id>) -> u64 {
        let mut state = self.state();
        let delta = state.change(put, delete);
        state.publish(Said::Delta(delta));
        state.version().seq
    }

    /// Commits a change that nobody is told of; the delta that would tell.
    pub(crate) fn change_quietly(&self, put: Vec<Row>, delete: Vec<Id>) -> proto::Delta {
        self.state().change(put, delete)
    }

    /// Says something to every node.
    pub(crate) fn say(&self, said: Said) {
        self.state().publish(said);
    }

    /// Everything there is, as a full sync of one chunk.
    pub(crate) fn full(&self) -> Vec<Said> {
        self.state().full()
    }

    pub(crate) fn version(&self) -> Version {
        self.state().version()
    }

    pub(crate) fn seq(&self) -> u64 {
        self.version().seq
    }

    pub(crate) fn hellos(&self) -> Vec<Hello> {
        self.state().hellos.clone()
    }

    pub(crate) fn refusals(&self) -> Vec<String> {
        let of = |report: &Say| {
            if let Say::Refused(refused) = report { Some(refused.reason.clone()) } else { None }
        };
        self.state().reports.iter().filter_map(of).collect()
    }

    pub(crate) fn applied(&self) -> Vec<proto::Applied> {
        let of = |report: &Say| if let Say::Applied(applied) = report { Some(applied.clone()) } else { None };
        self.state().reports.iter().filter_map(of).collect()
    }

    /// Waits until some node has applied what is committed.
    pub(crate) async fn until_applied(&self) {
        let version = Some(self.version().encode());
        let applied = || self.applied().iter().any(|applied| applied.version == version);
        assert!(eventually(PATIENCE, applied).await, "{:?}", self.refusals());
    }

    pub(crate) async fn until_refused(&self, part: &str) {
        let refused = || self.refusals().iter().any(|reason| reason.contains(part));
        assert!(eventually(PATIENCE, refused).await, "no `{part}` in {:?}", self.refusals());
    }

    pub(crate) async fn until_hellos(&self, count: usize, patience: Duration) {
        assert!(eventually(patience, || self.hellos().len() >= count).await, "{}", self.hellos().len());
    }

    /// Becomes another database, or another state of the same one.
    pub(crate) fn become_of(&self, cluster: u8, epoch: u64, seq: u64) {
        let mut state = self.state();
        (state.cluster, state.epoch) = (cluster, epoch);
        state.hashes.truncate(usize::try_from(seq).unwrap() + 1);
    }

    /// Takes another join token, and drops those who came with the one before.
    pub(crate) fn take_only(&self, token: &str) {
        let mut state = self.state();
        state.token = token.to_owned();
        state.sessions.clear();
    }

    /// Says nothing of its own accord any more.
    pub(crate) fn mute(&self) {
        self.state().mute = true;
    }

    /// Ends every stream.
    pub(crate) fn hang_up(&self) {
        self.state().sessions.clear();
    }

    /// Stops as SIGSTOP would: connections stay open and nothing is answered. Until what this returns is dropped.
    pub(crate) fn freeze(&self) -> impl Drop + '_ {
        self.shared.frozen.lock()
    }

    fn state(&self) -> parking_lot::MutexGuard<'_, State> {
        self.shared.state.lock()
    }
}

impl State {
    fn version(&self) -> Version {
        let seq = self.hashes.len() - 1;
        Version {
            cluster: [self.cluster; 16],
            epoch: self.epoch,
            seq: u64::try_from(seq).unwrap(),
            hash: self.hashes[seq],
        }
    }

    fn change(&mut self, put: Vec<Row>, delete: Vec<Id>) -> proto::Delta {
        let from = self.version();
        let items: Vec<_> = put.iter().map(encode).collect();
        let refs: Vec<_> = delete.iter().map(Id::encode).collect();
        delete.iter().for_each(|id| drop(self.rows.remove(id)));
        self.rows.extend(put.into_iter().map(|row| (row.id(), row)));
        let mut delta = proto::Delta { put: items, delete: refs, ..proto::Delta::default() };
        let digest = digest_of_delta(&delta);
        let mut next = Digest::default();
        next.digest(&from.hash);
        next.digest(&digest);
        self.hashes.push(next.finish());
        delta.from = Some(from.encode());
        delta.version = Some(self.version().encode());
        delta.digest = Bytes::copy_from_slice(&digest);
        delta
    }

    fn publish(&mut self, said: Said) {
        self.sessions.retain(|session| session.send(Ok(Push { push: Some(said.clone()) })).is_ok());
    }

    fn full(&self) -> Vec<Said> {
        full(self.version(), self.rows.values().map(encode).collect())
    }

    /// What a node gets that has said hello.
    fn answer(&self, hello: &Hello) -> Vec<Said> {
        let same = hello.version == Some(self.version().encode());
        if self.mute || same { Vec::new() } else { self.full() }
    }
}

/// A full sync of one chunk.
pub(crate) fn full(version: Version, items: Vec<Item>) -> Vec<Said> {
    let resources = u64::try_from(items.len()).unwrap();
    let digest = digest_of_items(&items);
    let mut whole = Digest::default();
    whole.digest(&digest);
    let (version, digest) = (Some(version.encode()), Bytes::copy_from_slice(&digest));
    vec![
        Said::FullBegin(proto::FullBegin { version: version.clone(), resources, forced: false }),
        Said::Chunk(proto::Chunk { items, digest }),
        Said::FullEnd(proto::FullEnd { version, digest: Bytes::copy_from_slice(&whole.finish()) }),
    ]
}

/// Names a key's row.
pub(crate) fn key_id(secret: &str) -> Id {
    Id::Key(KeyHash::of(secret))
}

/// Where there is a digest to mend after a test has changed what it is of.
pub(crate) fn redigest(delta: &mut proto::Delta) {
    delta.digest = Bytes::copy_from_slice(&digest_of_delta(delta));
}

async fn serve(
    listener: TcpListener,
    shared: Arc<Shared>,
    tls: Option<TlsAcceptor>,
    mut stopped: mpsc::Receiver<()>,
) {
    let mut beat = tokio::time::interval(BEAT);
    let mut look = tokio::time::interval(Duration::from_millis(5));
    loop {
        tokio::select! {
            _ = stopped.recv() => return,
            // While a test holds it, this thread stands still.
            _ = look.tick() => drop(shared.frozen.lock()),
            _ = beat.tick() => {
                let mut state = shared.state.lock();
                if !state.mute {
                    state.publish(Said::Alive(proto::Alive {}));
                }
            }
            Ok((socket, _)) = listener.accept() => {
                tokio::spawn(connection(socket, shared.clone(), tls.clone()));
            }
        }
    }
}

async fn connection(socket: TcpStream, shared: Arc<Shared>, tls: Option<TlsAcceptor>) {
    let snapshots = SnapshotsServer::new(Stub(shared));
    let service = service_fn(move |request| snapshots.clone().call(request));
    let server = http2::Builder::new(TokioExecutor::new());
    let _ = match tls {
        None => server.serve_connection(TokioIo::new(socket), service).await,
        Some(tls) => match tls.accept(socket).await {
            Ok(socket) => server.serve_connection(TokioIo::new(socket), service).await,
            Err(_) => return,
        },
    };
}

struct Stub(Arc<Shared>);

#[tonic::async_trait]
impl Snapshots for Stub {
    type SubscribeStream = Pin<Box<dyn Stream<Item = Result<Push, Status>> + Send>>;

    async fn subscribe(
        &self,
        request: Request<Streaming<Report>>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let expected = format!("Bearer {}", self.0.state.lock().token);
        let given = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
        if given != Some(&expected) {
            return Err(Status::unauthenticated("no such token"));
        }
        let mut reports = request.into_inner();
        let (pushes, mut queue) = mpsc::unbounded_channel();
        let shared = self.0.clone();
        let mut pushes = Some(pushes);
        tokio::spawn(async move {
            while let Ok(Some(Report { report: Some(report) })) = reports.message().await {
                let mut state = shared.state.lock();
                match report {
                    Say::Hello(hello) => {
                        let pushes = pushes.take().unwrap();
                        for said in state.answer(&hello) {
                            let _ = pushes.send(Ok(Push { push: Some(said) }));
                        }
                        state.hellos.push(hello);
                        state.sessions.push(pushes);
                    }
                    report => state.reports.push(report),
                }
            }
        });
        Ok(Response::new(Box::pin(futures_util::stream::poll_fn(move |cx| queue.poll_recv(cx)))))
    }
}

/// Names that are in a list of rejected rows.
pub(crate) fn names(rejected: &[proto::Rejected]) -> BTreeSet<String> {
    let name = |it: &proto::Rejected| it.resource.clone().map(|it| Id::decode(it).to_string());
    rejected.iter().filter_map(name).collect()
}
