//! A stream that has nothing to say yet: the client has its head and hears comments, while behind it the provider is
//! waited for, and the next one where it fails.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bulkhead_dialect::error::render_event;
use bulkhead_model::{Endpoint, ErrorKind};
use bytes::Bytes;
use http::Response;
use tokio::time::{Instant, Sleep, sleep_until};

use super::out::OutBody;
use super::stream::{KEEPALIVE, Relaying};
use crate::fault::{Fault, Outcome, shutting_down};
use crate::worker::Worker;

/// The answer that all legs of a request lead to.
pub(crate) type Opening = Pin<Box<dyn Future<Output = Outcome<Response<OutBody>>> + Send>>;

/// A client that was told to wait.
pub(crate) struct Awaited {
    worker: Arc<Worker>,
    /// `None` once it is over.
    opening: Option<Opening>,
    endpoint: Endpoint,
    keepalive: Duration,
    timer: Pin<Box<Sleep>>,
}

/// What comes next.
pub(super) enum Next {
    Say(Bytes),
    Over,
    /// The events have begun.
    Relay(Box<Relaying>),
}

impl Awaited {
    /// The first comment goes out at once.
    pub(crate) fn new(
        worker: Arc<Worker>,
        opening: Opening,
        endpoint: Endpoint,
        keepalive: Duration,
    ) -> Box<Self> {
        let timer = Box::pin(sleep_until(Instant::now()));
        Box::new(Self { worker, opening: Some(opening), endpoint, keepalive, timer })
    }

    pub(super) fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        let Some(opening) = &mut self.opening else { return Poll::Ready(Next::Over) };
        match opening.as_mut().poll(cx) {
            Poll::Ready(Ok(response)) => {
                self.opening = None;
                Poll::Ready(match response.into_body() {
                    OutBody::Relay(relaying) => Next::Relay(relaying),
                    // An answer in one piece cannot follow the head of a stream.
                    _ => self.end(&not_events()),
                })
            }
            Poll::Ready(Err(fault)) => {
                if !fault.counted {
                    self.worker.metrics.refused(Some(self.endpoint), fault.kind);
                }
                Poll::Ready(self.end(&fault))
            }
            Poll::Pending if self.worker.node.is_time_up() => Poll::Ready(self.end(&shutting_down())),
            Poll::Pending => {
                std::task::ready!(self.timer.as_mut().poll(cx));
                self.timer.as_mut().reset(Instant::now() + self.keepalive);
                // So that it wakes this task.
                let _ = self.timer.as_mut().poll(cx);
                Poll::Ready(Next::Say(Bytes::from_static(KEEPALIVE)))
            }
        }
    }

    fn end(&mut self, fault: &Fault) -> Next {
        self.opening = None;
        Next::Say(render_event(self.endpoint, &fault.body().as_error_body(), 0))
    }
}

fn not_events() -> Box<Fault> {
    let message = "litellm.InternalServerError: InternalServerError: the provider's answer was not a stream";
    Fault::new(ErrorKind::UpstreamBadAnswer, message)
}
