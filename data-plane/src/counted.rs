//! Tokens of a model whose provider cannot count them: an estimate by the length of the prompt, which says that it is
//! one. LiteLLM answers for such models as well, with a tokenizer that is none of theirs.

use bulkhead_dialect::translate::counted;
use bulkhead_model::Endpoint;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use tokio::time::Instant;

use bulkhead_snapshot::{Deployment, Snapshot};

use crate::fault::{Fault, Outcome};
use crate::identify::Caller;
use crate::read::Call;
use crate::respond::{Facts, OutBody, add_facts, response};
use crate::route::resolve;

/// True where the provider does not count for this model, or not for this account, whatever else it does for them. Which
/// ones it counts for, and where, nobody can look up: Bedrock says it with the answer.
pub(crate) fn is_refused(to: Endpoint, fault: &Fault) -> bool {
    to == Endpoint::BedrockCountTokens && matches!(fault.provider_status, Some(400 | 403 | 404))
}

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
    let Some((mut headers, body)) = estimate(call) else { return Ok(None) };
    let resolved = resolve(snapshot, caller, caller.meaning(&call.model))?;
    let counts = |deployment: &Deployment| {
        deployment.upstream(call.endpoint, &deployment.model_of(&resolved.captured)).is_some()
    };
    if resolved.group.deployments.iter().any(|deployment| counts(deployment)) {
        return Ok(None);
    }
    add_facts(&mut headers, &Facts::of_nothing(call_id, arrived.elapsed()));
    Ok(Some(response(StatusCode::OK, headers, OutBody::full(body))))
}

/// What such an answer says, where tokens are asked for.
pub(crate) fn estimate(call: &Call) -> Option<(HeaderMap, Bytes)> {
    let (body, name) = counted(call.endpoint, call.input_estimate())?;
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ESTIMATED, HeaderValue::from_static(name));
    Some((headers, body))
}
