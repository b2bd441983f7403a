//! A request on its way: from deployment to deployment of a model group, and from group to group, until one answers.
//!
//! Nothing of an answer is sent to the client before the way is over, so every failure up to there can be tried
//! elsewhere (design §5, "Commit point"). Each try is a leg with a record of its own.

mod hops;
mod leg;
mod parts;
mod uncounted;

use std::sync::Arc;

use bulkhead_model::{ErrorKind, ErrorSource};
use bulkhead_snapshot::{Deployment, Resolved, Snapshot};
use http::{HeaderMap, HeaderValue, Response};
use smallvec::SmallVec;
use tokio::time::{Duration, Instant, sleep_until};

use crate::admission;
use crate::bound::Home;
use crate::fault::{Fault, Outcome};
use crate::health::{is_retried, of_class, patience};
use crate::identify::Caller;
use crate::listener::LogEntry;
use crate::read::{Call, Detour, Source};
use crate::respond::{Facts, OutBody, add_facts};
use crate::route::{Chooser, Picked, Wanted, resolve};
use crate::settle::{Progress, Settle};
use crate::trace::Trace;
use crate::worker::Worker;
use hops::{CAP, Hops, Place, Sources};

/// LiteLLM's default (litellm.md §3.2).
const RETRIES: u32 = 2;

/// A request that was read, with all that its legs need.
pub(crate) struct Journey {
    pub(crate) worker: Arc<Worker>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) caller: Caller,
    pub(crate) call: Box<Call>,
    /// The client's headers.
    pub(crate) client: HeaderMap,
    pub(crate) call_id: HeaderValue,
    /// Requests with the same mark go to the same deployment.
    pub(crate) affinity: Option<u64>,
    pub(crate) trace: Option<Trace>,
    pub(crate) arrived: Instant,
    /// What the caller is willing to wait: for the answer, or of a stream for the next byte.
    pub(crate) callers_time: Option<Duration>,
    /// When all legs have to be over.
    pub(crate) overall: Instant,
    /// When the client is told to wait for events, where it is: from then on nothing else can be sent.
    pub(crate) told_at: Option<Instant>,
    /// Its line of the access log, where one is written.
    pub(crate) log: Option<LogEntry>,
    pub(crate) way: Way,
}

/// What is behind a request.
#[derive(Default)]
pub(crate) struct Way {
    /// The last leg, which failed.
    last: Option<Box<Settle>>,
    hops: Hops,
    progress: Progress,
    /// The accounts that were asked.
    accounts: SmallVec<[u64; 2]>,
    /// One of them had its share of retries.
    spent: bool,
    /// The groups that failed, and how.
    failures: SmallVec<[(Place, ErrorKind); 2]>,
}

impl Journey {
    /// Goes from leg to leg until there is an answer to send. The failure that is told is the first one, as with LiteLLM.
    pub(crate) async fn run(mut self) -> Outcome<Response<OutBody>> {
        let first = Detour::to(&self.call.model, Source::Model);
        let mut fault = match self.group(&first, true).await {
            Ok(answer) => return Ok(answer),
            Err(fault) => fault,
        };
        let mut latest = fault.kind;
        while let Some(detour) = self.go_on(latest) {
            self.way.progress.fallbacks += 1;
            match self.group(&detour, false).await {
                Ok(answer) => {
                    self.worker.metrics.fallbacks_ok.add(1);
                    return Ok(answer);
                }
                Err(other) => latest = other.kind,
            }
        }
        if self.way.progress.fallbacks > 0 {
            self.worker.metrics.fallbacks_failed.add(1);
        }
        self.tell(&mut fault);
        Err(fault)
    }

    /// The next group to go to, after this one failed.
    fn go_on(&mut self, failure: ErrorKind) -> Option<Detour> {
        let failed = self.way.failures.last();
        // A name that nobody serves goes where groups without a chain go (litellm.md §3.2).
        let is_unknown = failure == ErrorKind::UnknownModel && failed.is_none();
        if !is_unknown && !leads_on(failure) || Instant::now() >= self.overall {
            return None;
        }
        let sources = self.sources();
        let chain = match failed {
            Some((failed, _)) => sources.chain(failed, failure, self.way.failures.len() <= 1),
            None if self.way.progress.fallbacks == 0 => sources.of_unknown(),
            None => Vec::new(),
        };
        self.way.hops.failed(chain);
        if !self.may_go_on() {
            return None;
        }
        loop {
            let detour = self.way.hops.next()?;
            if self.may_go_to(&detour) {
                return Some(detour);
            }
        }
    }

    /// It has not gone on as often as it may, and goes on from nothing that only one deployment has.
    fn may_go_on(&self) -> bool {
        let is_held = self.home().is_some_and(|home| home.is_only);
        !is_held && self.way.progress.fallbacks < self.snapshot.settings.routing.row.max_fallbacks.min(CAP)
    }

    /// A caller goes nowhere by falling that it may not go by asking, and nowhere twice.
    fn may_go_to(&self, detour: &Detour) -> bool {
        let resolved = resolve(&self.snapshot, &self.caller, self.caller.meaning(&detour.model));
        resolved.is_ok_and(|resolved| !self.way.hops.was_at(resolved.name))
    }

    /// Tries the deployments of a group.
    async fn group(&mut self, detour: &Detour, is_first: bool) -> Outcome<Response<OutBody>> {
        let snapshot = self.snapshot.clone();
        let caller = self.caller.clone();
        let resolved = resolve(&snapshot, &caller, caller.meaning(&detour.model))?;
        self.way.hops.arrived(resolved.name);
        let served = (!is_first).then(|| detour.model.clone());
        let outcome = self.tries(&snapshot, &resolved, detour, served).await;
        if let Err(fault) = &outcome {
            self.way.failures.push((Place::of(&resolved), fault.kind));
        }
        outcome
    }

    async fn tries(
        &mut self,
        snapshot: &Snapshot,
        resolved: &Resolved<'_, '_>,
        detour: &Detour,
        served: Option<String>,
    ) -> Outcome<Response<OutBody>> {
        let worker = self.worker.clone();
        let chooser = Chooser { settings: &snapshot.settings, health: &worker.node.health, rng: &worker.rng };
        let tags = self.call.tags_with(&self.caller).into_owned();
        let mut tried: SmallVec<[Box<str>; 2]> = SmallVec::new();
        let mut first: Option<Box<Fault>> = None;
        let mut tries = 0;
        loop {
            let picked = match chooser.pick(resolved, &self.wanted(&tags, &tried)) {
                Ok(picked) => picked,
                Err(fault) => return Err(first.unwrap_or(fault)),
            };
            let deployment = picked.routed.deployment.clone();
            if !self.may_ask(&picked) {
                let is_known = tried.contains(&deployment.id);
                tried.push(deployment.id.clone());
                // Another one may be on an account that has retries left.
                if is_known || !chooser.has_others(resolved, &self.wanted(&tags, &tried)) {
                    return Err(first.unwrap_or_else(no_more_retries));
                }
                continue;
            }
            self.way.progress.max_retries = self.said_retries(resolved, &deployment, None).unwrap_or(RETRIES);
            let fault = match self.leg(resolved, picked, detour, served.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(fault) => fault,
            };
            tried.push(deployment.id.clone());
            let others = chooser.has_others(resolved, &self.wanted(&tags, &tried));
            tries += 1;
            let pause = self.pause(resolved, &deployment, &fault, tries, others);
            let former = first.take().unwrap_or(fault);
            let Some(next) = pause.map(|pause| Instant::now() + pause).filter(|next| *next < self.overall)
            else {
                return Err(former);
            };
            first = Some(former);
            sleep_until(next).await;
            self.way.progress.retries += 1;
            worker.metrics.retries.add(1);
        }
    }

    /// Whether the account of a deployment may be asked once more. The first time is free.
    fn may_ask(&mut self, picked: &Picked) -> bool {
        if !self.way.accounts.contains(&picked.routed.deployment.account) {
            return true;
        }
        let may = picked.visit.vitals().account().may_ask_again(Instant::now());
        if !may {
            self.way.spent = true;
            self.worker.metrics.retries_refused.add(1);
        }
        may
    }

    /// An account is about to be asked. What admission refuses never gets here: it earns nobody a retry.
    fn asks(&mut self, picked: &Picked) {
        let id = picked.routed.deployment.account;
        if !self.way.accounts.contains(&id) {
            self.way.accounts.push(id);
            picked.visit.vitals().account().asked(Instant::now());
        }
    }

    /// How long to wait before the next try in this group; nothing where there is none.
    fn pause(
        &self,
        resolved: &Resolved<'_, '_>,
        deployment: &Deployment,
        fault: &Fault,
        tries: u32,
        others: bool,
    ) -> Option<Duration> {
        let routing = &self.snapshot.settings.routing;
        let said = self.said_retries(resolved, deployment, Some(fault.kind));
        if !is_retried(fault.kind, fault.status(), others) || tries > said.unwrap_or(RETRIES) {
            return None;
        }
        if others {
            return Some(Duration::ZERO);
        }
        // Elsewhere there is an answer at once, and here there was none a moment ago. Whoever says how often to try
        // again means here.
        if said.is_none() && self.leads_somewhere(resolved, fault.kind) {
            return None;
        }
        let random = |most| self.worker.rng.part_of(most);
        Some(patience(fault.wait, tries - 1, routing.row.retry_after, random))
    }

    /// How often to try again, where anybody says so: the request, the deployment, the group's or everybody's policy for
    /// this class of failures, the general number (litellm.md §3.2).
    fn said_retries(
        &self,
        resolved: &Resolved<'_, '_>,
        deployment: &Deployment,
        failure: Option<ErrorKind>,
    ) -> Option<u32> {
        let routing = &self.snapshot.settings.routing;
        let header = || self.client.get("x-litellm-num-retries")?.to_str().ok()?.trim().parse().ok();
        let own = self.call.detours.as_deref().and_then(|detours| detours.retries).or_else(header);
        own.or(deployment.num_retries)
            .or_else(|| {
                let failure = failure?;
                of_class(routing.retry_policy(&[resolved.name, &resolved.group.name]), failure)
            })
            .or(routing.row.num_retries)
    }

    /// Whether there is another group to go to.
    fn leads_somewhere(&self, resolved: &Resolved<'_, '_>, failure: ErrorKind) -> bool {
        if !self.may_go_on() {
            return false;
        }
        let is_first = self.way.failures.is_empty();
        let own = self.sources().chain(&Place::of(resolved), failure, is_first);
        own.iter().chain(self.way.hops.ahead()).any(|detour| self.may_go_to(detour))
    }

    fn home(&self) -> Option<&Home> {
        self.call.bonds.as_ref()?.home()
    }

    fn sources(&self) -> Sources<'_> {
        let (routing, now) = (&self.snapshot.settings.routing, self.worker.node.clock.now());
        Sources { call: &self.call, caller: &self.caller, routing, now }
    }

    fn wanted<'r>(&'r self, tags: &'r [String], tried: &'r [Box<str>]) -> Wanted<'r> {
        Wanted {
            endpoint: self.call.endpoint,
            tags,
            stream: self.call.stream,
            input_tokens: self.call.input_estimate(),
            affinity: self.affinity,
            home: self.home(),
            tried,
        }
    }

    /// Says with a failure what is known of the way to it.
    fn tell(&mut self, fault: &mut Fault) {
        let mut headers = HeaderMap::with_capacity(16);
        let settle = self.way.last.take();
        let exchange = settle.as_ref().map(|settle| settle.exchange.clone());
        let (total, upstream) = match &settle {
            Some(settle) => settle.spent_so_far(),
            None => (self.arrived.elapsed(), Duration::ZERO),
        };
        fault.counted = settle.is_some();
        let facts = Facts {
            deployment: exchange.as_ref().map(|exchange| &*exchange.routed.deployment),
            upstream,
            timeout: exchange.as_ref().map(|exchange| exchange.timeout),
            progress: self.way.progress,
            ..Facts::of_nothing(&self.call_id, total)
        };
        add_facts(&mut headers, &facts);
        // What it used counts before it is told.
        drop(settle);
        tell_spend(&self.worker, &self.snapshot, &self.caller, &mut headers);
        if self.way.progress.fallbacks > 0 {
            let errors: Vec<_> = self
                .way
                .failures
                .iter()
                .map(|(place, kind)| format!("{}: {}", place.name, kind.label()))
                .collect();
            if let Ok(errors) = HeaderValue::try_from(errors.join(", ")) {
                headers.insert("x-litellm-fallback-errors", errors);
            }
        }
        let tried_again = self.way.spent || self.way.progress.retries > 0;
        if tried_again && is_retried(fault.kind, fault.status(), true) {
            headers.insert("x-should-retry", HeaderValue::from_static("false"));
        }
        fault.tell(headers);
    }
}

/// What goes with every failure after the caller is known: nothing was charged, and what the key has spent.
pub(crate) fn tell_spend(worker: &Worker, snapshot: &Snapshot, caller: &Caller, headers: &mut HeaderMap) {
    headers.insert("x-litellm-response-cost", HeaderValue::from_static("0"));
    if let Some(key) = caller.key() {
        let spent = admission::spent(&worker.node.gate, snapshot, key);
        if let Ok(value) = HeaderValue::try_from(spent.to_string()) {
            headers.insert("x-litellm-key-spend", value);
        }
    }
}

fn no_more_retries() -> Box<Fault> {
    Fault::new(ErrorKind::DeploymentsFull, "The provider's account fails, and has its share of retries.")
        .retry_after(1)
}

/// Whether another group may help. What the gateway itself refuses of a caller it refuses everywhere.
fn leads_on(failure: ErrorKind) -> bool {
    match failure.source() {
        ErrorSource::Upstream => true,
        ErrorSource::Gateway => matches!(
            failure,
            ErrorKind::AllInCooldown
                | ErrorKind::DeploymentsFull
                | ErrorKind::Overloaded
                | ErrorKind::UpstreamAuthentication
        ),
        ErrorSource::Client => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_full_or_fails_leads_on_and_what_the_caller_did_does_not() {
        for kind in [ErrorKind::Overloaded, ErrorKind::DeploymentsFull, ErrorKind::UpstreamServer] {
            assert!(leads_on(kind), "{kind:?}");
        }
        for kind in [ErrorKind::ShuttingDown, ErrorKind::BudgetExceeded, ErrorKind::BadRequest] {
            assert!(!leads_on(kind), "{kind:?}");
        }
    }
}
