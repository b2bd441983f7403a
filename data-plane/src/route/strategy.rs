//! Which of several deployments that are well gets a request (litellm.md §3.2).

use std::sync::Arc;

use bulkhead_model::NanoUsd;
use bulkhead_model::routing::Strategy;
use bulkhead_snapshot::Deployment;
use tokio::time::Instant;

use super::Rng;
use crate::health::Vitals;

/// A deployment that may be asked.
pub(super) struct Open<'d> {
    pub(super) deployment: &'d Arc<Deployment>,
    pub(super) vitals: Arc<Vitals>,
}

/// A number of tokens to compare prices by.
const MANY: u64 = 1_000_000;

/// The index of the one to ask.
pub(super) fn choose(
    strategy: Strategy,
    open: &[Open<'_>],
    stream: bool,
    now: Instant,
    rng: &Rng,
) -> Option<usize> {
    match strategy {
        Strategy::SimpleShuffle => shuffle(open.iter().map(|open| open.deployment.weight), rng),
        Strategy::LeastBusy => least(open, rng, |open| open.vitals.in_flight()),
        Strategy::UsageBased => least(open, rng, |open| open.vitals.tokens(now)),
        Strategy::CostBased => least(open, rng, |open| price(open.deployment)),
        Strategy::LatencyBased => quicker(open, stream, now, rng),
    }
}

/// Weighted random; uniform where no deployment has a weight.
pub(super) fn shuffle(weights: impl ExactSizeIterator<Item = u64> + Clone, rng: &Rng) -> Option<usize> {
    let count = weights.len();
    if count <= 1 {
        return count.checked_sub(1);
    }
    let total: u64 = weights.clone().fold(0, u64::saturating_add);
    if total == 0 {
        return usize::try_from(rng.below(u64::try_from(count).unwrap_or(u64::MAX))).ok();
    }
    let mut left = rng.below(total);
    for (index, weight) in weights.enumerate() {
        if left < weight {
            return Some(index);
        }
        left -= weight;
    }
    None
}

/// The one with the least of something, one of them at random where several have.
fn least<T: Ord>(open: &[Open<'_>], rng: &Rng, of: impl Fn(&Open<'_>) -> T) -> Option<usize> {
    open.iter().enumerate().min_by_key(|(_, open)| (of(open), rng.next())).map(|(index, _)| index)
}

/// Dollars for a million tokens each way; what has no price comes last.
fn price(deployment: &Deployment) -> NanoUsd {
    let price = deployment.rates.as_ref().and_then(|rates| bulkhead_pricing::estimate(rates, MANY, MANY));
    price.unwrap_or(NanoUsd(i64::MAX))
}

/// The quicker of two that are drawn: the best of all would get everything at once.
fn quicker(open: &[Open<'_>], stream: bool, now: Instant, rng: &Rng) -> Option<usize> {
    let one = shuffle(open.iter().map(|_| 0), rng)?;
    let others = open.len().checked_sub(1).filter(|others| *others > 0);
    let Some(others) = others else { return Some(one) };
    let step = 1 + rng.below(u64::try_from(others).unwrap_or(1));
    let other = (one + usize::try_from(step).unwrap_or(1)) % open.len();
    let load = |index: usize| {
        open.get(index)
            .map(|open| (open.vitals.load(stream, now), open.vitals.in_flight()))
            .unwrap_or_default()
    };
    Some(if load(other) < load(one) { other } else { one })
}
