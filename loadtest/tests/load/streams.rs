//! Streams: every event is there, in order, and its delay is measured.

use std::time::Duration;

use bulkhead_testkit::proxy::Mode;
use bulkhead_testkit::{FaultProxy, MockProvider, body, stamp};
use loadtest::load::{Expect, Held, Load};

use crate::server::Server;
use crate::{CHAT, failed, streaming};

fn stamped(mock: &MockProvider, model: &str, rate: f64) -> Load {
    Load { expect: Expect::Stamped, ..streaming(mock, model, rate) }
}

#[test]
fn streams_are_checked_event_by_event() {
    let mock = MockProvider::start();
    let report = streaming(&mock, "chunks-20+slow-chunk-1", 40.0).run().unwrap();
    // The role, twenty pieces, the finish, the usage and [DONE].
    assert_eq!((report.sent, report.ok, report.events), (20, 20, 20 * 24));
    assert!(report.first.max() <= report.latency.max() && report.gap.count() >= 20 * 19);
    assert!(report.first.quantile(0.5) < report.latency.quantile(0.5));
    let report = Load { events: Some(25), ..streaming(&mock, "chunks-20", 20.0) }.run().unwrap();
    assert_eq!(failed(&report), [("event_count", 10)]);
    let mut messages = streaming(&mock, "ok", 20.0);
    messages.path = "/v1/messages".to_owned();
    messages.headers.push(("anthropic-version".to_owned(), "2023-06-01".to_owned()));
    messages.body = Some(body::messages("ok", "Hi").stream().text().into());
    assert_eq!(messages.run().unwrap().ok, 10);
}

/// A stream of pieces with these numbers, sent now.
fn pieces(numbers: &[u64]) -> String {
    let piece = |number: &u64| format!("data: {{\"content\":\"#{number:06}@{:020} \"}}\n\n", stamp::now());
    numbers.iter().map(piece).collect::<String>() + "data: [DONE]\n\n"
}

#[test]
fn events_of_the_warm_up_are_known_apart() {
    let mock = MockProvider::start();
    let report =
        Load { warmup: Duration::from_millis(250), ..stamped(&mock, "stamped-4", 40.0) }.run().unwrap();
    // The role, four pieces, the finish, the usage and [DONE].
    assert_eq!((report.events, report.events_ever), (report.ok * 8, mock.ledger().count() * 8));
    assert!(report.events < report.events_ever);
}

#[test]
fn a_stream_with_a_gap_a_piece_twice_or_two_exchanged_is_a_failure() {
    for (numbers, right) in [
        (&[0, 1, 2, 3][..], true),
        (&[0, 2, 3, 4], false),
        (&[1, 2, 3, 4], false),
        (&[0, 2, 1, 3], false),
        (&[0, 1, 1, 2], false),
        (&[], false),
    ] {
        let server = Server::http1(move |_| pieces(numbers));
        let report = server.load(Expect::Stamped, 20.0).run().unwrap();
        let expected: &[_] = if right { &[] } else { &[("event_order", 4)] };
        assert_eq!(failed(&report), expected, "{numbers:?}");
    }
}

#[test]
fn the_way_of_an_event_is_measured_from_when_it_was_sent() {
    let mock = MockProvider::start();
    let direct = stamped(&mock, "stamped-4", 20.0).run().unwrap();
    assert_eq!((direct.ok, direct.delay.count()), (10, 40));
    let proxy = FaultProxy::start(mock.addr());
    proxy.set(Mode::Delay(Duration::from_millis(50)));
    // The proxy delays the head and the first pieces, which the mock has sent by then. The rest comes later.
    let late = Load { addr: proxy.addr(), ..stamped(&mock, "stamped-4+slow-chunk-100", 8.0) }.run().unwrap();
    assert_eq!((late.ok, late.delay.count()), (4, 16));
    let over = late.delay.over(Duration::from_micros(49_990));
    assert!((4..16).contains(&over), "{over}");
    // The pauses of the model are no part of it.
    assert!(late.delay.max() < Duration::from_millis(50) * 5, "{:?}", late.delay.max());
    assert!(late.latency.quantile(0.5) >= Duration::from_millis(300));
    assert_eq!(late.json()["delay_steps"].as_array().unwrap().len(), 12);
}

#[test]
fn streams_can_be_held_open() {
    let mock = MockProvider::start();
    let body = body::chat("stall-after-1", "Hi").stream().text();
    let request = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: mock\r\nauthorization: Bearer sk-x\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let held = Held::open(mock.addr(), request.as_bytes(), 20).unwrap();
    assert_eq!((mock.stats().in_flight, held.stirred().unwrap()), (20, 0));
    drop(held);
    let refused = request.replace("sk-x", "bad-x");
    let error = Held::open(mock.addr(), refused.as_bytes(), 1).err().unwrap().to_string();
    assert!(error.contains("401"), "{error}");
}
