//! Sending a request and waiting for the head of its answer.

use std::time::Duration;

use bulkhead_model::ErrorKind;
use bulkhead_snapshot::Deployment;
use http::{Request, Response};
use tokio::time::Instant;

use crate::fault::{Fault, Outcome};
use crate::upstream::{AnswerBody, DialError, Failure, SendBody, SendError};
use crate::worker::Worker;

/// How long a leg may take (requirements R-110).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waits {
    pub(crate) started: Instant,
    /// To a connection.
    pub(crate) connect: Duration,
    /// To the head of the answer.
    pub(crate) first_byte: Duration,
    /// From byte to byte.
    pub(crate) idle: Duration,
    /// To the end of the answer.
    pub(crate) total: Duration,
    /// When there has to be an answer, whatever this leg may take.
    pub(crate) overall: Instant,
    /// When everything has to be over.
    pub(crate) end: Instant,
}

impl Waits {
    /// When the head of the answer has to be there.
    fn head_deadline(&self) -> Instant {
        (self.started + self.first_byte).min(self.overall).min(self.end)
    }

    /// When there has to be a connection, and what is needed to use it.
    pub(super) fn connected_by(&self) -> Instant {
        (self.started + self.connect).min(self.head_deadline())
    }

    /// When the next byte of an answer that has begun has to be there.
    pub(crate) fn next_byte(&self) -> Instant {
        (Instant::now() + self.idle).min(self.end)
    }

    /// The time that was up at a deadline.
    pub(crate) fn limit_at(&self, deadline: Instant) -> Duration {
        if deadline >= self.end { self.total } else { self.idle }
    }
}

/// Sends to the deployment and returns the head of the answer.
pub(crate) async fn answer(
    worker: &Worker,
    deployment: &Deployment,
    request: &(dyn Fn() -> Request<SendBody> + Sync),
    waits: &Waits,
) -> Outcome<Response<AnswerBody>> {
    let (deadline, connect) = (waits.head_deadline(), waits.started + waits.connect);
    let answer = worker.pool.send(&deployment.target, request, connect, deadline);
    answer.await.map_err(|failure| match failure {
        Failure::NoConnection(error) => no_connection(&error, deployment, waits),
        Failure::Deadline => timed_out(waits, waits.first_byte.min(waits.total)).in_doubt(),
        Failure::Broke(error) => broken(&error, deployment),
    })
}

fn no_connection(error: &DialError, deployment: &Deployment, waits: &Waits) -> Box<Fault> {
    tracing::debug!(deployment = %deployment.id, %error, "no connection to the provider");
    match error {
        DialError::Timeout => timed_out(waits, waits.connect.min(waits.first_byte).min(waits.total)),
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

/// LiteLLM's words for an answer that is none.
pub(crate) fn bad_answer(deployment: &Deployment, what: &str) -> Box<Fault> {
    let message = format!(
        "litellm.InternalServerError: InternalServerError: {} - {what}",
        deployment.provider.exception
    );
    Fault::new(ErrorKind::UpstreamBadAnswer, message)
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
