//! The load generator against the mock provider, and against servers that do wrong on purpose.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

mod flood;
mod http2;
mod server;
mod streams;

use std::time::Duration;

use bulkhead_testkit::proxy::Mode;
use bulkhead_testkit::{FaultProxy, MockProvider, body};
use loadtest::load::{Expect, Load, Pace, Report};

const CHAT: &str = "/v1/chat/completions";

fn load(mock: &MockProvider, model: &str, rate: f64) -> Load {
    let mut load = Load::to(mock.addr(), CHAT);
    load.headers.push(("authorization".to_owned(), "Bearer sk-load".to_owned()));
    load.body = Some(body::chat(model, "Hi").text().into());
    load.pace = Pace::Open { rate };
    load.duration = Duration::from_millis(500);
    load.connections = 8;
    load
}

fn streaming(mock: &MockProvider, model: &str, rate: f64) -> Load {
    let body = Some(body::chat(model, "Hi").stream_with_usage().text().into());
    Load { expect: Expect::Stream, body, ..load(mock, model, rate) }
}

fn failed(report: &Report) -> Vec<(&str, u64)> {
    report.failed.iter().map(|(class, count)| (class.as_str(), *count)).collect()
}

#[test]
fn a_rate_is_kept_and_every_request_is_counted() {
    let mock = MockProvider::start();
    let report = load(&mock, "ok", 400.0).run().unwrap();
    assert_eq!((report.sent, report.ok, report.failures()), (200, 200, 0));
    assert_eq!(mock.ledger().totals()["ok"].complete, 200);
    assert_eq!((report.latency.count(), report.achieved_rate()), (200, 400.0));
    assert!(report.latency.quantile(0.5) <= report.latency.max());
    assert!(mock.stats().accepted <= 8);
}

#[test]
fn warm_up_is_sent_and_not_measured() {
    let mock = MockProvider::start();
    let report = Load { warmup: Duration::from_millis(250), ..load(&mock, "ok", 400.0) }.run().unwrap();
    assert_eq!(mock.ledger().count(), 300);
    assert!((195..=205).contains(&report.sent), "{}", report.sent);
}

#[test]
fn a_closed_loop_sends_as_fast_as_it_is_answered() {
    let mock = MockProvider::start();
    let report =
        Load { pace: Pace::Closed, connections: 2, ..load(&mock, "slow-ttft-20", 0.0) }.run().unwrap();
    assert_eq!(report.sent, mock.ledger().count());
    assert!(report.ok > 4 && report.ok <= 52, "{}", report.ok);
}

#[test]
fn failures_have_classes() {
    let mock = MockProvider::start();
    for (model, class) in [
        ("status-429", "status_429"),
        ("cut-after-3", "truncated"),
        ("no-done", "no_terminal_event"),
        ("clean-end-after-3", "no_terminal_event"),
        ("error-after-3", "error_event"),
        ("rst", "no_answer"),
        ("hang", "timeout"),
        ("stall-after-3", "timeout"),
    ] {
        let load = Load { timeout: Duration::from_millis(300), ..streaming(&mock, model, 20.0) };
        let report = Load { connections: 16, ..load }.run().unwrap();
        assert_eq!(failed(&report), [(class, 10)], "{model}");
    }
    let addr = mock.addr();
    let gone = load(&mock, "ok", 20.0);
    mock.shutdown();
    assert_eq!(failed(&Load { addr, ..gone }.run().unwrap()), [("connect", 10)]);
}

#[test]
fn requests_are_sent_when_they_are_due_and_not_in_bursts() {
    let mock = MockProvider::start();
    let report = load(&mock, "ok", 700.0).run().unwrap();
    assert!(report.lag.count() > 100, "{}", report.lag.count());
    // Timers of whole milliseconds would make it 0.9 ms and more.
    assert!(report.lag.quantile(0.25) < Duration::from_micros(500), "{:?}", report.lag.quantile(0.25));
}

#[test]
fn a_server_that_hangs_does_not_make_the_run_endless() {
    let mock = MockProvider::start();
    let report = Load { timeout: Duration::from_millis(300), connections: 1, ..load(&mock, "hang", 100.0) }
        .run()
        .unwrap();
    assert_eq!((report.sent, report.failures()), (50, 50));
    assert!(report.failed["not_sent"] > 40);
}

#[test]
fn a_stall_is_charged_to_every_request_that_waited() {
    let mock = MockProvider::start();
    let proxy = FaultProxy::start(mock.addr());
    proxy.set(Mode::Blackhole);
    let load = Load { addr: proxy.addr(), connections: 2, ..load(&mock, "ok", 200.0) };
    let report = std::thread::scope(|scope| {
        let run = scope.spawn(|| load.run().unwrap());
        std::thread::sleep(Duration::from_millis(250));
        proxy.set(Mode::Pass);
        run.join().unwrap()
    });
    assert_eq!((report.ok, report.sent), (100, 100));
    // A generator that waited for answers before it counted would report two slow requests.
    assert!(report.latency.quantile(0.6) > Duration::from_millis(20), "{:?}", report.latency.quantile(0.6));
    assert!(report.latency.max() > Duration::from_millis(200));
}
