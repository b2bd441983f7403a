//! HTTP/2: streams and connections, and what is sent again.

use std::time::Duration;

use super::peer::{PING, RST_STREAM};
use super::*;

/// A pool with a connection to a peer that allows so many streams.
async fn with_streams(streams: u32) -> (Rig, Frames) {
    let mut rig = Rig::tls();
    let answer = rig.send();
    let mut peer = rig.dial().await.http2(streams).await;
    let stream = peer.request().await;
    peer.answer(stream).await;
    assert_eq!(whole(answer.outcome().await.unwrap()).await.unwrap(), b"{}");
    assert_eq!(rig.counts().streams.get(), 0);
    (rig, peer)
}

async fn lanes(rig: &Rig, count: usize) -> Vec<Granted> {
    let mut lanes = Vec::new();
    for _ in 0..count {
        lanes.push(rig.get().outcome().await.unwrap());
    }
    lanes
}

#[tokio::test(start_paused = true)]
async fn another_connection_is_made_at_four_fifths_and_no_stream_is_one_too_many() {
    let (mut rig, _first) = with_streams(10).await;
    let mut held = lanes(&rig, 7).await;
    assert_eq!(rig.dials_begun().await, 0);
    held.extend(lanes(&rig, 1).await);
    assert_eq!(rig.dials_begun().await, 1, "in the background");
    held.extend(lanes(&rig, 2).await);
    let (eleventh, twelfth) = (rig.get(), rig.get());
    assert!(!eleventh.is_over().await && !twelfth.is_over().await);
    assert_eq!(rig.counts().streams.get(), 10);

    // A stream that ends is for the first who waits.
    held.pop();
    let eleventh = eleventh.outcome().await.unwrap();
    assert!(!twelfth.is_over().await);
    let _second = rig.dial().await.http2(10).await;
    let twelfth = twelfth.outcome().await.unwrap();
    held.extend(lanes(&rig, 6).await);
    assert_eq!(rig.dials_begun().await, 0, "7 of 10 on the second");
    held.extend(lanes(&rig, 1).await);
    assert_eq!(rig.dials_begun().await, 1);
    drop((held, eleventh, twelfth));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_has_not_said_what_it_allows_gets_one_request_and_the_others_when_it_has() {
    let mut rig = Rig::tls();
    let burst: Vec<_> = (0..5).map(|_| rig.get()).collect();
    let mut peer = Frames::greet(rig.dial().await.connects(true, 64 << 10), None).await;
    turns().await;
    assert_eq!((rig.counts().streams.get(), rig.dials_begun().await), (1, 0));
    peer.allow(3).await;
    turns().await;
    assert_eq!((rig.counts().streams.get(), rig.dials_begun().await), (3, 1));
    let _second = rig.dial().await.http2(1000).await;
    let mut granted = Vec::new();
    for waiting in burst {
        granted.push(waiting.outcome().await.unwrap());
    }
    // The second one allows more than is used of it.
    granted.extend(lanes(&rig, 98).await);
    assert_eq!(rig.counts().streams.get(), 103);
    let more = rig.get();
    assert!(!more.is_over().await);
}

#[tokio::test(start_paused = true)]
async fn a_refused_stream_is_sent_again_and_not_for_ever() {
    let (mut rig, mut peer) = with_streams(100).await;
    let answer = rig.send();
    let stream = peer.request().await;
    peer.refuse(stream).await;
    let stream = peer.request().await;
    peer.answer(stream).await;
    whole(answer.outcome().await.unwrap()).await.unwrap();

    let answer = rig.send();
    for _ in 0..4 {
        let stream = peer.request().await;
        peer.refuse(stream).await;
    }
    assert!(matches!(answer.outcome().await, Err(Failure::Broke(SendError::Refused))));
    assert_eq!((rig.dials_begun().await, rig.counts().ambiguous_resends.get()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_refuses_one_more_gets_no_more_at_once() {
    let (mut rig, mut peer) = with_streams(100).await;
    let held = [rig.send(), rig.send(), rig.send()];
    let streams = [peer.request().await, peer.request().await, peer.request().await];
    peer.refuse(streams[2]).await;
    // It holds two, so the third goes elsewhere.
    let mut second = rig.dial().await.http2(100).await;
    let stream = second.request().await;
    second.answer(stream).await;
    peer.answer(streams[0]).await;
    peer.answer(streams[1]).await;
    for answer in held {
        whole(answer.outcome().await.unwrap()).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_goes_away_finishes_what_it_looked_at_and_the_rest_is_sent_again() {
    let (mut rig, mut peer) = with_streams(100).await;
    let (first, second) = (rig.send(), rig.send());
    let looked_at = peer.request().await;
    let not = peer.request().await;
    assert!(not > looked_at);
    peer.go_away(looked_at).await;
    let mut next = rig.dial().await.http2(100).await;
    let stream = next.request().await;
    // What comes now goes there, too.
    let third = rig.send();
    let other = next.request().await;
    next.answer(stream).await;
    next.answer(other).await;
    peer.answer(looked_at).await;
    for answer in [first, second, third] {
        assert_eq!(whole(answer.outcome().await.unwrap()).await.unwrap(), b"{}");
    }
    peer.until_closed().await;
    assert_eq!((rig.counts().connections.get(), rig.counts().ambiguous_resends.get()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_is_ambiguous_when_reused_and_nothing_else_is_sent_twice() {
    let (mut rig, mut peer) = with_streams(100).await;
    let answer = rig.send();
    peer.request().await;
    drop(peer);
    let mut next = rig.dial().await.http2(100).await;
    next.request().await;
    assert_eq!(rig.counts().ambiguous_resends.get(), 1);
    drop(next);
    assert!(matches!(answer.outcome().await, Err(Failure::Broke(_))));

    // It has begun to answer another one: it is alive, and may have begun with this one.
    let (mut rig, mut peer) = with_streams(100).await;
    let (first, second) = (rig.send(), rig.send());
    let streams = [peer.request().await, peer.request().await];
    peer.head(streams[0]).await;
    let first = first.outcome().await.unwrap();
    drop(peer);
    assert!(matches!(second.outcome().await, Err(Failure::Broke(SendError::BadHead(_)))));
    assert!(whole(first).await.is_err());
    assert_eq!((rig.dials_begun().await, rig.counts().ambiguous_resends.get()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_resets_its_stream_before_and_within_the_answer() {
    let (rig, mut peer) = with_streams(100).await;
    let waiting = rig.send();
    let stream = peer.request().await;
    waiting.leaves().await;
    let reset = peer.until(RST_STREAM).await;
    assert_eq!((reset.stream, &*reset.payload), (stream, &[0, 0, 0, 8][..]), "CANCEL");

    let answer = rig.send();
    let stream = peer.request().await;
    peer.head(stream).await;
    drop(answer.outcome().await.unwrap());
    assert_eq!(peer.until(RST_STREAM).await.stream, stream);
    assert_eq!((rig.counts().streams.get(), rig.counts().connections.get()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_connection_closes_when_idle_for_long_or_old_and_not_with_a_request_on_it() {
    let (rig, mut peer) = with_streams(100).await;
    tokio::time::sleep(Duration::from_secs(50)).await;
    rig.pool.sweep();
    assert_eq!(rig.counts().connections.get(), 1);
    tokio::time::sleep(Duration::from_secs(6)).await;
    rig.pool.sweep();
    peer.until_closed().await;
    turns().await;
    assert_eq!(rig.counts().connections.get(), 0);

    let (mut rig, mut old) = with_streams(100).await;
    let answer = rig.send();
    let stream = old.request().await;
    for _ in 0..31 {
        tokio::time::sleep(Duration::from_secs(10)).await;
        rig.pool.sweep();
        old.allow(100).await;
    }
    let another = rig.send();
    let mut new = rig.dial().await.http2(100).await;
    let first = new.request().await;
    new.answer(first).await;
    whole(another.outcome().await.unwrap()).await.unwrap();
    old.answer(stream).await;
    whole(answer.outcome().await.unwrap()).await.unwrap();
    rig.pool.sweep();
    old.until_closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_gives_no_sign_of_life_is_asked_and_given_up() {
    let (mut rig, mut peer) = with_streams(100).await;
    let began = Instant::now();
    let answer = rig.send();
    peer.request().await;
    peer.until(PING).await;
    assert!(matches!(answer.outcome().await, Err(Failure::Broke(SendError::BadHead(_)))));
    let waited = began.elapsed().as_secs();
    assert!((15..=45).contains(&waited), "{waited} s");
    assert_eq!((rig.dials_begun().await, rig.counts().ambiguous_resends.get()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_dial_that_fails_is_nobodys_trouble_while_a_connection_serves() {
    let (mut rig, _peer) = with_streams(5).await;
    let mut held = lanes(&rig, 5).await;
    let waiting = rig.get();
    rig.dial().await.fails();
    assert!(!waiting.is_over().await);
    assert_eq!(rig.dials_begun().await, 0, "not at once again");
    held.pop();
    let _lane = waiting.outcome().await.unwrap();
}
