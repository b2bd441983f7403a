//! `allowed_routes`: which of them let a key manage.

use bulkhead_snapshot::Pattern;

use super::field::KeyType;

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
        pattern => Pattern::new(pattern).matches(path),
    }
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
