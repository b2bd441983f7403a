//! The operations listener: probes and metrics, on a thread of its own, so that it answers however busy the rest is.

mod counts;
mod metrics;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use bulkhead_telemetry::page;

use crate::ledger::Ledger;
use crate::publish::{Publisher, Registry};
use crate::serve::Status;
use crate::store::Store;

pub(crate) use counts::{Counts, Job};

/// The database is looked at five times a second.
const AWAY: Duration = Duration::from_secs(5);

/// What the operations listener looks at.
#[derive(Clone)]
pub(crate) struct Ops {
    pub(crate) status: Arc<Status>,
    pub(crate) store: Store,
    pub(crate) publisher: Arc<Publisher>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) counts: Arc<Counts>,
}

/// Serves until the runtime ends.
pub(crate) async fn serve(listener: std::net::TcpListener, ops: Ops) -> std::io::Result<()> {
    let router = Router::new()
        .route("/livez", get(|| async { "ok" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/metrics/", get(metrics))
        .with_state(ops);
    axum::serve(tokio::net::TcpListener::from_std(listener)?, router).await
}

async fn readyz(State(ops): State<Ops>) -> (StatusCode, String) {
    match ops.unready() {
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason),
        None => {
            let notes = ops.notes().into_iter();
            (StatusCode::OK, notes.fold("ready".to_owned(), |said, note| format!("{said}\n{note}")))
        }
    }
}

async fn metrics(State(ops): State<Ops>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, page::CONTENT_TYPE)], metrics::render(&ops))
}

impl Ops {
    /// Why this replica should get no requests.
    fn unready(&self) -> Option<String> {
        self.status.unready().or_else(|| match self.publisher.counts.lag() {
            None => Some("the history was not read yet".to_owned()),
            Some(lag) if lag > AWAY => Some(format!("the database was not reached for {} s", lag.as_secs())),
            Some(_) => None,
        })
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = self.status.notes();
        let held = self.registry.held();
        if held > 0 {
            notes.push(format!("nothing is published to {held} nodes: see /nodes"));
        }
        if self.publisher.counts.parted.load(Ordering::Relaxed) {
            notes.push(
                "the database lost changes that were published: see `control-plane epoch new`".to_owned(),
            );
        }
        notes
    }
}
