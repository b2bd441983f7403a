//! Identify, admit and settle, as a request goes through them.

use bulkhead_model::{Endpoint, Usage};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue};
use tokio::time::Instant;

use super::rig::{FREE, Rig, secret};
use super::valgrind::rounds;
use crate::admission;
use crate::identify;
use crate::read::{Call, Detour, Source, fixture};
use crate::route::{Chooser, Picked, Rule, Wanted, resolve};
use crate::settle::{Exchange, Progress, Settle};

const PATH: &str = "/v1/chat/completions";
const ENDPOINT: Endpoint = Endpoint::ChatCompletions;

#[test]
#[ignore = "a workload: the fence runs it under valgrind"]
fn a_few_keys() {
    let rig = Rig::new(10, "http://127.0.0.1:9/v1");
    let call = call(&rig, FREE);
    let headers: Vec<_> = (0..10).map(headers).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for headers in headers.iter().cycle().take(usize::try_from(rounds()).unwrap()) {
            govern(&rig, headers, &call).await;
        }
    });
}

/// All that decides about a request and counts it, from the key in its headers to its usage event: what
/// `exchange::run` does, without the body, the provider and the answer.
pub(super) async fn govern(rig: &Rig, headers: &HeaderMap, call: &Call) {
    let Rig { worker, snapshot, .. } = rig;
    let caller = identify::identify(snapshot, headers, worker.node.clock.now()).unwrap();
    identify::permit_route(&caller, PATH, Some(ENDPOINT)).unwrap();
    let resolved = resolve(snapshot, &caller, caller.meaning(&call.model)).unwrap();
    let chooser = Chooser { settings: &snapshot.settings, health: &worker.node.health, rng: &worker.rng };
    let wanted = Wanted {
        endpoint: ENDPOINT,
        tags: &[],
        stream: false,
        input_tokens: call.input_estimate(),
        affinity: None,
        home: None,
        tried: &[],
    };
    let Picked { routed, visit, by } = chooser.pick(&resolved, &wanted).unwrap();
    visit.vitals().account().asked(Instant::now());
    let rates = routed.deployment.rates_of(&routed.model, &snapshot.prices);
    let permit = {
        let claims = admission::claims(snapshot, &caller);
        let ask = admission::ask(worker, call, call.size(), &routed, rates.as_ref(), &claims);
        admission::admit(&worker.node.gate, snapshot, &caller, &claims, ask).await.unwrap()
    };
    let exchange = Exchange {
        endpoint: ENDPOINT,
        call_id: worker.call_id(),
        asked: call.model.clone(),
        served: None,
        group: resolved.group.clone(),
        progress: Progress { leg: 1, ..Progress::default() },
        fell_back: None,
        litellm_metrics: false,
        trace: None,
        rule: Rule::of(&resolved, &Detour::to(&call.model, Source::Model), routed.deployment.order, by),
        callers_time: false,
        timeout: routed.deployment.timeouts.total,
        caller: caller.clone(),
        routed,
        rates,
        stream: false,
        tags: Vec::new(),
        end_user: None,
        input_estimate: call.input_estimate(),
        background: false,
        arrived: Instant::now(),
        started_at: worker.node.clock.now(),
        log: None,
    };
    let mut settle = Settle::new(worker, exchange, permit, visit);
    settle.sent();
    settle.answered();
    settle.report(Some(Usage { input: 60, output: 25, ..Usage::default() }), true);
    settle.complete();
}

pub(super) fn call(rig: &Rig, model: &str) -> Box<Call> {
    let body =
        format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"{}"}}]}}"#, "x".repeat(200));
    fixture::call(&rig.worker.node.body_memory, body)
}

/// The headers of a client that presents a key.
pub(super) fn headers(key: u64) -> HeaderMap {
    let bearer = format!("Bearer {}", secret(key).expose());
    let mut headers = HeaderMap::new();
    headers.insert(HOST, HeaderValue::from_static("gateway.example.com"));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(AUTHORIZATION, HeaderValue::from_str(&bearer).unwrap());
    headers.insert(USER_AGENT, HeaderValue::from_static("OpenAI/Python 1.99.0"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("300"));
    headers
}
