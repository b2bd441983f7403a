//! The table against the code that reads, and against LiteLLM's documented keys.

use super::{Class, Section};
use crate::{Source, load};

/// The file with `key: value` in a section.
fn file(section: Section, key: &str, value: &str) -> (String, String) {
    let element = "model_list: [{model_name: m, ";
    match section {
        Section::Top => (format!("{key}: {value}"), key.to_owned()),
        Section::Router | Section::Litellm | Section::General | Section::Bulkhead => {
            let name = section.name();
            (format!("{name}: {{{key}: {value}}}"), format!("{name}.{key}"))
        }
        Section::ModelList => (format!("model_list: [{{{key}: {value}}}]"), format!("model_list[0].{key}")),
        Section::LitellmParams => {
            let model = if key == "model" { "" } else { "model: openai/m, " };
            (
                format!("{element}litellm_params: {{{model}{key}: {value}}}}}]"),
                format!("model_list[0].litellm_params.{key}"),
            )
        }
        Section::ModelInfo => (
            format!("{element}litellm_params: {{model: openai/m}}, model_info: {{{key}: {value}}}}}]"),
            format!("model_list[0].model_info.{key}"),
        ),
        Section::VirtualKeys => {
            (format!("virtual_keys: [{{{key}: {value}}}]"), format!("virtual_keys[0].{key}"))
        }
    }
}

/// True when something is said about the field at `path`.
fn is_told(yaml: &str, path: &str) -> bool {
    let source = Source { env: &|_| None, read: &|_| Ok(yaml.to_owned()) };
    let problems = load(std::path::Path::new("gateway.yaml"), &source).err().map(|problems| problems.0);
    problems.unwrap_or_default().iter().any(|problem| problem.path.starts_with(path))
}

#[test]
fn every_honoured_key_is_read() {
    for section in Section::ALL {
        for (key, _) in section.names().filter(|(_, class)| *class == Class::Honoured) {
            let absurd = ["{a: {b: {}}}", "[[[]]]", "text"];
            let told = absurd.iter().any(|value| {
                let (yaml, path) = file(section, key, value);
                is_told(&yaml, &path)
            });
            assert!(told, "nobody reads {section:?}.{key}");
        }
    }
}

#[test]
fn every_restricting_key_stops_the_gateway() {
    for section in Section::ALL {
        for (key, class) in section.names() {
            let value = match class {
                Class::Restricting(_) => "[x]",
                Class::Items(items) if !items.restricting.is_empty() => items.restricting[0],
                Class::Honoured | Class::Silent | Class::Harmless(_) | Class::Items(_) => continue,
            };
            let (yaml, path) = file(section, key, value);
            assert!(is_told(&yaml, &path), "{section:?}.{key} passes");
        }
    }
}

#[test]
fn every_documented_key_of_litellm_is_known() {
    for (section, keys) in DOCUMENTED {
        for key in keys.split_whitespace() {
            assert!(section.class(key).is_some(), "{section:?}.{key}");
        }
    }
}

/// The keys that LiteLLM's users set, by section.
const DOCUMENTED: &[(Section, &str)] = &[
    (
        Section::Top,
        "model_list router_settings litellm_settings general_settings environment_variables callback_settings
         guardrails policies policy_attachments mcp_servers mcp_tools vector_store_registry prompts search_tools
         sandbox_tools agent_list agents credential_list files_settings finetune_settings default_vertex_config
         pass_through_endpoints assistant_settings plugins worker_registry include",
    ),
    (
        Section::LitellmParams,
        "model api_key api_base base_url api_version organization custom_llm_provider litellm_credential_name timeout
         stream_timeout max_retries num_retries rpm tpm itpm otpm weight order max_parallel_requests max_budget
         budget_duration tags tag_regex region_name drop_params additional_drop_params allowed_openai_params
         extra_headers extra_body base_model mock_response use_in_pass_through use_chat_completions_api
         merge_reasoning_content_in_choices configurable_clientside_auth_params keepalive_seconds
         cache_control_injection_points default_api_key_tpm_limit default_api_key_rpm_limit aws_access_key_id
         aws_secret_access_key aws_session_token aws_region_name aws_role_name aws_session_name aws_profile_name
         aws_web_identity_token aws_sts_endpoint aws_external_id aws_bedrock_runtime_endpoint vertex_project
         vertex_location vertex_credentials azure_ad_token tenant_id client_id client_secret azure_scope
         auto_router_config complexity_router_config",
    ),
    (
        Section::ModelInfo,
        "id mode base_model access_groups team_id team_public_model_name tier blocked access_windows supports_vision
         max_input_tokens max_output_tokens max_tokens health_check_timeout disable_background_health_check
         allowed_fails allowed_fails_policy cooldown_time ptu_count cost_per_ptu_per_hour MAX_PTU_COUNT",
    ),
    (
        Section::Router,
        "routing_strategy routing_strategy_args provider_budget_config routing_groups model_group_alias
         enable_tag_filtering tag_filtering_match_any enable_pre_call_checks num_retries retry_policy
         model_group_retry_policy retry_after fallbacks default_fallbacks context_window_fallbacks
         content_policy_fallbacks enable_weighted_failover max_fallbacks expose_router_debug_in_errors
         enforce_fallback_model_access cooldown_time allowed_fails allowed_fails_policy disable_cooldowns timeout
         stream_timeout optional_pre_call_checks deployment_affinity_ttl_seconds enable_health_check_routing
         health_check_staleness_threshold health_check_ignore_transient_errors default_priority polling_interval
         redis_host redis_port redis_password redis_url cache_kwargs caching_groups cache_responses client_ttl",
    ),
    (
        Section::Litellm,
        "callbacks success_callback failure_callback service_callbacks num_retries request_timeout drop_params
         modify_params fallbacks default_fallbacks context_window_fallbacks content_policy_fallbacks allowed_fails
         cache cache_params set_verbose json_logs turn_off_message_logging redact_user_api_key_info max_budget
         budget_duration max_end_user_budget max_end_user_budget_id max_internal_user_budget
         internal_user_budget_duration default_internal_user_params default_team_params default_team_settings
         upperbound_key_generate_params default_key_generate_params key_generation_settings enable_redis_auth_cache
         cost_discount_config cost_margin_config model_alias_map force_ipv4 ssl_verify public_model_groups
         budget_exceeded_status_code budget_exceeded_throttle_percentage prometheus_metrics_config
         prometheus_initialize_budget_metrics require_auth_for_metrics_endpoint
         use_chat_completions_url_for_anthropic_messages route_all_chat_openai_to_responses
         forward_traceparent_to_llm_provider custom_provider_map store_audit_logs network_mock timezone",
    ),
    (
        Section::General,
        "master_key database_url database_connection_pool_limit database_connection_timeout
         database_disable_prepared_statements store_model_in_db supported_db_objects
         proxy_config_reload_interval_seconds proxy_batch_write_at proxy_budget_rescheduler_min_time
         proxy_budget_rescheduler_max_time use_redis_transaction_buffer coordination_redis
         allow_requests_on_db_unavailable disable_spend_logs disable_spend_updates disable_error_logs
         store_prompts_in_spend_logs spend_logs_metadata_fields maximum_spend_logs_retention_period
         maximum_spend_logs_retention_interval maximum_spend_logs_cleanup_cron use_spend_logs_partitioning
         user_api_key_cache_ttl user_api_key_cache_max_size fail_closed_rate_limit_enforcement
         fail_closed_budget_enforcement disable_budget_reservation apply_user_budget_to_team_keys
         token_rate_limit_type max_parallel_requests global_max_parallel_requests max_in_flight_requests_per_worker
         max_queued_requests_per_worker admission_queue_timeout_seconds max_request_size_mb cancel_on_disconnect
         custom_auth custom_auth_run_common_checks enable_jwt_auth litellm_jwtauth enable_oauth2_auth
         pass_through_endpoints alerting alerting_threshold alerting_args alert_types alert_to_webhook_url
         background_health_checks health_check_interval use_shared_health_check forward_client_headers_to_llm_api
         enforce_user_param reject_clientside_metadata_tags user_header_mappings litellm_key_header_name allowed_ips
         use_x_forwarded_for public_routes admin_only_routes allowed_routes key_management_system
         key_management_settings encryption_algorithm enforce_fallback_model_access missing_session_id
         always_include_stream_usage include_call_id_in_error_body enable_drain_endpoint drain_endpoint_token
         control_plane_url enable_claude_code_gateway ui_access_mode mcp_internal_ip_ranges
         dangerously_permit_weak_or_unset_master_key",
    ),
    (
        Section::VirtualKeys,
        "key key_alias duration models team_id user_id organization_id project_id agent_id budget_id
         end_user_budget_id max_budget soft_budget budget_duration budget_limits model_max_budget budget_fallbacks
         tpm_limit rpm_limit tpd_limit max_parallel_requests model_rpm_limit model_tpm_limit mcp_rpm_limit
         tag_rpm_limit rpm_limit_type tpm_limit_type spend metadata tags aliases config permissions guardrails
         policies prompts disable_global_guardrails enforced_params allowed_cache_controls allowed_routes
         allowed_passthrough_routes denied_passthrough_routes allowed_vector_store_indexes object_permission
         access_group_ids router_settings key_type auto_rotate rotation_interval blocked send_invite_email
         throttle_on_budget_exceeded enable_prompt_caching default_estimated_output_tokens
         default_estimated_output_tokens_per_model",
    ),
];
