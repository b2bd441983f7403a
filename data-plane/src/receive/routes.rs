//! The one static table of routes.
//!
//! A path matches byte for byte: no decoding, no cleaning, no prefixes, so that what is authorised is what is served
//! (requirements R-151). Where a path has a part of the client's own, that has to be canonical: a proxy before the
//! gateway may have decided by the path that it makes of another spelling.

use std::collections::BTreeSet;

use bulkhead_front::{is_canonical, is_canonical_with_name};
use bulkhead_model::{Dialect, Endpoint};
use http::Method;

/// Where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route<'p> {
    /// To a provider.
    Inference(Inference<'p>),
    /// `/v1/models`.
    Models,
    /// `/v1/models/{id}`, as it is written there.
    Model(&'p str),
    /// `/v1/responses/{id}` and what is below it.
    Stored(Stored<'p>),
    /// Answered without a key.
    Plain(Plain),
    /// A route of LiteLLM's that the control plane serves.
    Management,
    /// Known, but not with this method; what it does take.
    WrongMethod(Takes),
    /// Nothing here.
    Unknown,
}

/// What a path asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Inference<'p> {
    pub(crate) endpoint: Endpoint,
    /// Where the path names it, and as it is written there.
    pub(crate) model: Option<&'p str>,
    /// The path asks for a stream.
    pub(crate) streams: bool,
}

/// An answer that a provider keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stored<'p> {
    pub(crate) id: &'p str,
    pub(crate) action: Action,
}

/// What is to be done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Read,
    Delete,
    Cancel,
    /// List what went into it.
    InputItems,
}

impl Action {
    pub(crate) fn method(self) -> Method {
        match self {
            Self::Read | Self::InputItems => Method::GET,
            Self::Delete => Method::DELETE,
            Self::Cancel => Method::POST,
        }
    }

    /// What follows the id in a path.
    pub(crate) const fn below(self) -> &'static str {
        match self {
            Self::Read | Self::Delete => "",
            Self::Cancel => "/cancel",
            Self::InputItems => "/input_items",
        }
    }
}

/// Routes that need no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plain {
    /// `/health/liveliness`
    Liveliness,
    /// `/health/readiness`
    Readiness,
    /// `/`
    Root,
    /// `/metrics`, which is on the operations port.
    Metrics,
    /// `/ui`, which the control plane serves.
    Ui,
}

/// The method that a route takes, for the `Allow` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    Get,
    Post,
}

impl Route<'_> {
    /// True for what the control plane serves.
    pub(crate) fn is_control_planes(&self) -> bool {
        matches!(self, Self::Management | Self::Plain(Plain::Ui))
    }
}

impl Takes {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

/// Finds the route of a request.
pub(crate) fn route<'p>(method: &Method, path: &'p str) -> Route<'p> {
    if let Some(inference) = inference(path) {
        return match *method {
            Method::POST => Route::Inference(inference),
            _ => Route::WrongMethod(Takes::Post),
        };
    }
    if let Some(found) = get_only(path) {
        return match *method {
            Method::GET | Method::HEAD => found,
            _ => Route::WrongMethod(Takes::Get),
        };
    }
    if let Some(stored) = stored(method, path) {
        return Route::Stored(stored);
    }
    if is_management(path) { Route::Management } else { Route::Unknown }
}

/// True for a path that has a route, for some method.
pub(crate) fn is_known(path: &str) -> bool {
    [Method::GET, Method::POST, Method::DELETE].iter().any(|method| route(method, path) != Route::Unknown)
}

/// The dialect that errors are written in.
pub(crate) fn dialect_of(path: &str) -> Dialect {
    inference(path).map_or(Dialect::OpenAi, |inference| inference.endpoint.dialect())
}

/// True for a list of models, or one of them, at a path that only Google has.
pub(crate) fn is_googles_list(path: &str) -> bool {
    let whole = ["/v1beta/models", "/v1alpha/models", "/gemini/v1beta/models"];
    whole
        .iter()
        .any(|list| path.strip_prefix(list).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// Paths of inference that name no model.
const INFERENCE: &[(&str, Endpoint)] = &[
    ("/v1/chat/completions", Endpoint::ChatCompletions),
    ("/chat/completions", Endpoint::ChatCompletions),
    ("/v1/completions", Endpoint::Completions),
    ("/completions", Endpoint::Completions),
    ("/v1/embeddings", Endpoint::Embeddings),
    ("/embeddings", Endpoint::Embeddings),
    ("/v1/responses", Endpoint::Responses),
    ("/responses", Endpoint::Responses),
    ("/openai/v1/responses", Endpoint::Responses),
    ("/v1/messages", Endpoint::Messages),
    ("/v1/messages/count_tokens", Endpoint::CountTokens),
];
/// `/engines/{model}/…` and Azure's `/openai/deployments/{model}/…`.
const BEFORE_MODEL: &[&str] = &["/engines/", "/openai/deployments/"];
/// Google's `…/models/{model}:action`, and Amazon's `/model/{model}/action`. LiteLLM's paths are beside the providers'.
const BEFORE_GEMINI: &[&str] =
    &["/v1beta/models/", "/v1alpha/models/", "/v1/models/", "/models/", "/gemini/v1beta/models/"];
const BEFORE_BEDROCK: &[&str] = &["/model/", "/bedrock/model/"];
/// What follows the model there, and whether it streams.
const AFTER_MODEL: &[(&str, Endpoint, bool)] = &[
    (":generateContent", Endpoint::GenerateContent, false),
    (":streamGenerateContent", Endpoint::GenerateContent, true),
    (":embedContent", Endpoint::EmbedContent, false),
    (":batchEmbedContents", Endpoint::BatchEmbedContents, false),
    (":countTokens", Endpoint::GeminiCountTokens, false),
    ("/converse", Endpoint::Converse, false),
    ("/converse-stream", Endpoint::Converse, true),
];
/// Paths that are only read, and answered here.
const READ: &[(&str, Route<'static>)] = &[
    ("/v1/models", Route::Models),
    ("/models", Route::Models),
    ("/v1beta/models", Route::Models),
    ("/v1alpha/models", Route::Models),
    ("/gemini/v1beta/models", Route::Models),
    ("/health/liveliness", Route::Plain(Plain::Liveliness)),
    ("/health/liveness", Route::Plain(Plain::Liveliness)),
    ("/health/readiness", Route::Plain(Plain::Readiness)),
    ("/", Route::Plain(Plain::Root)),
    // Where Claude Code looks whether somebody is there.
    ("/api/hello", Route::Plain(Plain::Root)),
    ("/metrics", Route::Plain(Plain::Metrics)),
    ("/metrics/", Route::Plain(Plain::Metrics)),
];
/// Before a model's name: OpenAI's and Anthropic's paths, and Google's own.
const BEFORE_MODEL_ID: &[&str] =
    &["/v1/models/", "/models/", "/v1beta/models/", "/v1alpha/models/", "/gemini/v1beta/models/"];
const BEFORE_RESPONSE_ID: &[&str] = &["/v1/responses/", "/responses/", "/openai/v1/responses/"];

/// Every path that a load balancer has to send to a data plane; one that ends with `/*` stands for all below it.
pub(crate) fn served() -> impl Iterator<Item = String> {
    let whole = INFERENCE.iter().map(|(path, _)| *path).chain(READ.iter().map(|(path, _)| *path));
    let before = [BEFORE_MODEL, BEFORE_MODEL_ID, BEFORE_RESPONSE_ID, BEFORE_GEMINI, BEFORE_BEDROCK];
    // Below `/model/` most is the control plane's: who shares an address takes LiteLLM's path for Amazon's clients.
    let below =
        before.into_iter().flatten().filter(|path| **path != "/model/").collect::<BTreeSet<_>>().into_iter();
    whole.map(str::to_owned).chain(below.map(|path| format!("{path}*")))
}

fn strip<'p>(path: &'p str, beginnings: &[&str]) -> Option<&'p str> {
    beginnings.iter().find_map(|beginning| path.strip_prefix(beginning))
}

fn inference(path: &str) -> Option<Inference<'_>> {
    let whole = INFERENCE.iter().find(|(of, _)| *of == path);
    let found = whole.map(|(_, endpoint)| Inference { endpoint: *endpoint, model: None, streams: false });
    found.or_else(|| model_in_path(path)).or_else(|| action_on_model(path))
}

/// A model name may hold slashes.
fn model_in_path(path: &str) -> Option<Inference<'_>> {
    let rest = strip(path, BEFORE_MODEL).filter(|_| is_canonical_with_name(path))?;
    [Endpoint::ChatCompletions, Endpoint::Completions, Endpoint::Embeddings].into_iter().find_map(
        |endpoint| {
            let model = rest.strip_suffix(endpoint.path()).filter(|model| is_name(model))?;
            Some(Inference { endpoint, model: Some(model), streams: false })
        },
    )
}

fn action_on_model(path: &str) -> Option<Inference<'_>> {
    AFTER_MODEL.iter().find_map(|(action, endpoint, streams)| {
        let before = path.strip_suffix(action)?;
        let beginnings = if *endpoint == Endpoint::Converse { BEFORE_BEDROCK } else { BEFORE_GEMINI };
        let model =
            strip(before, beginnings).filter(|model| is_name(model) && is_canonical_with_name(path))?;
        Some(Inference { endpoint: *endpoint, model: Some(model), streams: *streams })
    })
}

fn is_name(model: &str) -> bool {
    !model.is_empty() && !model.starts_with('/') && !model.ends_with('/')
}

fn get_only(path: &str) -> Option<Route<'_>> {
    if let Some((_, route)) = READ.iter().find(|(of, _)| *of == path) {
        return Some(*route);
    }
    if let Some(id) = strip(path, BEFORE_MODEL_ID) {
        return (!id.is_empty() && is_canonical_with_name(path)).then_some(Route::Model(id));
    }
    let is_ui = path == "/ui" || path.starts_with("/ui/") && is_canonical(path);
    is_ui.then_some(Route::Plain(Plain::Ui))
}

/// Reading, deleting, cancelling a response, and listing what went into it.
fn stored<'p>(method: &Method, path: &'p str) -> Option<Stored<'p>> {
    let below = strip(path, BEFORE_RESPONSE_ID).filter(|_| is_canonical(path))?;
    let (id, rest) = below.find('/').map_or((below, ""), |slash| below.split_at(slash));
    let all = [Action::Read, Action::Delete, Action::Cancel, Action::InputItems];
    let action = all.into_iter().find(|action| action.below() == rest && action.method() == method)?;
    (!id.is_empty()).then_some(Stored { id, action })
}

/// First segments of LiteLLM's management API, and whole paths where a segment is shared with inference.
const MANAGEMENT: &[&str] = &[
    "access_group",
    "add",
    "audit",
    "budget",
    "cache",
    "callbacks",
    "config",
    "config_overrides",
    "coordination_redis",
    "cost",
    "credentials",
    "customer",
    "delete",
    "email",
    "end_user",
    "explain",
    "fallback",
    "gateway",
    "get",
    "global",
    "guardrails",
    "invitation",
    "jwt",
    "key",
    "login",
    "management",
    "model",
    "model_group",
    "nodes",
    "onboarding",
    "organization",
    "openapi.json",
    "policies",
    "policy",
    "project",
    "prompts",
    "provider",
    "public",
    "reload",
    "router",
    "routes",
    "schedule",
    "scim",
    "search_tools",
    "spend",
    "sso",
    "tag",
    "team",
    "update",
    "user",
    "utils",
    "vector_store",
    "docs",
    "redoc",
];
const MANAGEMENT_V: &[&str] =
    &["access_group", "guardrails", "key", "login", "model", "organization", "team", "tool", "user"];
const MANAGEMENT_HEALTH: &[&str] = &[
    "/health",
    "/health/backlog",
    "/health/history",
    "/health/latest",
    "/health/readiness/details",
    "/health/services",
    "/health/shared-status",
    "/health/test_connection",
];

/// True for a route of LiteLLM's management API.
pub(crate) fn is_management(path: &str) -> bool {
    if !is_canonical(path) {
        return false;
    }
    let mut segments = path.split('/').skip(1);
    match segments.next() {
        Some("v1" | "v2" | "v3") => segments.next().is_some_and(|second| MANAGEMENT_V.contains(&second)),
        Some(first) => MANAGEMENT.contains(&first) || MANAGEMENT_HEALTH.contains(&path),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alias_of_every_endpoint_is_found() {
        for (path, endpoint, model) in [
            ("/v1/chat/completions", Endpoint::ChatCompletions, None),
            ("/chat/completions", Endpoint::ChatCompletions, None),
            ("/engines/gpt-4o/chat/completions", Endpoint::ChatCompletions, Some("gpt-4o")),
            ("/openai/deployments/gpt-4o/chat/completions", Endpoint::ChatCompletions, Some("gpt-4o")),
            ("/engines/org/model/completions", Endpoint::Completions, Some("org/model")),
            ("/v1/completions", Endpoint::Completions, None),
            ("/completions", Endpoint::Completions, None),
            ("/openai/deployments/m/completions", Endpoint::Completions, Some("m")),
            ("/v1/embeddings", Endpoint::Embeddings, None),
            ("/embeddings", Endpoint::Embeddings, None),
            ("/engines/m/embeddings", Endpoint::Embeddings, Some("m")),
            ("/openai/deployments/m/embeddings", Endpoint::Embeddings, Some("m")),
            ("/v1/responses", Endpoint::Responses, None),
            ("/responses", Endpoint::Responses, None),
            ("/openai/v1/responses", Endpoint::Responses, None),
            ("/v1/messages", Endpoint::Messages, None),
            ("/v1/messages/count_tokens", Endpoint::CountTokens, None),
        ] {
            let expected = Inference { endpoint, model, streams: false };
            assert_eq!(route(&Method::POST, path), Route::Inference(expected), "{path}");
            assert_eq!(route(&Method::GET, path), Route::WrongMethod(Takes::Post), "{path}");
        }
    }

    #[test]
    fn googles_and_amazons_paths_name_model_and_action() {
        let (google, amazon) = (Endpoint::GenerateContent, Endpoint::Converse);
        for (path, endpoint, model, streams) in [
            ("/v1beta/models/gemini-2.5-pro:generateContent", google, "gemini-2.5-pro", false),
            ("/v1beta/models/gemini-2.5-pro:streamGenerateContent", google, "gemini-2.5-pro", true),
            ("/v1/models/a%2Fb:generateContent", google, "a%2Fb", false),
            ("/models/a/b:streamGenerateContent", google, "a/b", true),
            ("/gemini/v1beta/models/g:generateContent", google, "g", false),
            ("/model/us.anthropic.claude-v1%3A0/converse", amazon, "us.anthropic.claude-v1%3A0", false),
            ("/bedrock/model/m:0/converse-stream", amazon, "m:0", true),
        ] {
            let expected = Inference { endpoint, model: Some(model), streams };
            assert_eq!(route(&Method::POST, path), Route::Inference(expected), "{path}");
        }
        for path in [
            "/v1beta/models/:generateContent",
            "/model//converse",
            "/model/a/../converse",
            "/v1beta/models/a:x",
        ] {
            assert!(!matches!(route(&Method::POST, path), Route::Inference(_)), "{path}");
        }
        assert_eq!(route(&Method::GET, "/model/info"), Route::Management);
        assert_eq!(route(&Method::GET, "/v1/models/gemini-2.5-pro"), Route::Model("gemini-2.5-pro"));
    }

    #[test]
    fn the_rest_goes_where_it_belongs() {
        for (path, expected) in [
            ("/v1/models", Route::Models),
            ("/models", Route::Models),
            ("/v1/models/gpt-4o", Route::Model("gpt-4o")),
            ("/models/a/b", Route::Model("a/b")),
            ("/models/a%2Fb", Route::Model("a%2Fb")),
            ("/health/liveliness", Route::Plain(Plain::Liveliness)),
            ("/health/liveness", Route::Plain(Plain::Liveliness)),
            ("/health/readiness", Route::Plain(Plain::Readiness)),
            ("/api/hello", Route::Plain(Plain::Root)),
            ("/metrics", Route::Plain(Plain::Metrics)),
            ("/metrics/", Route::Plain(Plain::Metrics)),
            ("/ui", Route::Plain(Plain::Ui)),
            ("/ui/keys", Route::Plain(Plain::Ui)),
            ("/key/generate", Route::Management),
            ("/nodes", Route::Management),
            ("/nodes/force", Route::Management),
            ("/v1/model/info", Route::Management),
            ("/v2/team/list", Route::Management),
            ("/health", Route::Management),
            ("/health/shared-status", Route::Management),
            ("/health/backlog", Route::Management),
            ("/health/test_connection", Route::Management),
        ] {
            assert_eq!(route(&Method::GET, path), expected, "{path}");
        }
    }

    #[test]
    fn stored_responses_are_found_by_method_and_path() {
        let of = |action| Route::Stored(Stored { id: "resp_1", action });
        for before in ["/v1/responses", "/responses", "/openai/v1/responses"] {
            for (method, below, expected) in [
                (Method::GET, "", of(Action::Read)),
                (Method::DELETE, "", of(Action::Delete)),
                (Method::POST, "/cancel", of(Action::Cancel)),
                (Method::GET, "/input_items", of(Action::InputItems)),
                (Method::POST, "", Route::Unknown),
                (Method::GET, "/cancel", Route::Unknown),
                (Method::GET, "/x", Route::Unknown),
                (Method::GET, "/input_items/x", Route::Unknown),
            ] {
                let path = format!("{before}/resp_1{below}");
                assert_eq!(route(&method, &path), expected, "{method} {path}");
            }
        }
    }

    #[test]
    fn what_is_served_is_not_the_control_planes() {
        let paths: Vec<_> = served().collect();
        assert!(paths.contains(&"/v1/messages".to_owned()) && paths.contains(&"/engines/*".to_owned()));
        for path in paths {
            let examples = ["x", "x/chat/completions", "x/converse", "x:generateContent"]
                .map(|below| path.replace('*', below));
            let found = examples.iter().map(|path| route(&Method::GET, path));
            let found: Vec<_> = found.filter(|it| *it != Route::Unknown).collect();
            assert!(!found.is_empty() && !found.iter().any(Route::is_control_planes), "{path}: {found:?}");
        }
    }

    /// What a proxy may make of a path: decoded, slashes merged, folders resolved, parameters cut off.
    fn as_others_read_it(path: &str) -> String {
        let mut decoded = path.to_owned();
        for (hex, text) in [("%2e", "."), ("%2E", "."), ("%2f", "/"), ("%5c", "/"), ("\\", "/"), ("%6b", "k")]
        {
            decoded = decoded.replace(hex, text);
        }
        let mut segments = Vec::new();
        for segment in decoded.split('/').map(|segment| segment.split(';').next().unwrap_or_default()) {
            match segment {
                "" | "." => {}
                ".." => drop(segments.pop()),
                segment => segments.push(segment),
            }
        }
        format!("/{}", segments.join("/"))
    }

    /// A route without what the client chose.
    fn kind(route: Route<'_>) -> String {
        match route {
            Route::Inference(inference) => format!("{:?}", inference.endpoint),
            Route::Model(_) => "a model".to_owned(),
            Route::Stored(stored) => format!("{:?}", stored.action),
            route => format!("{route:?}"),
        }
    }

    const PIECES: &[&str] = &[
        "",
        ".",
        "..",
        "%2e",
        "%2E%2e",
        "..;x",
        ";x",
        "v1",
        "V1",
        "v1;x",
        "models",
        "chat",
        "completions",
        "messages",
        "engines",
        "openai",
        "deployments",
        "embeddings",
        "key",
        "%6bey",
        "generate",
        "health",
        "readiness",
        "ui",
        "a",
        "a%2fb",
        "..%2fkey",
        "..%5ckey",
        "\\",
        "responses",
        "x;y",
        "metrics",
        "team",
        "model",
        "info",
        "gpt-4o",
    ];

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(20_000))]

        /// Whoever decides about a path before the gateway, by whatever reading, decides about the route that is served.
        #[test]
        fn a_path_has_the_route_that_everybody_reads_in_it(
            pieces in proptest::collection::vec(proptest::sample::select(PIECES), 1..7), post: bool,
        ) {
            let path = format!("/{}", pieces.join("/"));
            let method = if post { Method::POST } else { Method::GET };
            let routed = route(&method, &path);
            if routed != Route::Unknown {
                let others = as_others_read_it(&path);
                // A slash at the end is the one difference that is left: what ends with one is only ever listed so.
                let other = if path.ends_with('/') && path.len() > 1 { format!("{others}/") } else { others };
                proptest::prop_assert_eq!(kind(routed), kind(route(&method, &other)), "{} as {}", path, other);
            }
        }
    }

    #[test]
    fn look_alikes_are_unknown() {
        for path in [
            "//v1/chat/completions",
            "/v1/chat/completions/",
            "/v1//chat/completions",
            "/v1/chat/completions;x",
            "/v1/chat%2fcompletions",
            "/V1/chat/completions",
            "/v1/../v1/chat/completions",
            "",
            "/v1",
            "/v1/models/",
            "/engines//chat/completions",
            "/nope",
            "/v1/nope",
            "/keys",
            "/v1/responses/",
            "/v1/responses/resp_1/nope",
            "/v1/models/../../key/generate",
            "/v1/models/%2e%2e/x",
            "/engines/../chat/completions",
            "/engines/a//chat/completions",
            "/openai/deployments/x/../y/chat/completions",
            "/key/../v1/models",
            "/key//generate",
            "/key/generate;x",
            "/ui/../key/generate",
            "*",
        ] {
            assert_eq!(route(&Method::POST, path), Route::Unknown, "{path}");
        }
    }
}
