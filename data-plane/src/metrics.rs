//! The counters of one worker. The operations listener adds them up.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_model::{Endpoint, ErrorKind, NanoUsd, Usage};
use bulkhead_telemetry::metric::{Counter, Gauge, Histogram};
use parking_lot::Mutex;

use crate::settle::Exchange;

const KINDS: usize = ErrorKind::ALL.len();

/// What one worker counts.
#[derive(Debug, Default)]
pub(crate) struct WorkerMetrics {
    /// Exchanges with a provider under way.
    pub(crate) in_flight: Gauge,
    /// Client connections open.
    pub(crate) connections: Gauge,
    /// Requests that were sent again because a reused connection broke without an answer.
    pub(crate) ambiguous_resends: Counter,
    /// Parameters and header values that were dropped and named to the client.
    pub(crate) dropped_params: Counter,
    /// Tasks that panicked.
    pub(crate) panics: Counter,
    /// Connections closed because this worker takes no more.
    pub(crate) turned_away: Counter,
    /// Requests refused before they had a deployment, by route (the last row is everything that is not inference).
    refused: Refusals,
    series: Mutex<HashMap<SeriesKey, Arc<Series>, foldhash::fast::RandomState>>,
}

#[derive(Debug)]
struct Refusals(Box<[[Counter; KINDS]; Endpoint::ALL.len() + 1]>);

impl Default for Refusals {
    fn default() -> Self {
        Self(Box::new(std::array::from_fn(|_| std::array::from_fn(|_| Counter::default()))))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct SeriesKey {
    endpoint: Endpoint,
    deployment: Box<str>,
}

/// Counters of one endpoint at one deployment.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) endpoint: Endpoint,
    pub(crate) group: Box<str>,
    pub(crate) deployment: Box<str>,
    pub(crate) ok: Counter,
    pub(crate) failed: [Counter; KINDS],
    pub(crate) input_tokens: Counter,
    pub(crate) output_tokens: Counter,
    pub(crate) cache_read_tokens: Counter,
    pub(crate) cache_write_tokens: Counter,
    pub(crate) spend_nano: Counter,
    /// Exchanges whose price is not known.
    pub(crate) unpriced: Counter,
    pub(crate) total: Histogram,
    pub(crate) first_byte: Histogram,
}

impl WorkerMetrics {
    /// A request that never got as far as a deployment.
    pub(crate) fn refused(&self, endpoint: Option<Endpoint>, kind: ErrorKind) {
        let row = endpoint.map_or(Endpoint::ALL.len(), Endpoint::index);
        if let Some(counter) = self.refused.0.get(row).and_then(|row| row.get(kind.index())) {
            counter.add(1);
        }
    }

    /// How often a kind was refused on a route.
    pub(crate) fn refusals(&self, endpoint: Option<Endpoint>, kind: ErrorKind) -> u64 {
        let row = endpoint.map_or(Endpoint::ALL.len(), Endpoint::index);
        self.refused.0.get(row).and_then(|row| row.get(kind.index())).map_or(0, Counter::get)
    }

    /// An exchange is over.
    pub(crate) fn settled(
        &self,
        exchange: &Exchange,
        outcome: Result<(), ErrorKind>,
        usage: &Usage,
        cost: Option<NanoUsd>,
        took: Duration,
        first_byte: Option<Duration>,
    ) {
        let series = self.series(exchange);
        match outcome {
            Ok(()) => series.ok.add(1),
            Err(kind) => {
                if let Some(counter) = series.failed.get(kind.index()) {
                    counter.add(1);
                }
            }
        }
        series.input_tokens.add(usage.input);
        series.output_tokens.add(usage.output);
        series.cache_read_tokens.add(usage.cache_read);
        series.cache_write_tokens.add(usage.cache_write.saturating_add(usage.cache_write_1h));
        match cost {
            Some(cost) => series.spend_nano.add(u64::try_from(cost.0).unwrap_or_default()),
            None => series.unpriced.add(1),
        }
        series.total.observe(took);
        if let Some(first_byte) = first_byte {
            series.first_byte.observe(first_byte);
        }
    }

    fn series(&self, exchange: &Exchange) -> Arc<Series> {
        let deployment = &exchange.routed.deployment;
        let key = SeriesKey { endpoint: exchange.endpoint, deployment: deployment.id.clone() };
        let mut all = self.series.lock();
        if let Some(series) = all.get(&key) {
            return series.clone();
        }
        let series = Arc::new(Series {
            endpoint: exchange.endpoint,
            group: deployment.group.clone(),
            deployment: deployment.id.clone(),
            ok: Counter::default(),
            failed: std::array::from_fn(|_| Counter::default()),
            input_tokens: Counter::default(),
            output_tokens: Counter::default(),
            cache_read_tokens: Counter::default(),
            cache_write_tokens: Counter::default(),
            spend_nano: Counter::default(),
            unpriced: Counter::default(),
            total: Histogram::default(),
            first_byte: Histogram::default(),
        });
        all.insert(key, series.clone());
        series
    }

    /// Every series.
    pub(crate) fn all_series(&self) -> Vec<Arc<Series>> {
        self.series.lock().values().cloned().collect()
    }
}
