//! A flood of bad keys.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_testkit::MockProvider;
use loadtest::load::{Expect, Flood};
use parking_lot::Mutex;

use crate::CHAT;
use crate::server::Server;

#[test]
fn every_request_has_another_key_and_every_answer_is_counted() {
    let keys = Arc::new(Mutex::new(BTreeSet::new()));
    let seen = Arc::clone(&keys);
    let server = Server::http1(move |request| {
        seen.lock().insert(request.headers()["authorization"].to_str().unwrap().to_owned());
        String::new()
    });
    let flood = Flood {
        addr: server.load(Expect::Body, 0.0).addr,
        path: CHAT.to_owned(),
        body: "{}".to_owned(),
        rate: 2000,
        connections: 4,
        duration: Duration::from_millis(300),
    };
    let flooded = flood.run().unwrap();
    assert_eq!((flooded.answered(200), flooded.connections), (flooded.sent, 4));
    assert!((200..=600).contains(&flooded.sent), "{flooded:?}");
    assert_eq!(keys.lock().len() as u64, flooded.sent);
}

#[test]
fn a_server_that_closes_is_connected_to_again() {
    let mock = MockProvider::start();
    let body = r#"{"model":"ok+refuse-reuse","messages":[{"role":"user","content":"Hi"}]}"#.to_owned();
    let duration = Duration::from_millis(200);
    let flood = Flood { addr: mock.addr(), path: CHAT.to_owned(), body, rate: 100, connections: 1, duration };
    let flooded = flood.run().unwrap();
    assert!(flooded.connections > 3 && flooded.answered(200) > 3, "{flooded:?}");
}
