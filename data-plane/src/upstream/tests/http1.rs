//! HTTP/1.1: reuse, age, dials of their own, and what is sent again.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// Sends a request that this peer gets and answers.
async fn exchange(rig: &Rig, peer: &mut Peer) {
    let answer = rig.send();
    peer.request().await;
    peer.answer().await;
    assert_eq!(whole(answer.outcome().await.unwrap()).await.unwrap(), b"{}");
}

/// A pool with one connection that has carried a request.
async fn warm() -> (Rig, Peer) {
    let mut rig = Rig::plain(ROOMY);
    let answer = rig.send();
    let mut peer = rig.dial().await.http1();
    peer.request().await;
    peer.answer().await;
    whole(answer.outcome().await.unwrap()).await.unwrap();
    (rig, peer)
}

#[tokio::test(start_paused = true)]
async fn the_connection_used_last_is_used_next_and_the_others_get_too_old() {
    let mut rig = Rig::plain(ROOMY);
    let answers = [rig.send(), rig.send(), rig.send()];
    let mut peers = [rig.dial().await.http1(), rig.dial().await.http1(), rig.dial().await.http1()];
    for (answer, peer) in answers.into_iter().zip(&mut peers) {
        peer.request().await;
        peer.answer().await;
        whole(answer.outcome().await.unwrap()).await.unwrap();
    }
    let [first, second, third] = &mut peers;
    for _ in 0..6 {
        exchange(&rig, third).await;
        tokio::time::sleep(10 * SECOND).await;
    }
    assert_eq!(rig.counts().connections.get(), 3);
    rig.pool.sweep();
    assert_eq!(rig.counts().connections.get(), 1);
    assert!(first.is_closed().await && second.is_closed().await && !third.is_closed().await);

    tokio::time::sleep(56 * SECOND).await;
    let answer = rig.send();
    let mut fourth = rig.dial().await.http1();
    fourth.request().await;
    assert!(third.is_closed().await, "idle for 56 s");
    fourth.answer().await;
    whole(answer.outcome().await.unwrap()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_connection_retires_within_minutes_but_not_while_a_request_holds_it() {
    let (mut rig, mut peer) = warm().await;
    let began = Instant::now();
    loop {
        tokio::time::sleep(20 * SECOND).await;
        rig.pool.sweep();
        if peer.is_closed().await {
            break;
        }
        exchange(&rig, &mut peer).await;
    }
    let age = began.elapsed();
    assert!((240 * SECOND..=320 * SECOND).contains(&age), "{age:?}");

    let answer = rig.send();
    let mut peer = rig.dial().await.http1();
    peer.request().await;
    peer.say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{").await;
    let answer = answer.outcome().await.unwrap();
    for _ in 0..40 {
        tokio::time::sleep(10 * SECOND).await;
        rig.pool.sweep();
    }
    assert!(!peer.is_closed().await);
    peer.say("}").await;
    assert_eq!(whole(answer).await.unwrap(), b"{}");
    assert!(peer.is_closed().await, "it is too old for another request");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_comes_back_first_is_taken_and_the_new_one_goes_to_the_pool() {
    let mut rig = Rig::plain(ROOMY);
    let first = rig.send();
    let mut old = rig.dial().await.http1();
    old.request().await;
    let second = rig.send();
    let dial = rig.dial().await;
    old.answer().await;
    whole(first.outcome().await.unwrap()).await.unwrap();
    old.request().await;
    old.answer().await;
    whole(second.outcome().await.unwrap()).await.unwrap();

    let _new = dial.http1();
    turns().await;
    let both = [rig.get().outcome().await.unwrap(), rig.get().outcome().await.unwrap()];
    assert_eq!((rig.dials_begun().await, both.len()), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_leaves_does_not_throw_its_connection_away() {
    let mut rig = Rig::plain(ROOMY);
    let waiting = rig.get();
    let dial = rig.dial().await;
    waiting.leaves().await;
    let mut peer = dial.http1();
    turns().await;
    exchange(&rig, &mut peer).await;
    assert_eq!(rig.dials_begun().await, 0);

    // One who leaves in the turn in which it was granted.
    let held = rig.get().outcome().await.unwrap();
    let waiting = rig.get();
    let _dial = rig.dial().await;
    let Granted::Own(live) = held else { panic!("HTTP/1.1") };
    rig.pool.put(live);
    waiting.leaves().await;
    exchange(&rig, &mut peer).await;
}

#[tokio::test(start_paused = true)]
async fn a_dial_that_fails_fails_one_who_waits_and_at_once() {
    let mut rig = Rig::plain(ROOMY);
    let began = Instant::now();
    let (first, second) = (rig.get(), rig.get());
    rig.dial().await.fails();
    assert!(matches!(first.outcome().await, Err(DialError::Connect(_))));
    assert!(!second.is_over().await);
    let _peer = rig.dial().await.http1();
    assert!(second.outcome().await.is_ok());
    assert_eq!((rig.counts().failed.get(), began.elapsed()), (1, Duration::ZERO));
    assert_eq!((rig.dials_begun().await, rig.counts().waiting.get()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_that_closes_on_the_beat_of_a_request_is_replaced_once_and_counted() {
    let (mut rig, mut peer) = warm().await;
    let answer = rig.send();
    peer.request().await;
    drop(peer);
    let mut next = rig.dial().await.http1();
    next.request().await;
    assert_eq!(rig.counts().ambiguous_resends.get(), 1);
    drop(next);
    assert!(matches!(answer.outcome().await, Err(Failure::Broke(SendError::NoAnswer(_)))));
    assert_eq!((rig.dials_begun().await, rig.counts().ambiguous_resends.get()), (0, 1));
    assert_eq!(rig.counts().connections.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_again_takes_a_new_connection_and_none_that_was_idle_as_well() {
    let mut rig = Rig::plain(ROOMY);
    let answers = [rig.send(), rig.send()];
    let mut peers = [rig.dial().await.http1(), rig.dial().await.http1()];
    for (answer, peer) in answers.into_iter().zip(&mut peers) {
        peer.request().await;
        peer.answer().await;
        whole(answer.outcome().await.unwrap()).await.unwrap();
    }
    let [_idle, mut stale] = peers;
    let answer = rig.send();
    stale.request().await;
    drop(stale);
    let mut new = rig.dial().await.http1();
    new.request().await;
    new.answer().await;
    whole(answer.outcome().await.unwrap()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_cut_short_on_a_reused_connection_is_sent_again_and_not_counted() {
    let (mut rig, peer) = warm().await;
    // More than a connection takes at once; it ends as the others do.
    let large = [vec![b' '; 1 << 20], BODY.to_vec()].concat();
    let answer = rig.send_body(large.into());
    turns().await;
    drop(peer);
    let mut next = rig.dial().await.http1();
    next.request().await;
    next.answer().await;
    whole(answer.outcome().await.unwrap()).await.unwrap();
    assert_eq!(rig.counts().ambiguous_resends.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_else_is_sent_twice() {
    // A new connection.
    let mut rig = Rig::plain(ROOMY);
    let answer = rig.send();
    let mut peer = rig.dial().await.http1();
    peer.request().await;
    drop(peer);
    assert!(matches!(answer.outcome().await, Err(Failure::Broke(SendError::NoAnswer(_)))));
    assert_eq!(rig.dials_begun().await, 0);
    // A reused one that has begun to answer.
    let (mut rig, mut peer) = warm().await;
    let answer = rig.send();
    peer.request().await;
    peer.say("HTTP/1.1 2").await;
    drop(peer);
    assert!(matches!(answer.outcome().await, Err(Failure::Broke(SendError::BadHead(_)))));
    assert_eq!((rig.dials_begun().await, rig.counts().ambiguous_resends.get()), (0, 0));
}
