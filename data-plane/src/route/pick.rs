//! Which deployment of a group serves a request: of those that could, one that is well.

use std::sync::Arc;

use bulkhead_model::ErrorKind;
use bulkhead_model::routing::Strategy;
use bulkhead_snapshot::{Deployment, Group, Resolved, Settings};
use smallvec::SmallVec;
use tokio::time::{Duration, Instant};

use super::candidates::{Candidates, candidates};
use super::strategy::{Open, choose, shuffle};
use super::{By, Rng, Routed, Wanted, affinity};
use crate::fault::{Fault, Outcome};
use crate::health::{Access, Caps, Health, Visit, Vitals, leaves_out};

/// A deployment that a request may go to now.
#[derive(Debug)]
pub(crate) struct Picked {
    pub(crate) routed: Routed,
    /// The request's place there.
    pub(crate) visit: Visit,
    pub(crate) by: By,
}

/// What the gateway knows of deployments and how it chooses.
#[derive(Clone, Copy)]
pub(crate) struct Chooser<'n> {
    pub(crate) settings: &'n Settings,
    pub(crate) health: &'n Health,
    pub(crate) rng: &'n Rng,
}

impl Chooser<'_> {
    /// Picks a deployment: of those that could serve the request and are well, untried ones first, then the lowest
    /// order, then by affinity or strategy (litellm.md §3.2).
    pub(crate) fn pick(&self, resolved: &Resolved<'_, '_>, wanted: &Wanted<'_>) -> Outcome<Picked> {
        let mut left = candidates(resolved, wanted, self.settings)?;
        let now = Instant::now();
        let mut refused = Refused::default();
        while let Some(round) = self.round(&left, wanted) {
            let deployment = match self.choose(resolved.group, &round, wanted, now) {
                Ok(deployment) => deployment,
                Err(shut) if shut.is_empty() => break,
                Err(shut) => {
                    for (deployment, access) in shut {
                        refused.add(deployment, access);
                        left.retain(|left| !Arc::ptr_eq(left, deployment));
                    }
                    continue;
                }
            };
            let caps = self.caps(deployment);
            if let Some(visit) = self.health.of(deployment).enter(caps, now) {
                let by = self.by(&round, wanted, &visit);
                return Ok(Picked { routed: Routed::new(deployment, &resolved.captured), visit, by });
            }
            refused.add(deployment, Access::Full);
            left.retain(|left| !Arc::ptr_eq(left, deployment));
        }
        Err(refused.fault(&resolved.group.name, self.settings, now))
    }

    /// Whether another deployment of the group that was not tried yet could be asked.
    pub(crate) fn has_others(&self, resolved: &Resolved<'_, '_>, wanted: &Wanted<'_>) -> bool {
        let now = Instant::now();
        candidates(resolved, wanted, self.settings).is_ok_and(|all| {
            let mut untried = all.iter().filter(|deployment| !wanted.was_tried(deployment));
            untried.any(|deployment| {
                self.access(resolved.group, deployment, &self.health.of(deployment), now).is_granted()
            })
        })
    }

    fn access(&self, group: &Group, deployment: &Deployment, vitals: &Vitals, now: Instant) -> Access {
        match vitals.access(self.caps(deployment), now) {
            // From before another snapshot came.
            Access::Cooling(_) if !leaves_out(self.settings, group) => Access::Open,
            access => access,
        }
    }

    /// The ones to choose from now: untried before tried ones, those that have what the request refers to before others,
    /// lower orders before higher.
    fn round<'d>(&self, left: &Candidates<'d>, wanted: &Wanted<'_>) -> Option<Candidates<'d>> {
        let untried = |deployment: &Deployment| !wanted.was_tried(deployment);
        let some_untried = !wanted.tried.is_empty() && left.iter().any(|deployment| untried(deployment));
        let fresh = left.iter().filter(|deployment| !some_untried || untried(deployment));
        if let Some(home) = wanted.home {
            let at = |fits: &dyn Fn(&Deployment) -> bool| -> Candidates<'d> {
                fresh.clone().filter(|deployment| fits(deployment)).copied().collect()
            };
            let (own, near) =
                (at(&|deployment| home.is(deployment)), at(&|deployment| home.is_shared_by(deployment)));
            if let Some(round) = [own, near].into_iter().find(|round| !round.is_empty()) {
                return Some(round);
            }
        }
        let lowest = fresh.clone().map(|deployment| deployment.order).min()?;
        Some(fresh.filter(|deployment| deployment.order == lowest).copied().collect())
    }

    /// One of a round that may be asked, or those that may not.
    fn choose<'d>(
        &self,
        group: &Group,
        round: &Candidates<'d>,
        wanted: &Wanted<'_>,
        now: Instant,
    ) -> Result<&'d Arc<Deployment>, Shut<'d>> {
        let strategy = self.settings.routing.row.strategy;
        // The common case looks at one deployment only, however many there are.
        if strategy == Strategy::SimpleShuffle || round.len() == 1 {
            let chosen = match wanted.affinity {
                Some(affinity) => affinity::choose(round, affinity),
                None => shuffle(round.iter().map(|deployment| deployment.weight), self.rng)
                    .and_then(|index| round.get(index).copied()),
            };
            let Some(chosen) = chosen else { return Err(Shut::new()) };
            let access = self.access(group, chosen, &self.health.of(chosen), now);
            return if access.is_granted() { Ok(chosen) } else { Err(vec![(chosen, access)]) };
        }
        let mut open: SmallVec<[Open<'d>; 8]> = SmallVec::new();
        let mut shut = Shut::new();
        for deployment in round.iter().copied() {
            let vitals = self.health.of(deployment);
            match self.access(group, deployment, &vitals, now) {
                // Whether it is well again is found out first: by what is known of it nobody would go there.
                Access::Probe => return Ok(deployment),
                Access::Open => open.push(Open { deployment, vitals }),
                access => shut.push((deployment, access)),
            }
        }
        if let Some(affinity) = wanted.affinity {
            let all: Candidates<'d> = open.iter().map(|open| open.deployment).collect();
            return affinity::choose(&all, affinity).ok_or(shut);
        }
        let index = choose(strategy, &open, wanted.stream, now, self.rng);
        index.and_then(|index| open.get(index)).map(|open| open.deployment).ok_or(shut)
    }

    /// What picked one of a round.
    fn by(&self, round: &Candidates<'_>, wanted: &Wanted<'_>, visit: &Visit) -> By {
        match wanted.affinity {
            _ if visit.is_probe() => By::Probe,
            _ if round.len() == 1 => By::Only,
            Some(_) => By::Affinity,
            None => By::Strategy(self.settings.routing.row.strategy),
        }
    }

    /// `rpm` and `tpm` are hints unless the operator says otherwise.
    fn caps(&self, deployment: &Deployment) -> Caps {
        let row = &self.settings.routing.row;
        let limited = row.enforce_model_limits || row.strategy == Strategy::UsageBased;
        Caps {
            parallel: deployment.max_parallel,
            requests: deployment.rpm.filter(|_| limited),
            tokens: deployment.tpm.filter(|_| limited),
        }
    }
}

/// Those that may not be asked, and why.
type Shut<'d> = Vec<(&'d Arc<Deployment>, Access)>;

/// Why none could be asked.
#[derive(Default)]
struct Refused<'d> {
    cooling: SmallVec<[&'d str; 4]>,
    /// When the first of them may be asked again.
    until: Option<Instant>,
}

impl<'d> Refused<'d> {
    fn add(&mut self, deployment: &'d Deployment, access: Access) {
        if let Access::Cooling(until) = access {
            self.cooling.push(&deployment.id);
            self.until = Some(self.until.map_or(until, |other| other.min(until)));
        }
    }

    /// LiteLLM's words (litellm.md §4.6).
    fn fault(&self, group: &str, settings: &Settings, now: Instant) -> Box<Fault> {
        let checks = if settings.routing.row.context_check { "True" } else { "False" };
        let Some(until) = self.until else {
            let message = format!(
                "No deployments available for selected model, Try again in 1 seconds. All deployments for selected \
                 model have as much as they may get (max_parallel_requests, rpm, tpm). Passed model={group}"
            );
            return Fault::new(ErrorKind::DeploymentsFull, message).retry_after(1);
        };
        let wait = until.saturating_duration_since(now);
        let seconds = wait.as_secs() + u64::from(wait > Duration::from_secs(wait.as_secs()));
        let seconds = seconds.max(1);
        let list: Vec<_> = self.cooling.iter().map(|id| format!("'{id}'")).collect();
        let message = format!(
            "No deployments available for selected model, Try again in {seconds} seconds. All deployments for selected \
             model are in cooldown. Passed model={group}. pre-call-checks={checks}, cooldown_list=[{}]",
            list.join(", ")
        );
        Fault::new(ErrorKind::AllInCooldown, message).retry_after(seconds)
    }
}
