//! Admission in LiteLLM's words: what a request asks for, and what a refusal says (litellm.md §4.4 to §4.6).

use std::sync::Arc;

use bulkhead_model::rows::{BudgetRow, Limits, Spend};
use bulkhead_model::{ErrorKind, NanoUsd};
use bulkhead_pricing::Rates;
use bulkhead_snapshot::{Key, Snapshot, Team, User};
use http::{HeaderName, HeaderValue};
use smallvec::SmallVec;

use crate::admit::{Ask, Claim, Denial, Gate, LimitKind, Permit, Refused, Rules, Scope};
use crate::fault::{Fault, Outcome};
use crate::identify::{Caller, Principals};
use crate::read::{Call, Size};
use crate::route::Routed;
use crate::worker::Worker;

/// What a request has to pass.
pub(crate) type Claims<'a> = SmallVec<[Claim<'a>; 4]>;

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
    size: Size,
    routed: &Routed,
    rates: Option<&Rates>,
    claims: &[Claim<'_>],
) -> Ask {
    if !call.endpoint.is_billed() {
        return Ask::default();
    }
    let input = size.input;
    let limit = token_limit(claims);
    let output = match (call.endpoint, size.max_output) {
        (endpoint, _) if endpoint.embeds() => 0,
        (_, Some(most)) => most.min(worker.typical.output(&routed.deployment.group).max(PLENTY)),
        (_, None) => worker.typical.output(&routed.deployment.group).min(limit / 4),
    };
    // A prompt that fits into an untouched limit is not refused for the answer that it may get.
    let output = output.saturating_mul(call.choices.clamp(1, 128)).min(limit.saturating_sub(input));
    let cost = rates.and_then(|rates| bulkhead_pricing::estimate(rates, input, output));
    Ask { tokens: input.saturating_add(output), cost: cost.unwrap_or_default() }
}

/// The tightest token limit of all that a request has to pass.
fn token_limit(claims: &[Claim<'_>]) -> u64 {
    claims.iter().filter_map(|claim| claim.rules.limits.tpm).min().unwrap_or(u64::MAX)
}

/// The key, the membership, the team and the user of a caller, with their rules in this snapshot.
pub(crate) fn claims<'a>(snapshot: &'a Snapshot, caller: &'a Caller) -> Claims<'a> {
    let Some(Principals { key, team, user, member }) = caller.principals() else { return Claims::new() };
    let mut claims = SmallVec::from_iter([of_key(snapshot, key)]);
    let rules = |limits, budget, spend| rules(snapshot, limits, budget, spend);
    if let (Some(member), Some(team)) = (member, team) {
        let rules = rules(member.limits(team), member.budget(team), member.row.spend);
        claims.push(Claim { scope: Scope::Member, id: &member.ledger_id, rules });
    }
    if let Some(team) = team {
        let rules = rules(team.row.limits, team.row.budget, team.row.spend);
        claims.push(Claim { scope: Scope::Team, id: &team.ledger_id, rules });
    }
    if let Some(user) = user {
        let row = &user.row;
        let own = rules(row.limits, row.budget, row.spend);
        match team {
            None => claims.push(Claim { scope: Scope::User, id: &user.ledger_id, rules: own }),
            // The team pays; the user's rates hold all the same.
            Some(_) if row.limits != Limits::default() => {
                let rules = Rules { budget: None, pays: false, ..own };
                claims.push(Claim { scope: Scope::User, id: &user.ledger_id, rules });
            }
            Some(_) => {}
        }
    }
    claims
}

fn of_key<'a>(snapshot: &'a Snapshot, key: &'a Key) -> Claim<'a> {
    let rules = rules(snapshot, key.policy().said.limits, key.policy().said.budget, key.spend());
    Claim { scope: Scope::Key, id: key.ledger_id(), rules }
}

fn rules(snapshot: &Snapshot, limits: Limits, budget: Option<BudgetRow>, spend: Spend) -> Rules<'_> {
    let (as_of, zone) = (snapshot.revision, &snapshot.settings.zone);
    Rules { limits, budget, spend, pays: true, as_of, zone }
}

/// What a key has spent in its budget's window.
pub(crate) fn spent(gate: &Gate, snapshot: &Snapshot, key: &Key) -> NanoUsd {
    gate.spent(&of_key(snapshot, key))
}

/// What a team has spent in its budget's window.
pub(crate) fn spent_by_team(gate: &Gate, snapshot: &Snapshot, team: &Team) -> NanoUsd {
    let row = &team.row;
    let rules = rules(snapshot, row.limits, row.budget, row.spend);
    gate.spent(&Claim { scope: Scope::Team, id: &team.ledger_id, rules })
}

/// What a user has spent in its budget's window.
pub(crate) fn spent_by_user(gate: &Gate, snapshot: &Snapshot, user: &User) -> NanoUsd {
    let row = &user.row;
    let rules = rules(snapshot, row.limits, row.budget, row.spend);
    gate.spent(&Claim { scope: Scope::User, id: &user.ledger_id, rules })
}

/// Admits a request or says why not.
pub(crate) async fn admit(
    gate: &Arc<Gate>,
    snapshot: &Snapshot,
    caller: &Caller,
    claims: &[Claim<'_>],
    ask: Ask,
) -> Outcome<Permit> {
    let Some(principals) = caller.principals() else { return Ok(Permit::unlimited(gate, ask)) };
    gate.admit(claims, ask).await.map_err(|refused| worded(refused, principals, snapshot))
}

/// A refusal of what a later leg needs.
pub(crate) fn refusal(refused: Refused, caller: &Caller, snapshot: &Snapshot) -> Box<Fault> {
    match caller.principals() {
        Some(principals) => worded(refused, principals, snapshot),
        None => Fault::new(ErrorKind::Internal, "Nobody refused the request."),
    }
}

fn worded(refused: Refused, principals: &Principals, snapshot: &Snapshot) -> Box<Fault> {
    let Refused { scope, denial } = refused;
    match denial {
        Denial::Budget { spent, max } => {
            Fault::new(ErrorKind::BudgetExceeded, over_budget(scope, principals, spent, max))
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
                "Rate limit exceeded for {}: {}. Limit type: {}. Current limit: {limit}, Remaining: {remaining}. \
                 Limit resets at: {resets_at}",
                scope.descriptor(),
                value(scope, &principals.key),
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

fn over_budget(scope: Scope, principals: &Principals, spent: NanoUsd, max: NanoUsd) -> String {
    let key = &principals.key;
    let team = key.team_id().unwrap_or_default();
    let user = key.user_id().unwrap_or_default();
    let whose = match scope {
        Scope::Key => format!("Key={} ({})", key.alias().unwrap_or("None"), key.name()),
        Scope::Team => format!("Team={team}"),
        Scope::Member => format!("User={user} in Team={team}"),
        Scope::User => {
            return format!("ExceededBudget: User={user} over budget. Spend={spent}, Budget={max}");
        }
    };
    format!("Budget has been exceeded! {whose} Current cost: {spent}, Max budget: {max}")
}

/// Who it is of a scope, as LiteLLM's limiter names it.
fn value(scope: Scope, key: &Key) -> String {
    let team = key.team_id().unwrap_or_default();
    let user = key.user_id().unwrap_or_default();
    match scope {
        Scope::Key => key.hash().to_string(),
        Scope::Member => format!("{team}:{user}"),
        Scope::Team => team.to_owned(),
        Scope::User => user.to_owned(),
    }
}

/// Whole seconds, rounded up, at least one.
fn seconds_until(millis: i64) -> u64 {
    u64::try_from(millis).unwrap_or(0).div_ceil(1000).max(1)
}

#[cfg(test)]
mod tests;
