//! The same requests over the same file to LiteLLM and to the gateway: what the provider is sent, what the client gets
//! and what is billed. `tests/parity/differences.txt` lists everything that differs, by the kinds of `kinds.json`;
//! docs/litellm-differences.md says why each kind stays.

mod case;
mod diff;
mod kinds;
mod litellm;
mod meaning;
mod outcome;
mod provider;
mod report;

use std::path::{Path, PathBuf};

use bulkhead_testkit::client::Client;
use serde_json::Value;

use crate::support::{Gateway, MASTER, PATIENCE};
use case::Case;
use litellm::LiteLlm;
use outcome::{Billed, Bills, Outcome};
use provider::Provider;

/// Where cases, kinds and differences are.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn read_json(name: &str) -> Value {
    serde_json::from_str(&read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn models(provider: &Provider) -> String {
    read("models.yaml").replace("PROVIDER", &provider.origin()).replace("MASTER", MASTER)
}

#[tokio::test]
async fn what_differs_from_litellm_is_known() {
    let cases = case::all();
    let (for_them, for_us) = (Provider::start().await, Provider::start().await);
    let gateway = Gateway::with(models(&for_us)).start().await;
    let litellm = LiteLlm::start(&models(&for_them)).await;
    let (theirs, ours) =
        tokio::join!(ask_all(litellm.addr, &for_them, &cases), ask_all(gateway.addr, &for_us, &cases));
    let their_bills = litellm.bills(&answered(&cases, &theirs)).await;
    let our_bills = our_bills(&gateway, &answered(&cases, &ours)).await;
    let mut report = report::Report::new(&cases);
    for ((case, theirs), ours) in cases.iter().zip(&theirs).zip(&ours) {
        report.compare(case, theirs, ours);
        if theirs.is_answer && ours.is_answer {
            report.compare_bills(case, their_bills.get(&case.id), our_bills.get(&case.id));
        }
    }
    report.check();
}

#[test]
fn every_kind_of_difference_has_its_reason() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/litellm-differences.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    for name in kinds::Kinds::read().names() {
        assert!(docs.contains(&format!("\n| {name} | ")), "{name} is not in the docs");
    }
}

async fn ask_all(addr: std::net::SocketAddr, provider: &Provider, cases: &[Case]) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for case in cases {
        provider.will_answer(case);
        let mut client = Client::connect(addr).await.unwrap().patience(4 * PATIENCE);
        let answer = client.exchange(&case.request()).await;
        outcomes.push(Outcome::of(case, &provider.sent(), &answer));
    }
    outcomes
}

/// The calls that will be billed.
fn answered<'a>(cases: &'a [Case], outcomes: &[Outcome]) -> Vec<&'a str> {
    let pairs = cases.iter().zip(outcomes).filter(|(_, outcome)| outcome.is_answer);
    pairs.map(|(case, _)| case.id.as_str()).collect()
}

async fn our_bills(gateway: &Gateway, ids: &[&str]) -> Bills {
    outcome::bills_of(ids, || gateway.usage().iter().map(Billed::ours).collect()).await
}
