//! Plays a plan's steps as hyper's response body and keeps the request's record.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bulkhead_model::Usage;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use super::behaviour::Close;
use super::ledger::{Outcome, Record};
use super::plan::{Chunk, Plan, Step};
use super::serve::Provider;
use super::wire::Line;
use crate::stamp;

/// The connection is broken on purpose.
#[derive(Debug, thiserror::Error)]
#[error("broken off as the model's name orders")]
pub(crate) struct BrokenOff;

/// A request's record while it is in flight. Whatever ends the request, dropping this settles the record; unless
/// the plan came to its end before, it is the client that went away.
pub(crate) struct Track {
    pub(crate) provider: Arc<Provider>,
    pub(crate) record: Record,
}

impl Track {
    pub(crate) fn begin(provider: &Arc<Provider>, endpoint: &'static str) -> Self {
        provider.stats.begin();
        Self { provider: Arc::clone(provider), record: provider.ledger.begin(endpoint) }
    }

    /// The provider falls silent, the request stays in flight.
    pub(crate) fn hang(&mut self) {
        self.record.outcome = Outcome::Hung;
        self.provider.ledger.put(self.record.clone());
    }

    fn count(&mut self, chunk: &Chunk, reasoning: u64) {
        self.record.content_bytes += chunk.content as u64;
        self.record.produced.output = chunk.output.max(self.record.produced.output);
        self.record.produced.reasoning = reasoning.min(self.record.produced.output);
        self.record.reported = chunk.reported.or(self.record.reported);
    }
}

impl Drop for Track {
    fn drop(&mut self) {
        if !self.record.outcome.is_settled() {
            self.record.outcome = Outcome::ClientGone;
        }
        self.provider.ledger.put(self.record.clone());
        self.provider.stats.end();
    }
}

/// The body of an answer.
pub(crate) struct Play {
    steps: std::vec::IntoIter<Step>,
    /// Bytes still to come, where that is known and to be declared.
    length: Option<u64>,
    sleep: Option<Pin<Box<Sleep>>>,
    flushing: bool,
    stalled: bool,
    ends: Outcome,
    close: Close,
    reasoning: u64,
    stamped: bool,
    line: Arc<Line>,
    /// `None` for what is not recorded: the mock's own routes.
    track: Option<Track>,
}

impl Play {
    /// Plays `plan`, whose head the caller has taken already.
    pub(crate) fn new(plan: Plan, line: Arc<Line>, mut track: Option<Track>) -> Self {
        let send = |step: &Step| if let Step::Send(chunk) = step { chunk.bytes.len() as u64 } else { 0 };
        if let Some(track) = &mut track {
            track.record.produced = Usage { output: 0, reasoning: 0, ..plan.input };
        }
        let mut play = Self {
            length: plan.sized.then(|| plan.steps.iter().map(send).sum()),
            steps: plan.steps.into_iter(),
            sleep: None,
            flushing: false,
            stalled: false,
            ends: plan.ends,
            close: plan.close,
            reasoning: plan.input.reasoning,
            stamped: plan.stamped,
            line,
            track,
        };
        play.settle_at_end();
        play
    }

    /// Settles the record as soon as the last step has been handed over, which is before the client can have it.
    fn settle_at_end(&mut self) {
        if !self.steps.as_slice().is_empty() {
            return;
        }
        if let Some(mut track) = self.track.take() {
            self.line.ends(track.record.seq, self.close);
            track.record.outcome = self.ends;
        }
    }
}

impl Body for Play {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let this = &mut *self;
        loop {
            if this.stalled {
                return Poll::Pending;
            }
            if let Some(sleep) = &mut this.sleep {
                std::task::ready!(sleep.as_mut().poll(cx));
                this.sleep = None;
            }
            if this.flushing {
                std::task::ready!(this.line.poll_flushed(cx));
                this.flushing = false;
            }
            match this.steps.next() {
                None => return Poll::Ready(None),
                Some(Step::Send(chunk)) => {
                    if let Some(track) = &mut this.track {
                        track.count(&chunk, this.reasoning);
                    }
                    this.settle_at_end();
                    let bytes = if this.stamped { stamp::put(chunk.bytes) } else { chunk.bytes };
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Some(Step::Sleep(time)) => this.sleep = Some(Box::pin(tokio::time::sleep(time))),
                Some(Step::Flush) => this.flushing = true,
                Some(Step::Stall) => {
                    this.stalled = true;
                    if let Some(track) = &mut this.track {
                        track.hang();
                    }
                }
                Some(Step::Abort { reset }) => {
                    if reset {
                        this.line.reset_on_close();
                    }
                    if let Some(mut track) = this.track.take() {
                        track.record.outcome = this.ends;
                    }
                    return Poll::Ready(Some(Err(BrokenOff)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.as_slice().is_empty() && !self.stalled
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
