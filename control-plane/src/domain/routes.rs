//! `allowed_routes`: which of them let a key manage.

use super::field::KeyType;

/// LiteLLM's route groups.
pub(crate) const GROUPS: &[&str] = &[
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

/// A group, or a path that may hold `*`.
pub(crate) fn is_route(name: &str) -> bool {
    name.starts_with('/') || GROUPS.contains(&name)
}

/// The group that a key of a type may call; `None` is every inference route.
pub(crate) fn of_type(kind: KeyType) -> Option<&'static str> {
    match kind {
        KeyType::LlmApi => Some("llm_api_routes"),
        KeyType::Management => Some("management_routes"),
        KeyType::ReadOnly => Some("info_routes"),
        KeyType::Default => None,
    }
}

/// Whether a key with these routes may call a management route at all; its user's role decides too.
pub(crate) fn allow(routes: &[String], path: &str, reads: bool) -> bool {
    routes.is_empty() || routes.iter().any(|route| allows(route, path, reads))
}

fn allows(route: &str, path: &str, reads: bool) -> bool {
    match route {
        "management_routes" => true,
        "info_routes" | "admin_viewer_routes" => reads,
        "key_management_routes" => path.starts_with("/key/") || path == "/v2/key/info",
        "model_info_routes" => reads && path.contains("model"),
        pattern => matches(pattern, path),
    }
}

/// `*` stands for any text.
fn matches(pattern: &str, path: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| path.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        let found = if parts.peek().is_none() {
            rest.strip_suffix(part)
        } else {
            rest.split_once(part).map(|(_, rest)| rest)
        };
        match found {
            Some(after) => rest = after,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_let_a_key_manage_or_not() {
        for (routes, path, reads, allowed) in [
            (&[][..], "/key/generate", false, true),
            (&["llm_api_routes"], "/key/info", true, false),
            (&["management_routes"], "/team/new", false, true),
            (&["info_routes"], "/team/info", true, true),
            (&["info_routes"], "/team/new", false, false),
            (&["key_management_routes"], "/key/update", false, true),
            (&["key_management_routes"], "/team/update", false, false),
            (&["/key/*"], "/key/update", false, true),
            (&["/key/*/regenerate"], "/key/abc/regenerate", false, true),
            (&["/key/*/regenerate"], "/key/abc/reset_spend", false, false),
            (&["/key/info"], "/key/info", true, true),
            (&["/key"], "/key/info", true, false),
        ] {
            let routes: Vec<_> = routes.iter().map(|route| (*route).to_owned()).collect();
            assert_eq!(allow(&routes, path, reads), allowed, "{routes:?} {path}");
        }
    }
}
