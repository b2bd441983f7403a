//! `/metrics`: what the parts of this replica count. A scrape asks the database nothing.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bulkhead_telemetry::metric::{FINE, HistogramSum};
use bulkhead_telemetry::page::{Labels, Page};

use super::Ops;
use super::counts::Job;

/// All metrics as text.
pub(super) fn render(ops: &Ops) -> String {
    let mut page = Page::default();
    replica(ops, &mut page);
    requests(ops, &mut page);
    publisher(ops, &mut page);
    nodes(ops, &mut page);
    jobs(ops, &mut page);
    usage(ops, &mut page);
    page.finish()
}

fn with(name: &str, value: &str) -> Labels {
    Labels::default().with(name, value)
}

fn replica(ops: &Ops, page: &mut Page) {
    let (connections, idle) = ops.store.connections();
    page.gauges("info", "1, with the release that runs")
        .sample(&with("release", env!("CARGO_PKG_VERSION")), 1);
    page.gauge("ready", "1 while this replica should get requests", u8::from(ops.unready().is_none()));
    page.gauge("pool_connections", "Connections to the database for requests", connections);
    page.gauge("pool_idle", "Connections that nobody uses", idle);
}

fn requests(ops: &Ops, page: &mut Page) {
    let requests = &ops.counts.requests;
    page.gauge("http_in_flight", "Requests of the management API under way", requests.in_flight.get());
    let help = "Requests of the management API, by what they are about and the class of their status";
    let mut family = page.counters("http_requests", help);
    for (group, class, count) in requests.by_class().filter(|(.., count)| *count > 0) {
        family.sample(&with("group", group).with("status", class), count);
    }
    let mut family = page.histograms("http_request_seconds", "To the head of the answer");
    for (group, took) in requests.took() {
        let mut sum = HistogramSum::new(&FINE);
        took.add_to(&mut sum);
        if sum.count() > 0 {
            family.histogram(&with("group", group), &sum);
        }
    }
}

fn publisher(ops: &Ops, page: &mut Page) {
    let counts = &ops.publisher.counts;
    let version = ops.publisher.version();
    let (epoch, seq) = version.map_or((0, 0), |version| (version.epoch, version.seq));
    page.gauge("history_epoch", "The epoch of the last change published", epoch);
    page.gauge("history_seq", "The number of the last change published", seq);
    let parted = counts.parted.load(Ordering::Relaxed);
    page.gauge(
        "history_diverged",
        "1 while nodes or this replica have seen a history that the database does not know",
        u8::from(ops.registry.held() > 0 || parted),
    );
    let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    let lag = counts.lag().map_or(-1, millis);
    page.gauge("publisher_lag_milliseconds", "Since the database was looked at; -1 before", lag);
    page.gauge("publisher_look_milliseconds", "What the last look took", counts.look_millis());
    page.counter("publisher_failures", "Looks at the database that failed", counts.polls_failed.get());
    page.counter("published_deltas", "Deltas made", counts.deltas.get());
    page.counter("full_syncs", "Full syncs read from the database", counts.fulls.get());
    page.counter("full_syncs_sent", "Full syncs sent", counts.fulls_sent.get());
    let slow = "Subscriptions that ended because the node took too long";
    page.counter("slow_subscribers", slow, counts.dropped.get());
}

fn nodes(ops: &Ops, page: &mut Page) {
    let subscribers = ops.publisher.counts.subscribers.get();
    page.gauge("subscribers", "Nodes that are connected to this replica", subscribers);
    page.gauge("held_nodes", "Connected nodes to which nothing is published", ops.registry.held());
    let mut family = page.gauges("nodes", "Nodes that are connected to this replica, by how they are");
    for (state, count) in ops.registry.states(ops.publisher.version()) {
        family.sample(&with("state", state), count);
    }
}

fn jobs(ops: &Ops, page: &mut Page) {
    let jobs = [("history", &ops.counts.history), ("partitions", &ops.counts.partitions)];
    let mut family = page.counters("job_runs", "Times that a job was due here");
    jobs.iter().for_each(|(name, job)| family.sample(&with("job", name), job.runs.get()));
    let mut family = page.counters("job_failures", "Times that it failed");
    jobs.iter().for_each(|(name, job)| family.sample(&with("job", name), job.failures.get()));
    let help = "When it went well last, in Unix time; 0 before";
    let mut family = page.gauges("job_last_success_timestamp_seconds", help);
    jobs.iter().for_each(|(name, job): &(_, &Job)| family.sample(&with("job", name), job.last_success()));
}

fn usage(ops: &Ops, page: &mut Page) {
    let usage = &ops.ledger.counts;
    page.gauge("usage_senders", "Nodes that send usage to this replica", usage.senders.get());
    page.gauge("usage_waiting_events", "Events of usage that wait to be written", usage.waiting.get());
    let help = "Numbers of usage events that nodes sent, by what became of them";
    let mut family = page.counters("usage_ingested", help);
    for (outcome, count) in usage.outcomes() {
        family.sample(&with("outcome", outcome), count);
    }
    page.counter("usage_batches", "Batches of usage that were answered", usage.batches.get());
    let transactions = usage.transactions.get();
    page.counter("usage_transactions", "Transactions of usage that were committed", transactions);
    let micros = usage.transaction_micros.get();
    page.counter("usage_transaction_microseconds", "What they took", micros);
    let failures = "Transactions of usage that had to be tried again";
    page.counter("usage_failures", failures, usage.failures.get());
    let refusals = "Transactions of usage that the database refused for what is in them";
    page.counter("usage_refusals", refusals, usage.refusals.get());
}
