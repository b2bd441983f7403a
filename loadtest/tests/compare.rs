//! The comparison, in short: that every suite measures something, not what it measures.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests may fail the test")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use loadtest::compare::{Comparison, Suite};
use serde_json::Value;

fn binaries() -> PathBuf {
    let dir = Path::new(env!("CARGO_BIN_EXE_mock-provider")).parent().unwrap().to_owned();
    assert!(dir.join("data-plane").exists(), "`cargo build -p data-plane` makes it, or run `make test`");
    dir
}

fn comparison(binaries: PathBuf, suites: &[Suite]) -> Comparison {
    Comparison { binaries, suites: suites.to_vec(), rounds: 1, duration: Duration::from_millis(200) }
}

/// The median of a figure.
fn figure(json: &Value, case: &str, through: &str, key: &str) -> f64 {
    let row =
        json["rows"].as_array().unwrap().iter().find(|row| row["case"] == case && row["through"] == through);
    row.unwrap()["figures"][key]["median"].as_f64().unwrap()
}

#[test]
fn requests_cost_something_through_everything() {
    let suites = [Suite::Requests, Suite::Latency, Suite::Capacity, Suite::Bodies];
    let table = comparison(binaries(), &suites).run(|_| {}).unwrap();
    let json = table.json();
    for through in ["HAProxy", "HAProxy twin", "nginx", "Bulkhead", "direct"] {
        for case in ["plain", "stream of 20 events", "10 KB", "10 MB"] {
            assert!(figure(&json, case, through, "cpu_us") > 0.0, "{case} {through}");
        }
        assert!(figure(&json, "as many as possible", through, "rate") > 10.0);
        assert!(figure(&json, "half of that", through, "p99_us") > 10.0);
    }
    assert!(figure(&json, "10 MB", "Bulkhead", "cpu_us") > figure(&json, "10 KB", "Bulkhead", "cpu_us"));
    let details = table.details();
    for suite in ["### Requests", "### Latency", "### Capacity", "### Bodies"] {
        assert!(details.contains(suite), "{details}");
    }
    assert!(table.summary().contains("\n| CPU a byte of large bodies, ns | "), "{}", table.summary());
}

#[test]
fn events_memory_and_bad_keys_are_seen() {
    let suites = [Suite::Events, Suite::Memory, Suite::BadKeys];
    let json = comparison(binaries(), &suites).run(|_| {}).unwrap().json();
    for through in ["HAProxy", "HAProxy twin", "nginx", "Bulkhead", "direct"] {
        assert!(figure(&json, "200 streams", through, "delay_p50_us") > 1.0, "{through}");
    }
    let memory = |key: &str| figure(&json, "1000 streams", "Bulkhead", key);
    assert!(memory("open_mib") > memory("rest_mib") && memory("rest_mib") > 1.0);
    let flood = |key: &str| figure(&json, "20,000 a second", "Bulkhead", key);
    assert!(flood("rate") > 100.0 && flood("cpu_us") > 0.0);
    assert_eq!(flood("failed"), 0.0);
}

#[test]
fn what_fails_requests_is_not_measured() {
    // In the place of the gateway, a provider that knows none of its aliases: they are ordinary models to it.
    let dir = tempfile::tempdir().unwrap();
    let mock = env!("CARGO_BIN_EXE_mock-provider");
    symlink(mock, dir.path().join("mock-provider")).unwrap();
    let script = dir.path().join("data-plane");
    fs::write(&script, format!("#!/bin/sh\nexec '{mock}' --listen \"$4\"\n")).unwrap();
    fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    let wrong = comparison(dir.path().to_owned(), &[Suite::Events]).run(|_| {}).err().unwrap().to_string();
    assert!(wrong.contains("Bulkhead answered 0 and failed {\"event_order\": "), "{wrong}");
    assert!(wrong.contains("mock provider listening on"), "its log is shown: {wrong}");
}
