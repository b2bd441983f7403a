//! The body of an answer, together with the connection it comes from.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::{Reason, RecvStream};

use super::lane::{Lane, Upload};
use super::live::Live;
use super::pool::Pool;
use super::send::Broken;

/// Dropping it before its end stops the provider: an HTTP/1.1 connection is closed, a stream of HTTP/2 is reset. At its
/// end the connection goes back to the pool.
pub(crate) struct AnswerBody(Source);

enum Source {
    Own { live: Option<Live>, pool: Arc<Pool> },
    Shared { stream: RecvStream, upload: Option<Box<Upload>>, lane: Option<Lane> },
}

impl AnswerBody {
    pub(super) fn own(live: Live, pool: Arc<Pool>) -> Self {
        Self(Source::Own { live: Some(live), pool })
    }

    /// `upload` is what the provider has not got of the request; it answered before.
    pub(super) fn shared(stream: RecvStream, upload: Option<Box<Upload>>, lane: Lane) -> Self {
        Self(Source::Shared { stream, upload, lane: Some(lane) })
    }

    /// The next chunk; `None` at the end. Pending only when the socket has nothing.
    pub(crate) fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        match &mut self.0 {
            Source::Own { live, pool } => poll_own(live, pool, cx),
            Source::Shared { stream, upload, lane } => poll_shared(stream, upload, lane, cx),
        }
    }
}

fn poll_own(
    live: &mut Option<Live>,
    pool: &Pool,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Bytes, Broken>>> {
    let next = live.as_mut().map(|live| live.connection.poll_chunk(cx));
    match std::task::ready!(next.unwrap_or(Poll::Ready(None))) {
        Some(Ok(data)) => Poll::Ready(Some(Ok(data))),
        Some(Err(error)) => {
            *live = None;
            Poll::Ready(Some(Err(Broken::Http1(error))))
        }
        None => {
            if let Some(mut live) = live.take()
                && live.connection.poll_usable(cx)
            {
                pool.put(live);
            }
            Poll::Ready(None)
        }
    }
}

fn poll_shared(
    stream: &mut RecvStream,
    upload: &mut Option<Box<Upload>>,
    lane: &mut Option<Lane>,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Bytes, Broken>>> {
    if upload.as_mut().is_some_and(|upload| upload.poll(cx).is_ready()) {
        *upload = None;
    }
    match std::task::ready!(stream.poll_data(cx)) {
        Some(Ok(data)) => {
            // What is taken here is on its way to the client: the provider may send as much again. It fails for a
            // stream that has ended, which needs no window.
            let _ = stream.flow_control().release_capacity(data.len());
            Poll::Ready(Some(Ok(data)))
        }
        // After a whole answer, a provider says with NO_ERROR that it does not want the rest of the request.
        Some(Err(error)) if error.reason() != Some(Reason::NO_ERROR) || !error.is_reset() => {
            Poll::Ready(Some(Err(Broken::Http2(error))))
        }
        Some(Err(_)) | None => {
            lane.take();
            Poll::Ready(None)
        }
    }
}
