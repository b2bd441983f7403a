//! A node that is only a catalogue: it subscribes, applies what comes, and says what it did.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_pricing::PriceBook;
use bulkhead_proto::push::Push as Said;
use bulkhead_proto::report::Report as Say;
use bulkhead_proto::snapshots_client::SnapshotsClient;
use bulkhead_proto::{self as proto, Report};
use bulkhead_snapshot::wire::{Id, Row};
use bulkhead_snapshot::{Catalog, Digest, Full, Version, digest_of_items};
use bulkhead_testkit::eventually;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, ClientTlsConfig};
use tonic::{Request, Status};

use super::PATIENCE;

/// What a node has seen so far.
pub(crate) struct Seen {
    pub(crate) catalog: Catalog,
    /// Every version that was in force, with the limits of teams then.
    pub(crate) states: Vec<(Version, BTreeMap<String, Option<u64>>)>,
    pub(crate) fulls: usize,
    pub(crate) deltas: usize,
    pub(crate) forced: usize,
    pub(crate) refused: Vec<String>,
    pub(crate) held: Option<String>,
    /// How the subscription ended.
    pub(crate) ended: Option<Status>,
    /// Chunks of the last full sync.
    pub(crate) chunks: usize,
    /// The largest number of items in a chunk.
    pub(crate) largest_chunk: usize,
    /// Alive, but applies nothing.
    paused: bool,
}

/// A node. Dropping it cuts its connection.
pub(crate) struct Node {
    pub(crate) name: String,
    token: String,
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

impl Node {
    /// A node that runs nothing yet.
    pub(crate) fn new(name: &str, token: &str) -> Self {
        let seen = Seen {
            catalog: Catalog::new(Arc::new(PriceBook::embedded())),
            states: Vec::new(),
            fulls: 0,
            deltas: 0,
            forced: 0,
            refused: Vec::new(),
            held: None,
            ended: None,
            chunks: 0,
            largest_chunk: 0,
            paused: false,
        };
        let seen = Arc::new(Mutex::new(seen));
        Self { name: name.to_owned(), token: token.to_owned(), seen, task: tokio::spawn(async {}) }
    }

    /// A node that subscribes.
    pub(crate) fn subscribed(name: &str, token: &str, address: SocketAddr) -> Self {
        let mut node = Self::new(name, token);
        node.subscribe(address);
        node
    }

    /// The same node with another token.
    pub(crate) fn with_token(mut self, token: &str) -> Self {
        token.clone_into(&mut self.token);
        self
    }

    /// Subscribes, with what it runs.
    pub(crate) fn subscribe(&mut self, address: SocketAddr) {
        self.subscribe_to(Channel::from_shared(format!("http://{address}")).unwrap());
    }

    /// Subscribes by TLS.
    pub(crate) fn subscribe_securely(&mut self, address: SocketAddr, tls: ClientTlsConfig) {
        let channel = Channel::from_shared(format!("https://{address}")).unwrap().tls_config(tls).unwrap();
        self.subscribe_to(channel);
    }

    fn subscribe_to(&mut self, endpoint: tonic::transport::Endpoint) {
        self.task.abort();
        (self.seen.lock().ended, self.seen.lock().held) = (None, None);
        let (seen, token, name) = (self.seen.clone(), self.token.clone(), self.name.clone());
        self.task = tokio::spawn(async move {
            let ended = match follow(endpoint, &seen, &token, name).await {
                Ok(()) => Status::ok("the stream ended"),
                Err(status) => status,
            };
            seen.lock().ended = Some(ended);
        });
    }

    /// Cuts the connection.
    pub(crate) fn leave(&self) {
        self.task.abort();
        self.seen.lock().ended = Some(Status::cancelled("the test cut it"));
    }

    /// Subscribes again whenever the subscription ends, until it runs a version.
    pub(crate) async fn persist(&mut self, address: SocketAddr, version: &Version) {
        let started = std::time::SystemTime::now();
        while !self.runs(version) {
            if self.seen.lock().ended.is_some() {
                self.subscribe(address);
            }
            assert!(
                started.elapsed().unwrap() < PATIENCE,
                "{} does not get {version}: {}",
                self.name,
                self.said()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Lets it be alive and apply nothing, or go on.
    pub(crate) fn pause(&self, pause: bool) {
        self.seen.lock().paused = pause;
    }

    pub(crate) fn look<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.seen.lock())
    }

    pub(crate) fn runs(&self, version: &Version) -> bool {
        self.look(|seen| seen.catalog.version() == Some(version))
    }

    pub(crate) async fn until_runs(&self, version: &Version) {
        let runs = eventually(PATIENCE, || self.runs(version)).await;
        assert!(runs, "{} does not get {version}: {}", self.name, self.said());
    }

    pub(crate) async fn until(&self, what: &str, mut good: impl FnMut(&Seen) -> bool) {
        let is = eventually(PATIENCE, || good(&self.seen.lock())).await;
        assert!(is, "{}: not {what}: {}", self.name, self.said());
    }

    /// The rows in force.
    pub(crate) fn rows(&self) -> BTreeMap<Id, Row> {
        self.look(|seen| seen.catalog.rows().map(|row| (row.id(), row)).collect())
    }

    /// Rows that were rejected, and why.
    pub(crate) fn rejected(&self) -> Vec<String> {
        self.look(|seen| seen.catalog.rejected().map(|(id, reason)| format!("{id}: {reason}")).collect())
    }

    fn said(&self) -> String {
        self.look(|seen| {
            format!(
                "runs {:?}, fulls {}, deltas {}, refused {:?}, held {:?}, ended {:?}",
                seen.catalog.version(),
                seen.fulls,
                seen.deltas,
                seen.refused,
                seen.held,
                seen.ended
            )
        })
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(
    endpoint: tonic::transport::Endpoint,
    seen: &Mutex<Seen>,
    token: &str,
    name: String,
) -> Result<(), Status> {
    let channel = endpoint.connect().await.map_err(|error| Status::unavailable(format!("{error:?}")))?;
    let mut client = SnapshotsClient::new(channel).max_decoding_message_size(64 << 20);
    let (reports, queue) = mpsc::channel(16);
    let _ = reports.send(hello(seen, name)).await;
    let mut request = Request::new(ReceiverStream::new(queue));
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    let mut pushes = client.subscribe(request).await?.into_inner();
    let mut coming: Option<(proto::FullBegin, Vec<proto::Item>, Digest)> = None;
    let mut beat = tokio::time::interval(Duration::from_secs(1));
    loop {
        let push = tokio::select! {
            push = pushes.message() => push?,
            _ = beat.tick() => {
                let _ = reports.send(say(Say::Alive(proto::Alive {}))).await;
                continue;
            }
        };
        let Some(push) = push else { return Ok(()) };
        while seen.lock().paused {
            beat.tick().await;
            let _ = reports.send(say(Say::Alive(proto::Alive {}))).await;
        }
        let report = match push.push {
            Some(Said::FullBegin(begin)) => {
                seen.lock().chunks = 0;
                coming = Some((begin, Vec::new(), Digest::default()));
                None
            }
            Some(Said::Chunk(chunk)) => {
                let (_, items, digest) = coming.as_mut().expect("a full sync has begun");
                assert_eq!(digest_of_items(&chunk.items), *chunk.digest);
                digest.digest(&chunk.digest);
                let mut seen = seen.lock();
                seen.chunks += 1;
                seen.largest_chunk = seen.largest_chunk.max(chunk.items.len());
                items.extend(chunk.items);
                None
            }
            Some(Said::FullEnd(end)) => {
                let (begin, items, digest) = coming.take().expect("a full sync has begun");
                assert_eq!(digest.finish(), *end.digest);
                assert_eq!(u64::try_from(items.len()).unwrap(), begin.resources);
                Some(seen.lock().full(begin, items))
            }
            Some(Said::Delta(delta)) => Some(seen.lock().delta(delta)),
            Some(Said::Held(held)) => {
                seen.lock().held = Some(held.reason);
                None
            }
            Some(Said::Alive(_)) | None => None,
        };
        if let Some(report) = report {
            let _ = reports.send(say(report)).await;
        }
    }
}

fn hello(seen: &Mutex<Seen>, node: String) -> Report {
    let seen = seen.lock();
    let version = seen.catalog.version().map(Version::encode);
    let (incarnation, release) = (node.clone().into_bytes().into(), "0.0.0".to_owned());
    say(Say::Hello(proto::Hello { node, incarnation, release, version, rejected: seen.rejected() }))
}

fn say(report: Say) -> Report {
    Report { report: Some(report) }
}

impl Seen {
    fn full(&mut self, begin: proto::FullBegin, items: Vec<proto::Item>) -> Say {
        let version = Version::decode(begin.version.as_ref()).unwrap();
        self.fulls += 1;
        self.forced += usize::from(begin.forced);
        let outcome = self.catalog.full(Full { version, items, forced: begin.forced });
        self.said(outcome, begin.version)
    }

    fn delta(&mut self, delta: proto::Delta) -> Say {
        self.deltas += 1;
        let version = delta.version.clone();
        let outcome = self.catalog.delta(delta);
        self.said(outcome, version)
    }

    fn said(
        &mut self,
        outcome: Result<(), bulkhead_snapshot::Refused>,
        version: Option<proto::Version>,
    ) -> Say {
        match outcome {
            Ok(()) => {
                self.held = None;
                let limits = self.catalog.rows().filter_map(|row| match row {
                    Row::Team(team) => Some((team.id.clone(), team.limits.rpm)),
                    _ => None,
                });
                self.states.push((*self.catalog.version().unwrap(), limits.collect()));
                Say::Applied(proto::Applied { version, rejected: self.rejected() })
            }
            Err(refused) => {
                self.refused.push(refused.0.clone());
                Say::Refused(proto::Refused { version, reason: refused.0 })
            }
        }
    }

    fn rejected(&self) -> Vec<proto::Rejected> {
        let rejected = |(id, reason): (&Id, String)| proto::Rejected { resource: Some(id.encode()), reason };
        self.catalog.rejected().map(rejected).collect()
    }
}
