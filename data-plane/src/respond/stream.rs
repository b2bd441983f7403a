//! Answers in events.
//!
//! Events without content are held back until the first content, so that a failure before it can still be an
//! ordinary error answer; from then on every event leaves as soon as it is there (design §5, "Commit point").

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bulkhead_dialect::bound::Sealing;
use bulkhead_dialect::invoke::Unframed;
use bulkhead_dialect::relay::RelayOptions;
use bulkhead_dialect::translate::Stream;
use bulkhead_model::{Endpoint, ErrorKind};
use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, Sleep, sleep_until};

use super::Failed;
use super::credentials::conceal_credentials;
use super::decode::Decoder;
use super::translation::{Passage, same};
use crate::attempt::{Waits, bad_answer, connection_lost, stream_refusal, timed_out};
use crate::fault::{Fault, Outcome, shutting_down};
use crate::settle::Settle;
use crate::upstream::AnswerBody;

/// The largest event; a larger one is no answer.
pub(super) const MAX_EVENT: usize = 16 << 20;
/// Held before the first content.
const HELD: usize = 64 << 10;
/// Put together for one write.
const ONE_WRITE: usize = 64 << 10;
/// How long a provider has to close a stream that is complete or has failed.
const LAST_WORDS: Duration = Duration::from_secs(1);
pub(super) const KEEPALIVE: &[u8] = b": ping\n\n";

/// A stream between a provider and a client.
pub(crate) struct Relaying {
    body: AnswerBody,
    decoder: Decoder,
    /// Where the provider puts its events into frames of another's.
    unframed: Option<Unframed>,
    relay: Passage,
    settle: Box<Settle>,
    waits: Waits,
    keepalive: Duration,
    expose_auth: bool,
    /// Events on their way to the client.
    out: BytesMut,
    /// When the provider was last heard.
    heard: Instant,
    /// When the client was last sent something.
    spoke: Instant,
    timer: Pin<Box<Sleep>>,
    /// The client has its head, and hears comments where there is silence.
    begun: bool,
    ended: bool,
}

enum Step {
    /// Something was put into `out`.
    Output,
    /// Silence for so long that the client should hear something.
    Silence,
    /// The provider's answer is over.
    Ended,
    Failed(Box<Fault>),
}

/// What a stream needs besides its source.
pub(crate) struct Terms {
    pub(crate) waits: Waits,
    /// The provider's endpoint.
    pub(crate) upstream: Endpoint,
    /// Its events come in frames that are not of their dialect.
    pub(crate) framed: bool,
    /// Where the client speaks another dialect.
    pub(crate) translated: Option<Box<Stream>>,
    /// Where they speak the same: what becomes of what only the deployment can use.
    pub(crate) sealing: Option<Sealing>,
    /// The chunk that has only usage is not the client's.
    pub(crate) withhold_usage: bool,
    /// Silence after which the client hears a comment; zero is never.
    pub(crate) keepalive: Duration,
    pub(crate) expose_auth: bool,
}

/// Starts to relay an answer: returns when there is content to send. Until then nothing of it has been sent, and what
/// fails can be tried elsewhere.
pub(crate) async fn streamed(
    body: AnswerBody,
    decoder: Decoder,
    settle: Box<Settle>,
    terms: Terms,
) -> Result<Box<Relaying>, Failed> {
    let mut relaying = Relaying::new(body, decoder, settle, terms);
    match std::future::poll_fn(|cx| relaying.poll_begin(cx)).await {
        Ok(()) => {
            relaying.begun = true;
            relaying.spoke = Instant::now();
            relaying.arm();
            Ok(relaying)
        }
        Err(fault) => Err(Failed { fault, settle: relaying.settle }),
    }
}

impl Relaying {
    fn new(body: AnswerBody, decoder: Decoder, settle: Box<Settle>, terms: Terms) -> Box<Self> {
        let Terms { waits, upstream, framed, translated, sealing, withhold_usage, keepalive, expose_auth } =
            terms;
        let now = Instant::now();
        let shown = settle.exchange.shown().to_owned();
        let relay = match translated {
            Some(stream) => Passage::Translated(stream),
            None => same(
                RelayOptions {
                    endpoint: upstream,
                    shown_model: Some(shown),
                    withhold_usage,
                    max_event: MAX_EVENT,
                },
                sealing,
            ),
        };
        let mut relaying = Box::new(Self {
            body,
            decoder,
            unframed: framed.then(|| Unframed::new(MAX_EVENT)),
            relay,
            settle,
            waits,
            keepalive,
            expose_auth,
            out: BytesMut::new(),
            heard: now,
            spoke: now,
            timer: Box::pin(sleep_until(now)),
            begun: false,
            ended: false,
        });
        relaying.arm();
        relaying
    }

    pub(crate) fn settle(&self) -> &Settle {
        &self.settle
    }

    fn poll_begin(&mut self, cx: &mut Context<'_>) -> Poll<Outcome<()>> {
        loop {
            match std::task::ready!(self.poll_step(cx)) {
                Step::Output => {
                    if let Some(fault) = self.refused_before_content() {
                        return Poll::Ready(Err(fault));
                    }
                    if self.relay.has_content() || self.out.len() > HELD {
                        return Poll::Ready(Ok(()));
                    }
                }
                Step::Silence => {}
                Step::Ended if self.relay.is_complete() => return Poll::Ready(Ok(())),
                Step::Ended if self.relay.failure().is_some() => {
                    return Poll::Ready(self.refused_before_content().map_or(Ok(()), Err));
                }
                Step::Ended => return Poll::Ready(Err(self.truncated())),
                Step::Failed(fault) => return Poll::Ready(Err(fault)),
            }
        }
    }

    /// The next bytes for the client; all that is ready leaves in one write.
    pub(crate) fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        while !self.ended && self.out.len() < ONE_WRITE {
            match self.poll_step(cx) {
                Poll::Pending if self.out.is_empty() => return Poll::Pending,
                Poll::Pending => break,
                Poll::Ready(Step::Output) => {}
                Poll::Ready(Step::Silence) => self.out.extend_from_slice(KEEPALIVE),
                Poll::Ready(Step::Ended) => self.ended = true,
                Poll::Ready(Step::Failed(fault)) => {
                    self.ended = true;
                    self.relay.fail(self.settle.exchange.endpoint, &fault, &mut self.out);
                }
            }
        }
        self.spoke = self.heard.max(self.spoke);
        // What there is is handed over now, so a client that leaves from here on has it all.
        if self.relay.is_complete() || self.relay.failure().is_some() {
            self.settle_usage();
            self.is_all_said();
            self.arm();
        }
        if self.relay.failure().is_some() {
            conceal_credentials(&self.settle.exchange.routed.deployment, &mut self.out);
        }
        Poll::Ready((!self.out.is_empty()).then(|| self.out.split().freeze()))
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        let chunk = match self.body.poll_chunk(cx) {
            Poll::Pending => return self.poll_timer(cx),
            Poll::Ready(Some(Ok(chunk))) => chunk,
            Poll::Ready(Some(Err(error))) => {
                tracing::debug!(deployment = %self.settle.exchange.routed.deployment.id, %error, "the stream broke off");
                return Poll::Ready(self.broke_off());
            }
            Poll::Ready(None) => return Poll::Ready(self.finish()),
        };
        self.heard = Instant::now();
        self.settle.heard(self.heard);
        if !self.relayed(chunk) {
            return Poll::Ready(self.bad_answer());
        }
        if self.relay.has_content() {
            self.settle.first_token(self.heard);
        }
        self.settle_usage();
        Poll::Ready(Step::Output)
    }

    /// False where bytes cannot be read.
    fn relayed(&mut self, chunk: Bytes) -> bool {
        let Ok(chunk) = self.decoder.feed(chunk, MAX_EVENT) else { return false };
        let Some(unframed) = &mut self.unframed else {
            return self.relay.feed(&chunk, &mut self.out).is_ok();
        };
        let mut events = BytesMut::new();
        let whole = unframed.feed(&chunk, &mut events).is_ok();
        self.relay.feed(&events, &mut self.out).is_ok() && whole
    }

    /// Nothing came from the provider: is it silent for too long, or is there no more time?
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        if self.settle.is_time_up() {
            self.settle_usage();
            self.settle.fail(ErrorKind::ShuttingDown);
            return Poll::Ready(Step::Failed(shutting_down()));
        }
        loop {
            std::task::ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            if now >= self.end() || now >= self.heard + self.waits.idle {
                self.settle_usage();
                if self.is_all_said() {
                    return Poll::Ready(Step::Ended);
                }
                self.settle.fail(ErrorKind::UpstreamTimeout);
                let limit = if now >= self.end() { self.waits.total } else { self.waits.idle };
                return Poll::Ready(Step::Failed(timed_out(&self.waits, limit)));
            }
            let silent = self.speaks() && now >= self.spoke + self.keepalive;
            if silent {
                self.spoke = now;
            }
            self.arm();
            if silent {
                return Poll::Ready(Step::Silence);
            }
        }
    }

    /// When it has to be over, or to have begun.
    fn end(&self) -> Instant {
        let all_said = self.relay.is_complete() || self.relay.failure().is_some();
        match (all_said, self.begun) {
            (true, _) => self.waits.end.min(self.heard + LAST_WORDS),
            (false, true) => self.waits.end,
            (false, false) => self.waits.end.min(self.waits.overall),
        }
    }

    fn speaks(&self) -> bool {
        self.begun && !self.keepalive.is_zero()
    }

    /// Sets the timer to whatever comes first. Progress does not touch it; it looks again when it goes off.
    fn arm(&mut self) {
        let mut next = self.end().min(self.heard + self.waits.idle);
        if self.speaks() {
            next = next.min(self.spoke + self.keepalive);
        }
        self.timer.as_mut().reset(next);
    }

    fn finish(&mut self) -> Step {
        self.relay.finish(&mut self.out);
        self.settle_usage();
        if self.is_all_said() { Step::Ended } else { Step::Failed(self.truncated()) }
    }

    /// Settles a stream that has had its last event, whatever then becomes of the connections: the dialect's end, or
    /// the provider's own error.
    fn is_all_said(&mut self) -> bool {
        if let Some(fault) = self.provider_failure() {
            self.settle.fail(fault.kind);
            return true;
        }
        if self.relay.is_complete() {
            self.settle.complete();
        }
        self.relay.is_complete()
    }

    fn broke_off(&mut self) -> Step {
        self.settle_usage();
        if self.is_all_said() {
            return Step::Ended;
        }
        if self.relay.has_content() {
            return Step::Failed(self.truncated());
        }
        self.settle.fail(ErrorKind::UpstreamConnection);
        Step::Failed(connection_lost(&self.settle.exchange.routed.deployment))
    }

    /// An error event before any content becomes an ordinary error answer.
    fn refused_before_content(&mut self) -> Option<Box<Fault>> {
        if self.relay.has_content() {
            return None;
        }
        let fault = self.provider_failure()?;
        self.settle_usage();
        self.settle.refused_by(&fault);
        Some(fault)
    }

    fn provider_failure(&self) -> Option<Box<Fault>> {
        let failure = self.relay.failure()?;
        Some(stream_refusal(failure, &self.settle.exchange.routed.deployment, self.expose_auth))
    }

    fn truncated(&mut self) -> Box<Fault> {
        self.settle.fail(ErrorKind::UpstreamTruncated);
        let message = format!(
            "litellm.APIConnectionError: {} - the stream ended before it was complete",
            self.settle.exchange.routed.deployment.provider.exception
        );
        Fault::new(ErrorKind::UpstreamTruncated, message)
    }

    fn bad_answer(&mut self) -> Step {
        self.settle_usage();
        let deployment = &self.settle.exchange.routed.deployment;
        let fault = bad_answer(deployment, "the stream could not be read");
        self.settle.fail(fault.kind);
        Step::Failed(fault)
    }

    fn settle_usage(&mut self) {
        self.settle.produced(self.relay.content_bytes());
        self.settle.report(self.relay.usage(), self.relay.usage_is_final());
    }
}
