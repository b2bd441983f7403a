//! Sending a request and waiting for the head of its answer.

use std::time::Duration;

use bulkhead_model::ErrorKind;
use bulkhead_snapshot::Deployment;
use http::{Request, Response};
use tokio::time::Instant;

use crate::fault::{Fault, Outcome};
use crate::upstream::{AnswerBody, DialError, Failure, SendBody, SendError};
use crate::worker::Worker;

/// How long an exchange may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waits {
    pub(crate) started: Instant,
    /// The whole exchange.
    pub(crate) total: Duration,
    /// To the first byte of a stream and from byte to byte; equal to `total` for other answers.
    pub(crate) idle: Duration,
}

impl Waits {
    /// When the head of the answer has to be there.
    fn head_deadline(&self) -> Instant {
        self.started + self.idle.min(self.total)
    }

    /// When everything has to be over.
    pub(crate) fn end(&self) -> Instant {
        self.started + self.total
    }
}

/// Sends to the deployment and returns the head of the answer.
pub(crate) async fn answer(
    worker: &Worker,
    deployment: &Deployment,
    request: &(dyn Fn() -> Request<SendBody> + Sync),
    waits: &Waits,
) -> Outcome<Response<AnswerBody>> {
    let answer = worker.pool.send(&deployment.target, request, waits.head_deadline());
    answer.await.map_err(|failure| match failure {
        Failure::NoConnection(error) => no_connection(&error, deployment, waits),
        Failure::Deadline => timed_out(waits, waits.idle.min(waits.total)).in_doubt(),
        Failure::Broke(error) => broken(&error, deployment),
    })
}

fn no_connection(error: &DialError, deployment: &Deployment, waits: &Waits) -> Box<Fault> {
    tracing::debug!(deployment = %deployment.id, %error, "no connection to the provider");
    match error {
        DialError::Timeout => timed_out(waits, waits.idle.min(waits.total)),
        DialError::Full => Fault::new(
            ErrorKind::Overloaded,
            "Too many requests wait for the provider. Please retry shortly.",
        )
        .retry_after(1),
        _ => connection_lost(deployment),
    }
}

fn broken(error: &SendError, deployment: &Deployment) -> Box<Fault> {
    match error {
        SendError::Unsent | SendError::Refused => connection_lost(deployment),
        SendError::NoAnswer(cause) | SendError::BadHead(cause) => {
            tracing::debug!(deployment = %deployment.id, error = %cause, "the provider's connection broke");
            connection_lost(deployment).in_doubt()
        }
    }
}

/// LiteLLM's words for a provider that cannot be reached.
pub(crate) fn connection_lost(deployment: &Deployment) -> Box<Fault> {
    let message = format!(
        "litellm.InternalServerError: InternalServerError: {} - Connection error.",
        deployment.provider.exception
    );
    Fault::new(ErrorKind::UpstreamConnection, message)
}

/// LiteLLM's words for a provider that does not answer in time.
pub(crate) fn timed_out(waits: &Waits, limit: Duration) -> Box<Fault> {
    let taken = waits.started.elapsed().as_secs_f64();
    let message = format!(
        "litellm.Timeout: APITimeoutError - Request timed out. Error_str: Request timed out. - timeout value={:?}, \
         time taken={taken:.2} seconds",
        limit.as_secs_f64()
    );
    Fault::new(ErrorKind::UpstreamTimeout, message)
}
