//! The counters of one worker. The operations listener adds them up.

mod series;

use bulkhead_model::{Endpoint, ErrorKind};
use bulkhead_telemetry::metric::{Counter, FINE, Gauge, Histogram};

pub(crate) use series::{AllSeries, Ended, OfDeployment, Present, Series, Took};

const KINDS: usize = ErrorKind::ALL.len();

/// What one worker counts.
#[derive(Debug)]
pub(crate) struct WorkerMetrics {
    /// Exchanges with a provider under way.
    pub(crate) in_flight: Gauge,
    /// Client connections open.
    pub(crate) connections: Gauge,
    /// Requests sent again to their own model group.
    pub(crate) retries: Counter,
    /// Retries that were not made, because the provider's account had its share of them.
    pub(crate) retries_refused: Counter,
    /// Requests that went on to another model group, by how that ended.
    pub(crate) fallbacks_ok: Counter,
    pub(crate) fallbacks_failed: Counter,
    /// Parameters and header values that were dropped and named to the client.
    pub(crate) dropped_params: Counter,
    /// Tasks that panicked.
    pub(crate) panics: Counter,
    /// HTTP/2 connections closed because their client gave its requests up at once.
    pub(crate) floods: Counter,
    /// Connections closed because this worker takes no more.
    pub(crate) turned_away: Counter,
    /// What answers took that was not the provider, up to their heads.
    pub(crate) overhead: Histogram,
    pub(crate) series: AllSeries,
    /// Requests refused before they had a deployment, by route (the last row is everything that is not inference).
    refused: Refusals,
}

#[derive(Debug)]
struct Refusals(Box<[[Counter; KINDS]; Endpoint::ALL.len() + 1]>);

impl Default for WorkerMetrics {
    fn default() -> Self {
        let rows = std::array::from_fn(|_| std::array::from_fn(|_| Counter::default()));
        Self {
            in_flight: Gauge::default(),
            connections: Gauge::default(),
            retries: Counter::default(),
            retries_refused: Counter::default(),
            fallbacks_ok: Counter::default(),
            fallbacks_failed: Counter::default(),
            dropped_params: Counter::default(),
            panics: Counter::default(),
            floods: Counter::default(),
            turned_away: Counter::default(),
            overhead: Histogram::new(&FINE),
            series: AllSeries::default(),
            refused: Refusals(Box::new(rows)),
        }
    }
}

impl WorkerMetrics {
    /// A request that never got as far as a deployment.
    pub(crate) fn refused(&self, endpoint: Option<Endpoint>, kind: ErrorKind) {
        if let Some(counter) = self.refusals_of(endpoint, kind) {
            counter.add(1);
        }
    }

    /// How often a kind was refused on a route.
    pub(crate) fn refusals(&self, endpoint: Option<Endpoint>, kind: ErrorKind) -> u64 {
        self.refusals_of(endpoint, kind).map_or(0, Counter::get)
    }

    fn refusals_of(&self, endpoint: Option<Endpoint>, kind: ErrorKind) -> Option<&Counter> {
        let row = endpoint.map_or(Endpoint::ALL.len(), Endpoint::index);
        self.refused.0.get(row)?.get(kind.index())
    }
}
