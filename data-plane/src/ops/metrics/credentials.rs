//! How the signatures' keys and the tokens of deployments with accounts at clouds are kept.

use std::sync::atomic::Ordering::Relaxed;

use bulkhead_credentials::Counters;
use bulkhead_telemetry::page::{Labels, Page};

use super::Ops;

pub(super) fn write(ops: &Ops, page: &mut Page) {
    let snapshot = ops.node.snapshot.load_full();
    let deployments = snapshot.iter().flat_map(|snapshot| snapshot.models.groups());
    let deployments = deployments.flat_map(|group| &group.deployments);
    let mut all: Vec<(&str, &Counters)> = deployments
        .filter_map(|deployment| Some((&*deployment.id, deployment.identity.as_ref()?.begun()?.counters())))
        .collect();
    all.sort_unstable_by_key(|(id, _)| *id);
    let labels = |id: &str| Labels::default().with("deployment", id);
    let help =
        "When a deployment's credentials end, in seconds since 1970; 0 without any, or where they do not end";
    let mut family = page.gauges("credentials_end_seconds", help);
    all.iter().for_each(|(id, counters)| family.sample(&labels(id), counters.ends.load(Relaxed)));
    let mut family = page.counters("credentials_fetched", "Credentials of a deployment fetched");
    all.iter().for_each(|(id, counters)| family.sample(&labels(id), counters.fetched.load(Relaxed)));
    let mut family =
        page.counters("credentials_failures", "Credentials of a deployment that could not be fetched");
    all.iter().for_each(|(id, counters)| family.sample(&labels(id), counters.failed.load(Relaxed)));
}
