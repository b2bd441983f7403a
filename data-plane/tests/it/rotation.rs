//! Secrets in mounted files, renewed while a gateway with a file of its own runs.

use std::time::Duration;

use bulkhead_testkit::client::{Client, End, Request};
use bulkhead_testkit::{GatewayYaml, MockProvider, Mounted, body, eventually};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::support::{Gateway, MASTER, PATIENCE};

const KEY: &str = "sk-rotation-0123456789abcdef";
const OLD: &str = "sk-provider-of-yesterday";
const NEW: &str = "sk-provider-of-today";
const NEXT_MASTER: &str = "sk-81c6f7da90e3b2143f9c1a7be05d4288";
/// From the change of a file to the last use of what it held: two looks, half a second apart.
const SOON: Duration = Duration::from_secs(1);
const BUSY: u32 = 5;

fn chat(key: &str) -> Request {
    Request::post("/v1/chat/completions").bearer(key).json(body::chat("gpt", "Hi"))
}

async fn gateway(mock: &MockProvider, files: &Mounted) -> Gateway {
    let yaml = GatewayYaml::new()
        .deployment("gpt")
        .provider("openai")
        .model("ok")
        .base(mock.base_url())
        .key("os.environ/PROVIDER_KEY")
        .virtual_key(KEY);
    Gateway::with(yaml.text())
        .env("PROVIDER_KEY_FILE", files.path("provider-key").to_str().unwrap())
        .env("LITELLM_MASTER_KEY_FILE", files.path("master-key").to_str().unwrap())
        .start()
        .await
}

fn uses_of(mock: &MockProvider, key: &str) -> usize {
    let sent = format!("Bearer {key}");
    mock.requests()
        .iter()
        .filter(|request| request.header("authorization").is_some_and(|said| said == sent))
        .count()
}

#[tokio::test]
async fn a_provider_key_is_renewed_under_load_and_the_old_one_is_used_no_more() {
    let mock = MockProvider::start();
    let dir = tempfile::tempdir().unwrap();
    let mut files = Mounted::at(dir.path(), &[("provider-key", OLD), ("master-key", MASTER)]);
    let gateway = gateway(&mock, &files).await;
    let (stop, stopped) = watch::channel(false);
    let clients: Vec<_> = (0..10)
        .map(|_| {
            let (addr, stopped) = (gateway.addr, stopped.clone());
            tokio::spawn(async move {
                let mut client = Client::connect(addr).await.unwrap();
                let mut ticks = tokio::time::interval(Duration::from_millis(100));
                while !*stopped.borrow() {
                    ticks.tick().await;
                    let answer = client.exchange(&chat(KEY)).await;
                    assert_eq!((answer.status, answer.end), (200, End::Complete), "{}", answer.text());
                }
            })
        })
        .collect();
    assert!(eventually(PATIENCE, || uses_of(&mock, OLD) > 20).await);

    files.swap(&[("provider-key", &format!("{NEW}\n")), ("master-key", MASTER)]);
    let (began, mut old, mut last_use) = (Instant::now(), uses_of(&mock, OLD), Duration::ZERO);
    while uses_of(&mock, NEW) < 10 {
        let now = uses_of(&mock, OLD);
        if now > old {
            (old, last_use) = (now, began.elapsed());
        }
        assert!(began.elapsed() < PATIENCE, "the new key is not used");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    mock.revoke(OLD);
    let (old, new) = (uses_of(&mock, OLD), uses_of(&mock, NEW));
    assert!(eventually(PATIENCE, || uses_of(&mock, NEW) > new + 100).await);
    assert_eq!(uses_of(&mock, OLD), old);
    stop.send_replace(true);
    for client in clients {
        client.await.unwrap();
    }
    eprintln!("a provider's key file: the old key was used until {last_use:?} after the change");
    assert!(last_use < SOON * BUSY, "{last_use:?}");
}

#[tokio::test]
async fn a_file_that_is_empty_or_gone_changes_nothing_and_is_told_once() {
    let mock = MockProvider::start();
    let dir = tempfile::tempdir().unwrap();
    let mut files = Mounted::at(dir.path(), &[("provider-key", OLD), ("master-key", MASTER)]);
    let gateway = gateway(&mock, &files).await;
    let refused = |times: f64| gateway.until_metric("bulkhead_config_refused_total", &[], times);
    files.swap(&[("provider-key", "\n"), ("master-key", MASTER)]);
    refused(1.0).await;
    assert_eq!(gateway.call(&chat(KEY)).await.status, 200);
    files.swap(&[("master-key", MASTER)]);
    refused(2.0).await;
    assert_eq!(gateway.call(&chat(KEY)).await.status, 200);
    let told = || gateway.log().matches("the configuration was refused").count();
    assert!(!eventually(Duration::from_millis(1600), || told() > 2).await, "{}", gateway.log());
    let log = gateway.log();
    assert!(log.contains("gateway.yaml:") && log.contains("PROVIDER_KEY_FILE names is empty"), "{log}");
    files.swap(&[("provider-key", NEW), ("master-key", MASTER)]);
    gateway.until_metric("bulkhead_config_reloads_total", &[], 1.0).await;
    assert_eq!(gateway.call(&chat(KEY)).await.status, 200);
    assert_eq!((uses_of(&mock, OLD), uses_of(&mock, NEW)), (2, 1));
}

#[tokio::test]
async fn another_master_key_is_good_and_the_one_before_is_not() {
    let mock = MockProvider::start();
    let dir = tempfile::tempdir().unwrap();
    let mut files = Mounted::at(dir.path(), &[("provider-key", OLD), ("master-key", MASTER)]);
    let gateway = gateway(&mock, &files).await;
    assert_eq!(gateway.call(&chat(MASTER)).await.status, 200);
    files.swap(&[("provider-key", OLD), ("master-key", NEXT_MASTER)]);
    gateway.until_metric("bulkhead_config_reloads_total", &[], 1.0).await;
    assert_eq!(gateway.call(&chat(NEXT_MASTER)).await.status, 200);
    assert_eq!(gateway.call(&chat(MASTER)).await.status, 401);
}
