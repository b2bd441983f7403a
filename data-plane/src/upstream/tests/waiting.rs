//! Waiting: who is served when, and how many may wait.

use super::*;

#[tokio::test(start_paused = true)]
async fn those_who_wait_at_the_cap_are_served_in_order_bounded_and_until_their_deadlines() {
    let mut rig = Rig::plain(Limits { connections: 1, waiters: 3 });
    let held = rig.get();
    let _peer = rig.dial().await.http1();
    let Granted::Own(held) = held.outcome().await.unwrap() else { panic!("HTTP/1.1") };

    let short = rig.get_within(Duration::from_secs(5));
    turns().await;
    let (leaver, patient) = (rig.get(), rig.get());
    turns().await;
    assert_eq!(rig.counts().waiting.get(), 3);
    assert!(matches!(rig.get().outcome().await, Err(DialError::Full)));
    assert_eq!(rig.dials_begun().await, 0);

    let began = Instant::now();
    assert!(matches!(short.outcome().await, Err(DialError::Timeout)));
    assert_eq!(began.elapsed().as_secs(), 5);
    leaver.leaves().await;
    let last = rig.get();
    turns().await;
    assert_eq!(rig.counts().waiting.get(), 2);
    rig.pool.put(held);
    let Granted::Own(held) = patient.outcome().await.unwrap() else { panic!("HTTP/1.1") };
    assert!(!last.is_over().await);
    // One that closes makes room as well.
    drop(held);
    let _peer = rig.dial().await.http1();
    assert!(last.outcome().await.is_ok());
    assert_eq!((rig.counts().waiting.get(), rig.counts().connections.get()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_makes_room_for_a_new_one_that_is_needed() {
    let mut rig = Rig::plain(Limits { connections: 2, waiters: 9 });
    let answers = [rig.send(), rig.send()];
    let mut peers = [rig.dial().await.http1(), rig.dial().await.http1()];
    for (answer, peer) in answers.into_iter().zip(&mut peers) {
        peer.request().await;
        peer.answer().await;
        whole(answer.outcome().await.unwrap()).await.unwrap();
    }
    let [mut cold, _warm] = peers;
    let (pool, target) = (rig.pool.clone(), rig.target.clone());
    let fresh = tokio::spawn(async move { pool.fresh(&target, Instant::now() + PATIENCE).await });
    let _new = rig.dial().await.http1();
    assert!(fresh.await.unwrap().is_ok());
    assert!(cold.is_closed().await);
}

#[tokio::test(start_paused = true)]
async fn a_burst_at_a_host_whose_protocol_is_not_known_waits_for_one_handshake() {
    for http2 in [false, true] {
        let mut rig = Rig::tls();
        let burst: Vec<_> = (0..50).map(|_| rig.get()).collect();
        let dial = rig.dial().await;
        assert_eq!(rig.dials_begun().await, 0);
        let mut granted = Vec::new();
        let mut frames = None;
        if http2 {
            frames = Some(dial.http2(100).await);
            for waiting in burst {
                granted.push(waiting.outcome().await.unwrap());
            }
            assert_eq!((rig.dials_begun().await, rig.counts().streams.get()), (0, 50));
        } else {
            let mut peers = vec![dial.http1()];
            assert_eq!(rig.dials_begun().await, 49);
            for _ in 0..49 {
                peers.push(rig.dial().await.http1());
            }
            for waiting in burst {
                granted.push(waiting.outcome().await.unwrap());
            }
            assert_eq!(rig.counts().connections.get(), 50);
        }
        // It is remembered.
        let more: Vec<_> = (0..20).map(|_| rig.get()).collect();
        let dialled = rig.dials_begun().await;
        assert_eq!(dialled, if http2 { 0 } else { 20 });
        drop((more, granted, frames));
    }
}

#[tokio::test(start_paused = true)]
async fn all_who_wait_for_the_first_handshake_hear_that_it_failed() {
    let mut rig = Rig::tls();
    let burst: Vec<_> = (0..20).map(|_| rig.get()).collect();
    rig.dial().await.fails();
    for waiting in burst {
        assert!(matches!(waiting.outcome().await, Err(DialError::Connect(_))));
    }
    assert_eq!((rig.dials_begun().await, rig.counts().failed.get()), (0, 1));
}
