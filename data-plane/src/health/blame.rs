//! What a failure leads to: the deployment is left out for a while, or is not.

use bulkhead_model::ErrorKind;
use bulkhead_snapshot::{Deployment, Group, Settings, Snapshot};
use tokio::time::{Duration, Instant};

use super::{Caps, Health, Leave, Rules, Visit, counts};

/// A failed leg.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Blame {
    pub(crate) kind: ErrorKind,
    pub(crate) status: u16,
    /// How long the provider wants to be left alone.
    pub(crate) wait: Option<Duration>,
    /// The time that was up was the caller's own.
    pub(crate) callers_time: bool,
    /// What the provider did not find is what the caller named.
    pub(crate) callers_name: bool,
}

/// Counts a failure. The last deployment of a group that may be asked stays, whatever it does; only a provider that says
/// itself that it wants to be left alone is left alone, as long as the group has more than one.
pub(crate) fn blame(
    health: &Health,
    snapshot: &Snapshot,
    group: &Group,
    deployment: &Deployment,
    visit: &Visit,
    blame: Blame,
) {
    let names_come_from_callers = blame.callers_name || deployment.model_json.is_none();
    let callers_time = blame.callers_time && blame.kind == ErrorKind::UpstreamTimeout;
    if callers_time || !counts(blame.kind, blame.status, names_come_from_callers) {
        return;
    }
    let row = &snapshot.settings.routing.row;
    let is_limit = blame.kind == ErrorKind::UpstreamRateLimited;
    let said = blame.wait.filter(|_| is_limit);
    let time = deployment.cooldown_time.or(said).unwrap_or(row.cooldown_time);
    let own = deployment.allowed_fails.is_some() || deployment.allowed_fails_policy != Default::default();
    let rules = match own {
        true => {
            Rules { time, allowed_fails: deployment.allowed_fails, policy: &deployment.allowed_fails_policy }
        }
        false => Rules { time, allowed_fails: row.allowed_fails, policy: &row.allowed_fails_policy },
    };
    let now = Instant::now();
    let Leave::For(time) = visit.vitals().failed(blame.kind, rules, now) else { return };
    if !leaves_out(&snapshot.settings, group) || time.is_zero() {
        return;
    }
    let _alone = health.leaving_out.lock();
    if is_limit {
        cool_quota(health, snapshot, deployment, now + time, now);
    } else if has_others(health, group, deployment, now) && visit.vitals().cool(now + time, now) {
        tracing::warn!(deployment = %deployment.id, group = %group.name, reason = blame.kind.label(),
            seconds = time.as_secs_f64(), "a deployment fails: left out for a while");
    }
}

/// Whether deployments of a group are ever left out: not the only one, which may have been one of two before.
pub(crate) fn leaves_out(settings: &Settings, group: &Group) -> bool {
    !settings.routing.row.disable_cooldowns && group.deployments.len() > 1
}

/// A provider's limit holds for all that one account asks of one model there.
fn cool_quota(health: &Health, snapshot: &Snapshot, limited: &Deployment, until: Instant, now: Instant) {
    let same_quota = |other: &Deployment| {
        other.account == limited.account && other.model_json == limited.model_json || other.id == limited.id
    };
    for group in snapshot.models.groups().filter(|group| group.deployments.len() > 1) {
        for other in group.deployments.iter().filter(|other| same_quota(other)) {
            if health.of(other).cool(until, now) {
                tracing::warn!(deployment = %other.id, group = %group.name, seconds = (until - now).as_secs_f64(),
                    "the provider's rate limit is reached: left out for a while");
            }
        }
    }
}

fn has_others(health: &Health, group: &Group, failing: &Deployment, now: Instant) -> bool {
    group.deployments.iter().filter(|other| other.id != failing.id).any(|other| {
        // Nothing is known of one that was never asked. The failure may be of an older snapshot: nothing is replaced.
        health.find(other).is_none_or(|vitals| vitals.access(Caps::default(), now).is_granted())
    })
}
