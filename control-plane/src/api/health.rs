//! Whether it is there.

use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::time::timeout;

use super::auth::Access;
use super::call::{Call, ok};
use super::refusal::Refusal;
use super::route::Route;
use crate::store::{Head, StoreError, history};

/// A probe does not wait for a database that is away.
const PATIENCE: Duration = Duration::from_secs(1);

/// Needs nothing but the process.
pub(crate) const LIVENESS: [&str; 2] = ["/health/liveliness", "/health/liveness"];
pub(crate) const READINESS: &str = "/health/readiness";

pub(super) fn routes() -> Vec<Route> {
    let [liveliness, liveness] = LIVENESS;
    vec![
        Route::get("/health", "Whether the control plane works, and what it published.", health),
        Route::get(liveliness, "Whether the process lives.", alive).access(Access::Public),
        Route::get(liveness, "Whether the process lives.", alive).access(Access::Public),
        Route::get(READINESS, "Whether requests can be answered.", readiness).access(Access::Public),
    ]
}

async fn alive(_call: Call) -> Result<Response, Refusal> {
    ok(json!("I'm alive!"))
}

async fn readiness(call: Call) -> Result<Response, Refusal> {
    Ok(match head(&call).await {
        Some(_) => Json(json!({"status": "healthy", "db": "connected"})).into_response(),
        None => unhealthy(),
    })
}

async fn health(call: Call) -> Result<Response, Refusal> {
    let Some(head) = head(&call).await else { return Ok(unhealthy()) };
    let version = json!({"epoch": head.version.epoch, "seq": head.version.seq});
    ok(json!({"status": "healthy", "db": "connected", "version": version}))
}

fn unhealthy() -> Response {
    let body = json!({"status": "unhealthy", "db": "Not connected"});
    (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
}

async fn head(call: &Call) -> Option<Head> {
    let read = async {
        let mut transaction = call.state.store.begin().await?;
        history::head(&mut transaction).await
    };
    let read: Result<Head, StoreError> = timeout(PATIENCE, read).await.ok()?;
    read.ok()
}
