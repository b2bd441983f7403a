//! What belongs to the whole node.

use std::sync::atomic::Ordering;

use bulkhead_model::{Endpoint, ErrorKind, UnixMillis};
use bulkhead_telemetry::metric::{FINE, HistogramSum};
use bulkhead_telemetry::page::{Labels, Page};

use super::Ops;
use crate::metrics::WorkerMetrics;
use crate::upstream::PoolCounts;
use crate::usage::{Lag, Spool};

pub(super) fn gauges(ops: &Ops, page: &mut Page) {
    let node = &ops.node;
    let sum = |of: fn(&WorkerMetrics) -> i64| ops.crew.workers().map(|it| of(&it.metrics)).sum::<i64>();
    let release = Labels::default().with("release", env!("CARGO_PKG_VERSION"));
    page.gauges("info", "1, with the release that runs").sample(&release, 1);
    page.gauge("ready", "1 while this node should get requests", u8::from(ops.unready().is_none()));
    page.gauge("draining", "1 from the signal to stop on", u8::from(node.is_draining()));
    page.gauge("in_flight", "Exchanges with a provider under way", sum(|it| it.in_flight.get()));
    page.gauge("connections", "Client connections open", sum(|it| it.connections.get()));
    let pools = |of: fn(&PoolCounts) -> i64| ops.crew.workers().map(|it| of(it.pool.counts())).sum::<i64>();
    let connections = pools(|it| it.connections.get());
    page.gauge("upstream_connections", "Provider connections open, in use and idle", connections);
    let streams = pools(|it| it.streams.get());
    page.gauge("upstream_streams", "Requests in flight on HTTP/2 connections to providers", streams);
    let waiting = pools(|it| it.waiting.get());
    page.gauge("upstream_waiting", "Requests that wait for a connection to a provider", waiting);
    let snapshot = node.snapshot.load();
    let most = snapshot.as_deref().map_or(0, |snapshot| snapshot.settings.body_memory_bytes);
    page.gauge("body_memory_bytes", "Memory taken by request bodies", node.body_memory.used());
    page.gauge("body_memory_limit_bytes", "Memory that request bodies may take; 0 without a snapshot", most);
    let (holders, parallel, reserved) = node.gate.totals();
    page.gauge("holders", "Holders of limits and budgets in memory", holders);
    page.gauge("holds", "Requests that hold a permit", parallel);
    page.gauge("reserved_nano_usd", "Money reserved by requests in flight", reserved.0);
    let revision = snapshot.as_deref().map_or(0, |snapshot| snapshot.revision);
    page.gauge("snapshot_revision", "Snapshots applied by this process", revision);
}

pub(super) fn counters(ops: &Ops, page: &mut Page) {
    let sum = |of: fn(&WorkerMetrics) -> u64| ops.crew.workers().map(|it| of(&it.metrics)).sum::<u64>();
    let pools = |of: fn(&PoolCounts) -> u64| ops.crew.workers().map(|it| of(it.pool.counts())).sum::<u64>();
    page.counter(
        "ambiguous_resends",
        "Requests sent again after a reused connection broke without an answer",
        pools(|it| it.ambiguous_resends.get()),
    );
    page.counter(
        "upstream_connect_failures",
        "Connections to providers that could not be made",
        pools(|it| it.failed.get()),
    );
    page.counter(
        "dropped_params",
        "Parameters and header values dropped and named to the client",
        sum(|it| it.dropped_params.get()),
    );
    page.counter("retries", "Requests sent again to their model group", sum(|it| it.retries.get()));
    page.counter(
        "retries_refused",
        "Retries not made because the provider's account had its share of them",
        sum(|it| it.retries_refused.get()),
    );
    let mut family =
        page.counters("fallbacks", "Requests that went on to another model group, by how that ended");
    family.sample(&Labels::default().with("outcome", "ok"), sum(|it| it.fallbacks_ok.get()));
    family.sample(&Labels::default().with("outcome", "failed"), sum(|it| it.fallbacks_failed.get()));
    page.counter("panics", "Requests that panicked", sum(|it| it.panics.get()));
    page.counter(
        "connections_turned_away",
        "Connections closed because their worker takes no more",
        sum(|it| it.turned_away.get()),
    );
    page.counter(
        "connections_flooded",
        "HTTP/2 connections closed because their client gave its requests up at once",
        sum(|it| it.floods.get()),
    );
    let dropped = ops.node.tracer.as_ref().map_or(0, |tracer| tracer.dropped());
    page.counter("spans_dropped", "Spans of traces that no collector took", dropped);
    page.counter("access_log_lost", "Lines of the access log that nobody took", ops.node.front.log.lost());
    page.counter(
        "body_memory_refusals",
        "Requests refused because the memory for bodies was used up",
        ops.node.body_memory.refused(),
    );
    page.counter("ledger_errors", "Failed writes of the ledger", ops.node.gate.ledger().errors());
}

pub(super) fn usage(ops: &Ops, page: &mut Page) {
    let recorder = &ops.node.recorder;
    let counts = recorder.counts();
    page.counter("usage_recorded", "Usage records written", counts.recorded.load(Ordering::Relaxed));
    let lost = "Usage records lost to a full queue or a refusing disk";
    page.counter("usage_lost", lost, counts.lost.load(Ordering::Relaxed));
    match recorder.spool() {
        Some(spool) => spooled(spool, ops.node.clock.now(), page),
        None => {
            let deleted = "Usage files deleted to stay within the total";
            page.counter("usage_files_deleted", deleted, counts.files_deleted.load(Ordering::Relaxed));
        }
    }
}

/// What waits for the control plane.
fn spooled(spool: &Spool, now: UnixMillis, page: &mut Page) {
    let Lag { events, bytes, oldest } = spool.lag();
    let age = oldest.map_or(0, |oldest| now.0.saturating_sub(oldest.0).max(0) / 1000);
    page.gauge("usage_spool_events", "Usage events that the control plane has not acknowledged", events);
    page.gauge("usage_spool_bytes", "What those take on disk", bytes);
    page.gauge("usage_spool_seconds", "Age of the oldest of those", age);
    let blocked = u8::from(spool.blocks());
    page.gauge("usage_blocked", "1 while requests are refused because the spool is full", blocked);
    let counts = spool.counts();
    let folded = "Usage events that are only in sums any more";
    page.counter("usage_folded", folded, counts.folded.load(Ordering::Relaxed));
    let damaged = "Segments of the spool that could not be read to their end";
    page.counter("usage_damaged_segments", damaged, counts.damaged.load(Ordering::Relaxed));
}

/// Of a configuration file.
pub(super) fn reloads(ops: &Ops, page: &mut Page) {
    let reloads = &ops.node.reloads;
    page.counter("config_reloads", "Configurations applied after the first", reloads.applied.get());
    page.counter("config_refused", "Configurations refused", reloads.refused.get());
}

pub(super) fn refusals(ops: &Ops, page: &mut Page) {
    let mut family =
        page.counters("refused", "Requests refused before a deployment was chosen, by route and kind");
    for route in Endpoint::of_clients().map(Some).chain([None]) {
        for kind in ErrorKind::ALL {
            let count: u64 = ops.crew.workers().map(|worker| worker.metrics.refusals(route, *kind)).sum();
            if count > 0 {
                let labels = Labels::default().with("route", route.map_or("other", Endpoint::path));
                family.sample(&labels.with("kind", kind.label()), count);
            }
        }
    }
    let mut family =
        page.counters("limited", "Requests refused by a limit or budget, by whose and which it was");
    for (scope, limit, count) in ops.node.gate.denials.all().filter(|(.., count)| *count > 0) {
        family.sample(&Labels::default().with("scope", scope.descriptor()).with("limit", limit), count);
    }
}

pub(super) fn overhead(ops: &Ops, page: &mut Page) {
    let mut sum = HistogramSum::new(&FINE);
    for worker in ops.crew.workers() {
        worker.metrics.overhead.add_to(&mut sum);
    }
    let help = "What answers took that was not the provider, up to their heads";
    page.histograms("overhead_seconds", help).histogram(&Labels::default(), &sum);
}
