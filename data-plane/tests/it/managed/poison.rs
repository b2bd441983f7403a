//! Pushes that cannot be trusted: each is refused with a reason, and traffic does not notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bulkhead_proto::push::Push as Said;
use bulkhead_proto::{self as proto};
use bulkhead_snapshot::wire::encode;
use bulkhead_testkit::client::Client;
use bytes::Bytes;

use super::fake::{full, redigest};
use super::*;

/// Spoils the next delta, commits another change behind it, and waits until that one is in force.
async fn spoil(
    trio: &(MockProvider, Fake, Gateway),
    reason: &str,
    spoil: impl FnOnce(proto::Delta) -> Vec<Said>,
) {
    let (_, fake, gateway) = trio;
    fake.change(vec![key(canary::OTHER_KEY)], Vec::new());
    gateway.until_status(canary::OTHER_KEY, 200).await;
    let delta = fake.change_quietly(vec![deployment(&trio.0, "more")], Vec::new());
    spoil(delta).into_iter().for_each(|said| fake.say(said));
    let poisoned = Instant::now();
    fake.change(Vec::new(), vec![super::key_id(canary::OTHER_KEY)]);
    gateway.until_status(canary::OTHER_KEY, 401).await;
    assert!(poisoned.elapsed() < Duration::from_secs(5), "five times a second: {:?}", poisoned.elapsed());
    fake.until_refused(reason).await;
    assert_eq!(gateway.status_of(KEY).await, 200);
}

/// Asks all the time until it is told to stop; how often, and what was not 200.
async fn traffic(addr: std::net::SocketAddr, stop: Arc<AtomicBool>) -> (u32, Vec<u16>) {
    let mut client = Client::connect(addr).await.unwrap();
    let (mut count, mut bad) = (0, Vec::new());
    while !stop.load(Ordering::Relaxed) {
        let chat = Request::post("/v1/chat/completions").bearer(KEY).json(body::chat("gpt", "Hi"));
        let status = client.exchange(&chat).await.status;
        count += 1;
        bad.extend((status != 200).then_some(status));
    }
    (count, bad)
}

#[tokio::test]
async fn a_spoilt_delta_is_refused_and_a_revocation_behind_it_gets_out() {
    let trio = trio().await;
    let stop = Arc::<AtomicBool>::default();
    let asking = tokio::spawn(traffic(trio.2.addr, stop.clone()));
    spoil(&trio, "digest does not fit", |mut delta| {
        delta.put[0].resource = Bytes::from_static(b"\x0a\x01x");
        vec![Said::Delta(delta)]
    })
    .await;
    spoil(&trio, "a version is not whole", |delta| {
        vec![Said::Delta(proto::Delta { version: None, ..delta })]
    })
    .await;
    spoil(&trio, "does not come after", |mut delta| {
        delta.version = delta.from.clone();
        vec![Said::Delta(delta)]
    })
    .await;
    spoil(&trio, "not what is in force", |delta| {
        let seq = delta.from.clone().map(|from| proto::Version { seq: from.seq + 100, ..from });
        vec![Said::Delta(proto::Delta { from: seq, ..delta })]
    })
    .await;
    spoil(&trio, "out of order", |delta| {
        let mut parts = super::fake::full(trio.1.version(), delta.put);
        vec![parts.remove(1)]
    })
    .await;
    let (_, fake, gateway) = &trio;
    assert_eq!(fake.refusals().len(), 5, "one each: {:?}", fake.refusals());
    gateway.until_metric("bulkhead_snapshot_refused_pushes_total", &[], 5.0).await;
    let logged = || gateway.log().matches("was refused").count();
    assert!(eventually(PATIENCE, || logged() == 5).await, "{}", gateway.log());
    stop.store(true, Ordering::Relaxed);
    let (count, bad) = asking.await.unwrap();
    assert!(count > 20 && bad.is_empty(), "{count}: {bad:?}");
}

#[tokio::test]
async fn a_deletion_that_the_digest_does_not_cover_is_refused() {
    let trio = trio().await;
    spoil(&trio, "digest does not fit", |mut delta| {
        delta.delete.push(proto::Ref { kind: 99, id: "\u{0}".repeat(100_000) });
        vec![Said::Delta(delta)]
    })
    .await;
}

#[tokio::test]
async fn an_unknown_kind_is_quarantined_and_the_rest_applies() {
    let (_mock, fake, gateway) = trio().await;
    let mut delta = fake.change_quietly(vec![key(canary::OTHER_KEY)], Vec::new());
    let reference = proto::Ref { kind: 99, id: "new".to_owned() };
    delta.put.push(proto::Item { r#ref: Some(reference), resource: Bytes::from_static(b"\xff\xff") });
    redigest(&mut delta);
    fake.say(Said::Delta(delta));
    gateway.until_status(canary::OTHER_KEY, 200).await;
    fake.until_applied().await;
    assert_eq!(fake.refusals(), Vec::<String>::new());
    gateway.until_metric("bulkhead_snapshot_rejected_resources", &[], 1.0).await;
}

#[tokio::test]
async fn a_full_sync_that_lost_most_or_is_not_whole_is_refused() {
    let mock = MockProvider::start();
    let keys = (0..40).map(|number| key(&format!("sk-{number:04}-of-many")));
    let fake = Fake::start(rows(&mock).into_iter().chain(keys).collect());
    let gateway = follow(&fake).start().await;
    gateway.until_status(KEY, 200).await;
    let few = || rows(&mock).iter().map(encode).collect::<Vec<_>>();
    fake.change_quietly(Vec::new(), Vec::new());
    let mut lost = full(fake.version(), few());
    let mut halved = full(fake.version(), few());
    halved.remove(1);
    let mut flipped = fake.full();
    if let Some(Said::Chunk(chunk)) = flipped.get_mut(1) {
        chunk.items.swap(0, 1);
    }
    for (said, reason) in [
        (halved, "promised"),
        (flipped, "digest of a chunk"),
        (full(fake.version(), Vec::new()), "no settings"),
        (std::mem::take(&mut lost), "force it if that is meant"),
    ] {
        fake.mute();
        let hellos = fake.hellos().len();
        said.into_iter().for_each(|said| fake.say(said));
        fake.until_refused(reason).await;
        assert_eq!(gateway.status_of(KEY).await, 200);
        assert_eq!(gateway.status_of("sk-0001-of-many").await, 200);
        if reason.contains("promised") || reason.contains("chunk") {
            fake.until_hellos(hellos + 1, PATIENCE).await;
        }
    }
    let mut forced = full(fake.version(), few());
    if let Some(Said::FullBegin(begin)) = forced.get_mut(0) {
        begin.forced = true;
    }
    forced.into_iter().for_each(|said| fake.say(said));
    gateway.until_status("sk-0001-of-many", 401).await;
    assert_eq!(gateway.status_of(KEY).await, 200);
}

#[tokio::test]
async fn another_cluster_an_older_state_and_a_parted_history_are_refused() {
    let (_mock, fake, gateway) = trio().await;
    fake.change(vec![key(canary::OTHER_KEY)], Vec::new());
    gateway.until_status(canary::OTHER_KEY, 200).await;
    fake.become_of(8, 1, 1);
    fake.change_quietly(Vec::new(), vec![key_id(KEY)]);
    fake.hang_up();
    fake.until_refused("another cluster").await;
    fake.become_of(7, 1, 1);
    fake.hang_up();
    fake.until_refused("is older than").await;
    // The change that this database has is not the one that the node has.
    fake.change_quietly(Vec::new(), vec![key_id(KEY)]);
    fake.hang_up();
    fake.until_refused("parted from this one").await;
    for key in [KEY, canary::OTHER_KEY] {
        assert_eq!(gateway.status_of(key).await, 200);
    }
    gateway.until_ready("parted from this one").await;
    // A new epoch says that the loss is accepted.
    fake.become_of(7, 2, 2);
    fake.hang_up();
    gateway.until_status(KEY, 401).await;
    gateway.until_ready("version 2.2").await;
}
