//! Every way in which a provider fails, seen through both official SDKs: what the client gets with a fallback and without
//! one, which deployments were asked, and what was charged.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use bulkhead_testkit::{MockProvider, eventually};

use super::*;
use crate::sdk::python;
use crate::support::{PATIENCE, faulty};

/// What a client sees of a failure that nobody mends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Seen {
    /// An error answer of this status, and nothing to pay.
    Free(u16),
    /// An error answer of this status; the provider may have worked.
    Doubt(u16),
    /// Some text, then an error; what there was is paid.
    Cut,
}

use Seen::{Cut, Doubt, Free};

/// A fault of the mock, and what becomes of a plain request and of a stream. Of a stream alone where the mock has no such
/// fault for an answer in one piece.
const FAULTS: &[(&str, Option<Seen>, Seen)] = &[
    ("status-400", Some(Free(400)), Free(400)),
    ("status-401", Some(Free(502)), Free(502)),
    ("status-403", Some(Free(502)), Free(502)),
    ("unknown-model", Some(Free(404)), Free(404)),
    ("status-422", Some(Free(422)), Free(422)),
    ("status-429", Some(Free(429)), Free(429)),
    ("429-retry-after-7", Some(Free(429)), Free(429)),
    ("429-no-headers", Some(Free(429)), Free(429)),
    ("status-500", Some(Free(500)), Free(500)),
    ("status-502", Some(Free(500)), Free(500)),
    ("status-503", Some(Free(503)), Free(503)),
    ("529", Some(Free(503)), Free(503)),
    ("context-window", Some(Free(400)), Free(400)),
    ("content-policy", Some(Free(400)), Free(400)),
    ("rst", Some(Doubt(500)), Doubt(500)),
    ("hang", Some(Doubt(408)), Doubt(408)),
    ("hang-half-head", Some(Doubt(408)), Doubt(408)),
    ("hang-headers", Some(Doubt(408)), Doubt(408)),
    ("empty-200", Some(Doubt(502)), Doubt(502)),
    ("html-200", Some(Doubt(502)), Doubt(502)),
    ("bad-json", Some(Doubt(502)), Doubt(502)),
    ("error-first-event", None, Free(500)),
    ("cut-after-0", Some(Doubt(500)), Doubt(500)),
    ("cut-after-3", Some(Doubt(500)), Cut),
    ("close-after-3", Some(Doubt(500)), Cut),
    ("clean-end-after-3", Some(Doubt(502)), Cut),
    ("stall-after-3", Some(Doubt(408)), Cut),
    ("error-after-3", None, Cut),
];

/// A call and what became of it.
struct Call {
    fault: &'static str,
    mended: bool,
    stream: bool,
    expected: Seen,
    model: String,
    id: String,
}

fn calls(prefix: &str) -> Vec<Call> {
    let mut calls = Vec::new();
    for (fault, plain, streamed) in FAULTS {
        let all = [(false, *plain), (true, Some(*streamed))];
        for (stream, expected) in all.into_iter().filter_map(|(stream, seen)| Some((stream, seen?))) {
            // Anthropic's first words are that it is overloaded.
            let overloaded = prefix == "claude" && *fault == "error-first-event";
            let expected = if overloaded { Free(503) } else { expected };
            for mended in [false, true] {
                let model = format!("{prefix}-{fault}{}", if mended { "-mended" } else { "" });
                let id = format!("{model}-{stream}");
                calls.push(Call { fault, mended, stream, expected, model, id });
            }
        }
    }
    calls
}

async fn catalogue(sdk: &str, prefix: &str) {
    let mock = MockProvider::start();
    let mut yaml = faulty(GatewayYaml::new().master_key(MASTER), &mock, &format!("{prefix}-good"), "ok");
    let mut chains = Vec::new();
    for (fault, ..) in FAULTS {
        for ending in ["", "-mended"] {
            yaml = faulty(yaml, &mock, &format!("{prefix}-{fault}{ending}"), fault).param("timeout", 1);
        }
        chains.push(json!({format!("{prefix}-{fault}-mended"): [format!("{prefix}-good")]}));
    }
    let yaml = yaml.router("fallbacks", chains).virtual_key(canary::VIRTUAL_KEY);
    let gateway = Gateway::with(yaml.text()).start().await;
    let calls = calls(prefix);
    let said = talk(&gateway, sdk, &calls);
    gateway.until_metric("bulkhead_in_flight", &[], 0.0).await;
    // What is missing is told case by case.
    let _ = eventually(PATIENCE, || gateway.usage().len() >= legs(&calls)).await;
    let records = gateway.usage();
    let whole = said.iter().find(|said| said["complete"] == json!(true)).unwrap()["text"].as_str().unwrap();
    for (call, seen) in calls.iter().zip(&said) {
        let case = format!("{sdk} {} stream={} mended={}: {seen}", call.fault, call.stream, call.mended);
        let own: Vec<_> = records.iter().filter(|record| record["call_id"] == call.id).collect();
        let text = seen["text"].as_str().unwrap();
        let mended = call.mended && call.expected != Cut;
        assert_eq!(own.len(), 1 + usize::from(mended), "{case}");
        if mended {
            assert_eq!((text, &seen["complete"]), (whole, &json!(true)), "{case}");
            assert!(seen["error"].is_null(), "{case}");
            let groups: Vec<_> = own.iter().map(|record| record["model_group"].as_str().unwrap()).collect();
            assert_eq!(groups, [call.model.as_str(), &format!("{prefix}-good")], "{case}");
            assert_eq!(
                (&own[1]["usage"], &own[1]["status"]),
                (&json!("reported"), &json!("success")),
                "{case}"
            );
        }
        match call.expected {
            Cut => {
                assert!(!text.is_empty() && whole.starts_with(text) && text != whole, "{case}");
                assert_eq!(seen["complete"], json!(false), "{case}");
                assert!(!seen["error"].is_null(), "{case}");
            }
            Free(status) | Doubt(status) if !mended => {
                assert_eq!((text, &seen["error"]["status"]), ("", &json!(status)), "{case}");
            }
            Free(_) | Doubt(_) => {}
        }
        let charged = cost(own[0]) > 0.0;
        assert_eq!(charged, !matches!(call.expected, Free(_)), "{case}: {}", own[0]);
        assert_eq!(own[0]["status"], "failure", "{case}");
    }
}

fn cost(record: &Value) -> f64 {
    record["cost"].as_str().unwrap().parse().unwrap()
}

/// How many legs there are in all.
fn legs(calls: &[Call]) -> usize {
    calls.iter().map(|call| 1 + usize::from(call.mended && call.expected != Cut)).sum()
}

fn talk(gateway: &Gateway, sdk: &str, calls: &[Call]) -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/catalogue.py");
    let mut child = Command::new(python())
        .arg(script)
        .arg(sdk)
        .env("GATEWAY", gateway.url())
        .env("GATEWAY_KEY", canary::VIRTUAL_KEY)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = calls.iter().map(|call| {
        let Call { model, stream, id, .. } = call;
        format!("{}\n", json!({"model": model, "stream": stream, "call_id": id}))
    });
    child.stdin.take().unwrap().write_all(lines.collect::<String>().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn the_openai_sdk_sees_what_it_should_of_every_fault() {
    catalogue("openai", "gpt").await;
}

#[tokio::test]
async fn the_anthropic_sdk_sees_what_it_should_of_every_fault() {
    catalogue("anthropic", "claude").await;
}
