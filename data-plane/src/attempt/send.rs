//! Sending a request and waiting for the head of its answer.

use std::time::Duration;

use bulkhead_model::ErrorKind;
use bulkhead_snapshot::Deployment;
use http::{Request, Response};
use tokio::time::{Instant, timeout_at};

use crate::fault::{Fault, Outcome};
use crate::upstream::{AnswerBody, DialError, Live, SendBody, SendError};
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
///
/// A reused connection that turns out to be dead is replaced by a fresh one, once: nothing was sent, or everything
/// was and no byte of an answer came, which is what a provider that closes idle connections looks like (design §5).
pub(crate) async fn answer(
    worker: &Worker,
    deployment: &Deployment,
    request: &(dyn Fn() -> Request<SendBody> + Sync),
    waits: &Waits,
) -> Outcome<Response<AnswerBody>> {
    let deadline = waits.head_deadline();
    let mut live = worker
        .pool
        .get(&deployment.target, deadline)
        .await
        .map_err(|error| no_connection(&error, deployment, waits))?;
    loop {
        let error = match timeout_at(deadline, live.send(request())).await {
            Err(_) => return Err(timed_out(waits, waits.idle.min(waits.total)).in_doubt()),
            Ok(Ok(response)) => return Ok(attach(response, live, worker)),
            Ok(Err(error)) => error,
        };
        if !live.reused || matches!(error, SendError::BadHead(_)) {
            return Err(broken(&error, deployment));
        }
        if matches!(error, SendError::NoAnswer(_)) {
            worker.metrics.ambiguous_resends.add(1);
        }
        live = worker
            .pool
            .fresh(&deployment.target, deadline)
            .await
            .map_err(|error| no_connection(&error, deployment, waits))?;
    }
}

fn attach(response: Response<hyper::body::Incoming>, live: Live, worker: &Worker) -> Response<AnswerBody> {
    let (head, incoming) = response.into_parts();
    Response::from_parts(head, AnswerBody::new(incoming, live, worker.pool.clone()))
}

fn no_connection(error: &DialError, deployment: &Deployment, waits: &Waits) -> Box<Fault> {
    tracing::debug!(deployment = %deployment.id, %error, "no connection to the provider");
    match error {
        DialError::Timeout => timed_out(waits, waits.idle.min(waits.total)),
        DialError::Full => {
            Fault::new(ErrorKind::Overloaded, "Too many connections to the provider. Please retry shortly.")
                .retry_after(1)
        }
        _ => connection_lost(deployment),
    }
}

fn broken(error: &SendError, deployment: &Deployment) -> Box<Fault> {
    match error {
        SendError::Unsent => connection_lost(deployment),
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
