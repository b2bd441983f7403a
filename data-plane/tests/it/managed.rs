//! A data plane that follows a control plane: what is in force, what is refused, and what happens when there is nobody
//! to follow.

mod away;
mod fake;
mod forwarding;
mod garbage;
mod metrics;
mod passing;
mod poison;
mod renewal;
mod spool;
mod start;

use std::time::Duration;

use bulkhead_model::rows::{DeploymentRow, KeyRow, SettingsRow, TeamRow};
use bulkhead_model::{KeyHash, Secret};
use bulkhead_snapshot::wire::Row;
use bulkhead_testkit::client::Request;
use bulkhead_testkit::{MockProvider, body, canary, eventually};
use tokio::time::Instant;

use self::fake::{Fake, key_id};
use crate::support::{Builder, Gateway, MASTER, PATIENCE};

const KEY: &str = canary::VIRTUAL_KEY;

/// What every test's control plane knows: settings, the mock as `gpt`, and a key.
fn rows(mock: &MockProvider) -> Vec<Row> {
    let settings = SettingsRow { master_key: Some(KeyHash::of(MASTER)), ..SettingsRow::default() };
    vec![Row::Settings(Box::new(settings)), deployment(mock, "gpt"), key(KEY)]
}

fn deployment(mock: &MockProvider, group: &str) -> Row {
    Row::Deployment(Box::new(DeploymentRow {
        id: format!("{group}-1"),
        group: group.to_owned(),
        provider: "openai".to_owned(),
        model: "ok".to_owned(),
        api_base: Some(mock.base_url()),
        api_key: Some(Secret::new(canary::OPENAI_KEY)),
        base_model: Some("gpt-4o".to_owned()),
        ..DeploymentRow::default()
    }))
}

fn key_row(secret: &str) -> KeyRow {
    let hash = KeyHash::of(secret);
    KeyRow { id: format!("key-{}", &hash.to_string()[..8]), ..KeyRow::of(hash) }
}

fn key(secret: &str) -> Row {
    Row::Key(Box::new(key_row(secret)))
}

fn blocked(secret: &str) -> Row {
    Row::Key(Box::new(KeyRow { blocked: true, ..key_row(secret) }))
}

fn follow(fake: &Fake) -> Builder {
    follow_url(&fake.url())
}

fn follow_url(url: &str) -> Builder {
    Gateway::managed().env("BULKHEAD_CONTROL_PLANE", url).env("BULKHEAD_JOIN_TOKEN", canary::JOIN_TOKEN)
}

/// A provider, a control plane that knows it, and a node that follows and is ready.
async fn trio() -> (MockProvider, Fake, Gateway) {
    let mock = MockProvider::start();
    let fake = Fake::start(rows(&mock));
    let gateway = follow(&fake).start().await;
    gateway.until_status(KEY, 200).await;
    (mock, fake, gateway)
}

impl Gateway {
    /// The status of a chat with this key.
    async fn status_of(&self, key: &str) -> u16 {
        self.call(&Request::post("/v1/chat/completions").bearer(key).json(body::chat("gpt", "Hi")))
            .await
            .status
    }

    /// Waits until a chat with this key has this status; how long that took.
    async fn until_status(&self, key: &str, status: u16) -> Duration {
        let began = Instant::now();
        loop {
            let now = self.status_of(key).await;
            if now == status {
                return began.elapsed();
            }
            assert!(began.elapsed() < PATIENCE, "{now}, not {status}:\n{}", self.log());
        }
    }

    async fn until_ready(&self, text: &str) {
        let began = Instant::now();
        loop {
            let said = self.ops("/readyz").await.text();
            if said.contains(text) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "no `{text}` in {said}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test]
async fn a_node_says_who_it_is_and_serves_what_it_is_told() {
    let (mock, fake, gateway) = trio().await;
    fake.until_applied().await;
    let hellos = fake.hellos();
    let [hello] = &hellos[..] else { panic!("{} hellos", hellos.len()) };
    assert_eq!((hello.node.as_str(), hello.incarnation.len()), ("test", 16));
    assert_eq!((hello.release.as_str(), hello.version.is_none()), (env!("CARGO_PKG_VERSION"), true));
    assert_eq!(
        mock.last_request().unwrap().header("authorization").unwrap(),
        format!("Bearer {}", canary::OPENAI_KEY)
    );
    assert_eq!(gateway.status_of(canary::UNKNOWN_KEY).await, 401);
    assert_eq!(gateway.status_of(MASTER).await, 200);
}

#[tokio::test]
async fn a_change_is_in_force_at_once() {
    let (mock, fake, gateway) = trio().await;
    for _ in 0..5 {
        let changed = Instant::now();
        fake.change(vec![key(canary::OTHER_KEY)], Vec::new());
        gateway.until_status(canary::OTHER_KEY, 200).await;
        fake.change(vec![blocked(canary::OTHER_KEY)], Vec::new());
        gateway.until_status(canary::OTHER_KEY, 401).await;
        fake.change(Vec::new(), vec![key_id(canary::OTHER_KEY)]);
        gateway.until_metric("bulkhead_snapshot_seq", &[], number(fake.seq())).await;
        assert_eq!(gateway.status_of(canary::OTHER_KEY).await, 401);
        // Each of the three within 250 ms, five times that on a busy machine.
        assert!(changed.elapsed() < Duration::from_millis(3 * 5 * 250), "{:?}", changed.elapsed());
    }
    fake.change(vec![deployment(&mock, "another")], Vec::new());
    fake.until_applied().await;
    let chat = body::chat("another", "Hi");
    assert_eq!(gateway.post("/v1/chat/completions", KEY, chat).await.status, 200);
    assert_eq!(fake.refusals(), Vec::<String>::new());
    assert_eq!(fake.hellos().len(), 1, "all of it on one stream");
}

#[tokio::test]
async fn a_row_that_is_no_good_is_named_and_the_rest_is_in_force() {
    let (mock, fake, gateway) = trio().await;
    let Row::Deployment(good) = deployment(&mock, "gpt") else { panic!() };
    let bad = DeploymentRow { provider: "nobody".to_owned(), ..*good };
    let dangling = KeyRow { team_id: Some("nowhere".to_owned()), ..key_row(canary::EXPIRED_KEY) };
    let put = vec![Row::Deployment(Box::new(bad)), Row::Key(Box::new(dangling)), key(canary::OTHER_KEY)];
    fake.change(put, Vec::new());
    fake.until_applied().await;
    let applied = fake.applied();
    let names = fake::names(&applied.last().unwrap().rejected);
    assert!(names.contains("deployment gpt-1") && names.len() == 2, "{names:?}");
    assert_eq!(gateway.status_of(canary::OTHER_KEY).await, 200, "the former deployment serves");
    assert_eq!(gateway.status_of(canary::EXPIRED_KEY).await, 503, "whose team is missing is not a bad key");
    gateway.until_metric("bulkhead_snapshot_rejected_resources", &[], 2.0).await;
    let summary = gateway.ops("/snapshot").await.json();
    let rejected = &summary["control_plane"]["rejected"];
    assert_eq!(rejected["count"], 2, "{rejected}");
    let hash = KeyHash::of(canary::EXPIRED_KEY).to_string();
    assert!(rejected.to_string().contains(&hash[..8]) && !rejected.to_string().contains(&hash), "{rejected}");
    gateway.until_ready("2 rows rejected").await;
    let team = TeamRow { id: "nowhere".to_owned(), ..TeamRow::default() };
    fake.change(vec![Row::Team(Box::new(team)), deployment(&mock, "gpt")], Vec::new());
    gateway.until_metric("bulkhead_snapshot_rejected_resources", &[], 0.0).await;
    assert_eq!(gateway.status_of(canary::EXPIRED_KEY).await, 200);
}

#[tokio::test]
async fn the_operations_port_tells_what_a_node_follows() {
    let (_mock, fake, gateway) = trio().await;
    fake.until_applied().await;
    gateway.until_ready("ready\nversion 1.1, connected, heard 0 s ago").await;
    let tie = gateway.ops("/snapshot").await.json()["control_plane"].take();
    assert_eq!((&tie["connected"], &tie["suspended"]), (&true.into(), &false.into()));
    assert_eq!((&tie["version"]["epoch"], &tie["version"]["seq"]), (&1.into(), &1.into()));
    assert_eq!(tie["version"]["cluster"], "07".repeat(16));
    for (name, labels, value) in [
        ("bulkhead_snapshot_info", vec![format!("cluster=\"{}\"", "07".repeat(16))], 1.0),
        ("bulkhead_snapshot_epoch", Vec::new(), 1.0),
        ("bulkhead_snapshot_seq", Vec::new(), 1.0),
        ("bulkhead_snapshot_connected", Vec::new(), 1.0),
        ("bulkhead_snapshot_suspended", Vec::new(), 0.0),
        ("bulkhead_snapshot_held", Vec::new(), 0.0),
        ("bulkhead_snapshot_rejected_resources", Vec::new(), 0.0),
        ("bulkhead_snapshot_applied_total", Vec::new(), 1.0),
        ("bulkhead_snapshot_refused_pushes_total", Vec::new(), 0.0),
        ("bulkhead_snapshot_disk_errors_total", Vec::new(), 0.0),
    ] {
        let labels: Vec<_> = labels.iter().map(String::as_str).collect();
        let page = gateway.ops("/metrics").await.text();
        assert!(page.contains(&format!("\n{name}")), "{name} in {page}");
        gateway.until_metric(name, &labels, value).await;
    }
    let reason = "this node is ahead of the database";
    fake.say(bulkhead_proto::push::Push::Held(bulkhead_proto::Held { reason: reason.to_owned() }));
    gateway.until_ready(&format!("held: {reason}")).await;
    gateway.until_metric("bulkhead_snapshot_held", &[], 1.0).await;
    assert_eq!(gateway.status_of(KEY).await, 200);
}

fn number(value: u64) -> f64 {
    u32::try_from(value).unwrap().into()
}
