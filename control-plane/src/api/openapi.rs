//! The OpenAPI document, `/routes` and the page to browse both, out of the table of routes.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;
use bulkhead_front::RootPath;
use serde_json::{Map, Value, json};

use super::auth::Access;
use super::route::Route;

const PAGE: &str = include_str!("openapi.html");
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'";

/// The paths of what is served here.
pub(crate) const PAGES: [&str; 4] = [DOCUMENT, ROUTES, ROOT, DOCS];
const DOCUMENT: &str = "/openapi.json";
const ROUTES: &str = "/routes";
const ROOT: &str = "/";
const DOCS: &str = "/docs";

/// Serves the document and the pages.
pub(super) fn pages(routes: &[Arc<Route>], root: &RootPath) -> Router {
    let document = document(routes, root).to_string();
    let listed = listed(routes).to_string();
    // The page's links are relative, and nobody knows where its address has a slash.
    let page = PAGE.replacen("<base>", &format!("<base href=\"{}/\">", root.as_str()), 1);
    let page = get(move || async move {
        ([(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, POLICY)], page)
    });
    Router::new()
        .route(DOCUMENT, get(move || async move { json_text(document.clone()) }))
        .route(ROUTES, get(move || async move { json_text(listed.clone()) }))
        .route(ROOT, page.clone())
        .route(DOCS, page)
}

fn json_text(text: String) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], text)
}

/// LiteLLM's `/routes`.
fn listed(routes: &[Arc<Route>]) -> Value {
    let mut paths: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for route in routes {
        paths.entry(route.path).or_default().push(route.method.as_str());
    }
    let entry = |(path, methods): (&str, Vec<&str>)| json!({"path": path, "methods": methods});
    json!({"routes": paths.into_iter().map(entry).collect::<Vec<_>>()})
}

fn document(routes: &[Arc<Route>], root: &RootPath) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in routes {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(route.method.as_str().to_ascii_lowercase(), operation(route));
        }
    }
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Bulkhead management API",
            "description": "Keys, teams, users, models and credentials, with LiteLLM's paths and shapes.",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "Error": {
                    "type": "object",
                    "properties": {"error": {"type": "object", "properties": {
                        "message": {"type": "string"}, "type": {"type": "string"},
                        "param": {"type": ["string", "null"]}, "code": {"type": "string"},
                    }}},
                },
                "Detail": {
                    "type": "object",
                    "properties": {"detail": {"anyOf": [
                        {"type": "object", "properties": {"error": {"type": "string"}}},
                        {"type": "array", "items": {"type": "object", "properties": {
                            "loc": {"type": "array"}, "msg": {"type": "string"}, "type": {"type": "string"},
                        }}},
                    ]}},
                },
            },
        },
    });
    if let (false, Some(document)) = (root.as_str().is_empty(), document.as_object_mut()) {
        document.insert("servers".to_owned(), json!([{"url": root.as_str()}]));
    }
    document
}

fn operation(route: &Route) -> Value {
    let mut parameters: Vec<Value> = in_path(route.path)
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect();
    let query = route.query.iter().copied();
    let wait = (!route.reads()).then_some(("wait", "applied"));
    parameters.extend(query.chain(wait).map(|(name, kind)| {
        let schema = match kind {
            "applied" => json!({"type": "string", "enum": ["applied"]}),
            kind => json!({"type": kind}),
        };
        json!({"name": name, "in": "query", "required": false, "schema": schema})
    }));
    let mut operation = json!({
        "summary": route.summary,
        "tags": [tag(route.path)],
        "parameters": parameters,
        "responses": responses(route),
    });
    if let Some(operation) = operation.as_object_mut() {
        if let Some(schema) = route.body {
            operation.insert("requestBody".to_owned(), json!({"content": content(&schema())}));
        }
        if route.access != Access::Public {
            operation.insert("security".to_owned(), json!([{"key": []}]));
        }
    }
    operation
}

fn responses(route: &Route) -> Value {
    let of = |name: &str| content(&json!({"$ref": format!("#/components/schemas/{name}")}));
    let mut responses = json!({
        "200": {"description": "Done", "content": content(&json!({}))},
        "422": {"description": "The request is not understood", "content": of("Detail")},
    });
    let more = [
        (!route.reads(), "202", "Done, but not in force everywhere yet (`?wait=applied`)", None),
        (route.access != Access::Public, "401", "The key is not known or not in force", Some("Error")),
        (route.access != Access::Public, "403", "The key may not", Some("Error")),
        (!route.reads(), "409", "A file declares it", Some("Error")),
        (true, "503", "The database is not available", Some("Error")),
    ];
    if let Some(responses) = responses.as_object_mut() {
        for (_, status, description, schema) in more.into_iter().filter(|more| more.0) {
            let content = schema.map_or_else(|| content(&json!({})), of);
            responses.insert(status.to_owned(), json!({"description": description, "content": content}));
        }
    }
    responses
}

fn content(schema: &Value) -> Value {
    json!({"application/json": {"schema": schema}})
}

fn in_path(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

/// The resource, which is the first part of a path that is no version.
fn tag(path: &str) -> &str {
    let mut parts = path.split('/').filter(|part| !part.is_empty() && *part != "v1" && *part != "v2");
    parts.next().unwrap_or("other")
}
