//! The members of a request body that mean something to the gateway.

/// What a top-level member is to the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Model,
    Stream,
    StreamOptions,
    /// Any of the fields that bound the output.
    MaxTokens,
    /// How many answers: `n`, `best_of`.
    Choices,
    User,
    Metadata,
    LitellmMetadata,
    /// Read by limits, prices or routing, now or by the provider in a way that changes the bill.
    Governed,
    Messages,
    /// Google's messages.
    Contents,
    /// An object that bounds the output.
    GenerationConfig,
    Prompt,
    Input,
    /// LiteLLM's control fields: removed, acted on.
    Timeout,
    StreamTimeout,
    Tags,
    Fallbacks,
    ContextFallbacks,
    PolicyFallbacks,
    ContextFallbackDict,
    DisableFallbacks,
    Retries,
    /// LiteLLM's control fields without effect here: removed, named in a response header.
    Ignored,
    /// A restriction that the gateway cannot honour: refused.
    Restricting,
    /// Chooses a destination or a credential: refused.
    Destination,
    /// The provider's business.
    Free,
}

/// Classifies a member by its unescaped name.
pub(crate) fn classify(name: &str) -> Field {
    match name {
        "model" => Field::Model,
        "stream" => Field::Stream,
        "stream_options" => Field::StreamOptions,
        "max_tokens" | "max_completion_tokens" | "max_output_tokens" | "max_tokens_to_sample" => {
            Field::MaxTokens
        }
        "n" | "best_of" => Field::Choices,
        "user" => Field::User,
        "metadata" => Field::Metadata,
        "litellm_metadata" => Field::LitellmMetadata,
        "service_tier" | "previous_response_id" | "conversation" => Field::Governed,
        "messages" => Field::Messages,
        "contents" => Field::Contents,
        "generationConfig" | "generation_config" | "inferenceConfig" => Field::GenerationConfig,
        "prompt" => Field::Prompt,
        "input" => Field::Input,
        "timeout" | "request_timeout" => Field::Timeout,
        "stream_timeout" => Field::StreamTimeout,
        "tags" => Field::Tags,
        "fallbacks" => Field::Fallbacks,
        "context_window_fallbacks" => Field::ContextFallbacks,
        "content_policy_fallbacks" => Field::PolicyFallbacks,
        "context_window_fallback_dict" => Field::ContextFallbackDict,
        "disable_fallbacks" => Field::DisableFallbacks,
        "num_retries" | "max_retries" => Field::Retries,
        "default_fallbacks"
        | "cooldown_time"
        | "cache"
        | "caching"
        | "no-log"
        | "priority"
        | "keepalive_seconds"
        | "drop_params"
        | "additional_drop_params"
        | "allowed_openai_params"
        | "mock_response"
        | "mock_timeout"
        | "mock_testing_fallbacks"
        | "mock_testing_context_fallbacks"
        | "mock_testing_content_policy_fallbacks"
        | "mock_testing_rate_limit_error"
        | "litellm_call_id"
        | "litellm_trace_id"
        | "litellm_session_id"
        | "litellm_logging_obj"
        | "proxy_server_request"
        | "prompt_id"
        | "prompt_variables" => Field::Ignored,
        "guardrails"
        | "guardrail_config"
        | "policies"
        | "disable_global_guardrails"
        | "max_budget"
        | "budget_duration" => Field::Restricting,
        "api_base"
        | "base_url"
        | "api_key"
        | "api_version"
        | "api_type"
        | "custom_llm_provider"
        | "organization"
        | "extra_headers"
        | "headers"
        | "region_name"
        | "litellm_credential_name"
        | "model_list"
        | "model_info"
        | "litellm_params"
        | "azure_ad_token"
        | "tenant_id"
        | "client_id"
        | "client_secret"
        | "azure_scope"
        | "user_config"
        | "secret_fields" => Field::Destination,
        _ if name.starts_with("aws_") || name.starts_with("vertex_") => Field::Destination,
        _ => Field::Free,
    }
}

impl Field {
    /// True when a second occurrence is refused: first-wins against last-wins would let a request pass a check that
    /// its provider then reads differently (design §5).
    pub(crate) fn is_governed(self) -> bool {
        !matches!(self, Self::Free | Self::Messages | Self::Contents | Self::Prompt | Self::Input)
    }
}
