//! Tokens of a model whose provider cannot count them: an estimate by the length of the prompt, which says that it is
//! one. LiteLLM answers for such models as well, with a tokenizer that is none of theirs.

use bulkhead_dialect::translate::counted;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use tokio::time::Instant;

use bulkhead_snapshot::{Deployment, Snapshot};

use crate::fault::Outcome;
use crate::identify::Caller;
use crate::read::Call;
use crate::respond::{Facts, OutBody, add_facts, response};
use crate::route::resolve;

/// Names what of an answer is an estimate.
pub(crate) const ESTIMATED: HeaderName = HeaderName::from_static("x-bulkhead-estimated");

/// The answer, where no provider of the model has the endpoint. Nothing is asked of anybody, and nothing is charged.
pub(crate) fn estimated(
    snapshot: &Snapshot,
    caller: &Caller,
    call: &Call,
    call_id: &HeaderValue,
    arrived: Instant,
) -> Outcome<Option<Response<OutBody>>> {
    let Some((body, name)) = counted(call.endpoint, call.input_estimate()) else { return Ok(None) };
    let resolved = resolve(snapshot, caller, caller.meaning(&call.model))?;
    let counts = |deployment: &Deployment| {
        deployment.upstream(call.endpoint, &deployment.model_of(&resolved.captured)).is_some()
    };
    if resolved.group.deployments.iter().any(|deployment| counts(deployment)) {
        return Ok(None);
    }
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ESTIMATED, HeaderValue::from_static(name));
    add_facts(&mut headers, &Facts::of_nothing(call_id, arrived.elapsed()));
    Ok(Some(response(StatusCode::OK, headers, OutBody::full(body))))
}
