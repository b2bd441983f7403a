//! Nodes that are told to stop: readiness goes at once, nobody is cut off, and everything is reported before they go.

use std::time::Duration;

use tokio::time::Instant;

use crate::support::{
    Ask, Asked, BUSY, Books, ControlPlane, Database, Dice, Fate, Figures, HaProxy, Kind, Load, Mix, Node,
    Rig, Source, alone, check_rollups, until,
};

/// How often every node is restarted; `BULKHEAD_ROLLING` says otherwise, and makes streams longer.
const ROUNDS: u32 = 2;
/// How long readiness may take to go.
const UNREADY: Duration = Duration::from_millis(100);
/// How long nodes go on taking connections: longer than HAProxy takes to notice.
const DRAIN_WAIT: &[&str] = &["--drain-wait", "2s"];
/// A node that is told to stop is gone.
const GONE: Duration = Duration::from_secs(60);
/// Between two ordinary requests.
const GAP: Duration = Duration::from_millis(5);
/// Long streams at a time.
const STREAMS: u32 = 20;
/// Long streams are numbered from here.
const FIRST_STREAM: usize = 10_000_000;

static SHORT: [Kind; 3] = [
    Kind::chat("plain", 3, "chunks-40"),
    Kind::chat("stream", 1, "chunks-40").of("plain").asking(Ask::ChatStream),
    Kind::chat("claude", 1, "chunks-40").asking(Ask::MessagesStream),
];
/// Four seconds.
static LONG: [Kind; 1] =
    [Kind::chat("long", 1, "chunks-40+slow-chunk-100").asking(Ask::ChatStream).exactly(40)];
/// Ten seconds.
static LONGER: [Kind; 1] =
    [Kind::chat("longer", 1, "chunks-40+slow-chunk-250").asking(Ask::ChatStream).exactly(40)];

/// Nodes that stop in order, and one control plane.
struct Fleet {
    nodes: Vec<Node>,
    key: String,
    control_plane: ControlPlane,
    rig: Rig,
}

impl Fleet {
    async fn start(names: &[&str]) -> Self {
        let rig = Rig::with_books(Database::shared());
        let control_plane = rig.control_plane().await;
        let mut api = control_plane.api();
        for kinds in [&SHORT[..], &LONG, &LONGER] {
            rig.declare_all(&mut api, kinds).await;
        }
        let key = api.key_with(serde_json::json!({"max_budget": 1e6})).await;
        let launch = |name: &&str| Node::launch_with(name, control_plane.grpc, &rig.token, DRAIN_WAIT);
        let nodes: Vec<_> = names.iter().map(launch).collect();
        for node in &nodes {
            node.until_status("plain", &key, 200).await;
        }
        Self { nodes, key, control_plane, rig }
    }

    /// Ordinary requests and long streams.
    fn loads(&self, target: std::net::SocketAddr, long: &'static [Kind], length: Duration) -> [Load; 2] {
        let mut dice = Dice::cast();
        let (targets, keys) = (vec![target], vec![self.key.clone()]);
        let short = Mix { kinds: &SHORT, targets, keys, gap: GAP, from: 1 };
        let long = Mix { kinds: long, gap: length / STREAMS, from: FIRST_STREAM, ..short.clone() };
        [Load::start(short, &mut dice), Load::start(long, &mut dice)]
    }

    /// All requests were answered to their end, and are in the ledger as the provider reported them.
    fn check(&self, asked: &[Asked]) {
        let bad: Vec<_> = asked.iter().filter(|asked| asked.fate != Fate::Whole(200)).collect();
        assert!(bad.is_empty(), "{} of {} failed: {:#?}", bad.len(), asked.len(), &bad[..bad.len().min(5)]);
        let books = Books::read(&self.rig.database, &self.rig.mock);
        let sums = books.check();
        let missing = asked.iter().find(|asked| {
            books
                .event(asked.number)
                .is_none_or(|event| event.source != Source::Reported || !event.failure.is_empty())
        });
        assert!(missing.is_none(), "{missing:?}: {:?}", missing.and_then(|asked| books.event(asked.number)));
        assert_eq!(books.events.len(), asked.len());
        assert_eq!((sums.reported, sums.bounds), (sums.produced, 0), "{sums:?}");
        check_rollups(&self.rig.database);
        eprintln!("{} requests, none failed; {sums:?}", asked.len());
    }

    /// How far the events of a node's starts are in the ledger.
    fn marks(&self, node: &str) -> Vec<Vec<String>> {
        let query = "select through, incarnation from usage_marks where node = '";
        self.rig.database.rows(&format!("{query}{node}' order by 2"))
    }
}

/// Tells a node to stop; how long its readiness took to go.
async fn told_to_stop(node: &Node) -> Duration {
    let began = Instant::now();
    node.process.signal("TERM");
    while node.readiness().await.0 == 200 {
        assert!(began.elapsed() < UNREADY * BUSY, "ready after {:?}", began.elapsed());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    began.elapsed()
}

async fn gone(node: &mut Node) {
    let status = node.process.ended(GONE).await;
    assert!(status.success(), "{} ended with {status}", node.name);
}

#[tokio::test]
async fn a_node_that_is_told_to_stop_finishes_and_reports_what_it_began() {
    let _alone = alone().await;
    let mut fleet = Fleet::start(&["one"]).await;
    // What made sure that it serves is reported, too.
    let before = fleet.rig.mock.ledger().count();
    let [short, long] = fleet.loads(fleet.nodes[0].addr, &LONG, Duration::from_secs(4));
    tokio::time::sleep(Duration::from_secs(5)).await;
    let took = told_to_stop(&fleet.nodes[0]).await;
    // As a load balancer does that has noticed.
    let under_way = fleet.rig.mock.stats();
    let asked = [short.finish(), long.finish()].concat();
    let began = Instant::now();
    gone(&mut fleet.nodes[0]).await;
    eprintln!(
        "unready after {took:.1?} with {under_way:?}, gone {:.1?} after the last answer",
        began.elapsed()
    );
    fleet.check(&asked);
    let rows = fleet.rig.database.rows("select count(*) from usage_events");
    assert_eq!(rows, [[(asked.len() as u64 + before).to_string()]]);
}

#[tokio::test]
async fn nobody_notices_that_nodes_are_restarted_one_after_the_other() {
    let _alone = alone().await;
    let rounds = std::env::var("BULKHEAD_ROLLING").ok().map(|rounds| rounds.parse().unwrap());
    let (long, seconds): (&'static [Kind], _) = if rounds.is_some() { (&LONGER, 10) } else { (&LONG, 4) };
    let mut fleet = Fleet::start(&["one", "two", "three"]).await;
    let balancer = HaProxy::before(&fleet.nodes).await;
    let loads = fleet.loads(balancer.addr, long, Duration::from_secs(seconds));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (mut unready, mut marks) = (Vec::new(), Vec::new());
    let began = Instant::now();
    for _ in 0..rounds.unwrap_or(ROUNDS) {
        for place in 0..fleet.nodes.len() {
            unready.push(told_to_stop(&fleet.nodes[place]).await);
            gone(&mut fleet.nodes[place]).await;
            let name = fleet.nodes[place].name.clone();
            marks.push((name.clone(), fleet.marks(&name)));
            fleet.nodes[place].relaunch();
            fleet.nodes[place].until_ready().await;
        }
    }
    eprintln!("{} restarts in {:.1?}; unready: {}", marks.len(), began.elapsed(), Figures::of(unready));
    let asked = loads.map(Load::finish).concat();
    for node in &mut fleet.nodes {
        node.process.signal("TERM");
    }
    for node in &mut fleet.nodes {
        gone(node).await;
    }
    fleet.check(&asked);
    // Whatever a node had to report was there when it was gone.
    for (name, then) in marks {
        let now = fleet.marks(&name);
        assert!(then.iter().all(|mark| now.contains(mark)), "{name}: {then:?}, now {now:?}");
    }
}

#[tokio::test]
async fn what_a_node_could_not_report_when_it_stopped_comes_with_its_next_start() {
    let _alone = alone().await;
    let mut fleet = Fleet::start(&["one"]).await;
    fleet.control_plane.process.kill();
    let [short, long] = fleet.loads(fleet.nodes[0].addr, &LONG, Duration::from_secs(4));
    tokio::time::sleep(Duration::from_secs(2)).await;
    told_to_stop(&fleet.nodes[0]).await;
    let asked = [short.finish(), long.finish()].concat();
    let began = Instant::now();
    gone(&mut fleet.nodes[0]).await;
    eprintln!("gone {:.1?} after the last answer, with nobody to report to", began.elapsed());
    fleet.control_plane.relaunch();
    fleet.nodes[0].relaunch();
    fleet.nodes[0].until_ready().await;
    let waits = || async { fleet.nodes[0].metric("bulkhead_usage_spool_events").await < 0.5 };
    until("the spool is empty", waits).await;
    fleet.check(&asked);
}
