//! Everything behind the data planes fails, one thing after the other and then all together, under load.

use std::time::Duration;

use bulkhead_testkit::FaultProxy;
use bulkhead_testkit::client::Request;
use bulkhead_testkit::proxy::Mode;
use tokio::time::Instant;

use crate::support::{
    Api, BUSY, ControlPlane, Database, Figures, Node, Rig, Server, Traffic, alone, chat, until,
};

/// Requests a second.
const LOAD: u32 = 150;
/// How long each state lasts; `BULKHEAD_LONG_OUTAGE` says otherwise, in seconds.
const PHASE: Duration = Duration::from_millis(2500);
const BASELINE: Duration = Duration::from_secs(3);
/// Everything is as it should be so long after the end of a failure.
const RECOVERY: Duration = Duration::from_secs(10);
/// What the machine's own noise may add to the p99.
const NOISE: Duration = Duration::from_millis(5);

/// Two control planes behind proxies, three nodes at them, and a server that nobody else needs.
struct Fleet {
    nodes: Vec<Node>,
    proxies: Vec<FaultProxy>,
    control_planes: Vec<ControlPlane>,
    key: String,
    rig: Rig,
    server: Server,
    baseline: Figures,
}

fn phase() -> Duration {
    let seconds = std::env::var("BULKHEAD_LONG_OUTAGE").ok().map(|seconds| seconds.parse().unwrap());
    seconds.map_or(PHASE, Duration::from_secs)
}

impl Fleet {
    async fn start() -> Self {
        let server = Server::start();
        let rig = Rig::on(Database::on(&server.url()));
        let control_planes = vec![rig.control_plane().await, rig.control_plane().await];
        let proxies: Vec<_> = control_planes.iter().map(|it| FaultProxy::start(it.grpc)).collect();
        let key = rig.declare(&mut control_planes.first().unwrap().api()).await;
        let turns = proxies.iter().cycle().zip(["one", "two", "three"]);
        let nodes: Vec<_> = turns.map(|(proxy, name)| rig.node(name, proxy.addr())).collect();
        for node in &nodes {
            node.until_status("gpt", &key, 200).await;
        }
        let baseline = Figures::of([]);
        Self { nodes, proxies, control_planes, key, rig, server, baseline }
    }

    fn traffic(&self) -> Traffic {
        Traffic::start(&self.nodes.iter().collect::<Vec<_>>(), &self.key, LOAD)
    }

    /// The state as it is now lasts for a while, and no request is the worse for it.
    async fn endure(&self, what: &str, traffic: &Traffic) {
        let figures = traffic.run(phase()).await;
        eprintln!("{what}: {figures}");
        let bound = self.baseline.p99() * BUSY + NOISE;
        assert!(figures.p99() < bound, "{what}: {figures}, but before {}", self.baseline);
    }

    /// A change made at each control plane comes to every node within the time allowed, counted from `mended`.
    async fn converges(&self, what: &str, mended: Instant, more: &[&Node]) {
        for control_plane in &self.control_planes {
            let key = made(&mut control_plane.api()).await;
            for node in self.nodes.iter().chain(more.iter().copied()) {
                node.until_status("gpt", &key, 200).await;
            }
        }
        let took = mended.elapsed();
        eprintln!("{what}: all of it in order after {took:.1?}");
        assert!(took < RECOVERY, "{what}: {took:?}");
    }

    fn freeze(&self, name: &str) {
        self.control_planes.iter().for_each(|control_plane| control_plane.process.signal(name));
    }

    fn kill(&mut self) {
        self.control_planes.iter_mut().for_each(|control_plane| control_plane.process.kill());
    }

    fn relaunch(&mut self) {
        self.control_planes.iter_mut().for_each(ControlPlane::relaunch);
    }
}

/// A key, as soon as the control plane makes one.
async fn made(api: &mut Api) -> String {
    let mut key = None;
    let began = Instant::now();
    while key.is_none() {
        assert!(began.elapsed() < RECOVERY * BUSY, "the management API does not come back");
        let answer = api.send(Request::post("/key/generate").json("{}")).await;
        key = answer.json()["key"].as_str().map(str::to_owned);
        assert!(key.is_some() || answer.status == 503, "{} {}", answer.status, answer.text());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    key.unwrap()
}

#[tokio::test]
async fn no_request_notices_that_control_planes_fail() {
    let _alone = alone().await;
    let mut fleet = Fleet::start().await;
    let traffic = fleet.traffic();
    fleet.baseline = traffic.run(BASELINE).await;
    eprintln!("all well: {}", fleet.baseline);

    fleet.kill();
    fleet.endure("control planes killed", &traffic).await;
    fleet.relaunch();
    fleet.converges("after the kill", Instant::now(), &[]).await;

    fleet.freeze("STOP");
    fleet.endure("control planes frozen", &traffic).await;
    fleet.freeze("CONT");
    fleet.converges("after the frost", Instant::now(), &[]).await;

    fleet.proxies.iter().for_each(|proxy| proxy.set(Mode::Blackhole));
    fleet.endure("a hole in the network", &traffic).await;
    fleet.proxies.iter().for_each(|proxy| proxy.set(Mode::Pass));
    fleet.converges("after the hole", Instant::now(), &[]).await;

    fleet.proxies.iter().for_each(|proxy| {
        proxy.set(Mode::Refuse);
        proxy.reset_connections();
    });
    fleet.endure("connections cut and refused", &traffic).await;
    fleet.proxies.iter().for_each(|proxy| proxy.set(Mode::Pass));
    fleet.converges("after the cut", Instant::now(), &[]).await;
    eprintln!("{} requests, none failed", traffic.finish());
}

#[tokio::test]
async fn no_request_notices_that_the_database_fails() {
    let _alone = alone().await;
    let mut fleet = Fleet::start().await;
    let mut fourth = fleet.rig.node("four", fleet.proxies.first().unwrap().addr());
    fourth.until_status("gpt", &fleet.key, 200).await;
    let traffic = fleet.traffic();
    fleet.baseline = traffic.run(BASELINE).await;
    eprintln!("all well: {}", fleet.baseline);

    fleet.server.freeze();
    fleet.endure("PostgreSQL frozen", &traffic).await;
    fleet.server.thaw();
    fleet.converges("after the frost", Instant::now(), &[]).await;

    fleet.server.stop();
    fleet.endure("PostgreSQL gone", &traffic).await;
    fleet.server.launch();
    fleet.converges("after its return", Instant::now(), &[]).await;

    // All of it at once; what is started now has only its disk, or nothing.
    fleet.server.stop();
    fleet.kill();
    fourth.process.kill();
    fourth.relaunch();
    fourth.until_ready().await;
    assert_eq!(fourth.status("gpt", &fleet.key).await, 200, "served from disk");
    let fifth = fleet.rig.node("five", fleet.proxies.last().unwrap().addr());
    assert_eq!(fifth.readiness().await.0, 503);
    assert_eq!(fifth.call(&Request::get("/health/liveliness")).await.status, 200);
    let answer = fifth.call(&chat("gpt", &fleet.key)).await;
    assert_eq!(answer.status, 503, "not 401: {}", answer.text());
    fleet.relaunch();
    fleet.endure("everything started without PostgreSQL", &traffic).await;
    for control_plane in &mut fleet.control_planes {
        assert_eq!(control_plane.readiness().await.0, 503);
        assert!(control_plane.process.is_running());
    }
    fleet.server.launch();
    fleet.converges("after everything", Instant::now(), &[&fourth, &fifth]).await;
    for node in fleet.nodes.iter().chain([&fourth, &fifth]) {
        until("the node is connected", || async { node.metric("bulkhead_snapshot_connected").await > 0.5 })
            .await;
    }
    eprintln!("{} requests, none failed", traffic.finish());
}
