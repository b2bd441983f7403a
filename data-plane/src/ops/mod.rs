//! The operations listener: probes, metrics and a summary of the snapshot, on a thread and runtime of its own, so
//! that it answers however busy the workers are (design §2).

mod metrics;
mod summary;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use bulkhead_telemetry::page;
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

use crate::listener::{Bound, Crew};
use crate::metrics::Present;
use crate::receive;
use crate::worker::Node;

/// A worker that has not turned for this long is stuck.
const STUCK_MILLIS: i64 = 5000;
/// The counters of a deployment that is no longer there are forgotten at the second sweep that misses it: until then
/// they can be scraped.
const SWEEP: Duration = Duration::from_secs(300);

/// What the operations listener looks at.
#[derive(Clone)]
pub(crate) struct Ops {
    pub(crate) node: Arc<Node>,
    pub(crate) crew: Arc<Crew>,
}

/// Serves until the runtime ends.
pub(crate) async fn serve(bound: Bound, ops: Ops) -> std::io::Result<()> {
    tokio::spawn(sweep(ops.clone()));
    let router = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/metrics/", get(metrics))
        .route("/snapshot", get(snapshot))
        .route("/routes", get(routes))
        .with_state(ops);
    axum::serve(bound.listen()?, router).await
}

/// Forgets counters of deployments that are gone.
async fn sweep(ops: Ops) {
    let mut ticks = interval(SWEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // Without a snapshot nobody can say what is gone.
        if let Some(snapshot) = ops.node.snapshot.load_full() {
            let present = Present::of(&snapshot);
            ops.crew.workers().for_each(|worker| worker.metrics.series.sweep(&present));
        }
    }
}

async fn livez() -> &'static str {
    "ok"
}

async fn readyz(State(ops): State<Ops>) -> impl IntoResponse {
    let link = ops.node.link.as_deref().map(summary::in_a_line);
    let text = |said: &str| link.iter().fold(said.to_owned(), |said, link| format!("{said}\n{link}"));
    match ops.unready() {
        None => (StatusCode::OK, text("ready")),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, text(&reason)),
    }
}

/// What to send to this tier, for those who write rules of load balancers.
async fn routes() -> impl IntoResponse {
    let paths: Vec<_> = receive::served().collect();
    ([(header::CONTENT_TYPE, "application/json")], json!({"paths": paths}).to_string())
}

async fn metrics(State(ops): State<Ops>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, page::CONTENT_TYPE)], metrics::render(&ops))
}

async fn snapshot(State(ops): State<Ops>) -> impl IntoResponse {
    let snapshot = ops.node.snapshot.load();
    if snapshot.is_none() && ops.node.link.is_none() {
        return (StatusCode::SERVICE_UNAVAILABLE, "no snapshot").into_response();
    }
    let summary = summary::of(snapshot.as_deref(), ops.node.link.as_deref());
    ([(header::CONTENT_TYPE, "application/json")], summary.to_string()).into_response()
}

impl Ops {
    /// Why the node should get no traffic.
    fn unready(&self) -> Option<String> {
        if self.node.is_draining() {
            return Some("draining".to_owned());
        }
        if self.node.snapshot.load().is_none() {
            let suspended = self.node.link.as_ref().is_some_and(|link| link.is_suspended());
            return Some(if suspended { "the snapshot is too old" } else { "no snapshot" }.to_owned());
        }
        let stuck = self.crew.workers().filter(|worker| worker.silent_millis() > STUCK_MILLIS).count();
        (stuck > 0).then(|| format!("{stuck} workers have not turned for {} s", STUCK_MILLIS / 1000))
    }
}
