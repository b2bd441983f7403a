//! The providers' own Python SDKs against a running gateway.

use std::path::{Path, PathBuf};
use std::process::Command;

use bulkhead_testkit::{MockProvider, canary};

use crate::support::{Gateway, faulty, yaml};

/// The environment that `make test` makes, one for each state of the lock file.
pub(crate) fn python() -> PathBuf {
    let python = std::env::var_os("BULKHEAD_SDK_PYTHON").map(PathBuf::from);
    python
        .filter(|path| path.exists())
        .expect("BULKHEAD_SDK_PYTHON is not set: run the tests with `make test`")
}

async fn run(file: &str) {
    let mock = MockProvider::start();
    let faults = [
        ("gpt-status-400", "status-400"),
        ("gpt-status-401", "status-401"),
        ("gpt-status-404", "status-404"),
        ("gpt-status-422", "status-422"),
        ("gpt-status-429", "status-429"),
        ("gpt-status-500", "status-500"),
        ("gpt-status-503", "status-503"),
        ("gpt-context-window", "context-window"),
        ("gpt-cut", "cut-after-3"),
        ("gpt-clean-end", "clean-end-after-3"),
        ("gpt-error-mid", "error-after-3"),
        ("claude-status-400", "status-400"),
        ("claude-status-401", "status-401"),
        ("claude-status-429", "status-429"),
        ("claude-529", "529"),
        ("claude-status-500", "status-500"),
        ("claude-error-first", "error-first-event"),
        ("claude-cut", "cut-after-3"),
        ("claude-clean-end", "clean-end-after-3"),
        ("claude-error-mid", "error-after-3"),
    ];
    let yaml = faults.iter().fold(yaml(&mock), |yaml, (group, model)| faulty(yaml, &mock, group, model));
    let gateway = Gateway::with(yaml.virtual_key(canary::VIRTUAL_KEY).text()).start().await;
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk");
    let output = Command::new(python())
        .args(["-m", "pytest", "-q", "-p", "no:cacheprovider"])
        .arg(tests.join(file))
        .env("GATEWAY", gateway.url())
        .env("GATEWAY_KEY", canary::VIRTUAL_KEY)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[tokio::test]
async fn the_openai_sdk_works() {
    run("test_openai.py").await;
}

#[tokio::test]
async fn the_anthropic_sdk_works() {
    run("test_anthropic.py").await;
}

/// Each at the other's models.
#[tokio::test]
async fn sdks_work_where_the_provider_speaks_another_dialect() {
    run("test_translated.py").await;
}
