//! How the signatures' keys and the tokens of deployments with accounts at clouds are kept.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bulkhead_credentials::Lease;
use bulkhead_telemetry::page::{Labels, Page};

use super::Ops;
use crate::leases;

pub(super) fn write(ops: &Ops, page: &mut Page) {
    let snapshot = ops.node.snapshot.load_full();
    let deployments = snapshot.iter().flat_map(|snapshot| snapshot.models.groups());
    let deployments = deployments.flat_map(|group| &group.deployments);
    let mut all: Vec<(&str, Arc<Lease>)> =
        deployments.filter_map(|deployment| Some((&*deployment.id, leases::begun(deployment)?))).collect();
    all.sort_unstable_by_key(|(id, _)| *id);
    let labels = |id: &str| Labels::default().with("deployment", id);
    let help =
        "When a deployment's credentials end, in seconds since 1970; 0 without any, or where they do not end";
    let mut family = page.gauges("credentials_end_seconds", help);
    all.iter().for_each(|(id, lease)| family.sample(&labels(id), lease.counters().ends.load(Relaxed)));
    let mut family = page.counters("credentials_fetched", "Credentials of a deployment fetched");
    all.iter().for_each(|(id, lease)| family.sample(&labels(id), lease.counters().fetched.load(Relaxed)));
    let mut family =
        page.counters("credentials_failures", "Credentials of a deployment that could not be fetched");
    all.iter().for_each(|(id, lease)| family.sample(&labels(id), lease.counters().failed.load(Relaxed)));
}
