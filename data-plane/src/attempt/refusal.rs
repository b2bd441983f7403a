//! A provider's error, in the words that LiteLLM has for it (litellm.md §4.6).

use bulkhead_dialect::error::{
    ProviderError, is_bad_key, is_content_policy, is_context_window, is_forbidden_content,
    read_provider_error,
};
use bulkhead_dialect::relay::StreamFailure;
use bulkhead_model::ErrorKind;
use bulkhead_snapshot::Deployment;

use super::send::bad_answer;
use crate::fault::Fault;
use crate::respond::without_credentials;

/// The fault that an error answer of a provider becomes.
pub(crate) fn refusal(status: u16, body: &[u8], deployment: &Deployment, expose_auth: bool) -> Box<Fault> {
    described(status, &read_provider_error(body), deployment, expose_auth).answered(status)
}

/// The fault that an error event becomes when nothing has been sent to the client yet, or an error in one piece with a
/// status that says otherwise.
pub(crate) fn stream_refusal(
    failure: &StreamFailure,
    deployment: &Deployment,
    expose_auth: bool,
) -> Box<Fault> {
    let error = ProviderError {
        message: failure.message.clone(),
        kind: failure.kind.clone(),
        code: failure.code.clone(),
        param: None,
    };
    described(failure.status.unwrap_or(500), &error, deployment, expose_auth)
}

/// Whether a 404 is about the model or the address, which the operator has chosen. What callers name (a file, a prompt,
/// a former answer) is told in an error object that speaks of neither.
fn is_of_model(error: &ProviderError) -> bool {
    let is_told = error.kind.is_some() || error.code.is_some();
    let speaks_of = |text: &str| {
        let text = text.to_ascii_lowercase();
        text.contains("model") || text.contains("deployment")
    };
    !is_told || speaks_of(&error.message) || error.code.as_deref().is_some_and(speaks_of)
}

fn content_policy(who: &str, said: &str) -> Box<Fault> {
    Fault::new(
        ErrorKind::ContentPolicy,
        format!(
            "litellm.ContentPolicyViolationError: litellm.BadRequestError: ContentPolicyViolationError: {who} - {said}"
        ),
    )
}

fn described(status: u16, error: &ProviderError, deployment: &Deployment, expose_auth: bool) -> Box<Fault> {
    let who = &deployment.provider.exception;
    let said = without_credentials(deployment, &error.message);
    // Google says 400 to a bad key.
    let status = if status == 400 && is_bad_key(error) { 401 } else { status };
    match status {
        // Moderation: neither key nor account is to blame.
        403 if is_forbidden_content(error) => content_policy(who, &said),
        401..=403 if !expose_auth => Fault::new(
            ErrorKind::UpstreamAuthentication,
            format!(
                "The provider of deployment '{}' refused the gateway's credentials. Please tell the gateway's operator.",
                deployment.id
            ),
        ),
        401 => Fault::new(ErrorKind::UpstreamBadRequest, format!("litellm.BadRequestError: {who} - {said}"))
            .with_status(401),
        402 | 403 => Fault::new(
            ErrorKind::UpstreamBadRequest,
            format!("litellm.PermissionDeniedError: {who} - {said}"),
        )
        .with_status(status),
        _ if is_context_window(error) => Fault::new(
            ErrorKind::ContextWindow,
            format!(
                "litellm.ContextWindowExceededError: litellm.BadRequestError: ContextWindowExceededError: {who} - {said}"
            ),
        ),
        _ if is_content_policy(error) => content_policy(who, &said),
        404 => Fault::new(
            ErrorKind::UpstreamNotFound,
            format!("litellm.NotFoundError: NotFoundError: {who} - {said}"),
        )
        .about_callers_name(!is_of_model(error)),
        408 | 504 => {
            Fault::new(ErrorKind::UpstreamTimeout, format!("litellm.Timeout: Timeout Error: {who} - {said}"))
        }
        429 => Fault::new(
            ErrorKind::UpstreamRateLimited,
            format!("litellm.RateLimitError: RateLimitError: {who} - {said}"),
        ),
        503 | 529 => Fault::new(
            ErrorKind::UpstreamOverloaded,
            format!("litellm.ServiceUnavailableError: ServiceUnavailableError: {who} - {said}"),
        ),
        500.. => Fault::new(
            ErrorKind::UpstreamServer,
            format!("litellm.InternalServerError: InternalServerError: {who} - {said}"),
        ),
        400..500 => {
            Fault::new(ErrorKind::UpstreamBadRequest, format!("litellm.BadRequestError: {who} - {said}"))
                .with_status(status)
        }
        // 1xx and 3xx: a provider that redirects is misconfigured; following would carry credentials elsewhere.
        _ => bad_answer(deployment, &format!("unexpected status {status}")),
    }
}
