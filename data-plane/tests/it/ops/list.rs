//! Every metric of the data plane. Names, types, labels and texts are an interface: renaming one breaks somebody's
//! dashboard. Add a new one instead, and let the old one live for a release.

use std::collections::BTreeSet;

use bulkhead_testkit::exposition::{Exposition, documented, to_document};

/// Which data planes serve a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    All,
    Standalone,
    Managed,
}
use By::{All, Managed, Standalone};

/// Name, type, labels, help and who serves it.
type Metric = (&'static str, &'static str, &'static [&'static str], &'static str, By);

const ROUTE_TO_DEPLOYMENT: &[&str] = &["deployment", "model_group", "route"];
const ROUTE_TO_DEPLOYMENT_KIND: &[&str] = &["deployment", "kind", "model_group", "route"];

/// In the order of the page.
#[rustfmt::skip]
pub(crate) const METRICS: &[Metric] = &[
    ("info", "gauge", &["release"], "1, with the release that runs", All),
    ("ready", "gauge", &[], "1 while this node should get requests", All),
    ("draining", "gauge", &[], "1 from the signal to stop on", All),
    ("in_flight", "gauge", &[], "Exchanges with a provider under way", All),
    ("connections", "gauge", &[], "Client connections open", All),
    ("upstream_connections", "gauge", &[], "Provider connections open, in use and idle", All),
    ("upstream_streams", "gauge", &[], "Requests in flight on HTTP/2 connections to providers", All),
    ("upstream_waiting", "gauge", &[], "Requests that wait for a connection to a provider", All),
    ("body_memory_bytes", "gauge", &[], "Memory taken by request bodies", All),
    ("body_memory_limit_bytes", "gauge", &[], "Memory that request bodies may take; 0 without a snapshot", All),
    ("holders", "gauge", &[], "Holders of limits and budgets in memory", All),
    ("holds", "gauge", &[], "Requests that hold a permit", All),
    ("reserved_nano_usd", "gauge", &[], "Money reserved by requests in flight", All),
    ("snapshot_revision", "gauge", &[], "Snapshots applied by this process", All),
    ("ambiguous_resends", "counter", &[], "Requests sent again after a reused connection broke without an answer", All),
    ("upstream_connect_failures", "counter", &[], "Connections to providers that could not be made", All),
    ("dropped_params", "counter", &[], "Parameters and header values dropped and named to the client", All),
    ("retries", "counter", &[], "Requests sent again to their model group", All),
    ("retries_refused", "counter", &[], "Retries not made because the provider's account had its share of them", All),
    ("fallbacks", "counter", &["outcome"], "Requests that went on to another model group, by how that ended", All),
    ("panics", "counter", &[], "Requests that panicked", All),
    ("connections_turned_away", "counter", &[], "Connections closed because their worker takes no more", All),
    (
        "connections_flooded",
        "counter",
        &[],
        "HTTP/2 connections closed because their client gave its requests up at once",
        All,
    ),
    ("spans_dropped", "counter", &[], "Spans of traces that no collector took", All),
    ("access_log_lost", "counter", &[], "Lines of the access log that nobody took", All),
    ("body_memory_refusals", "counter", &[], "Requests refused because the memory for bodies was used up", All),
    ("ledger_errors", "counter", &[], "Failed writes of the ledger", All),
    ("usage_recorded", "counter", &[], "Usage records written", All),
    ("usage_lost", "counter", &[], "Usage records lost to a full queue or a refusing disk", All),
    ("usage_spool_events", "gauge", &[], "Usage events that the control plane has not acknowledged", Managed),
    ("usage_spool_bytes", "gauge", &[], "What those take on disk", Managed),
    ("usage_spool_seconds", "gauge", &[], "Age of the oldest of those", Managed),
    ("usage_blocked", "gauge", &[], "1 while requests are refused because the spool is full", Managed),
    ("usage_folded", "counter", &[], "Usage events that are only in sums any more", Managed),
    ("usage_damaged_segments", "counter", &[], "Segments of the spool that could not be read to their end", Managed),
    ("usage_files_deleted", "counter", &[], "Usage files deleted to stay within the total", Standalone),
    ("refused", "counter", &["kind", "route"], "Requests refused before a deployment was chosen, by route and kind", All),
    ("limited", "counter", &["limit", "scope"], "Requests refused by a limit or budget, by whose and which it was", All),
    ("overhead_seconds", "histogram", &[], "What answers took that was not the provider, up to their heads", All),
    ("snapshot_info", "gauge", &["cluster"], "1, with the database that the snapshot is of", Managed),
    ("snapshot_epoch", "gauge", &[], "The epoch of the snapshot in force", Managed),
    ("snapshot_seq", "gauge", &[], "The number of the last change in the snapshot in force", Managed),
    ("snapshot_stale_seconds", "gauge", &[], "Time since the control plane was last heard", Managed),
    ("snapshot_connected", "gauge", &[], "1 while the node hears the control plane", Managed),
    ("snapshot_suspended", "gauge", &[], "1 while the snapshot is too old to be served", Managed),
    ("snapshot_held", "gauge", &[], "1 while the control plane publishes nothing to this node", Managed),
    ("snapshot_unsaved", "gauge", &[], "1 while what is in force is not on disk", Managed),
    ("snapshot_rejected_resources", "gauge", &[], "Rows that are not in force as they came", Managed),
    ("snapshot_applied", "counter", &[], "Pushes applied", Managed),
    ("snapshot_refused_pushes", "counter", &[], "Pushes refused as a whole", Managed),
    ("snapshot_disk_errors", "counter", &[], "Failed writes of the snapshot to disk", Managed),
    ("config_reloads", "counter", &[], "Configurations applied after the first", Standalone),
    ("config_refused", "counter", &[], "Configurations refused", Standalone),
    ("requests", "counter", ROUTE_TO_DEPLOYMENT_KIND, "Exchanges with a deployment, by how they ended", All),
    (
        "handed_on",
        "counter",
        ROUTE_TO_DEPLOYMENT_KIND,
        "Exchanges that failed and were followed by another of the same request; not among the requests",
        All,
    ),
    ("tokens", "counter", ROUTE_TO_DEPLOYMENT_KIND, "Tokens by kind; cached ones are part of the input, reasoning is of the output", All),
    ("spend_usd", "counter", ROUTE_TO_DEPLOYMENT, "Cost of exchanges whose price is known", All),
    ("unpriced", "counter", ROUTE_TO_DEPLOYMENT, "Exchanges whose price is not known", All),
    ("request_seconds", "histogram", ROUTE_TO_DEPLOYMENT, "From the first byte of the request to the end of the answer", All),
    ("first_token_seconds", "histogram", ROUTE_TO_DEPLOYMENT, "Streams, from the first byte of the request to the first generated content", All),
    ("upstream_seconds", "histogram", ROUTE_TO_DEPLOYMENT, "From sending to the head of the provider's answer, where that is not an error", All),
    ("deployment_in_flight", "gauge", &["deployment"], "Requests under way at a deployment", All),
    ("deployment_cooling", "gauge", &["deployment"], "1 while a deployment is left out because it fails", All),
    ("cooldowns", "counter", &["deployment"], "How often a deployment was left out", All),
    (
        "credentials_end_seconds",
        "gauge",
        &["deployment"],
        "When a deployment's credentials end, in seconds since 1970; 0 without any, or where they do not end",
        All,
    ),
    ("credentials_fetched", "counter", &["deployment"], "Credentials of a deployment fetched", All),
    (
        "credentials_failures",
        "counter",
        &["deployment"],
        "Credentials of a deployment that could not be fetched",
        All,
    ),
];

/// Asserts that a page has these metrics and no others. `whole` after traffic that has moved every one with labels.
pub(crate) fn assert_listed(page: &Exposition, by: By, whole: bool) {
    let listed: Vec<_> = METRICS.iter().filter(|metric| metric.4 == All || metric.4 == by).collect();
    let names = |(name, kind, _, help, _): &&Metric| {
        (format!("bulkhead_{name}"), (*kind).to_owned(), (*help).to_owned())
    };
    let served: Vec<_> =
        page.families.iter().map(|it| (it.name.clone(), it.kind.clone(), it.help.clone())).collect();
    assert_eq!(served, listed.iter().map(names).collect::<Vec<_>>());
    for (family, (_, _, labels, ..)) in page.families.iter().zip(listed) {
        let wanted = BTreeSet::from_iter(labels.iter().copied());
        let has = family.labels();
        assert!(has == wanted || (!whole && has.is_empty()), "{}: {has:?}, not {wanted:?}", family.name);
    }
}

#[test]
fn the_docs_have_every_metric_and_no_other() {
    let listed = METRICS.iter().map(|(name, kind, labels, ..)| to_document(name, kind, labels));
    assert_eq!(documented("Data plane"), listed.collect());
}
