//! The answer to one request, whichever HTTP it came by.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::task::Poll;

use bulkhead_model::{Dialect, ErrorKind};
use futures_util::FutureExt;
use http::header::EXPECT;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::door::{Decision, Door, Entering};
use super::leaving::Leaving;
use crate::fault::{Fault, shutting_down};
use crate::receive::dialect_of;
use crate::respond::OutBody;
use crate::{exchange, read};

/// Answers a request, also one that is not let in, whose serving panics, or for which there is no more time.
pub(super) async fn answer(
    door: &Door,
    arrived: Instant,
    mut request: Request<Incoming>,
) -> Response<Leaving> {
    let Entering { origin, mut line, decision } = door.enter(arrived, &mut request);
    let dialect = dialect_of(request.uri().path());
    let (mut response, place) = match decision {
        Decision::Pass(place) => (serve(door, arrived, request, dialect).await, place),
        Decision::Answered(response) => (response, None),
        Decision::Refused(fault) => {
            // Whoever waits to be asked for the body sees the answer anyway.
            if !request.headers().contains_key(EXPECT) {
                read::drain(request.into_body()).await;
            }
            (fault.into_response(dialect), None)
        }
    };
    if let Some(cors) = &door.worker.node.front.cors {
        cors.mark(origin.as_ref(), response.headers_mut());
    }
    if let Some(line) = &mut line {
        line.answered(response.status(), response.headers());
    }
    response.map(|body| Leaving::new(body, line, place))
}

async fn serve(
    door: &Door,
    arrived: Instant,
    request: Request<Incoming>,
    dialect: Dialect,
) -> Response<OutBody> {
    let worker = &door.worker;
    let mut exchange = pin!(AssertUnwindSafe(exchange::serve(worker, arrived, request)).catch_unwind());
    let answered = std::future::poll_fn(|cx| match exchange.as_mut().poll(cx) {
        Poll::Ready(served) => Poll::Ready(served.unwrap_or_else(|_| {
            worker.metrics.panics.add(1);
            Fault::new(ErrorKind::Internal, "Internal server error").into_response(dialect)
        })),
        Poll::Pending if worker.node.is_time_up() => Poll::Ready(shutting_down().into_response(dialect)),
        Poll::Pending => Poll::Pending,
    });
    answered.await
}
