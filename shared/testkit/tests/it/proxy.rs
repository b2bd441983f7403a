//! Every mode of the fault proxy, on new connections and on open ones.

use std::io::ErrorKind::ConnectionRefused;
use std::time::Duration;

use bulkhead_testkit::client::{Client, End};
use bulkhead_testkit::proxy::{Direction, Mode};
use bulkhead_testkit::{FaultProxy, MockProvider, body, eventually};

use crate::{LONG, post};

const SHORT: Duration = Duration::from_millis(40);

fn pair() -> (MockProvider, FaultProxy) {
    let mock = MockProvider::start();
    let proxy = FaultProxy::start(mock.addr());
    (mock, proxy)
}

async fn client(proxy: &FaultProxy) -> Client {
    Client::connect(proxy.addr()).await.unwrap().patience(LONG)
}

async fn exchange(client: &mut Client, model: &str) -> End {
    client.exchange(&post("/v1/chat/completions", body::chat(model, "x"))).await.end
}

#[tokio::test]
async fn pass_changes_nothing() {
    let (mock, proxy) = pair();
    let request = post("/v1/chat/completions", body::chat("bytes-300000", "x"));
    let mut through = client(&proxy).await;
    let answer = through.exchange(&request).await;
    assert_eq!((answer.end, answer.body.len() > 300_000), (End::Complete, true));
    assert_eq!(exchange(&mut through, "ok").await, End::Complete);
    let stats = proxy.stats();
    assert_eq!((stats.connections, stats.open, stats.resets), (1, 1, 0));
    assert!(stats.from_upstream > 300_000 && stats.from_client > request.bytes().len() as u64);
    drop(through);
    assert!(eventually(LONG, || proxy.stats().open == 0 && mock.stats().open == 0).await);
}

#[tokio::test]
async fn responses_are_delayed_once_each_also_on_open_connections() {
    let (_mock, proxy) = pair();
    let mut client = client(&proxy).await;
    assert_eq!(exchange(&mut client, "ok").await, End::Complete);
    proxy.set(Mode::Delay(SHORT));
    for _ in 0..2 {
        let answer = client
            .exchange(&post("/v1/chat/completions", body::chat("chunks-20+slow-chunk-1", "x").stream()))
            .await;
        let first = answer.first_byte().unwrap();
        // Twenty pieces, each delayed, would take twenty times as long.
        assert!(
            first >= SHORT && answer.reads.last().unwrap().after < first + SHORT * 15,
            "{:?}",
            answer.reads
        );
    }
    proxy.set(Mode::Delay(LONG * 10));
    client.send(&post("/v1/chat/completions", body::chat("ok", "x")).bytes()).await.unwrap();
    assert!(eventually(LONG, || proxy.stats().from_client > 0).await);
    proxy.set(Mode::Pass);
    assert_eq!(client.answer().await.end, End::Complete, "a delay ends when its mode does");
}

#[tokio::test]
async fn a_ramp_gets_slower_up_to_its_limit() {
    let (_mock, proxy) = pair();
    let step = Duration::from_millis(20);
    proxy.set(Mode::Ramp { step, max: step * 2 });
    let mut client = client(&proxy).await;
    let mut waits = Vec::new();
    for _ in 0..3 {
        let answer = client.exchange(&post("/v1/chat/completions", body::chat("ok", "x"))).await;
        waits.push(answer.first_byte().unwrap());
    }
    assert!(waits[0] >= step && waits[1] >= step * 2 && waits[2] >= step * 2, "{waits:?}");
}

#[tokio::test]
async fn a_black_hole_holds_everything_until_it_is_left() {
    let (mock, proxy) = pair();
    let mut open = client(&proxy).await;
    assert_eq!(exchange(&mut open, "ok").await, End::Complete);
    proxy.set(Mode::Blackhole);
    let mut new = client(&proxy).await;
    for client in [&mut open, &mut new] {
        client.send(&post("/v1/chat/completions", body::chat("ok", "x")).bytes()).await.unwrap();
    }
    let mut open = open.patience(SHORT);
    assert_eq!(open.answer().await.end, End::TimedOut);
    assert_eq!((mock.ledger().count(), mock.stats().accepted), (1, 1), "the upstream hears nothing");
    proxy.set(Mode::Pass);
    assert_eq!(open.patience(LONG).answer().await.end, End::Complete);
    assert_eq!(new.answer().await.end, End::Complete);
}

#[tokio::test]
async fn connecting_hangs_while_nothing_is_accepted() {
    let (_mock, proxy) = pair();
    let mut open = client(&proxy).await;
    assert_eq!(exchange(&mut open, "ok").await, End::Complete);
    proxy.set(Mode::StopAccepting);
    // Filling the backlog takes a moment; afterwards a connection attempt gets no answer at all.
    let hangs = async {
        while tokio::time::timeout(Duration::from_millis(200), Client::connect(proxy.addr())).await.is_ok() {}
    };
    assert!(tokio::time::timeout(LONG, hangs).await.is_ok());
    assert_eq!(exchange(&mut open, "ok").await, End::Complete, "open connections go on");
    proxy.set(Mode::Pass);
    assert_eq!(exchange(&mut client(&proxy).await, "ok").await, End::Complete);
}

#[tokio::test]
async fn a_refusing_port_comes_back() {
    let (_mock, proxy) = pair();
    let mut open = client(&proxy).await;
    assert_eq!(exchange(&mut open, "ok").await, End::Complete);
    for _ in 0..3 {
        proxy.set(Mode::Refuse);
        // A connection that waits while the port closes is reset; those that come later are refused.
        while !matches!(Client::connect(proxy.addr()).await, Err(error) if error.kind() == ConnectionRefused)
        {
        }
        assert_eq!(exchange(&mut open, "ok").await, End::Complete, "open connections go on");
        proxy.set(Mode::Pass);
        let mut back = Client::connect(proxy.addr()).await;
        while back.is_err() {
            back = Client::connect(proxy.addr()).await;
        }
        assert_eq!(exchange(&mut back.unwrap().patience(LONG), "ok").await, End::Complete);
    }
}

#[tokio::test]
async fn resets_come_after_so_many_bytes_in_either_direction() {
    let (mock, proxy) = pair();
    proxy.set(Mode::ResetAfter { direction: Direction::Response, bytes: 100 });
    let answer = client(&proxy).await.exchange(&post("/v1/chat/completions", body::chat("ok", "x"))).await;
    assert_eq!((answer.raw.len(), answer.end), (100, End::Reset));
    mock.reset();
    proxy.set(Mode::ResetAfter { direction: Direction::Request, bytes: 100 });
    let answer = client(&proxy).await.exchange(&post("/v1/chat/completions", body::chat("ok", "x"))).await;
    assert_eq!((answer.raw.len(), answer.end, mock.ledger().count()), (0, End::Reset, 0));
    assert!(eventually(LONG, || mock.stats().open == 0).await);
    assert_eq!(proxy.stats().resets, 2);
}

#[tokio::test]
async fn one_direction_can_end_while_the_other_goes_on() {
    let (mock, proxy) = pair();
    proxy.set(Mode::HalfClose { direction: Direction::Response, bytes: 50 });
    let mut half = client(&proxy).await;
    let answer = half.exchange(&post("/v1/chat/completions", body::chat("ok", "x"))).await;
    assert_eq!((answer.raw.len(), answer.end), (50, End::Eof));
    let before = proxy.stats().from_client;
    half.send(&post("/v1/chat/completions", body::chat("ok", "x")).bytes()).await.unwrap();
    assert!(eventually(LONG, || mock.ledger().count() == 2 && proxy.stats().from_client > before).await);
    proxy.set(Mode::Pass);
    let mut open = client(&proxy).await;
    assert_eq!(exchange(&mut open, "ok").await, End::Complete);
    proxy.set(Mode::HalfClose { direction: Direction::Response, bytes: 0 });
    assert_eq!(open.until_closed().await, End::Eof, "open connections end at once");
}

#[tokio::test]
async fn idle_connections_are_forgotten_without_a_word() {
    let (mock, proxy) = pair();
    proxy.set(Mode::IdleForget(SHORT));
    let mut idle = client(&proxy).await;
    assert_eq!(exchange(&mut idle, "ok").await, End::Complete);
    assert!(eventually(LONG, || proxy.stats().forgotten == 1).await);
    let mut idle = idle.patience(SHORT);
    assert_eq!(exchange(&mut idle, "ok").await, End::TimedOut);
    proxy.set(Mode::Pass);
    assert_eq!(idle.answer().await.end, End::TimedOut, "what is forgotten stays forgotten");
    assert_eq!((mock.ledger().count(), mock.stats().open), (1, 1));
    assert_eq!(exchange(&mut client(&proxy).await, "ok").await, End::Complete);
}

#[tokio::test]
async fn bandwidth_is_kept() {
    let (_mock, proxy) = pair();
    proxy.set(Mode::Bandwidth(200_000));
    let answer =
        client(&proxy).await.exchange(&post("/v1/chat/completions", body::chat("bytes-20000", "x"))).await;
    let took = answer.reads.last().unwrap().after;
    assert_eq!(answer.end, End::Complete);
    assert!(took >= Duration::from_millis(90) && took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test]
async fn one_byte_is_changed_on_each_connection() {
    let (_mock, proxy) = pair();
    proxy.set(Mode::Corrupt { offset: 3 });
    for _ in 0..2 {
        let mut client = client(&proxy).await;
        let answer = client.exchange(&post("/v1/chat/completions", body::chat("ok", "x"))).await;
        assert_eq!(&answer.raw[..8], b"HTT\xd0/1.1");
        assert_eq!(answer.raw.iter().filter(|byte| **byte >= 0x80).count(), 1);
    }
}

#[tokio::test]
async fn each_kth_connection_is_cut() {
    let (_mock, proxy) = pair();
    proxy.set(Mode::CutEvery(3));
    let mut ends = Vec::new();
    for _ in 0..6 {
        // The reset may come before the client has seen its connection made.
        let connected = Client::connect(proxy.addr()).await;
        ends.push(match connected {
            Ok(client) => exchange(&mut client.patience(LONG), "ok").await == End::Complete,
            Err(_) => false,
        });
    }
    assert_eq!(ends, [true, true, false, true, true, false]);
}

#[tokio::test]
async fn open_connections_can_be_reset_and_a_dead_upstream_is_one() {
    let (mock, proxy) = pair();
    let mut open = client(&proxy).await;
    assert_eq!(exchange(&mut open, "ok").await, End::Complete);
    proxy.reset_connections();
    assert_eq!(open.until_closed().await, End::Reset);
    mock.shutdown();
    if let Ok(client) = Client::connect(proxy.addr()).await {
        assert_eq!(client.patience(LONG).until_closed().await, End::Reset);
    }
}
