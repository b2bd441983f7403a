//! Which deployments of a group could serve a request, were all of them well.

use std::sync::Arc;

use bulkhead_model::{Endpoint, ErrorKind};
use bulkhead_snapshot::{Deployment, Resolved, Settings};
use smallvec::SmallVec;

use super::Wanted;
use crate::bound::Home;
use crate::fault::{Fault, Outcome};

pub(super) type Candidates<'d> = SmallVec<[&'d Arc<Deployment>; 8]>;

/// Those that serve the endpoint, translated or not, then those whose tags fit, then those into whose context the prompt fits.
pub(super) fn candidates<'d>(
    resolved: &Resolved<'d, '_>,
    wanted: &Wanted<'_>,
    settings: &Settings,
) -> Outcome<Candidates<'d>> {
    let all: Candidates<'d> = match resolved.only {
        Some(only) => std::iter::once(only).collect(),
        None => resolved.group.deployments.iter().collect(),
    };
    let serves = |deployment: &Deployment| {
        deployment.upstream(wanted.endpoint, &deployment.model_of(&resolved.captured)).is_some()
    };
    let serving: Candidates<'d> = all.iter().copied().filter(|deployment| serves(deployment)).collect();
    if serving.is_empty() {
        return Err(wrong_endpoint(&all, resolved, wanted.endpoint));
    }
    let serving = match wanted.home.filter(|home| home.is_only) {
        Some(home) => at_home(serving, home, &resolved.group.name)?,
        None => serving,
    };
    let tagged = match settings.tag_filtering {
        true => by_tags(serving, wanted.tags, settings.tag_match_any)?,
        false => serving,
    };
    match settings.routing.row.context_check {
        true => by_context(tagged, wanted.input_tokens, &resolved.group.name),
        false => Ok(tagged),
    }
}

/// A token is hardly less than two bytes of a prompt: what is passed over here would be refused.
const FEWEST_BYTES: u64 = 2;

/// LiteLLM's `enable_pre_call_checks`. `tokens` is a quarter of the prompt's bytes: an estimate that errs on either side,
/// so only what is far too long is passed over.
fn by_context<'d>(tagged: Candidates<'d>, tokens: u64, group: &str) -> Outcome<Candidates<'d>> {
    let too_long = |deployment: &Deployment| {
        deployment.max_input_tokens.is_some_and(|most| tokens / FEWEST_BYTES > most)
    };
    if tagged.iter().all(|deployment| too_long(deployment)) {
        let most =
            tagged.iter().filter_map(|deployment| deployment.max_input_tokens).max().unwrap_or_default();
        let message = format!(
            "litellm.ContextWindowExceededError: the prompt is too long for every deployment of '{group}', which take up to {most} tokens"
        );
        return Err(Fault::new(ErrorKind::ContextWindow, message));
    }
    Ok(tagged.into_iter().filter(|deployment| !too_long(deployment)).collect())
}

fn wrong_endpoint(all: &[&Arc<Deployment>], resolved: &Resolved<'_, '_>, endpoint: Endpoint) -> Box<Fault> {
    let has = |deployment: &Deployment, endpoint| {
        deployment.upstream(endpoint, &deployment.model_of(&resolved.captured)).is_some()
    };
    let provider = all.first().map_or("its provider", |deployment| &deployment.provider.name);
    let served: Vec<_> = Endpoint::of_clients()
        .filter(|endpoint| all.iter().any(|deployment| has(deployment, *endpoint)))
        .map(|endpoint| endpoint.route())
        .collect();
    let message = format!(
        "Model '{}' is served by {provider}, which has no {}. Use {}.",
        resolved.group.name,
        endpoint.route(),
        served.join(", ")
    );
    Fault::new(ErrorKind::WrongEndpoint, message).param("model")
}

/// Those that have what the request goes on from.
fn at_home<'d>(serving: Candidates<'d>, home: &Home, group: &str) -> Outcome<Candidates<'d>> {
    let near: Candidates<'d> =
        serving.into_iter().filter(|deployment| home.is_shared_by(deployment)).collect();
    if near.is_empty() {
        let message = format!(
            "The previous response is kept by a deployment of '{}', and '{group}' has none on the same account. Ask for \
             '{}', or send the whole conversation in `input`.",
            home.deployment.group, home.deployment.group
        );
        return Err(Fault::field("previous_response_id", message));
    }
    Ok(near)
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
