//! Settle: what an exchange used, cost and left behind. Runs on drop, whatever ended the exchange.

mod meter;
mod times;

use std::sync::Arc;
use std::time::Duration;

use bulkhead_model::usage::UsageSource;
use bulkhead_model::{Endpoint, ErrorKind, NanoUsd, UnixMillis, Usage};
use bulkhead_pricing::Rates;
use bulkhead_snapshot::Group;
use http::HeaderValue;
use tokio::time::Instant;

pub(crate) use meter::Typical;
pub(crate) use times::LegTimes;
use times::Times;

use crate::admit::{Ask, Claim, Permit, Refused};
use crate::fault::Fault;
use crate::health::{Blame, Visit, blame};
use crate::identify::Caller;
use crate::listener::LogEntry;
use crate::metrics::{Ended, OfDeployment};
use crate::route::{Routed, Rule};
use crate::trace::Trace;
use crate::usage::UsageEvent;
use crate::worker::Worker;

/// How many bytes of generated text make a token, roughly.
const BYTES_PER_TOKEN: u64 = 4;

/// How far a request has come: this leg's number, and what was needed to get there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// From one.
    pub(crate) leg: u32,
    pub(crate) retries: u32,
    pub(crate) max_retries: u32,
    pub(crate) fallbacks: u32,
    /// How long providers were waited for in the legs before.
    pub(crate) waited: Duration,
}

/// What is known of a leg before anything is sent.
pub(crate) struct Exchange {
    pub(crate) endpoint: Endpoint,
    pub(crate) call_id: HeaderValue,
    /// The model asked for.
    pub(crate) asked: String,
    /// The model that answers are to name, where another one serves the request than was asked for.
    pub(crate) served: Option<String>,
    pub(crate) group: Arc<Group>,
    pub(crate) progress: Progress,
    /// The group that was asked for, and how the last one failed, where the request had to go on to another.
    pub(crate) fell_back: Option<(Box<str>, ErrorKind)>,
    /// LiteLLM's metrics count it.
    pub(crate) litellm_metrics: bool,
    /// It is traced.
    pub(crate) trace: Option<Trace>,
    /// Why it goes to this deployment.
    pub(crate) rule: Rule,
    /// The request brought its own timeouts.
    pub(crate) callers_time: bool,
    /// How long the answer may take.
    pub(crate) timeout: Duration,
    pub(crate) caller: Caller,
    pub(crate) routed: Routed,
    pub(crate) rates: Option<Rates>,
    pub(crate) stream: bool,
    pub(crate) tags: Vec<String>,
    pub(crate) end_user: Option<String>,
    /// Input tokens estimated from the body.
    pub(crate) input_estimate: u64,
    /// The provider works on when its answer is over, and what it uses then is told to nobody here.
    pub(crate) background: bool,
    /// When the first byte of the request did.
    pub(crate) arrived: Instant,
    pub(crate) started_at: UnixMillis,
    /// Its line of the access log, where one is written.
    pub(crate) log: Option<LogEntry>,
}

impl Exchange {
    /// The model's name in answers.
    pub(crate) fn shown(&self) -> &str {
        self.served.as_deref().unwrap_or(&self.asked)
    }

    /// What so much usage costs; `None` where the price is unknown.
    pub(crate) fn price(&self, usage: &Usage) -> Option<NanoUsd> {
        if !self.endpoint.is_billed() {
            return Some(NanoUsd::ZERO);
        }
        bulkhead_pricing::cost(self.rates.as_ref()?, usage).map(|cost| cost.total)
    }
}

/// A failure as the provider told it.
#[derive(Clone, Copy)]
struct Said {
    status: u16,
    /// What it answered, where it did.
    provider_status: Option<u16>,
    /// How long it wants to be left alone.
    wait: Option<Duration>,
    callers_name: bool,
}

/// The guard of a running leg. Exactly one usage event leaves it.
pub(crate) struct Settle {
    worker: Arc<Worker>,
    visit: Visit,
    /// The deployment has answered.
    visited: bool,
    /// Its failure is counted.
    blamed: bool,
    /// What the provider said when it failed.
    said: Option<Said>,
    series: Arc<OfDeployment>,
    pub(crate) exchange: Arc<Exchange>,
    permit: Option<Permit>,
    usage: Option<Usage>,
    usage_is_final: bool,
    /// Bytes of generated text that went by.
    content_bytes: u64,
    /// Output tokens that count where the provider does not say how many there were.
    least_output: u64,
    /// The request was handed to a connection: the provider may have started.
    sent: bool,
    /// The recorder's number of the exchange, once it is begun.
    number: u64,
    outcome: Option<Result<(), ErrorKind>>,
    times: Times,
}

impl Settle {
    /// On the heap: it is handed on from step to step.
    pub(crate) fn new(worker: &Arc<Worker>, exchange: Exchange, permit: Permit, visit: Visit) -> Box<Self> {
        worker.metrics.in_flight.add(1);
        let expected = permit.reserved().tokens.saturating_sub(exchange.input_estimate);
        Box::new(Self {
            least_output: if exchange.background { expected } else { 0 },
            worker: worker.clone(),
            visit,
            visited: false,
            blamed: false,
            said: None,
            series: worker.metrics.series.of(&exchange.routed.deployment),
            times: Times::begin(&exchange),
            exchange: Arc::new(exchange),
            permit: Some(permit),
            usage: None,
            usage_is_final: false,
            content_bytes: 0,
            sent: false,
            number: 0,
            outcome: None,
        })
    }

    pub(crate) fn permit(&self) -> Option<&Permit> {
        self.permit.as_ref()
    }

    /// Reserves what another leg may need besides what this one has used.
    pub(crate) fn raise(&mut self, claims: &[Claim<'_>], ask: Ask) -> Result<(), Refused> {
        let (usage, _) = self.used();
        let used = counted(&usage, self.exchange.price(&usage));
        self.permit.as_mut().map_or(Ok(()), |permit| permit.raise(claims, used, ask))
    }

    /// It has failed: that counts, and its place at the deployment is free, before anybody looks for where to go next.
    pub(crate) fn leave(&mut self) {
        self.blame();
        self.visit.leave();
    }

    /// Another leg follows: this one is written down, and what it holds goes on.
    pub(crate) fn hand_on(mut self: Box<Self>) -> Option<Permit> {
        let mut permit = self.permit.take()?;
        let used = self.conclude(permit.reserved().cost, true);
        permit.charge(used);
        Some(permit)
    }

    /// The gateway stops and can wait no longer.
    pub(crate) fn is_time_up(&self) -> bool {
        self.worker.node.is_time_up()
    }

    /// From here on the provider may be working. That it may is written down, for the case that nobody lives to say more.
    pub(crate) fn sent(&mut self) {
        let now = Instant::now();
        self.sent = true;
        self.visit.sent(now);
        self.times.asked(now);
        let bound = self.permit.as_ref().map_or(NanoUsd::ZERO, |permit| permit.reserved().cost);
        self.number = self.worker.node.recorder.begin(&self.exchange, bound);
    }

    /// The head of the answer is there.
    pub(crate) fn answered(&mut self) {
        self.times.answered();
    }

    /// A part of the answer is there.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.times.heard(now);
    }

    /// The first generated content of a stream is there.
    pub(crate) fn first_token(&mut self, now: Instant) {
        if self.times.first_token(now) {
            self.well(now);
        }
    }

    /// Since the first byte of the request, and the part of it in which providers were waited for.
    pub(crate) fn spent_so_far(&self) -> (Duration, Duration) {
        self.times.spent_so_far()
    }

    /// What the provider reported. `is_final` is false while a stream may still raise it.
    pub(crate) fn report(&mut self, usage: Option<Usage>, is_final: bool) {
        self.usage = usage;
        self.usage_is_final = is_final && usage.is_some();
    }

    /// Generated text seen so far; reserves more where the answer outgrows what was expected.
    pub(crate) fn produced(&mut self, content_bytes: u64) {
        // An embedding is no text: its tokens are the input's.
        if self.exchange.endpoint.embeds() {
            return;
        }
        self.content_bytes = content_bytes;
        let Some(permit) = &mut self.permit else { return };
        let reserved = permit.reserved();
        let tokens = self.exchange.input_estimate.saturating_add(content_bytes / BYTES_PER_TOKEN);
        if reserved.tokens == 0 || tokens <= reserved.tokens {
            return;
        }
        // Twice as much at a time, so that a long stream extends a few times and not at every event.
        let more = reserved.tokens;
        let cost = self.exchange.rates.as_ref().and_then(|rates| bulkhead_pricing::estimate(rates, 0, more));
        permit.extend(Ask { tokens: more, cost: cost.unwrap_or_default() });
        self.worker.node.recorder.extend(self.number, &self.exchange, permit.reserved().cost);
    }

    /// The exchange ended well.
    pub(crate) fn complete(&mut self) {
        let now = Instant::now();
        self.over(Ok(()), now);
        if self.outcome == Some(Ok(())) {
            self.well(now);
        }
    }

    /// The deployment has answered.
    fn well(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.visited, true) {
            self.visit.answered(self.exchange.stream, now);
        }
    }

    /// The exchange failed; the first failure counts.
    pub(crate) fn fail(&mut self, kind: ErrorKind) {
        self.over(Err(kind), Instant::now());
    }

    fn over(&mut self, outcome: Result<(), ErrorKind>, now: Instant) {
        self.outcome.get_or_insert(outcome);
        self.times.over(now);
    }

    /// There is no answer. A provider that said so has produced nothing; one that fell silent may have.
    pub(crate) fn refused_by(&mut self, fault: &Fault) {
        self.sent = fault.in_doubt;
        self.said = Some(Said {
            status: fault.status(),
            provider_status: fault.provider_status,
            wait: fault.wait,
            callers_name: fault.callers_name,
        });
        self.fail(fault.kind);
    }

    /// The cost of what was reported; `None` where the price is unknown or nothing was reported yet.
    pub(crate) fn cost(&self) -> Option<NanoUsd> {
        let usage = self.usage.as_ref().filter(|_| self.usage_is_final)?;
        self.exchange.price(usage)
    }

    /// What to write down as used, and how sure that is (design §8).
    fn used(&self) -> (Usage, UsageSource) {
        if !self.exchange.endpoint.is_billed() {
            return (Usage::default(), UsageSource::Reported);
        }
        let produced = self.content_bytes.div_ceil(BYTES_PER_TOKEN).max(self.least_output);
        match self.usage {
            Some(usage) if self.usage_is_final => (usage, UsageSource::Reported),
            Some(usage) => (Usage { output: usage.output.max(produced), ..usage }, UsageSource::Estimated),
            None if !self.sent => (Usage::default(), UsageSource::Reported),
            None => {
                let source = if produced > 0 || self.outcome == Some(Ok(())) {
                    UsageSource::Estimated
                } else {
                    UsageSource::Unknown
                };
                (Usage { input: self.exchange.input_estimate, output: produced, ..Usage::default() }, source)
            }
        }
    }

    fn finish(&mut self) {
        let Some(permit) = self.permit.take() else { return };
        let used = self.conclude(permit.reserved().cost, false);
        permit.settle(used);
    }

    /// Writes down what became of it; what it used.
    fn conclude(&mut self, reserved: NanoUsd, handed_on: bool) -> Ask {
        let left = if self.is_time_up() { ErrorKind::ShuttingDown } else { ErrorKind::ClientGone };
        let outcome = self.outcome.unwrap_or(Err(left));
        self.blame();
        let (usage, source) = self.used();
        let cost = self.exchange.price(&usage);
        let used = counted(&usage, cost);
        self.visit.used(used.tokens);
        if source == UsageSource::Reported && outcome.is_ok() && self.exchange.endpoint.is_billed() {
            self.worker.typical.learn(&self.exchange.routed.deployment.group, usage.output);
        }
        self.worker.metrics.in_flight.sub(1);
        let (took, times) = self.times.ended(handed_on);
        if let Some(log) = &self.exchange.log {
            log.settled(&self.exchange.routed.deployment.id, took.first_token);
        }
        let ended = Ended { outcome, handed_on };
        self.series.settled(self.exchange.endpoint, ended, &usage, cost, took);
        self.worker.record(UsageEvent {
            number: self.number,
            exchange: self.exchange.clone(),
            outcome,
            handed_on,
            usage,
            source,
            cost,
            reserved,
            times,
            status: self.said.and_then(|said| said.provider_status),
        });
        used
    }

    /// Counts a failure against the deployment, once: one that fails is left out for a while.
    fn blame(&mut self) {
        let Some(Err(kind)) = self.outcome else { return };
        if std::mem::replace(&mut self.blamed, true) {
            return;
        }
        let Some(snapshot) = self.worker.node.snapshot.load_full() else { return };
        let silent = Said { status: kind.status(), provider_status: None, wait: None, callers_name: false };
        let Said { status, wait, callers_name, .. } = self.said.unwrap_or(silent);
        let failure = Blame { kind, status, wait, callers_time: self.exchange.callers_time, callers_name };
        let Exchange { group, routed, .. } = &*self.exchange;
        blame(&self.worker.node.health, &snapshot, group, &routed.deployment, &self.visit, failure);
    }
}

/// What limits and budgets count of so much.
fn counted(usage: &Usage, cost: Option<NanoUsd>) -> Ask {
    Ask { tokens: usage.input.saturating_add(usage.output), cost: cost.unwrap_or_default() }
}

impl Drop for Settle {
    fn drop(&mut self) {
        self.finish();
    }
}
