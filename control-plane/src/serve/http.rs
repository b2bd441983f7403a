//! The management API's listener.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use rustls::ServerConfig;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};
use tonic::transport::server::TcpIncoming;

use super::Status;
use super::tls::{Secured, handshakes};
use crate::api::{LIVENESS, READINESS};
use crate::ops::Counts;

/// An answer is there by then, or never comes.
const PATIENCE: Duration = Duration::from_secs(30);

/// The API behind a gate that is shut until the database was found good. That the process lives is said before.
pub(super) fn app(api: Router, status: Arc<Status>, counts: Arc<Counts>) -> Router {
    api.layer(from_fn_with_state(status, gate)).layer(from_fn_with_state(counts, count))
}

async fn count(State(counts): State<Arc<Counts>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    // The pattern, not the path: nobody outside makes it.
    let pattern = request.extensions().get::<MatchedPath>().cloned();
    let under_way = UnderWay::new(&counts);
    let response = next.run(request).await;
    drop(under_way);
    let pattern = pattern.as_ref().map(MatchedPath::as_str);
    counts.requests.answered(pattern, response.status().as_u16(), began.elapsed());
    response
}

/// Counts a request also where its client leaves.
struct UnderWay<'c>(&'c Counts);

impl<'c> UnderWay<'c> {
    fn new(counts: &'c Counts) -> Self {
        counts.requests.in_flight.add(1);
        Self(counts)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.requests.in_flight.sub(1);
    }
}

async fn gate(State(status): State<Arc<Status>>, request: Request, next: Next) -> Response {
    let shut = match request.uri().path() {
        path if LIVENESS.contains(&path) => None,
        READINESS => status.unready(),
        _ => status.waits(),
    };
    let answer = async {
        match shut {
            Some(reason) => unavailable(&format!("this replica is not ready: {reason}")),
            None => next.run(request).await,
        }
    };
    let mut response =
        timeout(PATIENCE, answer).await.unwrap_or_else(|_| unavailable("the database takes too long"));
    if status.is_stopping() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn unavailable(message: &str) -> Response {
    let error = json!({ "message": message, "type": "service_unavailable", "param": null, "code": "503" });
    let headers = [("retry-after", "1")];
    (StatusCode::SERVICE_UNAVAILABLE, headers, axum::Json(json!({ "error": error }))).into_response()
}

/// Serves until `stop` and the requests in flight then.
pub(super) async fn serve(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    app: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    match tls {
        None => axum::serve(listener, app).with_graceful_shutdown(stop).await,
        Some(tls) => {
            let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
            axum::serve(Secured(handshakes(incoming, tls)), app).with_graceful_shutdown(stop).await
        }
    }
}
