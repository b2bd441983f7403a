//! Settle: what an exchange used, cost and left behind. Runs on drop, whatever ended the exchange.

mod meter;

use std::sync::Arc;
use std::time::Duration;

use bulkhead_model::usage::UsageSource;
use bulkhead_model::{Endpoint, ErrorKind, NanoUsd, UnixMillis, Usage};
use bulkhead_pricing::Rates;
use http::HeaderValue;
use tokio::time::Instant;

pub(crate) use meter::Typical;

use crate::admit::{Ask, Permit};
use crate::fault::Fault;
use crate::identify::Caller;
use crate::metrics::{OfDeployment, Took};
use crate::route::Routed;
use crate::usage::UsageEvent;
use crate::worker::Worker;

/// How many bytes of generated text make a token, roughly.
const BYTES_PER_TOKEN: u64 = 4;

/// What is known of an exchange before anything is sent.
pub(crate) struct Exchange {
    pub(crate) endpoint: Endpoint,
    pub(crate) call_id: HeaderValue,
    /// The model asked for.
    pub(crate) asked: String,
    pub(crate) caller: Caller,
    pub(crate) routed: Routed,
    pub(crate) rates: Option<Rates>,
    pub(crate) stream: bool,
    pub(crate) tags: Vec<String>,
    pub(crate) end_user: Option<String>,
    /// Input tokens estimated from the body.
    pub(crate) input_estimate: u64,
    /// When the first byte of the request did.
    pub(crate) arrived: Instant,
    pub(crate) started_at: UnixMillis,
}

impl Exchange {
    /// What so much usage costs; `None` where the price is unknown.
    pub(crate) fn price(&self, usage: &Usage) -> Option<NanoUsd> {
        if !self.endpoint.is_billed() {
            return Some(NanoUsd::ZERO);
        }
        bulkhead_pricing::cost(self.rates.as_ref()?, usage).map(|cost| cost.total)
    }
}

/// The guard of a running exchange. Exactly one usage event leaves it.
pub(crate) struct Settle {
    worker: Arc<Worker>,
    series: Arc<OfDeployment>,
    pub(crate) exchange: Arc<Exchange>,
    permit: Option<Permit>,
    usage: Option<Usage>,
    usage_is_final: bool,
    /// Bytes of generated text that went by.
    content_bytes: u64,
    /// The request was handed to a connection: the provider may have started.
    sent: bool,
    /// The recorder's number of the exchange, once it is begun.
    number: u64,
    outcome: Option<Result<(), ErrorKind>>,
    /// When the request went on to the provider.
    asked: Option<Instant>,
    /// When the provider said its last so far.
    heard: Option<Instant>,
    /// From asking to the head of the answer.
    upstream: Option<Duration>,
    first_byte: Option<Duration>,
    first_token: Option<Duration>,
}

impl Settle {
    /// On the heap: it is handed on from step to step.
    pub(crate) fn new(worker: &Arc<Worker>, exchange: Exchange, permit: Permit) -> Box<Self> {
        worker.metrics.in_flight.add(1);
        Box::new(Self {
            worker: worker.clone(),
            series: worker.metrics.series.of(&exchange.routed.deployment),
            exchange: Arc::new(exchange),
            permit: Some(permit),
            usage: None,
            usage_is_final: false,
            content_bytes: 0,
            sent: false,
            number: 0,
            outcome: None,
            asked: None,
            heard: None,
            upstream: None,
            first_byte: None,
            first_token: None,
        })
    }

    pub(crate) fn permit(&self) -> Option<&Permit> {
        self.permit.as_ref()
    }

    /// The gateway stops and can wait no longer.
    pub(crate) fn is_time_up(&self) -> bool {
        self.worker.node.is_time_up()
    }

    /// From here on the provider may be working. That it may is written down, for the case that nobody lives to say more.
    pub(crate) fn sent(&mut self) {
        self.sent = true;
        self.asked = Some(Instant::now());
        let bound = self.permit.as_ref().map_or(NanoUsd::ZERO, |permit| permit.reserved().cost);
        self.number = self.worker.node.recorder.begin(&self.exchange, bound);
    }

    /// The head of the answer is there.
    pub(crate) fn answered(&mut self) {
        if let (None, Some(asked)) = (self.upstream, self.asked) {
            self.upstream = Some(asked.elapsed());
        }
    }

    /// A part of the answer is there.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard = Some(now);
        if self.first_byte.is_none() {
            self.first_byte = Some(now - self.exchange.arrived);
        }
    }

    /// The first generated content of a stream is there.
    pub(crate) fn first_token(&mut self, now: Instant) {
        if self.first_token.is_none() {
            self.first_token = Some(now - self.exchange.arrived);
        }
    }

    /// Since the first byte of the request, and the part of it in which the provider was waited for: until it was
    /// last heard, or until now.
    pub(crate) fn spent_so_far(&self) -> (Duration, Duration) {
        let now = Instant::now();
        let waited = self.asked.map(|asked| self.heard.unwrap_or(now) - asked);
        (now - self.exchange.arrived, waited.unwrap_or_default())
    }

    /// What the provider reported. `is_final` is false while a stream may still raise it.
    pub(crate) fn report(&mut self, usage: Option<Usage>, is_final: bool) {
        self.usage = usage;
        self.usage_is_final = is_final && usage.is_some();
    }

    /// Generated text seen so far; reserves more where the answer outgrows what was expected.
    pub(crate) fn produced(&mut self, content_bytes: u64) {
        // An embedding is no text: its tokens are the input's.
        if self.exchange.endpoint == Endpoint::Embeddings {
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
        self.outcome.get_or_insert(Ok(()));
    }

    /// The exchange failed; the first failure counts.
    pub(crate) fn fail(&mut self, kind: ErrorKind) {
        self.outcome.get_or_insert(Err(kind));
    }

    /// There is no answer. A provider that said so has produced nothing; one that fell silent may have.
    pub(crate) fn refused_by(&mut self, fault: &Fault) {
        self.sent = fault.in_doubt;
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
        let produced = self.content_bytes.div_ceil(BYTES_PER_TOKEN);
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
        let left = if self.is_time_up() { ErrorKind::ShuttingDown } else { ErrorKind::ClientGone };
        let outcome = self.outcome.unwrap_or(Err(left));
        let reserved = permit.reserved();
        let (usage, source) = self.used();
        let cost = self.exchange.price(&usage);
        permit
            .settle(Ask { tokens: usage.input.saturating_add(usage.output), cost: cost.unwrap_or_default() });
        if source == UsageSource::Reported && outcome.is_ok() && self.exchange.endpoint.is_billed() {
            self.worker.typical.learn(&self.exchange.routed.deployment.group, usage.output);
        }
        let took = self.exchange.arrived.elapsed();
        self.worker.metrics.in_flight.sub(1);
        let parts = Took { total: took, first_token: self.first_token, upstream: self.upstream };
        self.series.settled(self.exchange.endpoint, outcome, &usage, cost, parts);
        self.worker.record(UsageEvent {
            number: self.number,
            exchange: self.exchange.clone(),
            outcome,
            usage,
            source,
            cost,
            reserved: reserved.cost,
            took,
            first_byte: self.first_byte,
        });
    }
}

impl Drop for Settle {
    fn drop(&mut self) {
        self.finish();
    }
}
