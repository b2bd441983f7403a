//! Fifty nodes that come back at once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bulkhead_proto::push::Push as Said;
use bulkhead_proto::report::Report as Say;
use bulkhead_proto::snapshots_client::SnapshotsClient;
use bulkhead_proto::{self as proto, Report};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;
use tonic::{Request, Status};

use crate::support::{Api, BUSY, Figures, Rig, alone, until};

const NODES: usize = 50;
/// What each of them is sent.
const KEYS: usize = 5000;
const CALLS: u32 = 60;
const PAUSE: Duration = Duration::from_millis(20);

/// A node that takes everything and remembers nothing: it wants a full sync each time.
async fn follow(
    name: String,
    addr: SocketAddr,
    token: String,
    synced: Arc<AtomicUsize>,
) -> Result<(), Status> {
    let endpoint = Endpoint::from_shared(format!("http://{addr}")).unwrap();
    let channel = endpoint.connect().await.map_err(|error| Status::unavailable(format!("{error:?}")))?;
    let mut client = SnapshotsClient::new(channel).max_decoding_message_size(64 << 20);
    let (reports, queue) = mpsc::channel(16);
    let (node, incarnation) = (name.clone(), name.into_bytes().into());
    let hello = proto::Hello { node, incarnation, ..proto::Hello::default() };
    let _ = reports.send(Report { report: Some(Say::Hello(hello)) }).await;
    let mut request = Request::new(ReceiverStream::new(queue));
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    let mut pushes = client.subscribe(request).await?.into_inner();
    let mut resources = 0;
    while let Some(push) = pushes.message().await? {
        let version = match push.push {
            Some(Said::FullBegin(_)) => {
                resources = 0;
                continue;
            }
            Some(Said::Chunk(chunk)) => {
                resources += chunk.items.len();
                continue;
            }
            Some(Said::FullEnd(end)) => {
                assert!(resources > KEYS, "{resources}");
                synced.fetch_add(1, Ordering::Relaxed);
                end.version
            }
            Some(Said::Delta(delta)) => delta.version,
            _ => continue,
        };
        let applied = proto::Applied { version, ..proto::Applied::default() };
        let _ = reports.send(Report { report: Some(Say::Applied(applied)) }).await;
    }
    Ok(())
}

/// What calls of the management API take: reads and changes in turn.
async fn use_api(api: &mut Api, calls: u32) -> Figures {
    let mut times = Vec::new();
    let mut key = api.key().await;
    for call in 0..calls {
        let began = Instant::now();
        match call % 3 {
            0 => key = api.key().await,
            1 => drop(api.change("/key/block", serde_json::json!({"key": key})).await),
            _ => drop(api.get(&format!("/key/info?key={key}")).await),
        }
        times.push(began.elapsed());
        tokio::time::sleep(PAUSE).await;
    }
    Figures::of(times)
}

#[tokio::test]
async fn fifty_nodes_that_come_back_at_once_do_not_disturb_the_api() {
    let _alone = alone().await;
    let rig = Rig::shared();
    rig.database.execute(&format!(
        "insert into keys (token, id, name)
         select sha256(convert_to('herd' || n, 'UTF8')), 'herd' || n, 'sk-...' from generate_series(1, {KEYS}) n"
    ));
    let control_plane = rig.control_plane().await;
    let synced = Arc::<AtomicUsize>::default();
    // On a runtime of their own: what they cost this test is not what the API costs.
    let herd = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let start = || {
        let mut nodes = JoinSet::new();
        for n in 0..NODES {
            let (token, synced) = (rig.token.clone(), synced.clone());
            nodes.spawn_on(follow(format!("herd-{n}"), control_plane.grpc, token, synced), herd.handle());
        }
        nodes
    };
    let mut nodes = start();
    until("all are there", || async { synced.load(Ordering::Relaxed) == NODES }).await;
    let mut api = control_plane.api();
    let quiet = use_api(&mut api, CALLS).await;
    let mut stampede = Vec::new();
    for round in 2..=4 {
        nodes.abort_all();
        nodes = start();
        stampede.push(use_api(&mut api, CALLS).await);
        until("all are back", || async { synced.load(Ordering::Relaxed) >= round * NODES }).await;
    }
    eprintln!("the API with {NODES} nodes connected: {quiet}");
    for disturbed in &stampede {
        eprintln!("while all of them connect anew: {disturbed}");
    }
    let worst = stampede.iter().map(Figures::p99).max().unwrap();
    assert!(worst < quiet.p99() * BUSY + Duration::from_millis(100), "{worst:?}");
    let ended = nodes.try_join_next();
    assert!(ended.is_none(), "a node was thrown out: {ended:?}");
    let told = api.get("/nodes").await;
    let connected = told["nodes"].as_array().unwrap().iter().filter(|node| node["connected"] == true);
    assert_eq!(connected.count(), NODES);
    drop(nodes);
    herd.shutdown_background();
}
