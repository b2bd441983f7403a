//! What a failure means: whether it is tried again, and whether the deployment is to blame.

use bulkhead_model::ErrorKind;
use bulkhead_model::routing::ByFailure;

/// The number that a policy has for a failure (litellm.md §3.2).
pub(crate) fn of_class(policy: &ByFailure, kind: ErrorKind) -> Option<u32> {
    let class = match kind {
        ErrorKind::UpstreamBadRequest | ErrorKind::ContextWindow => policy.bad_request,
        ErrorKind::UpstreamAuthentication => policy.authentication,
        ErrorKind::UpstreamTimeout => policy.timeout,
        ErrorKind::UpstreamRateLimited => policy.rate_limit,
        ErrorKind::ContentPolicy => policy.content_policy,
        ErrorKind::UpstreamOverloaded => policy.unavailable,
        ErrorKind::UpstreamNotFound => policy.not_found,
        ErrorKind::UpstreamServer
        | ErrorKind::UpstreamConnection
        | ErrorKind::UpstreamBadAnswer
        | ErrorKind::UpstreamTruncated => policy.internal,
        _ => None,
    };
    class.or(policy.default)
}

/// Whether the same request may succeed at the next try. `others`: it would be at another deployment.
pub(crate) fn is_retried(kind: ErrorKind, status: u16, others: bool) -> bool {
    match kind {
        ErrorKind::UpstreamTimeout
        | ErrorKind::UpstreamRateLimited
        | ErrorKind::UpstreamServer
        | ErrorKind::UpstreamOverloaded
        | ErrorKind::UpstreamConnection
        | ErrorKind::UpstreamBadAnswer
        | ErrorKind::UpstreamTruncated => true,
        // Another deployment may have better credentials, or a shorter queue.
        ErrorKind::UpstreamAuthentication | ErrorKind::Overloaded => others,
        ErrorKind::UpstreamBadRequest => status == 409 || (others && matches!(status, 401..=403)),
        _ => false,
    }
}

/// Whether a failure counts against the deployment. What callers can bring about does not: no caller may have a
/// deployment taken from the others.
pub(crate) fn counts(kind: ErrorKind, status: u16, names_come_from_callers: bool) -> bool {
    match kind {
        ErrorKind::UpstreamRateLimited
        | ErrorKind::UpstreamAuthentication
        | ErrorKind::UpstreamTimeout
        | ErrorKind::UpstreamServer
        | ErrorKind::UpstreamOverloaded
        | ErrorKind::UpstreamConnection
        | ErrorKind::UpstreamTruncated => true,
        ErrorKind::UpstreamNotFound => !names_come_from_callers,
        ErrorKind::UpstreamBadRequest => matches!(status, 401..=403),
        _ => false,
    }
}
