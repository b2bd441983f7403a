//! Keys of the file itself and of its settings sections.

use super::{Items, Row, harmless, honoured, items, restricting, silent};

const NO_DATABASE: &str = "this concerns the database, which only the control plane has";
const NO_REDIS: &str = "Redis is not used in this version";
const NO_CACHE: &str = "not available in this version; no answer is cached";
const NO_HEALTH_CHECK: &str = "not available in this version; deployments are not probed in the background";
const NO_LOGGING: &str = "logging callbacks are not available; usage goes to the gateway's own records";
const NO_METRICS_OPTION: &str = "not read; metrics are on the operations listener, as they are built in";
const NO_ROUTE: &str = "not available in this version; the routes it is about answer 404";
const NO_ALERTING: &str = "alerts are not available in this version";
const NO_DASHBOARD: &str = "this concerns the dashboard, which only the control plane has";
const NO_KEY_DEFAULTS: &str = "keys of a file are taken as written; defaults for new ones do not apply";
const NO_DEFAULT_CREDENTIAL: &str =
    "not read here: write `api_key` and `api_base` in each deployment's litellm_params";
const NO_SECRET_MANAGER: &str = "secret managers are not available; `os.environ/` reads the environment";
const NO_TRANSLATION: &str = "not read; how a request is translated is built in";
const OWN_PRICES: &str =
    "not available in this version; costs follow the price data and the deployment's prices";
const OWN_LOGS: &str = "no effect here; the gateway's own logs are structured and set on its command line";
const ALWAYS_TLS: &str = "not available: certificates are always verified, against public roots";

pub(super) const TOP: &[Row] = &[
    honoured(&[
        "model_list",
        "router_settings",
        "litellm_settings",
        "general_settings",
        "environment_variables",
    ]),
    honoured(&["include", "virtual_keys", "bulkhead_settings", "credential_list"]),
    restricting(&["guardrails"], "guardrails are not run, so nothing is checked or blocked by them"),
    restricting(&["policies", "policy_attachments"], "policies are not applied"),
    harmless(&["callback_settings"], NO_LOGGING),
    harmless(
        &["mcp_servers", "mcp_tools", "search_tools", "sandbox_tools", "agent_list", "agents"],
        NO_ROUTE,
    ),
    harmless(
        &["vector_store_registry", "files_settings", "finetune_settings", "assistant_settings"],
        NO_ROUTE,
    ),
    harmless(&["pass_through_endpoints", "default_vertex_config", "plugins", "classifier_plugin"], NO_ROUTE),
    harmless(&["prompts"], "prompt templates are not available in this version"),
    // Where people put what they only want to anchor.
    silent(&["x-*", ".*", "_*"]),
    harmless(&["worker_registry"], "a gateway has no worker processes to register"),
];

static PRE_CALL_CHECKS: Items = Items {
    honoured: &[
        "enforce_model_rate_limits",
        "deployment_affinity",
        "session_affinity",
        "prompt_caching",
        // These are always on.
        "responses_api_deployment_check",
        "encrypted_content_affinity",
    ],
    restricting: &["router_budget_limiting"],
    own_code: false,
    unenforced: "budgets of deployments are not enforced",
    harmless: "of these checks some are not available in this version",
};

pub(super) const ROUTER: &[Row] = &[
    honoured(&["routing_strategy", "model_group_alias", "enable_tag_filtering", "tag_filtering_match_any"]),
    honoured(&["timeout", "stream_timeout", "enable_pre_call_checks", "default_max_parallel_requests"]),
    honoured(&["num_retries", "retry_after", "retry_policy", "model_group_retry_policy"]),
    honoured(&["fallbacks", "default_fallbacks", "context_window_fallbacks"]),
    honoured(&["content_policy_fallbacks", "max_fallbacks"]),
    honoured(&["cooldown_time", "allowed_fails", "allowed_fails_policy", "disable_cooldowns"]),
    honoured(&["deployment_affinity_ttl_seconds"]),
    restricting(&["provider_budget_config"], "budgets of providers are not enforced"),
    restricting(&["guardrail_list"], "guardrails are not run"),
    items(&["optional_pre_call_checks"], &PRE_CALL_CHECKS),
    harmless(
        &["routing_strategy_args", "routing_groups", "weights"],
        "not available in this version; one strategy holds for every group",
    ),
    harmless(&["max_retries"], "not read; write `num_retries`"),
    harmless(
        &["enable_weighted_failover"],
        "not needed: a retry goes to another deployment of the group where there is one",
    ),
    harmless(
        &["model_group_affinity_config"],
        "not available in this version; affinity is the same for every group",
    ),
    harmless(
        &["enable_health_check_routing", "health_check_*", "background_health_check_*"],
        NO_HEALTH_CHECK,
    ),
    harmless(
        &["default_priority", "polling_interval"],
        "not available in this version; requests do not queue",
    ),
    harmless(&["redis_*", "cache_kwargs"], NO_REDIS),
    harmless(&["caching_groups", "cache_responses"], NO_CACHE),
    harmless(
        &["default_litellm_params"],
        "not available in this version; write the parameters in each deployment",
    ),
    harmless(&["assistants_config", "search_tools", "plugins"], NO_ROUTE),
    harmless(&["alerting_config"], NO_ALERTING),
    harmless(&["router_general_settings"], "not available in this version; only declared models are served"),
    harmless(&["tag_routing_prefix"], "not available in this version; tags are compared as written"),
    silent(&["enforce_fallback_model_access", "fallback_access_check", "fallback_budget_check"]),
    silent(&["set_verbose", "debug_level", "client_ttl", "ignore_invalid_deployments"]),
    silent(&["expose_router_debug_in_errors", "auto_router_capability_limit"]),
];

/// The callback that asks for LiteLLM's metrics.
const METRICS: &[&str] = &["prometheus"];

/// Callbacks that only observe.
static SUCCESS_CALLBACKS: Items =
    Items { honoured: METRICS, restricting: &[], own_code: false, unenforced: "", harmless: NO_LOGGING };

/// Callbacks that refuse or change requests; the others observe.
static CALLBACKS: Items = Items {
    honoured: METRICS,
    restricting: &[
        "presidio",
        "hide_secrets",
        "lakera_prompt_injection",
        "llamaguard_moderations",
        "llmguard_moderations",
        "google_text_moderation",
        "openai_moderations",
        "azure_content_safety",
        "aporia_prompt_injection",
        "detect_prompt_injection",
        "banned_keywords",
        "blocked_user_check",
        "dynamic_rate_limiter",
        "dynamic_rate_limiter_v3",
    ],
    own_code: true,
    unenforced: "this callback is not run, so what it refuses or changes passes untouched",
    harmless: NO_LOGGING,
};

pub(super) const LITELLM: &[Row] = &[
    honoured(&["drop_params", "request_timeout", "budget_exceeded_status_code", "timezone"]),
    honoured(&["num_retries", "allowed_fails", "fallbacks", "default_fallbacks", "max_fallbacks"]),
    honoured(&["context_window_fallbacks", "content_policy_fallbacks"]),
    items(&["callbacks"], &CALLBACKS),
    items(&["success_callback"], &SUCCESS_CALLBACKS),
    restricting(&["max_budget"], "there is no budget for the gateway as a whole"),
    restricting(&["max_end_user_budget", "max_end_user_budget_id"], "end users have no budgets"),
    restricting(&["validate_end_user_id_in_db"], "end users are not looked up"),
    restricting(&["max_internal_user_budget", "default_max_internal_user_budget"], "users have no budgets"),
    restricting(&["max_user_budget", "tag_budget_config"], "users and tags have no budgets"),
    restricting(&["upperbound_key_generate_params"], "no upper bounds are applied to keys"),
    restricting(&["key_generation_settings"], "who may make keys is not restricted by this"),
    restricting(&["guardrails", "guardrail_name_config_map"], "guardrails are not run"),
    restricting(&["pre_call_rules", "post_call_rules"], "rules are not run, so nothing is refused by them"),
    restricting(&["banned_keywords_list", "blocked_user_list"], "the list is not checked"),
    restricting(&["block_requests_for_models_without_pricing"], "models without a price are served"),
    restricting(&["priority_reservation", "priority_reservation_settings"], "capacity is not reserved"),
    restricting(
        &["key_alias_pattern", "enable_key_alias_format_validation"],
        "aliases of keys are not checked",
    ),
    restricting(&["enable_json_schema_validation"], "answers are not checked against the schema"),
    restricting(&["provider_url_destination_allowed_hosts"], "hosts of api_base are not restricted by this"),
    silent(&["budget_duration", "internal_user_budget_duration"]),
    silent(&["turn_off_message_logging", "redact_user_api_key_info", "redact_messages_in_exceptions"]),
    silent(&["disable_streaming_logging", "global_disable_no_log_param", "log_raw_request_response"]),
    silent(&["suppress_debug_info", "telemetry", "email", "token"]),
    silent(&["enable_azure_ad_token_refresh"]),
    harmless(&["set_verbose", "json_logs", "logging", "log_auth_failure_key_identity"], OWN_LOGS),
    harmless(&["log_client_error_tracebacks", "request_correlation_in_logs"], OWN_LOGS),
    harmless(&["failure_callback", "service_callback", "service_callbacks"], NO_LOGGING),
    harmless(
        &["input_callback", "audit_log_callbacks", "callback_settings", "langfuse_*", "langsmith_*"],
        NO_LOGGING,
    ),
    harmless(
        &["s3_*", "gcs_*", "datadog_*", "newrelic_params", "aws_sqs_callback_params", "argilla_*"],
        NO_LOGGING,
    ),
    harmless(
        &["generic_*", "otel_*", "cold_storage_custom_logger", "standard_logging_*", "zerobus_*"],
        NO_LOGGING,
    ),
    harmless(
        &["add_user_information_to_llm_headers", "logged_real_time_event_types", "pointfive_*"],
        NO_LOGGING,
    ),
    harmless(&["allow_dynamic_callback_disabling"], NO_LOGGING),
    harmless(&["store_audit_logs"], NO_DATABASE),
    harmless(
        &["prometheus_*", "custom_prometheus_*", "require_auth_for_metrics_endpoint"],
        NO_METRICS_OPTION,
    ),
    harmless(&["disable_end_user_cost_tracking*", "enable_end_user_cost_tracking*"], NO_METRICS_OPTION),
    harmless(&["num_retries_per_request"], "not read; write `num_retries`"),
    harmless(&["model_fallbacks"], "not read; write `fallbacks`"),
    harmless(&["cache", "cache_params", "caching", "caching_with_models", "default_in_memory_ttl"], NO_CACHE),
    harmless(&["enable_caching_on_provider_specific_optional_params"], NO_CACHE),
    harmless(&["default_redis_*", "enable_redis_auth_cache", "force_redis_hash_tag_grouping"], NO_REDIS),
    harmless(&["modify_params"], "not available in this version; requests are not repaired for the provider"),
    harmless(&["cost_discount_config", "cost_margin_config", "model_cost_map_url"], OWN_PRICES),
    harmless(&["model_alias_map"], "not available; write `model_group_alias` under router_settings"),
    harmless(&["model_group_settings"], "not available in this version; settings hold for every model"),
    harmless(&["public_model_groups", "public_model_groups_links", "public_agent_groups"], NO_DASHBOARD),
    harmless(&["public_mcp_*", "mcp_*", "public_skills_index"], NO_ROUTE),
    harmless(
        &["budget_exceeded_throttle_percentage"],
        "not available in this version; the request is refused",
    ),
    harmless(&["default_soft_budget", "default_key_max_budget_alert_emails"], NO_ALERTING),
    harmless(
        &["default_internal_user_params", "default_team_params", "default_team_settings"],
        NO_KEY_DEFAULTS,
    ),
    harmless(&["default_key_generate_params"], NO_KEY_DEFAULTS),
    harmless(&["max_ui_session_budget"], NO_DASHBOARD),
    harmless(
        &["budget_rollover", "budget_reset_time"],
        "not available in this version; windows follow the calendar",
    ),
    harmless(&["use_chat_completions_url_for_anthropic_messages"], NO_TRANSLATION),
    harmless(&["route_all_chat_openai_to_responses", "openai_system_messages_first"], NO_TRANSLATION),
    harmless(
        &["reasoning_auto_summary", "strip_anthropic_total_tokens", "disable_stop_sequence_limit"],
        NO_TRANSLATION,
    ),
    harmless(
        &["enable_anthropic_prompt_caching", "anthropic_*", "bedrock_*", "disable_anthropic_*"],
        NO_TRANSLATION,
    ),
    harmless(
        &["vertex_*", "gemini_*", "enable_gemini_*", "disable_copilot_*", "custom_prompt_dict"],
        NO_TRANSLATION,
    ),
    harmless(&["custom_provider_map", "adapters"], "providers written in Python are not available"),
    harmless(
        &["forward_traceparent_to_llm_provider"],
        "not available in this version; trace headers stay here",
    ),
    harmless(
        &["return_response_headers", "include_cost_in_streaming_usage"],
        "not available in this version",
    ),
    harmless(&["sse_keepalive_ping_interval_seconds"], "write `keepalive_seconds` under bulkhead_settings"),
    harmless(
        &["api_key", "api_base", "api_version", "common_cloud_provider_auth_params"],
        NO_DEFAULT_CREDENTIAL,
    ),
    harmless(
        &["openai_key", "azure_key", "anthropic_key", "groq_key", "openrouter_key"],
        NO_DEFAULT_CREDENTIAL,
    ),
    harmless(
        &["cohere_key", "togetherai_api_key", "huggingface_key", "replicate_key"],
        NO_DEFAULT_CREDENTIAL,
    ),
    harmless(&["max_tokens"], "not available; write `max_tokens` in each deployment's litellm_params"),
    harmless(&["ssl_*", "force_ipv4", "http2", "aiohttp_trust_env"], ALWAYS_TLS),
    harmless(
        &["disable_aiohttp_transport", "disable_aiohttp_trust_env", "use_aiohttp_transport"],
        "HTTP is the gateway's own",
    ),
    harmless(&["user_url_validation", "user_url_allowed_hosts", "require_managed_files"], NO_ROUTE),
    harmless(&["vector_store_index_registry", "websearch_interception_params", "responses"], NO_ROUTE),
    harmless(
        &["global_prompt_directory", "global_bitbucket_config", "global_gitlab_config"],
        "prompt templates are not available",
    ),
    harmless(&["network_mock"], "not available; requests go to the providers"),
    harmless(
        &["extra_spend_tag_headers", "disable_add_user_agent_to_request_tags"],
        "tags come from keys and requests",
    ),
    harmless(
        &["enable_preview_features", "disable_token_counter", "disable_hf_tokenizer_download"],
        "no effect here",
    ),
    harmless(&["safe_memory_mode"], "no effect here"),
];

pub(super) const GENERAL: &[Row] = &[
    honoured(&["master_key", "litellm_key_header_name", "max_request_size_mb"]),
    honoured(&["forward_client_headers_to_llm_api", "database_url"]),
    honoured(&["disable_responses_id_security", "allow_unmanaged_response_ids"]),
    honoured(&["allowed_ips", "use_x_forwarded_for", "trusted_proxy_ranges"]),
    honoured(&["max_in_flight_requests_per_worker", "global_max_parallel_requests"]),
    restricting(&["custom_auth", "custom_auth_run_common_checks"], "custom authentication code is not run"),
    restricting(
        &["custom_key_generate", "custom_key_update", "custom_key_policy"],
        "custom code for keys is not run",
    ),
    restricting(
        &["enable_jwt_auth", "litellm_jwtauth"],
        "JWTs are not accepted and their claims not enforced",
    ),
    restricting(&["enable_oauth2_auth"], "OAuth 2 tokens are not accepted"),
    restricting(&["role_permissions"], "permissions of roles are not enforced"),
    restricting(&["enforce_user_param", "enforced_params"], "requests without the parameter are not refused"),
    restricting(&["reject_clientside_metadata_tags"], "tags that a client sends are not refused"),
    restricting(
        &["public_routes", "admin_only_routes", "allowed_routes"],
        "routes are as built in; this list is not applied",
    ),
    restricting(
        &["max_parallel_requests"],
        "parallel requests are limited per key, and as a whole by global_max_parallel_requests",
    ),
    restricting(&["max_response_size_mb"], "the size of answers is not limited"),
    restricting(
        &["fail_closed_rate_limit_enforcement", "fail_closed_budget_enforcement"],
        "what happens when limits cannot be verified is not set here",
    ),
    restricting(&["apply_user_budget_to_team_keys"], "users have no budgets here"),
    silent(&["admission_queue_timeout_seconds", "litellm_license", "disable_master_key_return"]),
    silent(&["enforce_fallback_model_access", "cancel_on_disconnect", "disable_budget_reservation"]),
    harmless(
        &["dangerously_permit_weak_or_unset_master_key"],
        "not available: a weak master key is always refused",
    ),
    harmless(
        &["database_*", "store_model_in_db", "supported_db_objects", "proxy_config_reload_*"],
        NO_DATABASE,
    ),
    harmless(
        &["proxy_batch_*", "proxy_budget_rescheduler_*", "allow_requests_on_db_unavailable"],
        NO_DATABASE,
    ),
    harmless(
        &["disable_spend_logs", "disable_spend_updates", "disable_error_logs", "disable_reset_budget"],
        NO_DATABASE,
    ),
    harmless(
        &[
            "store_prompts_in_spend_logs",
            "spend_logs_metadata_fields",
            "maximum_*",
            "use_spend_logs_partitioning",
        ],
        NO_DATABASE,
    ),
    harmless(&["user_api_key_cache_*", "scheduled_job_stagger", "spend_capture_rate_check"], NO_DATABASE),
    harmless(&["disable_adding_master_key_hash_to_db", "track_unmanaged_batch_cost"], NO_DATABASE),
    harmless(&["use_redis_transaction_buffer", "coordination_redis"], NO_REDIS),
    harmless(&["token_rate_limit_type"], "tokens per minute count input and output together"),
    harmless(
        &["pass_through_endpoints", "pass_through_request_timeout", "plugins", "search_tools"],
        NO_ROUTE,
    ),
    harmless(
        &["enable_openai_websocket_passthrough", "responses_websocket_*", "transcribe_media_buckets"],
        NO_ROUTE,
    ),
    harmless(&["max_batch_*", "max_file_*", "allowed_file_extensions", "blocked_file_extensions"], NO_ROUTE),
    harmless(&["vector_store_deny_by_default", "search_tool_deny_by_default", "mcp_*"], NO_ROUTE),
    harmless(&["enable_claude_code_gateway", "claude_code_gateway_managed_settings"], NO_ROUTE),
    harmless(&["enable_public_model_hub", "user_mcp_management_mode"], NO_ROUTE),
    harmless(&["user_url_*", "provider_url_destination_allowed_hosts"], NO_ROUTE),
    harmless(&["alerting", "alerting_*", "alert_*", "spend_report_frequency"], NO_ALERTING),
    harmless(&["background_health_checks", "health_check_*", "background_health_check_*"], NO_HEALTH_CHECK),
    harmless(
        &["use_shared_health_check", "enable_health_check_routing", "model_list_healthy_only"],
        NO_HEALTH_CHECK,
    ),
    harmless(&["user_header_mappings", "user_header_name"], "end users are told by the `user` field only"),
    harmless(
        &["max_queued_requests_per_worker"],
        "nothing queues: a request over the cap is refused at once",
    ),
    harmless(&["key_management_system", "key_management_settings", "use_google_kms"], NO_SECRET_MANAGER),
    harmless(&["use_azure_key_vault", "encryption_algorithm"], NO_SECRET_MANAGER),
    harmless(&["missing_session_id", "always_include_stream_usage"], "not available in this version"),
    harmless(
        &["include_call_id_in_error_body", "expose_fallback_errors_to_caller"],
        "errors have a fixed shape",
    ),
    harmless(&["enable_drain_endpoint", "drain_endpoint_token"], "not available; SIGTERM drains"),
    harmless(&["control_plane_url"], "a data plane is joined to its control plane on the command line"),
    harmless(&["completion_model", "infer_model_from_keys"], "not available; the request names its model"),
    harmless(
        &["disable_retry_on_max_parallel_request_limit_error", "disable_model_info_refresh"],
        "no effect here",
    ),
    harmless(&["otel", "tracing"], NO_LOGGING),
    harmless(&["ui_*", "custom_sso", "custom_ui_*", "custom_team_metadata_validate"], NO_DASHBOARD),
    harmless(&["team_metadata_schema", "password_policy_*", "disable_password_login_*"], NO_DASHBOARD),
    harmless(&["disable_env_credential_login", "max_failed_login_*", "failed_login_*"], NO_DASHBOARD),
    harmless(&["allow_cli_sso_*", "disable_auto_add_proxy_admin_to_teams"], NO_DASHBOARD),
];

pub(super) const BULKHEAD: &[Row] = &[
    honoured(&["accept_unenforced", "keepalive_seconds", "body_memory_mb", "upstream_auth_errors"]),
    honoured(&["connect_timeout", "first_byte_timeout", "idle_timeout", "overall_timeout"]),
    honoured(&["session_affinity", "prompt_affinity_bytes", "access_log"]),
    honoured(&["anthropic_beta_headers"]),
];
