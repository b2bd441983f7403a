//! What is made of the errors of each provider, recorded and as their documentation has them: a table to be read.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write;

use bulkhead_dialect::error::{
    is_bad_key, is_content_policy, is_context_window, read_provider_error, read_retry_delay,
};
use bulkhead_testkit::{corpus, recordings};

/// Provider, status and body.
const DOCUMENTED: &str = include_str!("errors.txt");

/// One error as a few lines.
fn told(provider: &str, status: u64, body: &[u8]) -> String {
    let error = read_provider_error(body);
    let kinds = [
        ("context window", is_context_window(&error)),
        ("content policy", is_content_policy(&error)),
        ("bad key", is_bad_key(&error)),
    ];
    let kinds: Vec<&str> = kinds.iter().filter(|(_, is)| *is).map(|(name, _)| *name).collect();
    assert!(kinds.len() < 2, "{provider}: {kinds:?}");
    let kind = kinds.first().copied().unwrap_or("by its status");
    let mut told = format!("{provider} {status}: {kind}\n    {}\n", error.message);
    let wait = read_retry_delay(body).map(|wait| format!("{} s", wait.as_secs_f64()));
    for (name, value) in [("type", error.kind), ("code", error.code), ("param", error.param), ("wait", wait)]
    {
        if let Some(value) = value {
            writeln!(told, "    {name}: {value}").unwrap();
        }
    }
    told
}

#[test]
fn recorded_errors() {
    let mut table: Vec<String> = recordings(&corpus())
        .iter()
        .filter(|recording| recording.status >= 400)
        .map(|recording| {
            let provider = recording.id.split('/').next().unwrap_or_default();
            told(provider, recording.status, &recording.body)
        })
        .collect();
    table.sort();
    table.dedup();
    assert!(table.len() > 5);
    insta::assert_snapshot!("recorded", table.concat());
}

#[test]
fn documented_errors() {
    let mut table = String::new();
    for line in DOCUMENTED.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut parts = line.splitn(3, ' ');
        let mut part = || parts.next().unwrap();
        let (provider, status, body) = (part(), part().parse().unwrap(), part());
        table.push_str(&told(provider, status, body.as_bytes()));
    }
    insta::assert_snapshot!("documented", table);
}
