//! What `allowed_routes` may name, in the file and in the management API.

/// LiteLLM's groups of routes.
pub const GROUPS: &[&str] = &[
    "llm_api_routes",
    "openai_routes",
    "anthropic_routes",
    "google_routes",
    "mcp_routes",
    "mcp_inference_routes",
    "mcp_management_routes",
    "agent_routes",
    "agent_inference_routes",
    "agent_management_routes",
    "apply_guardrail_routes",
    "mapped_pass_through_routes",
    "passthrough_routes_wildcard",
    "litellm_native_routes",
    "model_info_routes",
    "info_routes",
    "key_management_routes",
    "team_service_account_key_routes",
    "management_routes",
    "master_key_only_routes",
    "spend_tracking_routes",
    "global_spend_tracking_routes",
    "public_routes",
    "ui_routes",
    "compliance_check_routes",
    "internal_user_routes",
    "internal_user_view_only_routes",
    "self_managed_routes",
    "org_admin_only_routes",
    "org_admin_allowed_routes",
    "admin_viewer_routes",
];

/// True for a group, and for a path, which may hold `*`.
pub fn is_known(name: &str) -> bool {
    name.starts_with('/') || GROUPS.contains(&name)
}
