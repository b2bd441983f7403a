//! Everything that can go wrong, as one closed list.
//!
//! A kind is the metric label and decides status and `type`; the text for the client comes from the kind and the
//! facts of the request, never from an internal cause (design §5).

/// Whose trouble it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorSource {
    /// The caller can mend it.
    Client,
    /// The gateway, its configuration or its machine.
    Gateway,
    /// The provider or the way to it.
    Upstream,
}

impl ErrorSource {
    /// The metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Gateway => "gateway",
            Self::Upstream => "upstream",
        }
    }
}

struct Spec {
    label: &'static str,
    source: ErrorSource,
    status: u16,
    /// `error.type` in OpenAI's envelope, LiteLLM's names.
    openai: &'static str,
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident: $label:literal $source:ident $status:literal $openai:literal;)+) => {
        /// What went wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorKind { $($(#[doc = $doc])+ $name,)+ }

        impl ErrorKind {
            /// Every kind, in the order of [`ErrorKind::index`].
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            const fn spec(self) -> Spec {
                match self {
                    $(Self::$name => Spec {
                        label: $label, source: ErrorSource::$source, status: $status, openai: $openai,
                    },)+
                }
            }
        }
    };
}

kinds! {
    /// No key in any of the headers.
    NoKey: "no_key" Client 401 "auth_error";
    /// A key that is not `sk-…`, or a header without `Bearer `.
    MalformedKey: "malformed_key" Client 401 "auth_error";
    /// A key that this gateway does not know.
    UnknownKey: "unknown_key" Client 401 "token_not_found_in_db";
    /// A key of our form whose checksum is wrong: mistyped, cut off or made up.
    BadChecksum: "bad_checksum" Client 401 "token_not_found_in_db";
    /// The key or something it belongs to is blocked.
    Blocked: "blocked" Client 401 "auth_error";
    /// The key's time is over.
    ExpiredKey: "expired_key" Client 401 "expired_key";
    /// The key may not call this route.
    RouteDenied: "route_denied" Client 403 "auth_error";
    /// The client's address is not among those that may call.
    AddressDenied: "address_denied" Client 403 "auth_error";
    /// The key may not use this model.
    ModelDenied: "model_denied" Client 403 "key_model_access_denied";
    /// The key's team may not use this model.
    TeamModelDenied: "team_model_denied" Client 403 "team_model_access_denied";
    /// The key's user may not use this model.
    UserModelDenied: "user_model_denied" Client 403 "user_model_access_denied";
    /// The tags of the request exclude every deployment.
    TagsDenied: "tags_denied" Client 401 "auth_error";
    /// Spent up. The status is configurable (`budget_exceeded_status_code`).
    BudgetExceeded: "budget_exceeded" Client 422 "budget_exceeded";
    /// The rest of the budget is reserved by requests in flight.
    BudgetContended: "budget_contended" Client 429 "budget_contended";
    /// A request, token or parallel limit of the gateway.
    RateLimited: "rate_limited" Client 429 "throttling_error";
    /// No deployment serves this model.
    UnknownModel: "unknown_model" Client 400 "invalid_request_error";
    /// The body is not JSON.
    BadJson: "bad_json" Client 400 "invalid_request_error";
    /// A member is missing, of the wrong kind, ambiguous or not allowed.
    BadRequest: "bad_request" Client 400 "invalid_request_error";
    /// A content type that this route does not read.
    UnsupportedMediaType: "unsupported_media_type" Client 415 "invalid_request_error";
    /// The body is larger than allowed.
    BodyTooLarge: "body_too_large" Client 413 "invalid_request_error";
    /// The body did not arrive in time.
    BodyTimeout: "body_timeout" Client 408 "invalid_request_error";
    /// The client went away.
    ClientGone: "client_gone" Client 499 "invalid_request_error";
    /// No such route.
    NotFound: "not_found" Client 404 "not_found_error";
    /// No such response, or none of this caller's.
    ResponseNotFound: "response_not_found" Client 404 "invalid_request_error";
    /// A route, called with the wrong method.
    MethodNotAllowed: "method_not_allowed" Client 405 "invalid_request_error";
    /// The model exists, but not behind this endpoint.
    WrongEndpoint: "wrong_endpoint" Client 400 "invalid_request_error";

    /// The memory budget for bodies is used up.
    Overloaded: "overloaded" Gateway 503 "service_unavailable_error";
    /// As many requests are in flight as the configuration allows.
    AtCapacity: "at_capacity" Gateway 503 "overloaded_error";
    /// Usage waits for the control plane, more than there is room for on disk.
    UsageSpoolFull: "usage_spool_full" Gateway 503 "service_unavailable_error";
    /// No snapshot yet.
    NotReady: "not_ready" Gateway 503 "service_unavailable_error";
    /// The key's team is not in the snapshot yet.
    TeamNotReady: "team_not_ready" Gateway 503 "service_unavailable_error";
    /// The key or something it belongs to is under a restriction that this release does not know.
    UnknownRestriction: "unknown_restriction" Gateway 403 "auth_error";
    /// The gateway is stopping and can wait no longer.
    ShuttingDown: "shutting_down" Gateway 503 "service_unavailable_error";
    /// A defect of ours.
    Internal: "internal" Gateway 500 "internal_server_error";
    /// Every deployment of the model is left out for a while.
    AllInCooldown: "all_in_cooldown" Gateway 429 "all_deployments_in_cooldown";
    /// Every deployment of the model has as much as it may get.
    DeploymentsFull: "deployments_full" Gateway 429 "throttling_error";
    /// The provider refuses our credentials.
    UpstreamAuthentication: "upstream_authentication" Gateway 502 "upstream_authentication_error";

    /// The provider found fault with the request.
    UpstreamBadRequest: "upstream_bad_request" Upstream 400 "invalid_request_error";
    /// The prompt does not fit the model.
    ContextWindow: "context_window" Upstream 400 "invalid_request_error";
    /// The provider's content policy.
    ContentPolicy: "content_policy" Upstream 400 "invalid_request_error";
    /// The provider does not know the model or resource.
    UpstreamNotFound: "upstream_not_found" Upstream 404 "invalid_request_error";
    /// The provider's rate limit.
    UpstreamRateLimited: "upstream_rate_limited" Upstream 429 "throttling_error";
    /// The provider did not answer in time.
    UpstreamTimeout: "upstream_timeout" Upstream 408 "invalid_request_error";
    /// No connection to the provider, or it broke before an answer.
    UpstreamConnection: "upstream_connection" Upstream 500 "internal_server_error";
    /// The provider's 5xx.
    UpstreamServer: "upstream_server" Upstream 500 "internal_server_error";
    /// The provider is overloaded (503, 529).
    UpstreamOverloaded: "upstream_overloaded" Upstream 503 "service_unavailable_error";
    /// An answer that is no answer: broken framing, not JSON, too large.
    UpstreamBadAnswer: "upstream_bad_answer" Upstream 502 "internal_server_error";
    /// A stream that ended before its end.
    UpstreamTruncated: "upstream_truncated" Upstream 502 "internal_server_error";
}

impl ErrorKind {
    /// A dense number for metric tables.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The metric label: fixed set, snake case.
    pub const fn label(self) -> &'static str {
        self.spec().label
    }

    /// Whose trouble it is.
    pub const fn source(self) -> ErrorSource {
        self.spec().source
    }

    /// The HTTP status, unless the provider's or a configured one replaces it.
    pub const fn status(self) -> u16 {
        self.spec().status
    }

    /// `error.type` in OpenAI's envelope.
    pub const fn openai_type(self) -> &'static str {
        self.spec().openai
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn labels_are_unique_and_indices_dense() {
        let labels: HashSet<_> = ErrorKind::ALL.iter().map(|kind| kind.label()).collect();
        assert_eq!(labels.len(), ErrorKind::ALL.len());
        for (index, kind) in ErrorKind::ALL.iter().enumerate() {
            assert_eq!(kind.index(), index);
        }
    }
}
