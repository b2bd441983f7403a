//! The tie to the control plane.

use bulkhead_telemetry::page::{Labels, Page};

use super::super::summary::digits;
use crate::snapshot::Link;

pub(super) fn write(link: &Link, page: &mut Page) {
    let shown = link.shown();
    let mut family = page.gauges("snapshot_info", "1, with the database that the snapshot is of");
    if let Some(version) = &shown.version {
        family.sample(&Labels::default().with("cluster", &digits(&version.cluster)), 1);
    }
    let (epoch, seq) = shown.version.map_or((0, 0), |version| (version.epoch, version.seq));
    page.gauge("snapshot_epoch", "The epoch of the snapshot in force", epoch);
    page.gauge("snapshot_seq", "The number of the last change in the snapshot in force", seq);
    page.gauge(
        "snapshot_stale_seconds",
        "Time since the control plane was last heard",
        link.stale().as_secs(),
    );
    let flag = u8::from;
    page.gauge("snapshot_connected", "1 while the node hears the control plane", flag(link.is_connected()));
    page.gauge(
        "snapshot_suspended",
        "1 while the snapshot is too old to be served",
        flag(link.is_suspended()),
    );
    page.gauge(
        "snapshot_held",
        "1 while the control plane publishes nothing to this node",
        flag(shown.held.is_some()),
    );
    page.gauge("snapshot_unsaved", "1 while what is in force is not on disk", flag(shown.unsaved.is_some()));
    page.gauge(
        "snapshot_rejected_resources",
        "Rows that are not in force as they came",
        shown.rejected.count,
    );
    page.counter("snapshot_applied", "Pushes applied", link.counts.applied.get());
    page.counter("snapshot_refused_pushes", "Pushes refused as a whole", link.counts.refused.get());
    page.counter(
        "snapshot_disk_errors",
        "Failed writes of the snapshot to disk",
        link.counts.disk_errors.get(),
    );
}
