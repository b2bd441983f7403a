//! Admission in LiteLLM's words: what a request asks for, and what a refusal says (litellm.md §4.4 to §4.6).

use bulkhead_model::{Endpoint, ErrorKind};
use bulkhead_pricing::Rates;
use bulkhead_snapshot::{Key, Snapshot};
use http::{HeaderName, HeaderValue};
use std::sync::Arc;

use crate::admit::{Ask, Claim, Denial, LimitKind, Permit, Rules};
use crate::fault::{Fault, Outcome};
use crate::identify::Caller;
use crate::read::Call;
use crate::route::Routed;
use crate::worker::Worker;

/// Output reserved for a request that allows for much more: what answers seldom exceed. More is reserved as it comes.
const PLENTY: u64 = 1024;

/// What a request is expected to use.
///
/// Input by the body's length. Output by what the model group usually produces, but never more than the request
/// allows, and no more than a quarter of a token limit where it says nothing. A declared `max_tokens` of 64,000 does
/// not reserve 64,000: that would deny honest requests for what they could do and not for what they do.
pub(crate) fn ask(
    worker: &Worker,
    call: &Call,
    routed: &Routed,
    rates: Option<&Rates>,
    key: Option<&Arc<Key>>,
) -> Ask {
    if !call.endpoint.is_billed() {
        return Ask::default();
    }
    let input = call.input_estimate();
    let limit = key.and_then(|key| key.policy.said.limits.tpm).unwrap_or(u64::MAX);
    let output = match (call.endpoint, call.max_output) {
        (Endpoint::Embeddings, _) => 0,
        (_, Some(most)) => most.min(worker.typical.output(&routed.deployment.group).max(PLENTY)),
        (_, None) => worker.typical.output(&routed.deployment.group).min(limit / 4),
    };
    // A prompt that fits into an untouched limit is not refused for the answer that it may get.
    let output = output.saturating_mul(call.choices.clamp(1, 128)).min(limit.saturating_sub(input));
    let cost = rates.and_then(|rates| bulkhead_pricing::estimate(rates, input, output));
    Ask { tokens: input.saturating_add(output), cost: cost.unwrap_or_default() }
}

/// Admits a request or says why not.
pub(crate) async fn admit(
    worker: &Worker,
    snapshot: &Snapshot,
    caller: &Caller,
    ask: Ask,
) -> Outcome<Permit> {
    let gate = &worker.node.gate;
    let Some(key) = caller.key() else { return Ok(Permit::unlimited(gate, ask)) };
    let rules = Rules {
        limits: key.policy.said.limits,
        budget: key.policy.said.budget,
        zone: &snapshot.settings.zone,
    };
    let claims = [Claim { id: &key.ledger_id, rules }];
    gate.admit(&claims, ask).await.map_err(|refused| worded(refused.denial, key, snapshot))
}

fn worded(denial: Denial, key: &Key, snapshot: &Snapshot) -> Box<Fault> {
    match denial {
        Denial::Budget { spent, max } => {
            let alias = key.alias.as_deref().unwrap_or("None");
            let message = format!(
                "Budget has been exceeded! Key={alias} ({}) Current cost: {spent}, Max budget: {max}",
                key.name
            );
            Fault::new(ErrorKind::BudgetExceeded, message)
                .with_status(snapshot.settings.budget_exceeded_status)
        }
        Denial::Contended => Fault::new(
            ErrorKind::BudgetContended,
            "The rest of the budget is reserved by requests in flight. Please retry shortly.",
        )
        .retry_after(1),
        Denial::Rate { kind, limit, remaining, resets, now } => {
            let (resets_at, seconds) = match kind {
                // A place is free as soon as a request ends, not when a window does.
                LimitKind::Parallel => (now.plus_millis(1000), 1),
                LimitKind::Requests | LimitKind::Tokens => {
                    (resets, seconds_until(resets.0.saturating_sub(now.0)))
                }
            };
            let resets_at = resets_at.utc_seconds();
            let message = format!(
                "Rate limit exceeded for api_key: {}. Limit type: {}. Current limit: {limit}, Remaining: {remaining}. \
                 Limit resets at: {resets_at}",
                key.hash,
                kind.label(),
            );
            let text = |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
            Fault::new(ErrorKind::RateLimited, message)
                .retry_after(seconds)
                .header(HeaderName::from_static("rate_limit_type"), HeaderValue::from_static(kind.label()))
                .header(HeaderName::from_static("reset_at"), text(&resets_at))
        }
    }
}

/// Whole seconds, rounded up, at least one.
fn seconds_until(millis: i64) -> u64 {
    u64::try_from(millis).unwrap_or(0).div_ceil(1000).max(1)
}
