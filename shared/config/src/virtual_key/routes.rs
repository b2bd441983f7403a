//! `allowed_routes` and its shorthand `key_type`.

use crate::field::{Cx, Field, Fields};
use crate::route::{self, GROUPS};
use crate::suggest;

/// Kinds of keys and the group that each may call; a default key may call every inference route.
const KEY_TYPES: &[(&str, Option<&str>)] = &[
    ("default", None),
    ("llm_api", Some("llm_api_routes")),
    ("management", Some("management_routes")),
    ("read_only", Some("info_routes")),
];

pub(super) fn read(fields: &Fields<'_>, cx: &mut Cx<'_>) -> Vec<String> {
    let listed = fields.get("allowed_routes").map(|field| routes(&field, cx)).unwrap_or_default();
    let Some(field) = fields.get("key_type") else { return listed };
    let Some(of_type) = key_type(&field, cx).flatten() else { return listed };
    if !listed.is_empty() {
        field.error(
            cx,
            "`key_type` and `allowed_routes` both say which routes the key may call",
            "one of the two",
        );
    }
    vec![of_type.to_owned()]
}

fn key_type(field: &Field<'_>, cx: &mut Cx<'_>) -> Option<Option<&'static str>> {
    let expected = "one of default, llm_api, management, read_only";
    field.parse(cx, expected, "llm_api", |scalar| {
        KEY_TYPES.iter().find(|(name, _)| *name == scalar.text.trim()).map(|(_, group)| *group)
    })
}

fn routes(field: &Field<'_>, cx: &mut Cx<'_>) -> Vec<String> {
    let mut routes = Vec::new();
    for item in field.items(cx, "[llm_api_routes]").unwrap_or_default() {
        let Some(route) = item.text(cx, "llm_api_routes") else { continue };
        if route::is_known(&route) {
            routes.push(route);
            continue;
        }
        let near = suggest::nearest(&route, GROUPS.iter().copied());
        let what = format!("`{route}` is neither a route group nor a path{}", suggest::question(near));
        item.error(
            cx,
            what,
            near.unwrap_or("llm_api_routes, openai_routes, anthropic_routes, or a path such as /v1/*"),
        );
    }
    routes
}
