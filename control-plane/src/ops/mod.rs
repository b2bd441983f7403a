//! The operations listener: probes and metrics, on a thread of its own, so that it answers however busy the rest is.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry as Metrics;

use crate::ledger::Ledger;
use crate::publish::{Publisher, Registry};
use crate::serve::Status;
use crate::store::Store;

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
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
    match ops.render() {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
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

    fn render(&self) -> Result<String, std::fmt::Error> {
        let mut metrics = Metrics::with_prefix("bulkhead");
        let counts = &self.publisher.counts;
        let (connections, idle) = self.store.connections();
        let version = self.publisher.version();
        let held = self.registry.held();
        let parted = counts.parted.load(Ordering::Relaxed);
        let millis = |time: Option<Duration>| time.map_or(-1, |time| signed(time.as_millis()));
        let gauges = [
            ("ready", "1 while this replica should get requests", i64::from(self.unready().is_none())),
            ("pool_connections", "Connections to the database for requests", i64::from(connections)),
            ("pool_idle", "Connections that nobody uses", signed(idle)),
            (
                "history_epoch",
                "The epoch of the last change published",
                signed(version.map_or(0, |it| it.epoch)),
            ),
            (
                "history_seq",
                "The number of the last change published",
                signed(version.map_or(0, |it| it.seq)),
            ),
            (
                "publisher_lag_milliseconds",
                "Since the database was looked at; -1 before",
                millis(counts.lag()),
            ),
            ("publisher_look_milliseconds", "What the last look took", signed(counts.look_millis())),
            ("subscribers", "Nodes that are connected to this replica", counts.subscribers.get()),
            ("held_nodes", "Connected nodes to which nothing is published", signed(held)),
            (
                "usage_waiting_events",
                "Events of usage that wait to be written",
                self.ledger.counts.waiting.get(),
            ),
            ("usage_senders", "Nodes that send usage to this replica", self.ledger.counts.senders.get()),
            (
                "history_diverged",
                "1 while nodes or this replica have seen a history that the database does not know",
                i64::from(held > 0 || parted),
            ),
        ];
        for (name, help, value) in gauges {
            let gauge = Gauge::<i64>::default();
            gauge.set(value);
            metrics.register(name, help, gauge);
        }
        let usage = &self.ledger.counts;
        let counters = [
            ("published_deltas", "Deltas made", counts.deltas.get()),
            ("full_syncs", "Full syncs read from the database", counts.fulls.get()),
            ("full_syncs_sent", "Full syncs sent", counts.fulls_sent.get()),
            (
                "slow_subscribers",
                "Subscriptions that ended because the node took too long",
                counts.dropped.get(),
            ),
            ("publisher_failures", "Looks at the database that failed", counts.polls_failed.get()),
            ("usage_batches", "Batches of usage that were answered", usage.batches.get()),
            ("usage_transactions", "Transactions of usage that were committed", usage.transactions.get()),
            ("usage_transaction_microseconds", "What they took", usage.transaction_micros.get()),
            ("usage_failures", "Transactions of usage that had to be tried again", usage.failures.get()),
            (
                "usage_refusals",
                "Transactions of usage that the database refused for what is in them",
                usage.refusals.get(),
            ),
        ];
        for (name, help, value) in counters {
            let counter = Counter::<u64>::default();
            counter.inc_by(value);
            metrics.register(name, help, counter);
        }
        let outcomes = Family::<[(&str, &str); 1], Counter>::default();
        for (outcome, count) in usage.outcomes() {
            outcomes.get_or_create(&[("outcome", outcome)]).inc_by(count);
        }
        metrics.register(
            "usage_ingested",
            "Numbers of usage events that nodes sent, by what became of them",
            outcomes,
        );
        let mut out = String::new();
        text::encode(&mut out, &metrics)?;
        Ok(out)
    }
}

fn signed(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}
