//! The names of LiteLLM's exceptions.

use bulkhead_model::{ErrorKind, ErrorSource};

/// What LiteLLM would have raised, with the provider before it where it was the provider's failure.
pub(crate) fn exception_class(kind: ErrorKind, provider: &str) -> String {
    let name = name(kind);
    let mut letters = provider.chars();
    match (kind.source(), letters.next()) {
        (ErrorSource::Upstream, Some(first)) => {
            format!("{}{}.{name}", first.to_ascii_uppercase(), letters.as_str())
        }
        _ => name.to_owned(),
    }
}

fn name(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::BudgetExceeded | ErrorKind::BudgetContended => "BudgetExceededError",
        ErrorKind::UpstreamBadRequest => "BadRequestError",
        ErrorKind::ContextWindow => "ContextWindowExceededError",
        ErrorKind::ContentPolicy => "ContentPolicyViolationError",
        ErrorKind::UpstreamNotFound => "NotFoundError",
        ErrorKind::UpstreamRateLimited => "RateLimitError",
        ErrorKind::UpstreamTimeout => "Timeout",
        ErrorKind::UpstreamConnection | ErrorKind::UpstreamTruncated => "APIConnectionError",
        ErrorKind::UpstreamServer | ErrorKind::UpstreamBadAnswer => "InternalServerError",
        ErrorKind::UpstreamOverloaded => "ServiceUnavailableError",
        ErrorKind::UpstreamAuthentication => "AuthenticationError",
        ErrorKind::AllInCooldown | ErrorKind::DeploymentsFull => "RouterRateLimitError",
        _ => "ProxyException",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_providers_failure_has_its_name() {
        assert_eq!(exception_class(ErrorKind::UpstreamRateLimited, "openai"), "Openai.RateLimitError");
        assert_eq!(exception_class(ErrorKind::RateLimited, "openai"), "ProxyException");
    }
}
