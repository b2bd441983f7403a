//! Two nodes, two control planes and a server, with a proxy wherever something can be cut.

use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;

use bulkhead_testkit::FaultProxy;
use bulkhead_testkit::client::{Request, call};
use bulkhead_testkit::proxy::Mode;
use serde_json::json;
use tokio::time::Instant;

use super::chaos::{Act, Fault, LOCKED, Timeline};
use super::memory::Memory;
use crate::support::{ControlPlane, Database, Kind, Load, Node, Rig, Server, until};

/// How often is looked at memory and spools.
const LOOK: Duration = Duration::from_millis(500);
/// All that waited is in the database so long after everything is well.
const DRAIN: Duration = Duration::from_secs(120);
/// A node that stops has reported everything and is gone.
const STOP: Duration = Duration::from_secs(60);

/// A `kill -9` of a node.
#[derive(Debug)]
pub(super) struct Kill {
    /// The place of its address.
    pub(super) target: usize,
    pub(super) at: Instant,
    /// It serves again.
    pub(super) back: Instant,
}

pub(super) struct Plant {
    pub(super) nodes: Vec<Node>,
    pub(super) keys: Vec<String>,
    pub(super) memory: Memory,
    /// The most numbers that came to a control plane which had them already.
    pub(super) duplicates: u64,
    waiting: Vec<u64>,
    locks: Vec<JoinHandle<()>>,
    proxies: Vec<FaultProxy>,
    control_planes: Vec<ControlPlane>,
    database_proxy: FaultProxy,
    pub(super) rig: Rig,
    server: Server,
}

impl Plant {
    pub(super) async fn start(kinds: &[Kind]) -> Self {
        let server = Server::start();
        let database_proxy = FaultProxy::start(server.addr());
        let rig = Rig::with_books(Database::on(&server.url()));
        let url = rig.database.url_through(database_proxy.addr());
        let control_planes = vec![ControlPlane::launch(&url), ControlPlane::launch(&url)];
        for control_plane in &control_planes {
            control_plane.until_ready().await;
        }
        let proxies: Vec<_> = control_planes.iter().map(|it| FaultProxy::start(it.grpc)).collect();
        let keys = declare(&rig, &control_planes, kinds).await;
        let nodes: Vec<_> =
            proxies.iter().zip(["one", "two"]).map(|(proxy, name)| rig.node(name, proxy.addr())).collect();
        for node in &nodes {
            for key in &keys {
                node.until_status("plain", key, 200).await;
            }
        }
        let (memory, waiting) = (Memory::default(), vec![0; nodes.len()]);
        Self {
            nodes,
            keys,
            memory,
            duplicates: 0,
            waiting,
            locks: Vec::new(),
            proxies,
            control_planes,
            database_proxy,
            rig,
            server,
        }
    }

    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(|node| node.addr).collect()
    }

    /// The most events that waited in one spool.
    pub(super) fn most_waiting(&self) -> u64 {
        self.waiting.iter().max().copied().unwrap_or_default()
    }

    pub(super) async fn live_through(&mut self, timeline: &Timeline, load: &Load, kills: &mut Vec<Kill>) {
        let began = Instant::now();
        for (at, act) in &timeline.acts {
            self.look_until(began + *at).await;
            eprintln!("{:>5.1} s: {act:?}, {} requests", began.elapsed().as_secs_f64(), load.count());
            match *act {
                Act::Begin(fault) => self.begin(fault),
                Act::End(fault) => self.end(fault),
                Act::Kill(target) => kills.push(self.kill(target, load).await),
                Act::Hold => self.proxies.iter().for_each(|proxy| proxy.set(Mode::Delay(Duration::MAX))),
                Act::Lock => self.locks.push(self.rig.database.lock("usage_events", LOCKED)),
                Act::Break => {
                    self.proxies.iter().for_each(|proxy| {
                        proxy.reset_connections();
                        proxy.set(Mode::Pass);
                    });
                }
            }
        }
        self.look_until(began + timeline.length).await;
        self.locks.drain(..).for_each(|lock| lock.join().unwrap());
    }

    fn begin(&mut self, fault: Fault) {
        match fault {
            Fault::ControlPlanesKilled => self.control_planes.iter_mut().for_each(|it| it.process.kill()),
            Fault::ControlPlanesFrozen => self.control_planes.iter().for_each(|it| it.process.signal("STOP")),
            Fault::ControlPlanesCut => self.proxies.iter().for_each(cut),
            Fault::DatabaseKilled => self.server.stop(),
            Fault::DatabaseFrozen => self.server.freeze(),
            Fault::DatabaseCut => cut(&self.database_proxy),
            Fault::Repeats => {}
        }
    }

    fn end(&mut self, fault: Fault) {
        match fault {
            Fault::ControlPlanesKilled => self.control_planes.iter_mut().for_each(ControlPlane::relaunch),
            Fault::ControlPlanesFrozen => self.control_planes.iter().for_each(|it| it.process.signal("CONT")),
            Fault::ControlPlanesCut => self.proxies.iter().for_each(|proxy| proxy.set(Mode::Pass)),
            Fault::DatabaseKilled => self.server.launch(),
            Fault::DatabaseFrozen => self.server.thaw(),
            Fault::DatabaseCut => self.database_proxy.set(Mode::Pass),
            Fault::Repeats => {}
        }
    }

    async fn kill(&mut self, target: usize, load: &Load) -> Kill {
        let node = &mut self.nodes[target];
        let at = Instant::now();
        node.process.kill();
        load.forget(target);
        node.relaunch();
        node.until_ready().await;
        Kill { target, at, back: Instant::now() }
    }

    /// Watches memory, spools and duplicates until then.
    async fn look_until(&mut self, then: Instant) {
        while Instant::now() < then {
            tokio::time::sleep_until(then.min(Instant::now() + LOOK)).await;
            self.look().await;
        }
    }

    async fn look(&mut self) {
        for (node, most) in self.nodes.iter().zip(&mut self.waiting) {
            self.memory.note(&format!("node {}", node.name), node.process.pid());
            let waits = node.metric("bulkhead_usage_spool_events").await;
            *most = (*most).max(whole(waits));
        }
        for (control_plane, place) in self.control_planes.iter().zip(1..) {
            self.memory.note(&format!("control plane {place}"), control_plane.process.pid());
            // It may be frozen, or gone.
            let asked = tokio::time::timeout(LOOK, duplicates(control_plane)).await;
            self.duplicates = self.duplicates.max(asked.ok().flatten().unwrap_or_default());
        }
    }

    /// Everything is there again.
    pub(super) async fn until_well(&mut self) {
        for control_plane in &self.control_planes {
            control_plane.until_ready().await;
        }
        for node in &self.nodes {
            until("the node is connected", || async {
                node.metric("bulkhead_snapshot_connected").await > 0.5
            })
            .await;
        }
    }

    /// Every event is acknowledged.
    pub(super) async fn until_reported(&self) {
        let began = Instant::now();
        for node in &self.nodes {
            while node.metric("bulkhead_usage_spool_events").await > 0.5 {
                assert!(began.elapsed() < DRAIN, "the spool of {} does not empty", node.name);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Nodes end as they should, having reported everything.
    pub(super) async fn stop(&mut self) {
        for node in &mut self.nodes {
            node.process.signal("TERM");
            let status = node.process.ended(STOP).await;
            assert!(status.success(), "{} ended with {status}", node.name);
        }
    }
}

/// How many numbers came to a control plane that it had, since its start.
async fn duplicates(control_plane: &ControlPlane) -> Option<u64> {
    let text = call(control_plane.ops, &Request::get("/metrics")).await.ok()?.text();
    let name = "bulkhead_usage_ingested_total{outcome=\"duplicate\"} ";
    text.lines().find_map(|line| line.strip_prefix(name)?.parse().ok())
}

fn whole(metric: f64) -> u64 {
    format!("{metric:.0}").parse().unwrap()
}

/// New connections are refused, and those that there are break.
fn cut(proxy: &FaultProxy) {
    proxy.set(Mode::Refuse);
    proxy.reset_connections();
}

/// Declares the models of all kinds, and keys with budgets: with a team, with a user, with both, with neither.
async fn declare(rig: &Rig, control_planes: &[ControlPlane], kinds: &[Kind]) -> Vec<String> {
    let mut api = control_planes.first().unwrap().api();
    rig.declare_all(&mut api, kinds).await;
    let team = api.change("/team/new", json!({"team_alias": "team", "max_budget": 1e6})).await;
    let user = api.change("/user/new", json!({"user_id": "user", "auto_create_key": false})).await;
    let (team, user) = (&team["team_id"], &user["user_id"]);
    let mut keys = Vec::new();
    for holder in [
        json!({"max_budget": 1e6}),
        json!({"max_budget": 1e6, "team_id": team}),
        json!({"max_budget": 1e6, "user_id": user}),
        json!({"max_budget": 1e6, "team_id": team, "user_id": user}),
    ] {
        keys.push(api.key_with(holder).await);
    }
    keys
}
