//! What a gateway knows of budgets and windows after it was ended, killed, or could not write.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bulkhead_testkit::client::{Client, End, Request, call};
use bulkhead_testkit::{GatewayYaml, MockProvider, body, eventually};

use serde_json::Value;

use crate::money::{dollars, micros, priced, spent};
use crate::support::{Gateway, PATIENCE, usage_in, yaml};

const KEY: &str = "sk-crash-0123456789abcdef";
const OTHER: &str = "sk-crash-other-0123456789abcdef";

/// A key with a budget, in micro-dollars, for a model whose answers take 30 ms.
fn with_budget(mock: &MockProvider, budget: u64) -> GatewayYaml {
    priced(yaml(mock), mock, "gpt-priced", "ok+slow-ttft-30")
        .virtual_key(KEY)
        .limit("key_alias", "spender")
        .limit("max_budget", dollars(budget))
        .limit("budget_duration", "30d")
}

/// At most as much output as the mock always gives, so that what is reserved is little more than what is spent.
fn request() -> Request {
    let body = body::chat("gpt-priced", "How are you?").with("max_tokens", 12);
    Request::post("/v1/chat/completions").bearer(KEY).json(body)
}

/// What one such request costs.
async fn price(mock: &MockProvider) -> u64 {
    let gateway = Gateway::with(with_budget(mock, 1_000_000).text()).start().await;
    assert_eq!(gateway.call(&request()).await.status, 200);
    let one = spent(mock).await;
    mock.reset();
    one
}

fn ledger(dir: &Path) -> PathBuf {
    dir.join("state/ledger.ndjson")
}

/// Spent and claimed, in micro-dollars, of the last line about a holder.
fn on_disk(dir: &Path, id: &str) -> Option<(u64, u64)> {
    let text = std::fs::read_to_string(ledger(dir)).unwrap();
    let line = text.lines().rfind(|line| line.ends_with(&format!(" \"{id}\"")))?.to_owned();
    let fields: Vec<&str> = line.split(' ').collect();
    let amount = |index: usize| fields[index].parse::<u64>().unwrap() / 1000;
    Some((amount(5), amount(6)))
}

/// Waits until the ledger says that so much was spent and claims no more than that.
async fn until_written(gateway: &Gateway, micros: u64) {
    let written = eventually(PATIENCE, || on_disk(gateway.dir(), "key:spender") == Some((micros, micros)));
    assert!(written.await, "{:?}, not {micros}", on_disk(gateway.dir(), "key:spender"));
}

/// The bounds of what crashes left, when there are so many of them.
async fn unknown(gateway: &Gateway, count: usize) -> Vec<u64> {
    let is_unknown = |record: &Value| record["usage"] == "unknown";
    let counted = || usage_in(gateway.dir()).into_iter().filter(is_unknown).count();
    assert!(eventually(PATIENCE, || counted() >= count).await);
    let records = usage_in(gateway.dir());
    let unknown = records.iter().filter(|record| is_unknown(record));
    let bounds: Vec<_> = unknown
        .map(|record| {
            assert!(record["time"].is_string(), "{record}");
            assert_eq!((&record["error"], &record["holder"]), (&"crash".into(), &"key:spender".into()));
            micros(record["bound"].as_str().unwrap())
        })
        .collect();
    assert_eq!(bounds.len(), count, "{bounds:?}");
    bounds
}

#[tokio::test]
async fn a_restart_keeps_budgets_and_rate_windows() {
    let mock = MockProvider::start();
    let one = price(&mock).await;
    let yaml = with_budget(&mock, 3 * one).virtual_key(OTHER).limit("rpm_limit", 3);
    let mut gateway = Gateway::with(yaml.text()).start().await;
    let other = Request::post("/v1/chat/completions").bearer(OTHER).json(body::chat("gpt", "Hi"));
    for _ in 0..2 {
        assert_eq!(gateway.call(&request()).await.status, 200);
        assert_eq!(gateway.call(&other).await.status, 200);
    }
    gateway = gateway.restart().await;
    let third = gateway.call(&request()).await;
    assert_eq!(third.status, 200, "{}", third.text());
    until_written(&gateway, 3 * one).await;
    assert_eq!(gateway.call(&other).await.header("x-ratelimit-api_key-remaining-requests"), Some("0"));
    for request in [&request(), &other] {
        assert!(matches!(gateway.call(request).await.status, 422 | 429));
    }
    gateway = gateway.restart().await;
    assert_eq!(gateway.call(&request()).await.status, 422);
    assert_eq!(gateway.call(&other).await.status, 429);
    unknown(&gateway, 0).await;
    assert_eq!(mock.ledger().count(), 6);
}

#[tokio::test]
async fn a_kill_while_nothing_is_in_flight_loses_nothing_and_claims_nothing() {
    let mock = MockProvider::start();
    let one = price(&mock).await;
    let mut gateway = Gateway::with(with_budget(&mock, 5 * one).text()).start().await;
    for count in 1..=5 {
        let answer = gateway.call(&request()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        until_written(&gateway, count * one).await;
        gateway.usage_of(count as usize).await;
        gateway = gateway.crash_and_restart().await;
    }
    assert_eq!(gateway.call(&request()).await.status, 422);
    unknown(&gateway, 0).await;
    assert_eq!(gateway.usage().len(), 5);
    assert_eq!(spent(&mock).await, 5 * one);
}

/// Fifty clients that send one request after the other until they are told to stop.
struct Clients {
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    served: Arc<AtomicU64>,
    exhausted: Arc<AtomicBool>,
}

impl Clients {
    fn start(gateway: &Gateway) -> Self {
        let (stop, exhausted) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let served = Arc::<AtomicU64>::default();
        let client = |_| {
            let (addr, stop, served, exhausted) =
                (gateway.addr, stop.clone(), served.clone(), exhausted.clone());
            tokio::spawn(async move {
                let Ok(mut client) = Client::connect(addr).await else { return };
                while !stop.load(Ordering::Relaxed) {
                    let answer = client.exchange(&request()).await;
                    match answer.status {
                        200 => drop(served.fetch_add(1, Ordering::Relaxed)),
                        422 => return exhausted.store(true, Ordering::Relaxed),
                        429 => assert!(answer.text().contains("budget_contended"), "{}", answer.text()),
                        // The gateway was killed.
                        0 => return,
                        _ => panic!("{}", answer.text()),
                    }
                }
            })
        };
        let tasks = (0..50).map(client).collect();
        Self { stop, tasks, served, exhausted }
    }

    async fn ended(self) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}

#[tokio::test]
async fn kills_in_the_middle_of_fifty_requests_never_give_budget_back() {
    let mock = MockProvider::start();
    let one = price(&mock).await;
    let budget = 2000 * one;
    let mut gateway = Gateway::with(with_budget(&mock, budget).text()).start().await;
    for round in 0..6 {
        let clients = Clients::start(&gateway);
        let served = clients.served.clone();
        let enough = 60 + 15 * round;
        assert!(eventually(PATIENCE, || served.load(Ordering::Relaxed) > enough).await);
        gateway = gateway.crash_and_restart().await;
        clients.ended().await;
        let bounds = unknown(&gateway, usize::try_from(round + 1).unwrap()).await;
        // At most fifty in flight, each of which reserves less than twice its cost, and what was claimed ahead: a
        // sixteenth of what was left.
        let most = 50 * 2 * one + budget / 16;
        assert!(bounds.iter().all(|bound| *bound <= most), "{bounds:?} above {most}");
    }
    let clients = Clients::start(&gateway);
    let exhausted = clients.exhausted.clone();
    assert!(eventually(Duration::from_secs(30), || exhausted.load(Ordering::Relaxed)).await);
    clients.ended().await;
    let truth = spent(&mock).await;
    assert!(truth <= budget + one, "{truth} was spent of {budget}");
    // Nothing was denied but for what was claimed and not spent: the rest of the budget was of use.
    let claimed: u64 = unknown(&gateway, 6).await.iter().sum();
    assert!(truth + claimed >= budget, "{truth} was spent and {claimed} claimed of {budget}");
    let denied = gateway.call(&request()).await;
    assert_eq!(denied.status, 422);
    assert!(micros(denied.header("x-litellm-key-spend").unwrap()) >= budget);
    println!("spent {truth} of {budget} micro-dollars, {claimed} claimed by 6 crashes");
}

#[tokio::test]
async fn a_stream_that_a_crash_cuts_counts_with_all_that_it_had_reserved() {
    let mock = MockProvider::start();
    let yaml = priced(yaml(&mock), &mock, "gpt-long", "chunks-5000+stall-after-4000")
        .virtual_key(KEY)
        .limit("key_alias", "spender")
        .limit("max_budget", 100);
    let gateway = Gateway::with(yaml.text()).start().await;
    let mut client = gateway.client().await;
    let body = body::chat("gpt-long", "Tell me everything.").stream();
    client.send(&Request::post("/v1/chat/completions").bearer(KEY).json(body).bytes()).await.unwrap();
    client.read_until(|so_far| so_far.events().len() >= 4000).await;
    let reserved = gateway.metric("bulkhead_reserved_nano_usd", &[]).await as u64 / 1000;
    // 4,000 pieces of nearly two tokens, as bytes go, at 100 micro-dollars each.
    assert!(reserved > 600_000, "{reserved}");
    let written = eventually(PATIENCE, || on_disk(gateway.dir(), "key:spender") == Some((0, reserved)));
    assert!(written.await, "{:?}, not {reserved}", on_disk(gateway.dir(), "key:spender"));
    let gateway = gateway.crash_and_restart().await;
    assert_eq!(unknown(&gateway, 1).await, [reserved]);
    let answer = gateway.get("/v1/models", KEY).await;
    assert_eq!(answer.status, 200);
    let gateway = gateway.restart().await;
    assert_eq!(unknown(&gateway, 1).await, [reserved], "it is told once");
}

#[tokio::test]
async fn a_second_process_on_the_same_state_directory_is_refused() {
    let mock = MockProvider::start();
    let yaml = with_budget(&mock, 1_000_000).text();
    let gateway = Gateway::with(yaml.clone()).start().await;
    let (code, said) = Gateway::with(yaml).in_dir_of(&gateway).refused();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("--state-dir") && said.contains("another process uses it"), "{said}");
    assert!(!said.contains("listening"), "{said}");
    assert_eq!(gateway.call(&request()).await.status, 200);
}

#[tokio::test]
async fn a_damaged_ledger_costs_only_its_damaged_lines() {
    let mock = MockProvider::start();
    let one = price(&mock).await;
    let mut gateway = Gateway::with(with_budget(&mock, 2 * one).text()).start().await;
    assert_eq!(gateway.call(&request()).await.status, 200);
    until_written(&gateway, one).await;
    let usage = gateway.usage_of(1).await;
    assert!(gateway.terminate().await.success());
    let mut text = std::fs::read(ledger(gateway.dir())).unwrap();
    let good = String::from_utf8(text.clone()).unwrap();
    let line = good.lines().last().unwrap();
    // Another sum than its checksum, other bytes, a line that is torn at the end.
    text.extend_from_slice(line.replacen(&format!(" {}000 ", one), " 1 ", 1).as_bytes());
    text.extend_from_slice(b"\n\xff\xfe\x00 garbage\n\n{\"json\":true}\n");
    text.extend_from_slice(&line.as_bytes()[..line.len() / 2]);
    std::fs::write(ledger(gateway.dir()), text).unwrap();
    let records = gateway.dir().join("state/usage/00000001.ndjson");
    let mut torn = std::fs::read(&records).unwrap();
    torn.extend_from_slice(b"{\"id\":\"test-0000\",\"ti");
    std::fs::write(&records, torn).unwrap();

    let gateway = Gateway::with(with_budget(&mock, 2 * one).text()).in_dir_of(&gateway).start().await;
    gateway.until_log("lines of the ledger were damaged").await;
    assert_eq!(gateway.call(&request()).await.status, 200);
    assert_eq!(gateway.call(&request()).await.status, 422);
    let after = gateway.usage_of(2).await;
    assert_eq!(after[0], usage[0]);
}

/// Sets the largest size of a file that a process may write to; `None` is no limit.
pub(crate) fn limit_files(pid: u32, bytes: Option<u64>) {
    let limit = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
    let status = Command::new("prlimit")
        .arg(format!("--pid={pid}"))
        .arg(format!("--fsize={limit}:unlimited"))
        .status()
        .unwrap();
    assert!(status.success());
}

#[tokio::test]
async fn requests_go_on_while_the_disk_refuses_and_nothing_of_it_is_lost_that_a_process_can_keep() {
    let mock = MockProvider::start();
    let one = price(&mock).await;
    let budget = 100 * one;
    // A write beyond the limit is an error then, as on a full disk, and not the end of the process.
    let gateway = Gateway::with(with_budget(&mock, budget).text())
        .wrapped(&["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"])
        .start()
        .await;
    assert_eq!(gateway.call(&request()).await.status, 200);
    gateway.usage_of(1).await;
    until_written(&gateway, one).await;

    let length = |path: &Path| std::fs::metadata(path).unwrap().len();
    let records = gateway.dir().join("state/usage/00000001.ndjson");
    assert!(length(&records) > length(&ledger(gateway.dir())));
    // First a little more than the ledger's length, so that a line of it is torn, then of the records'.
    for bytes in [length(&ledger(gateway.dir())) + 10, length(&records) + 100] {
        let (errors, lost) = (
            gateway.metric("bulkhead_ledger_errors_total", &[]).await,
            gateway.metric("bulkhead_usage_lost_total", &[]).await,
        );
        limit_files(gateway.pid(), Some(bytes));
        let answers = gateway.at_once(vec![request(); 20]).await;
        for answer in &answers {
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
        let slowest = answers.iter().filter_map(|answer| answer.first_byte()).max().unwrap();
        assert!(slowest < Duration::from_secs(2), "{slowest:?}");
        gateway.until_metric("bulkhead_usage_lost_total", &[], lost + 20.0).await;
        gateway.until_log("usage records cannot be written").await;
        if errors == 0.0 {
            gateway.until_log("the ledger cannot be written").await;
            assert!(gateway.metric("bulkhead_ledger_errors_total", &[]).await > errors);
        }
        limit_files(gateway.pid(), None);
        let before = gateway.usage().len();
        assert_eq!(gateway.call(&request()).await.status, 200);
        assert!(eventually(PATIENCE, || gateway.usage().len() > before).await);
        gateway.until_metric("bulkhead_holds", &[], 0.0).await;
    }
    gateway.until_log("the ledger can be written again").await;
    assert_eq!(gateway.usage().len(), 3, "every line that was written is whole");
    let truth = spent(&mock).await;
    assert_eq!(truth, 43 * one);
    until_written(&gateway, truth).await;
    let gateway = gateway.crash_and_restart().await;
    assert_eq!(gateway.call(&request()).await.status, 200);
    until_written(&gateway, truth + one).await;
}

#[tokio::test]
async fn a_budget_is_exact_while_the_disk_refuses() {
    let mock = MockProvider::start();
    let one = price(&mock).await;
    let gateway = Gateway::with(with_budget(&mock, 10 * one).text())
        .wrapped(&["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"])
        .start()
        .await;
    limit_files(gateway.pid(), Some(0));
    let answers = gateway.at_once(vec![request(); 50]).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 10);
    assert_eq!(spent(&mock).await, 10 * one);
    assert_eq!(gateway.call(&request()).await.status, 422);
    limit_files(gateway.pid(), None);
}

#[tokio::test]
async fn a_gateway_starts_on_a_full_disk_with_what_its_ledger_says() {
    let mock = MockProvider::start();
    let one = price(&mock).await;
    let mut gateway = Gateway::with(with_budget(&mock, 2 * one).text()).start().await;
    assert_eq!(gateway.call(&request()).await.status, 200);
    assert!(gateway.terminate().await.success());
    let gateway = Gateway::with(with_budget(&mock, 2 * one).text())
        .in_dir_of(&gateway)
        .wrapped(&["sh", "-c", "trap '' XFSZ; exec prlimit --fsize=0:unlimited \"$@\"", "sh"])
        .start()
        .await;
    gateway.until_log("the ledger cannot be rewritten").await;
    let answer = gateway.call(&request()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(gateway.call(&request()).await.status, 422);
    limit_files(gateway.pid(), None);
    until_written(&gateway, 2 * one).await;
    let gateway = gateway.crash_and_restart().await;
    assert_eq!(gateway.call(&request()).await.status, 422);
}

#[tokio::test]
async fn a_state_directory_that_cannot_be_used_is_an_error_before_any_port_is_bound() {
    let mock = MockProvider::start();
    let yaml = with_budget(&mock, 1_000_000).text();
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    let (code, said) = Gateway::with(yaml).state_dir(format!("{path}/state")).refused();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("--state-dir") && said.contains(&path), "{said}");
    assert!(!said.contains("listening"), "{said}");
}

#[tokio::test]
async fn a_client_in_flight_when_the_gateway_dies_sees_a_broken_answer_and_no_good_one() {
    let mock = MockProvider::start();
    let yaml = crate::support::faulty(yaml(&mock), &mock, "gpt-slow", "slow-chunk-50+chunks-200");
    let gateway = Gateway::with(yaml.virtual_key(KEY).text()).start().await;
    let body = body::chat("gpt-slow", "Hi").stream();
    let request = Request::post("/v1/chat/completions").bearer(KEY).json(body);
    let addr = gateway.addr;
    let streaming = tokio::spawn(async move { call(addr, &request).await.unwrap() });
    assert!(eventually(PATIENCE, || mock.ledger().count() == 1).await);
    gateway.until_metric("bulkhead_in_flight", &[], 1.0).await;
    let gateway = gateway.crash_and_restart().await;
    let answer = streaming.await.unwrap();
    assert_ne!(answer.end, End::Complete);
    assert!(!answer.text().contains("[DONE]"));
    assert_eq!(gateway.get("/health/readiness", KEY).await.status, 200);
}
