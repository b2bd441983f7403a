//! Which deployment of a group serves a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bulkhead_model::{Endpoint, ErrorKind};
use bulkhead_snapshot::{Deployment, Resolved, Settings};
use smallvec::SmallVec;

use super::Routed;
use crate::fault::{Fault, Outcome};

type Candidates<'d> = SmallVec<[&'d Arc<Deployment>; 8]>;

/// Randomness of a worker: splitmix64 from an injected seed. Not for secrets.
#[derive(Debug)]
pub(crate) struct Rng(AtomicU64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// The next 64 bits.
    pub(crate) fn next(&self) -> u64 {
        let mut z = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is at least one.
    fn below(&self, end: u64) -> u64 {
        let wide = u128::from(self.next()) * u128::from(end.max(1));
        u64::try_from(wide >> 64).unwrap_or_default()
    }
}

/// Picks a deployment: those that serve the endpoint, then those whose tags fit, then the lowest order, then
/// `simple-shuffle` (litellm.md §3.2).
pub(crate) fn pick(
    resolved: &Resolved<'_, '_>,
    endpoint: Endpoint,
    tags: &[String],
    settings: &Settings,
    rng: &Rng,
) -> Outcome<Routed> {
    let all: Candidates<'_> = match resolved.only {
        Some(only) => std::iter::once(only).collect(),
        None => resolved.group.deployments.iter().collect(),
    };
    let serving: Candidates<'_> =
        all.iter().copied().filter(|deployment| deployment.provider.endpoints.contains(endpoint)).collect();
    if serving.is_empty() {
        return Err(wrong_endpoint(&all, &resolved.group.name, endpoint));
    }
    let tagged =
        if settings.tag_filtering { by_tags(serving, tags, settings.tag_match_any)? } else { serving };
    let lowest = tagged.iter().map(|deployment| deployment.order).min().unwrap_or_default();
    let first: Candidates<'_> = tagged.into_iter().filter(|deployment| deployment.order == lowest).collect();
    shuffle(&first, rng)
        .map(|deployment| Routed::new(deployment, &resolved.captured))
        .ok_or_else(|| Fault::new(ErrorKind::Internal, "No deployment was left to pick."))
}

fn wrong_endpoint(all: &[&Arc<Deployment>], group: &str, endpoint: Endpoint) -> Box<Fault> {
    let provider = all.first().map_or("its provider", |deployment| &deployment.provider.name);
    let served: Vec<_> = Endpoint::ALL
        .iter()
        .filter(|endpoint| all.iter().any(|deployment| deployment.provider.endpoints.contains(**endpoint)))
        .map(|endpoint| format!("/v1{}", endpoint.path()))
        .collect();
    let message = format!(
        "Model '{group}' is served by {provider}, which has no /v1{}. Use {}.",
        endpoint.path(),
        served.join(", ")
    );
    Fault::new(ErrorKind::WrongEndpoint, message).param("model")
}

/// LiteLLM's tag routing: matching deployments, else those tagged `default`, else nothing; a request without tags
/// gets the `default` ones where there are any.
fn by_tags<'d>(serving: Candidates<'d>, tags: &[String], match_any: bool) -> Outcome<Candidates<'d>> {
    let has = |deployment: &Deployment, tag: &str| deployment.tags.iter().any(|own| **own == *tag);
    let defaults: Candidates<'d> =
        serving.iter().copied().filter(|deployment| has(deployment, "default")).collect();
    if tags.is_empty() {
        return Ok(if defaults.is_empty() { serving } else { defaults });
    }
    let fits = |deployment: &Deployment| match match_any {
        true => tags.iter().any(|tag| has(deployment, tag)),
        false => tags.iter().all(|tag| has(deployment, tag)),
    };
    let matching: Candidates<'d> = serving.into_iter().filter(|deployment| fits(deployment)).collect();
    match (matching.is_empty(), defaults.is_empty()) {
        (false, _) => Ok(matching),
        (true, false) => Ok(defaults),
        (true, true) => {
            Err(Fault::new(ErrorKind::TagsDenied, "Not allowed to access model due to tags configuration"))
        }
    }
}

/// Weighted random; uniform where no deployment has a weight.
fn shuffle<'d>(deployments: &[&'d Arc<Deployment>], rng: &Rng) -> Option<&'d Arc<Deployment>> {
    if let [only] = deployments {
        return Some(only);
    }
    let total: u64 = deployments.iter().map(|deployment| deployment.weight).fold(0, u64::saturating_add);
    if total == 0 {
        let count = u64::try_from(deployments.len()).unwrap_or(u64::MAX);
        let index = usize::try_from(rng.below(count)).unwrap_or_default();
        return deployments.get(index).copied();
    }
    let mut left = rng.below(total);
    for deployment in deployments {
        if left < deployment.weight {
            return Some(deployment);
        }
        left -= deployment.weight;
    }
    None
}
