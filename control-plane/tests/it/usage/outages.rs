//! A database that goes away, hangs or refuses in the middle of it: nothing twice, nothing lost, nothing without bound.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use bulkhead_testkit::proxy::{FaultProxy, Mode};
use sqlx::{Connection, Executor};
use tonic::Code;

use super::support::{Sender, event, events, incarnation, number, spent};
use crate::support::{ControlPlane, Database, PATIENCE, join_token};

/// The URL of a database by way of a proxy, which is started.
fn by_proxy(url: &str) -> (FaultProxy, String) {
    let (start, rest) = url.split_once('@').unwrap();
    let (address, name) = rest.split_once('/').unwrap();
    let proxy = FaultProxy::start(address.parse::<SocketAddr>().unwrap());
    let url = format!("{start}@{}/{name}", proxy.addr());
    (proxy, url)
}

/// As a node does it: comes again whenever the stream ends, goes on behind the mark, until everything is confirmed.
async fn persist(address: SocketAddr, token: &str, id: [u8; 16], last: u64) {
    let started = SystemTime::now();
    let mut at = 0;
    while at < last {
        assert!(started.elapsed().unwrap() < 6 * PATIENCE, "only {at} of {last}");
        let Ok((mut sender, mark)) = Sender::open(address, token, id).await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        at = mark;
        while at < last {
            let to = last.min(at + 10);
            let some = vec![event("k", 1); usize::try_from(to - at).unwrap()];
            sender.send(events(id, at + 1, &some)).await;
            match sender.mark().await {
                Ok(mark) => at = mark,
                Err(_) => break,
            }
        }
    }
}

#[tokio::test]
async fn a_database_that_is_cut_off_again_and_again_counts_each_number_once() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let (proxy, url) = by_proxy(&database.url());
    let control_plane = ControlPlane::launch(&url, &[]);
    control_plane.until_ready().await;
    let token = join_token(&database, "a");
    let sending: Vec<_> = (1..=3)
        .map(|node| {
            let (address, token) = (control_plane.grpc, token.clone());
            tokio::spawn(async move { persist(address, &token, incarnation(node), 1000).await })
        })
        .collect();
    // Connections break in the middle of whatever they are doing, commits included; at times soon after another.
    for millis in [30, 200, 500, 60, 900, 300, 20, 700, 400, 1000, 150, 600] {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        proxy.reset_connections();
    }
    for task in sending {
        task.await.unwrap();
    }
    assert_eq!(spent(&mut connection, "k").await, (3000, 3000, 3000, 3000));
    assert!(control_plane.metric("bulkhead_usage_failures_total").await > 0.0);
}

#[tokio::test]
async fn a_database_that_hangs_acknowledges_nothing_and_what_was_sent_counts_once() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let (proxy, url) = by_proxy(&database.url());
    let control_plane = ControlPlane::launch(&url, &[]);
    control_plane.until_ready().await;
    let token = join_token(&database, "a");
    let one = incarnation(1);
    let mut sender = Sender::opened(&control_plane, &token, one).await;
    assert_eq!(sender.answered(events(one, 1, &[event("k", 1)])).await, 1);
    proxy.set(Mode::Blackhole);
    for seq in 2..10 {
        sender.send(events(one, seq, &[event("k", 1)])).await;
    }
    // Not before the stream says that it cannot wait any longer.
    let ended = sender.ended().await;
    assert_eq!(ended.code(), Code::Unavailable, "{ended:?}");
    assert_eq!(number(&mut connection, "select through from usage_marks").await, 1);
    proxy.set(Mode::Pass);
    persist(control_plane.grpc, &token, one, 20).await;
    assert_eq!(spent(&mut connection, "k").await, (20, 20, 20, 20));
}

#[tokio::test]
async fn a_locked_table_is_waited_for_and_memory_stays_bounded() {
    let database = Database::migrated().await;
    let mut connection = database.connect().await;
    let mut locker = database.connect().await;
    let control_plane = ControlPlane::start(&database).await;
    let token = join_token(&database, "a");
    let mut lock = locker.begin().await.unwrap();
    lock.execute("lock table entity_spend in access exclusive mode").await.unwrap();
    // More than may wait: 32 MiB, from streams that send on and on.
    let mut big = event("k", 1);
    big.tags = vec!["x".repeat(200); 60];
    let batch = vec![big; 300];
    let senders: Vec<_> = (1..=20)
        .map(|node| {
            let (address, token, batch) = (control_plane.grpc, token.clone(), batch.clone());
            tokio::spawn(async move {
                let id = incarnation(node);
                let (sender, _) = Sender::open(address, &token, id).await.unwrap();
                let mut first = 1;
                while first < 3000 {
                    sender.send(events(id, first, &batch)).await;
                    first += 300;
                }
                sender
            })
        })
        .collect();
    control_plane.until_log("usage cannot be taken in").await;
    let waiting = control_plane.metric("bulkhead_usage_waiting_events").await;
    assert!(waiting <= f64::from(32 << 20) / f64::from(60 * 200) + 300.0 * 20.0, "{waiting}");
    lock.rollback().await.unwrap();
    for (node, sender) in (1..).zip(senders) {
        drop(sender.await.unwrap().finish().await);
        let through = super::support::mark(&mut connection, incarnation(node)).await.0;
        assert_eq!(through, 3000);
    }
    assert_eq!(spent(&mut connection, "k").await.0, 60_000);
}
