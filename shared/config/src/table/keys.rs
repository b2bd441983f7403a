//! Keys of an element of `virtual_keys`: the fields of `/key/generate`, and `key_hash` and `expires`.

use super::{Row, harmless, honoured, restricting, silent};

pub(super) const VIRTUAL_KEYS: &[Row] = &[
    honoured(&[
        "key",
        "key_hash",
        "key_alias",
        "expires",
        "duration",
        "models",
        "aliases",
        "allowed_routes",
        "key_type",
    ]),
    honoured(&[
        "max_budget",
        "budget_duration",
        "rpm_limit",
        "tpm_limit",
        "max_parallel_requests",
        "blocked",
    ]),
    honoured(&["team_id", "user_id", "tags", "metadata", "router_settings"]),
    restricting(
        &["model_max_budget", "budget_limits"],
        "a key has one budget; further ones are not enforced",
    ),
    restricting(&["model_rpm_limit", "model_tpm_limit"], "limits per model are not enforced"),
    restricting(&["tpd_limit"], "tokens per day are not limited"),
    restricting(&["mcp_rpm_limit", "tag_rpm_limit"], "limits per tool or tag are not enforced"),
    restricting(&["guardrails", "policies"], "guardrails are not run"),
    restricting(&["enforced_params"], "requests without the parameter are not refused"),
    restricting(&["object_permission"], "permissions for tools, agents and vector stores are not enforced"),
    restricting(&["permissions"], "permissions are not enforced"),
    restricting(&["allowed_cache_controls"], "cache controls of requests are not restricted"),
    restricting(
        &["allowed_passthrough_routes", "denied_passthrough_routes"],
        "write the routes in `allowed_routes`",
    ),
    restricting(&["allowed_vector_store_indexes"], "vector stores are not restricted"),
    restricting(&["access_group_ids"], "access groups are named in `models`; their ids are not looked up"),
    restricting(
        &["budget_id", "end_user_budget_id"],
        "budgets of the database do not apply; write `max_budget`",
    ),
    restricting(
        &["organization_id", "project_id", "agent_id"],
        "limits of organizations, projects and agents do not apply",
    ),
    silent(&["disable_global_guardrails", "send_invite_email", "rotation_interval"]),
    harmless(&["soft_budget"], "alerts are not available in this version"),
    harmless(&["spend"], "a key's spend starts at what the ledger holds"),
    harmless(&["config"], "settings per key are not available in this version"),
    harmless(&["budget_fallbacks"], "not available in this version; a spent budget refuses"),
    harmless(&["throttle_on_budget_exceeded"], "not available in this version; a spent budget refuses"),
    harmless(&["rpm_limit_type", "tpm_limit_type"], "limits are always enforced, never only under load"),
    harmless(&["prompts"], "prompt templates are not available"),
    harmless(&["enable_prompt_caching"], "not available in this version; requests pass as they are"),
    harmless(&["auto_rotate"], "a key of a file is rotated by changing the file or its variable"),
    harmless(&["default_estimated_output_tokens*"], "the gateway estimates output by what it has seen"),
];
