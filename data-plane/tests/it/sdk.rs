//! The providers' own SDKs against a running gateway.

use std::path::{Path, PathBuf};
use std::process::Command;

use bulkhead_testkit::{MockProvider, canary};

use crate::support::{Builder, Gateway, faulty};
use crate::translation::embeddings::embedding_yaml;

/// The environment that `make test` makes, one for each state of the lock file.
pub(crate) fn python() -> PathBuf {
    made("BULKHEAD_SDK_PYTHON")
}

pub(crate) fn made(variable: &str) -> PathBuf {
    let path = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.exists());
    path.unwrap_or_else(|| panic!("{variable} is not set: run the tests with `make test`"))
}

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk")
}

/// A gateway with models of both dialects that the mock speaks, in order and with faults.
fn gateway(mock: &MockProvider) -> Builder {
    let faults = [
        ("gpt-echo", "echo+strict"),
        ("gpt-reasoning", "reasoning-content-64"),
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
        ("claude-echo", "echo+strict"),
        ("claude-reasoning", "reasoning-64"),
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
    let yaml =
        faults.iter().fold(embedding_yaml(mock), |yaml, (group, model)| faulty(yaml, mock, group, model));
    Gateway::with(yaml.virtual_key(canary::VIRTUAL_KEY).text())
}

/// Runs tests that find the gateway at `url`.
pub(crate) fn pass(command: &mut Command, url: &str) {
    let output = command.env("GATEWAY", url).env("GATEWAY_KEY", canary::VIRTUAL_KEY).output().unwrap();
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(output.status.success(), "{}\n{}", said[0], said[1]);
}

pub(crate) fn pytest(file: &str) -> Command {
    let mut command = Command::new(python());
    command.args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]).arg(tests().join(file));
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

async fn run(file: &str) {
    let mock = MockProvider::start();
    let gateway = gateway(&mock).start().await;
    pass(&mut pytest(file), &gateway.url());
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

#[tokio::test]
async fn the_google_sdk_works_where_the_provider_speaks_another_dialect() {
    run("test_google.py").await;
}

/// Over TLS, because boto3 shows a key to no one else.
#[tokio::test]
async fn the_amazon_sdk_works_where_the_provider_speaks_another_dialect() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = (dir.path().join("server.pem"), dir.path().join("server.key"));
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let mock = MockProvider::start();
    let gateway = gateway(&mock)
        .arg("--tls-cert", cert.to_str().unwrap())
        .arg("--tls-key", key.to_str().unwrap())
        .start()
        .await;
    let url = format!("https://localhost:{}", gateway.addr.port());
    pass(pytest("test_bedrock.py").env("GATEWAY_CA", &cert), &url);
}

/// OpenAI's, Anthropic's and Google's for Node, and Vercel's, each at its own dialect and at the other.
#[tokio::test]
async fn the_sdks_for_node_work() {
    let modules = made("BULKHEAD_SDK_NODE");
    let mock = MockProvider::start();
    let gateway = gateway(&mock).start().await;
    let mut node = Command::new("node");
    node.arg("--test").current_dir(tests().join("node")).env("NODE_PATH", modules);
    pass(&mut node, &gateway.url());
}
