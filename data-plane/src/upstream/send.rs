//! Sending a request, and sending it again where nobody can have noticed the first time (design §5).

use std::sync::Arc;

use bulkhead_snapshot::Target;
use http::{Request, Response};
use tokio::time::{Instant, timeout_at};

use super::answer::AnswerBody;
use super::body::SendBody;
use super::dial::DialError;
use super::http1::Http1Error;
use super::pool::{Granted, Pool};

/// How often a request is sent again that the provider said it did not process.
const REFUSALS: u32 = 3;

/// How a connection broke.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error(transparent)]
    Http1(Http1Error),
    #[error(transparent)]
    Http2(h2::Error),
}

/// Why a request got no answer.
#[derive(Debug)]
pub(crate) enum SendError {
    /// The connection broke before all of the request was sent.
    Unsent,
    /// The provider said that it did not process it: REFUSED_STREAM, or a GOAWAY below its number.
    Refused,
    /// The connection broke without a byte of an answer.
    NoAnswer(Broken),
    /// The connection broke within the answer's head, or the head was not HTTP.
    BadHead(Broken),
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    NoConnection(DialError),
    /// A request was sent, and the deadline came before the answer.
    Deadline,
    Broke(SendError),
}

impl Pool {
    /// Sends a request and returns the head of the answer. A first connection has to be there by `connect`.
    ///
    /// A reused connection that turns out to be dead is replaced by a new one, once: not all was sent, or all was and
    /// no byte of an answer came, which is what a provider that closes idle connections looks like.
    pub(crate) async fn send(
        self: &Arc<Self>,
        target: &Target,
        request: &(dyn Fn() -> Request<SendBody> + Sync),
        connect: Instant,
        deadline: Instant,
    ) -> Result<Response<AnswerBody>, Failure> {
        let connected_by = connect.min(deadline);
        let mut granted = self.get(target, connected_by).await.map_err(Failure::NoConnection)?;
        let (mut refusals, mut resent) = (0, false);
        loop {
            let stale = granted.is_reused() && !resent;
            let error = match timeout_at(deadline, granted.send(request(), self)).await {
                Err(_) => return Err(Failure::Deadline),
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(error)) => error,
            };
            let again = match &error {
                SendError::Refused if refusals < REFUSALS => {
                    refusals += 1;
                    self.get(target, deadline).await
                }
                SendError::Unsent | SendError::NoAnswer(_) if stale => {
                    resent = true;
                    if matches!(error, SendError::NoAnswer(_)) {
                        self.counts().ambiguous_resends.add(1);
                    }
                    self.fresh(target, deadline).await
                }
                _ => return Err(Failure::Broke(error)),
            };
            granted = again.map_err(Failure::NoConnection)?;
        }
    }
}

impl Granted {
    fn is_reused(&self) -> bool {
        match self {
            Self::Own(live) => live.reused,
            Self::Lane(lane) => lane.is_reused(),
        }
    }

    async fn send(
        self,
        request: Request<SendBody>,
        pool: &Arc<Pool>,
    ) -> Result<Response<AnswerBody>, SendError> {
        match self {
            Self::Own(mut live) => {
                let response = live.connection.send(request).await?;
                Ok(response.map(|()| AnswerBody::own(live, pool.clone())))
            }
            // In a box, so that the way of HTTP/1.1 stays as small as it is.
            Self::Lane(lane) => Box::pin(lane.send(request)).await,
        }
    }
}
