//! The management API with LiteLLM's shapes (litellm.md §2): one file or folder for each resource.

mod applied;
pub(crate) mod auth;
pub(crate) mod call;
mod credentials;
mod explain;
mod health;
mod keys;
mod models;
mod openapi;
pub(crate) mod query;
pub(crate) mod refusal;
pub(crate) mod route;
mod routing;
mod shape;
mod spend;
mod teams;
mod terms;
mod users;

use std::io;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{FromRequestParts, RawPathParams, Request};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, on};
use bulkhead_config::Source;
use bulkhead_front::RootPath;
use bulkhead_pricing::PriceBook;
use serde_json::json;

use crate::store::Store;
use auth::authorize;
use call::Call;
use query::Query;
use refusal::Refusal;
use route::Route;

pub(crate) use auth::MasterKey;
pub(crate) use health::{LIVENESS, READINESS};
pub(crate) use openapi::PAGES;

/// The largest body; nothing that is declared comes near it.
const LARGEST_BODY: usize = 2 << 20;

/// In whose name a change is made, as LiteLLM's clients say it.
const CHANGED_BY: &str = "litellm-changed-by";

/// What requests are answered from.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) master_key: Arc<MasterKey>,
    pub(crate) prices: Arc<PriceBook>,
    /// Variables that `os.environ/NAME` in a model may name.
    pub(crate) env: fn(&str) -> Option<String>,
    /// The files in which those may be.
    pub(crate) read: fn(&Path) -> io::Result<String>,
}

impl State {
    fn outside(&self) -> Source<'_> {
        Source { env: &self.env, read: &self.read }
    }
}

/// Every route of LiteLLM's that is served here.
pub(crate) fn routes() -> Vec<Route> {
    [
        keys::routes(),
        teams::routes(),
        users::routes(),
        models::routes(),
        credentials::routes(),
        routing::routes(),
        spend::routes(),
        explain::routes(),
        health::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// All routes; `more` are those of others, which answer, authenticate and are documented in the same way.
pub(crate) fn all(more: Vec<Route>) -> Vec<Arc<Route>> {
    routes().into_iter().chain(more).map(Arc::new).collect()
}

/// The API, which a front proxy has under `root`.
pub(crate) fn router(state: State, routes: Vec<Arc<Route>>, root: &RootPath) -> Router {
    let mut router = openapi::pages(&routes, root);
    for route in routes {
        let (path, filter) =
            (route.path, MethodFilter::try_from(route.method.clone()).unwrap_or(MethodFilter::GET));
        let state = state.clone();
        let handler = move |request: Request| dispatch(state.clone(), route.clone(), request);
        router = router.route(path, on(filter, handler));
    }
    let no_method = || async { detail(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed") };
    router
        .method_not_allowed_fallback(no_method)
        .fallback(|| async { detail(StatusCode::NOT_FOUND, "Not Found") })
}

fn detail(status: StatusCode, what: &str) -> Response {
    (status, axum::Json(json!({"detail": what}))).into_response()
}

async fn dispatch(state: State, route: Arc<Route>, request: Request) -> Response {
    match answer(state, &route, request).await {
        Ok(response) => response,
        Err(refusal) => refusal.respond(route.style),
    }
}

async fn answer(state: State, route: &Route, request: Request) -> Result<Response, Refusal> {
    let (mut parts, body) = request.into_parts();
    let caller = authorize(&state, &parts.headers, route.access, parts.uri.path()).await?;
    let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
    let query = Query::new(pairs.map(|pairs| pairs.0).unwrap_or_default())?;
    let path = RawPathParams::from_request_parts(&mut parts, &()).await;
    let path = path.map_err(|_| Refusal::not_found("Not Found"))?;
    let body = to_bytes(body, LARGEST_BODY).await.map_err(|_| {
        let message = format!("The body is larger than {LARGEST_BODY} bytes, or was cut off.");
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "bad_request_error", message)
    })?;
    let call = Call {
        by: changed_by(&parts.headers).unwrap_or_else(|| caller.name().to_owned()),
        path: path.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        state,
        caller,
        query,
        body,
    };
    if !route.reads() {
        call.check_wait()?;
    }
    (route.handler)(call).await
}

fn changed_by(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(CHANGED_BY)?.to_str().ok()?.trim();
    (!text.is_empty() && text.len() <= 256).then(|| text.to_owned())
}
