//! Usage of a managed node: what is in its spool after whatever happened to the process.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use bulkhead_proto::{UsageEvent, UsageSource};
use bulkhead_sealed::{Frames, Kind, Name, StateKeys};
use prost::Message;

use super::*;
use crate::crash::limit_files;
use crate::support::usage_in;

/// What is in a spool, of all incarnations in the order of their starts.
#[derive(Default)]
struct Spooled {
    events: Vec<UsageEvent>,
    /// What is begun and not ended.
    begun: BTreeMap<(String, u64), UsageEvent>,
}

/// Reads the segments as the format says, and checks that no number is left out.
fn spooled(dir: &Path) -> Spooled {
    let keys = StateKeys::from_join_token(&Secret::new(canary::JOIN_TOKEN));
    let mut spooled = Spooled::default();
    let mut next: BTreeMap<String, u64> = BTreeMap::new();
    for file in segments(dir) {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let [incarnation, number, _] = name.split('-').collect::<Vec<_>>()[..] else { panic!("{name}") };
        let next = next.entry(incarnation.to_owned()).or_insert(1);
        let name = Name(Kind::Spool, number.parse().unwrap());
        let Ok(mut frames) = Frames::open(name, File::open(&file).unwrap(), &keys) else {
            continue;
        };
        while let Ok(Some(content)) = frames.read() {
            let (head, mut records) = content.split_at(24);
            assert_eq!(u64::from_be_bytes(head[16..].try_into().unwrap()), *next, "in {}", file.display());
            while !records.is_empty() {
                let exchange = u64::from_be_bytes(records[1..9].try_into().unwrap());
                let len = u32::from_be_bytes(records[9..13].try_into().unwrap()) as usize;
                let event = UsageEvent::decode(&records[13..13 + len]).unwrap();
                let begun = (incarnation.to_owned(), exchange);
                if records[0] == 1 {
                    spooled.begun.insert(begun, event);
                } else {
                    spooled.begun.remove(&begun);
                    spooled.events.push(event);
                    *next += 1;
                }
                records = &records[13 + len..];
            }
        }
    }
    spooled
}

/// By number.
fn segments(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir.join("state/spool")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some_and(|end| end == "seg")).collect();
    paths.sort_by_key(|path| path.file_name().unwrap().to_str().unwrap().split_at(33).1.to_owned());
    paths
}

impl Gateway {
    /// Waits until the spool holds so many events and so many exchanges under way.
    async fn until_spooled(&self, events: usize, begun: usize) -> Spooled {
        let counted = || {
            let spooled = spooled(self.dir());
            (spooled.events.len(), spooled.begun.len())
        };
        assert!(
            eventually(PATIENCE, || counted() == (events, begun)).await,
            "{:?}, not {events} and {begun}:\n{}",
            counted(),
            self.log()
        );
        spooled(self.dir())
    }
}

fn chat(group: &str) -> Request {
    Request::post("/v1/chat/completions").bearer(KEY).json(body::chat(group, "How are you?"))
}

/// A node that follows, with `slow` beside `gpt`: a model that takes half a minute.
async fn with_slow() -> (MockProvider, Fake, Gateway) {
    let mock = MockProvider::start();
    let Row::Deployment(slow) = deployment(&mock, "slow") else { panic!() };
    let slow = DeploymentRow { model: "ok+slow-ttft-30000".to_owned(), ..*slow };
    let rows = rows(&mock).into_iter().chain([Row::Deployment(Box::new(slow))]);
    let fake = Fake::start(rows.collect());
    let gateway = follow(&fake).start().await;
    gateway.until_ready("ready").await;
    (mock, fake, gateway)
}

#[tokio::test]
async fn usage_of_a_managed_node_is_in_its_spool() {
    let (_mock, _fake, gateway) = with_slow().await;
    let answer = gateway.call(&chat("gpt").header("x-litellm-tags", "a,b")).await;
    assert_eq!(answer.status, 200);
    let Spooled { events, begun } = gateway.until_spooled(1, 0).await;
    let [event] = &events[..] else { panic!("{} events", events.len()) };
    assert!(begun.is_empty() && event.source() == UsageSource::Reported);
    let hash = KeyHash::of(KEY);
    assert_eq!(event.key_id, format!("key-{}", &hash.to_string()[..8]));
    assert_eq!(event.key_hash[..], hash.0);
    assert_eq!(event.call_id, answer.header("x-litellm-call-id").unwrap());
    assert_eq!(
        (&*event.endpoint, &*event.call_type, &*event.model_group, &*event.deployment, &*event.provider),
        ("/v1/chat/completions", "acompletion", "gpt", "gpt-1", "openai")
    );
    assert_eq!(event.tags, ["a", "b"]);
    assert_eq!((event.failure.as_deref(), event.bound, event.requests), (None, None, 0));
    let cost = answer.header("x-litellm-response-cost").unwrap();
    assert_eq!(event.cost.unwrap(), bulkhead_model::NanoUsd::from_decimal(cost).unwrap().0);
    assert!(event.output_tokens > 0 && event.time > 0);
    assert_eq!(usage_in(gateway.dir()).len(), 0, "and not in files");
}

#[tokio::test]
async fn a_kill_with_requests_in_flight_leaves_unknown_usage_with_its_bound() {
    let (mock, _fake, mut gateway) = with_slow().await;
    let mut ended = 0;
    for round in 1..=3 {
        for _ in 0..4 {
            assert_eq!(gateway.call(&chat("gpt")).await.status, 200);
        }
        let addr = gateway.addr;
        let waiting: Vec<_> = (0..3)
            .map(|_| tokio::spawn(async move { bulkhead_testkit::client::call(addr, &chat("slow")).await }))
            .collect();
        ended += 4;
        // Written before the provider can have said anything: nothing of them ends.
        gateway.until_spooled(ended, 3).await;
        gateway = gateway.crash_and_restart().await;
        for request in waiting {
            request.await.unwrap().ok();
        }
        ended += 3;
        let Spooled { events, .. } = gateway.until_spooled(ended, 0).await;
        let unknown: Vec<_> = events.iter().filter(|event| event.source() == UsageSource::Unknown).collect();
        assert_eq!(unknown.len(), 3 * round);
        for event in unknown {
            assert_eq!((event.failure.as_deref(), &*event.model_group), (Some("crash"), "slow"));
            assert!(event.bound.unwrap() > event.cost.unwrap() && event.cost.unwrap() > 0);
        }
        gateway = gateway.crash_and_restart().await;
        gateway.until_spooled(ended, 0).await;
    }
    let ids: HashSet<_> = spooled(gateway.dir()).events.into_iter().map(|event| event.call_id).collect();
    assert_eq!(ids.len(), ended, "each exchange once");
    // One whose bytes had not left when the process died may have been none for the provider.
    let (most, least) = (ended as u64, 3 * 4);
    assert!((least..=most).contains(&mock.ledger().count()), "{}", mock.ledger().count());
}

#[tokio::test]
async fn what_ends_while_the_disk_refuses_is_written_when_it_can_be() {
    let mock = MockProvider::start();
    let fake = Fake::start(rows(&mock));
    let trap = ["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"];
    let gateway = follow(&fake).wrapped(&trap).start().await;
    gateway.until_ready("ready").await;
    fake.until_applied().await;
    assert_eq!(gateway.call(&chat("gpt")).await.status, 200);
    gateway.until_spooled(1, 0).await;
    limit_files(gateway.pid(), Some(1));
    for _ in 0..5 {
        assert_eq!(gateway.call(&chat("gpt")).await.status, 200, "requests go on");
    }
    gateway.until_log("usage cannot be written").await;
    limit_files(gateway.pid(), None);
    gateway.until_spooled(6, 0).await;
    gateway.until_log("usage can be written again").await;
    gateway.until_metric("bulkhead_usage_lost_total", &[], 0.0).await;
}

#[tokio::test]
async fn a_full_spool_refuses_requests_where_the_operator_wants_that() {
    let mock = MockProvider::start();
    let fake = Fake::start(rows(&mock));
    let builder = follow(&fake).env("BULKHEAD_SPOOL_CAP", "1MiB").env("BULKHEAD_SPOOL_FULL", "block");
    let gateway = builder.start().await;
    gateway.until_status(KEY, 200).await;
    fake.until_applied().await;
    drop(fake);
    // Tags as long as they may be: few requests fill the spool.
    let tags: Vec<_> = (0..32).map(|tag| format!("{tag:0512}")).collect();
    let body = body::chat("gpt", "Hi").with("metadata", serde_json::json!({ "tags": tags }));
    let request = Request::post("/v1/chat/completions").bearer(KEY).json(body);
    let began = Instant::now();
    let refused = loop {
        let answer = gateway.call(&request).await;
        if answer.status != 200 {
            break answer;
        }
        assert!(began.elapsed() < PATIENCE, "{}", gateway.log());
    };
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    let error = refused.json()["error"].take();
    assert_eq!((&error["code"], &error["type"]), (&"503".into(), &"service_unavailable_error".into()));
    assert!(error["message"].as_str().unwrap().contains("--spool-full block"), "{error}");
    assert_eq!(gateway.status_of(canary::UNKNOWN_KEY).await, 401, "whoever has no key hears that");
    gateway.until_metric("bulkhead_refused_total", &["kind=\"usage_spool_full\""], 1.0).await;
    gateway.until_log("requests are refused (--spool-full block)").await;
}

#[test]
fn a_cap_that_is_no_size_ends_with_64() {
    for size in ["much", "1KiB"] {
        let builder = follow_url("http://127.0.0.1:1").env("BULKHEAD_SPOOL_CAP", size);
        let (code, text) = builder.refused();
        assert_eq!(code, Some(64), "{text}");
        assert!(text.contains("--spool-cap") && text.contains("size"), "{text}");
    }
}
