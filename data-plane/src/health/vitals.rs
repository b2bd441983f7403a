//! One deployment: what is under way there, and whether it is left out for a while.
//!
//! LiteLLM's rules of cooldown (litellm.md §3.2), with connections that fail counted as well. After its time a deployment
//! is asked by one request; while that one is under way the others still go elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bulkhead_model::ErrorKind;
use bulkhead_model::routing::ByFailure;
use parking_lot::Mutex;
use tokio::time::{Duration, Instant};

use super::account::Account;
use super::class::of_class;
use super::latency::Latency;

const MINUTE: Duration = Duration::from_secs(60);
/// Fewer requests in a minute say nothing about a share of failures.
const ENOUGH: u64 = 5;

/// A deployment's state, shared by all workers. Every lock is a few instructions long.
#[derive(Debug)]
pub(crate) struct Vitals {
    pub(super) account_id: u64,
    account: Arc<Account>,
    in_flight: AtomicU32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    cooling: Option<Cooling>,
    minute: Minute,
    fails: Fails,
    /// Of answers in one piece and of streams' first tokens.
    latency: [Latency; 2],
    /// How often it was left out.
    cooled: u64,
}

#[derive(Debug, Clone, Copy)]
struct Cooling {
    until: Instant,
    /// A request tries whether it is well again.
    probed: bool,
}

/// What was done in the running minute.
#[derive(Debug, Default, Clone, Copy)]
struct Minute {
    began: Option<Instant>,
    requests: u64,
    failures: u64,
    tokens: u64,
}

/// Failures since the first of them, for `allowed_fails`.
#[derive(Debug, Default, Clone, Copy)]
struct Fails {
    began: Option<Instant>,
    count: u32,
}

/// Whether a deployment may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Open,
    /// Its time is over and nobody has tried it yet.
    Probe,
    /// It is left out until then.
    Cooling(Instant),
    /// It has as many requests as it may.
    Full,
}

/// How much a deployment may get.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Caps {
    pub(crate) parallel: Option<u32>,
    /// Requests and tokens in a minute.
    pub(crate) requests: Option<u64>,
    pub(crate) tokens: Option<u64>,
}

/// When a deployment is left out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules<'r> {
    pub(crate) time: Duration,
    pub(crate) allowed_fails: Option<u32>,
    pub(crate) policy: &'r ByFailure,
}

/// What a failure means for a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leave {
    Stays,
    /// It is to be left out for so long.
    For(Duration),
}

impl Access {
    pub(crate) fn is_granted(self) -> bool {
        matches!(self, Self::Open | Self::Probe)
    }
}

impl State {
    fn latency(&mut self, stream: bool) -> &mut Latency {
        let [whole, first_token] = &mut self.latency;
        if stream { first_token } else { whole }
    }
}

impl Vitals {
    pub(super) fn new(account_id: u64, account: Arc<Account>) -> Self {
        Self { account_id, account, in_flight: AtomicU32::new(0), state: Mutex::default() }
    }

    pub(crate) fn account(&self) -> &Arc<Account> {
        &self.account
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Whether it may be asked now.
    pub(crate) fn access(&self, caps: Caps, now: Instant) -> Access {
        if caps.parallel.is_some_and(|most| self.in_flight() >= most) {
            return Access::Full;
        }
        let mut state = self.state.lock();
        let minute = state.minute.at(now);
        let over = |most: Option<u64>, used: u64| most.is_some_and(|most| used >= most);
        if over(caps.requests, minute.requests) || over(caps.tokens, minute.tokens) {
            return Access::Full;
        }
        match state.cooling {
            None => Access::Open,
            Some(Cooling { until, .. }) if now < until => Access::Cooling(until),
            Some(Cooling { probed: true, .. }) => Access::Cooling(now + Duration::from_secs(1)),
            Some(Cooling { probed: false, .. }) => Access::Probe,
        }
    }

    /// Goes in, unless somebody else was quicker. What never goes out to the provider does not count as a request.
    pub(crate) fn enter(self: &Arc<Self>, caps: Caps, now: Instant) -> Option<Visit> {
        let most = caps.parallel.unwrap_or(u32::MAX);
        let more = |count: u32| (count < most).then(|| count.saturating_add(1));
        self.in_flight.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        let mut state = self.state.lock();
        let minute = state.minute.at(now);
        minute.requests += 1;
        let counted = minute.began;
        let mut probe = false;
        if let Some(cooling) = &mut state.cooling
            && now >= cooling.until
            && !cooling.probed
        {
            cooling.probed = true;
            probe = true;
        }
        drop(state);
        Some(Visit { vitals: self.clone(), inside: true, probe, began: now, counted })
    }

    /// Tokens of the running minute, and seconds to an answer: what strategies go by.
    pub(crate) fn tokens(&self, now: Instant) -> u64 {
        self.state.lock().minute.at(now).tokens
    }

    /// What it costs to wait here: the time to an answer for each request under way.
    pub(crate) fn load(&self, stream: bool, now: Instant) -> f64 {
        let latency = self.state.lock().latency(stream).now(now);
        latency * f64::from(self.in_flight().saturating_add(1))
    }

    /// Counts a failure and says what follows from it, were there others to go to.
    pub(crate) fn failed(&self, kind: ErrorKind, rules: Rules<'_>, now: Instant) -> Leave {
        let mut state = self.state.lock();
        let minute = state.minute.at(now);
        minute.failures += 1;
        let (requests, failures) = (minute.requests, minute.failures);
        for latency in &mut state.latency {
            latency.punish(now);
        }
        let allowed = of_class(rules.policy, kind).or(rules.allowed_fails);
        let leave = match (allowed, kind) {
            // One that was tried whether it is well again is not.
            _ if state.cooling.is_some() => true,
            (Some(allowed), _) => state.fails.count(rules.time, now) > allowed,
            (
                None,
                ErrorKind::UpstreamRateLimited
                | ErrorKind::UpstreamAuthentication
                | ErrorKind::UpstreamNotFound,
            ) => true,
            (None, _) => requests >= ENOUGH && failures * 2 > requests,
        };
        if leave { Leave::For(rules.time) } else { Leave::Stays }
    }

    /// Leaves it out until then. True where it was not already.
    pub(crate) fn cool(&self, until: Instant, now: Instant) -> bool {
        let mut state = self.state.lock();
        let former = state.cooling.replace(Cooling { until, probed: false });
        let is_new = former.is_none_or(|former| former.until <= now);
        if let Some(former) = former.filter(|former| former.until > until) {
            state.cooling = Some(former);
        }
        state.cooled += u64::from(is_new);
        is_new
    }

    /// How often it was left out, and whether it is.
    pub(crate) fn cooled(&self, now: Instant) -> (u64, bool) {
        let state = self.state.lock();
        (state.cooled, state.cooling.is_some_and(|cooling| now < cooling.until))
    }
}

/// A request at a deployment. It leaves when this is dropped at the latest, and takes its probe with it.
#[derive(Debug)]
pub(crate) struct Visit {
    vitals: Arc<Vitals>,
    inside: bool,
    probe: bool,
    began: Instant,
    /// The minute in which it was counted, as long as it may turn out to be no request.
    counted: Option<Instant>,
}

impl Visit {
    pub(crate) fn vitals(&self) -> &Arc<Vitals> {
        &self.vitals
    }

    /// It tries whether the deployment is well again.
    pub(crate) fn is_probe(&self) -> bool {
        self.probe
    }

    /// It goes out to the provider. What it waited for before is not the deployment's time.
    pub(crate) fn sent(&mut self, now: Instant) {
        self.began = now;
        self.counted = None;
    }

    /// Gives its place back, and its probe.
    pub(crate) fn leave(&mut self) {
        if !std::mem::replace(&mut self.inside, false) {
            return;
        }
        self.vitals.in_flight.fetch_sub(1, Ordering::Relaxed);
        if !self.probe && self.counted.is_none() {
            return;
        }
        let mut state = self.vitals.state.lock();
        if self.counted.is_some() && state.minute.began == self.counted {
            state.minute.requests = state.minute.requests.saturating_sub(1);
        }
        if self.probe
            && let Some(cooling) = &mut state.cooling
        {
            cooling.probed = false;
        }
    }

    /// There was an answer, or of a stream a first token, at that time.
    pub(crate) fn answered(&mut self, stream: bool, now: Instant) {
        let mut state = self.vitals.state.lock();
        state.latency(stream).observe(now.saturating_duration_since(self.began), now);
        if std::mem::take(&mut self.probe) {
            state.cooling = None;
            state.minute = Minute::default();
            state.fails = Fails::default();
        }
    }

    pub(crate) fn used(&self, tokens: u64) {
        let mut state = self.vitals.state.lock();
        let minute = state.minute.at(Instant::now());
        minute.tokens = minute.tokens.saturating_add(tokens);
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Minute {
    fn at(&mut self, now: Instant) -> &mut Self {
        if self.began.is_none_or(|began| now.saturating_duration_since(began) >= MINUTE) {
            *self = Self { began: Some(now), ..Self::default() };
        }
        self
    }
}

impl Fails {
    fn count(&mut self, window: Duration, now: Instant) -> u32 {
        if self.began.is_none_or(|began| now.saturating_duration_since(began) >= window) {
            *self = Self { began: Some(now), count: 0 };
        }
        self.count = self.count.saturating_add(1);
        self.count
    }
}
