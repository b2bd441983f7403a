//! Keys of an element of `model_list`. Prices are in `prices.rs`.

use super::{Row, harmless, honoured, restricting, silent};

const NO_CLOUD: &str =
    "providers that need signed requests or cloud tokens are not available in this version";
const NO_ROUTER_MODEL: &str = "models that choose another model are not available in this version";
const NO_RETRY: &str = "not available in this version; a failed request is not retried";
const NO_COOLDOWN: &str = "not available in this version; failing deployments stay in rotation";
const NO_HEALTH_CHECK: &str = "not available in this version; deployments are not probed in the background";
const NO_EDIT: &str = "not available in this version; requests and answers pass as they are";
const NO_HINT: &str = "not available in this version; it does not take part in routing";
const NO_STORE: &str = "not available in this version; the routes it is about answer 404";

pub(super) const MODEL_LIST: &[Row] = &[honoured(&["model_name", "litellm_params", "model_info"])];

pub(super) const LITELLM_PARAMS: &[Row] = &[
    honoured(&[
        "model",
        "api_key",
        "api_base",
        "base_url",
        "api_version",
        "organization",
        "custom_llm_provider",
    ]),
    honoured(&[
        "timeout",
        "stream_timeout",
        "rpm",
        "tpm",
        "weight",
        "order",
        "tags",
        "extra_headers",
        "extra_body",
    ]),
    honoured(&["drop_params", "additional_drop_params", "base_model"]),
    restricting(&["max_parallel_requests"], "parallel requests to a deployment are not limited"),
    restricting(&["max_budget"], "a deployment has no budget"),
    restricting(
        &["default_api_key_tpm_limit", "default_api_key_rpm_limit"],
        "keys have no default limits for a model",
    ),
    restricting(&["guardrails"], "guardrails are not run"),
    silent(&[
        "budget_duration",
        "litellm_trace_id",
        "use_in_pass_through",
        "use_litellm_proxy",
        "model_info",
    ]),
    harmless(&["litellm_credential_name"], "not available in this version; write the credentials here"),
    harmless(&["max_retries", "num_retries"], NO_RETRY),
    harmless(&["cooldown_time", "allowed_fails", "allowed_fails_policy"], NO_COOLDOWN),
    harmless(&["itpm", "otpm", "tag_regex", "region_name", "provider_affinity_header"], NO_HINT),
    harmless(
        &["timeout_by_service_tier", "stream_timeout_by_service_tier"],
        "not available; `timeout` holds for all",
    ),
    harmless(&["request_timeout", "force_timeout"], "not read; write `timeout`"),
    harmless(&["allowed_openai_params"], "not read: every parameter passes unless `drop_params` drops it"),
    harmless(
        &["mock_response", "mock_timeout", "mock_tool_calls"],
        "not available; requests go to the provider",
    ),
    harmless(&["use_chat_completions_api", "merge_reasoning_content_in_choices"], NO_EDIT),
    harmless(&["cache_control_injection_points", "fireworks_forward_user_id", "use_xai_oauth"], NO_EDIT),
    harmless(&["configurable_clientside_auth_params"], "not available: clients cannot choose keys or hosts"),
    harmless(&["keepalive_seconds", "allow_client_keepalive_override"], "write it under bulkhead_settings"),
    harmless(
        &["max_file_size_mb", "vector_store_id", "milvus_*", "valkey_*", "s3_*", "gcs_bucket_name"],
        NO_STORE,
    ),
    harmless(&["bucket_name", "ssl_verify"], "no effect here; certificates are always verified"),
    harmless(&["aws_*", "bedrock_tags", "vertex_project", "vertex_location", "vertex_credentials"], NO_CLOUD),
    harmless(&["azure_ad_token", "tenant_id", "client_id", "client_secret", "azure_scope"], NO_CLOUD),
    harmless(&["azure_username", "azure_password", "watsonx_region_name"], NO_CLOUD),
    harmless(&["anthropic_federation_*", "anthropic_identity_*", "anthropic_issuer_*"], NO_CLOUD),
    harmless(
        &["anthropic_keycloak_*", "anthropic_organization_id", "anthropic_service_account_id"],
        NO_CLOUD,
    ),
    harmless(&["anthropic_disable_workload_identity_federation"], NO_CLOUD),
    harmless(&["openai_identity_*", "openai_service_account_id"], NO_CLOUD),
    harmless(
        &["auto_router_*", "complexity_router_*", "adaptive_router_*", "quality_router_*"],
        NO_ROUTER_MODEL,
    ),
    harmless(
        &["fallbacks", "context_window_fallback_dict"],
        "not available in this version; write a second deployment",
    ),
    harmless(
        &[
            "regional_processing_uplift_multiplier_*",
            "regional_endpoint_uplift_multiplier",
            "output_vector_size",
        ],
        "not read; prices are per unit",
    ),
    harmless(&["cache", "caching"], "not available in this version; no answer is cached"),
    harmless(&["rust", "no-log"], "no effect here"),
    harmless(&["prompt_id", "prompt_variables", "dotprompt_content"], "prompt templates are not available"),
];

pub(super) const MODEL_INFO: &[Row] = &[
    honoured(&["id", "mode", "base_model", "access_groups", "max_input_tokens", "max_output_tokens"]),
    restricting(&["team_id"], "the model is not kept to one team"),
    restricting(&["blocked"], "the model is served all the same"),
    restricting(&["access_windows"], "the model is served at all times"),
    silent(&[
        "max_tokens",
        "supports_*",
        "supported_*",
        "litellm_provider",
        "key",
        "tier",
        "description",
        "version",
    ]),
    silent(&[
        "db_model",
        "created_at",
        "created_by",
        "updated_at",
        "updated_by",
        "source",
        "deprecation_date",
    ]),
    silent(&["output_vector_size", "max_query_tokens", "tool_use_system_prompt_tokens", "rpm", "tpm"]),
    silent(&["team_public_model_name", "discoverable", "metadata"]),
    silent(&["MAX_PTU_COUNT", "MAX_COST_PER_PTU_PER_HOUR", "ptu_*", "cost_per_ptu_per_hour"]),
    harmless(&["health_check_*", "disable_background_health_check"], NO_HEALTH_CHECK),
    harmless(&["allowed_fails", "allowed_fails_policy", "cooldown_time"], NO_COOLDOWN),
    harmless(&["member_auto_router", "internal_router_model"], NO_ROUTER_MODEL),
    harmless(&["allow_fail_open", "enable_tag_filtering"], NO_HINT),
];

/// Parameters of requests that are common as defaults: they are never taken for a slip of another key.
pub(crate) const CALL_PARAMETERS: &[&str] = &[
    "audio",
    "cache_control",
    "context_management",
    "dimensions",
    "encoding_format",
    "enable_thinking",
    "frequency_penalty",
    "function_call",
    "functions",
    "include",
    "input_type",
    "instructions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_output_tokens",
    "max_tokens",
    "metadata",
    "min_p",
    "modalities",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "provider",
    "reasoning",
    "reasoning_effort",
    "reasoning_format",
    "repetition_penalty",
    "response_format",
    "safety_identifier",
    "safety_settings",
    "seed",
    "service_tier",
    "stop",
    "stop_sequences",
    "store",
    "stream",
    "stream_options",
    "suffix",
    "system",
    "temperature",
    "text",
    "thinking",
    "tool_choice",
    "tools",
    "top_k",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
    "verbosity",
    "web_search_options",
];
