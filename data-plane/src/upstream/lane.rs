//! A request's place on an HTTP/2 connection.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream, SendStream};
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderName, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Response, Uri};

use super::answer::AnswerBody;
use super::body::SendBody;
use super::counts::PoolCounts;
use super::send::{Broken, SendError};
use super::shared::Shared;

/// What HTTP/2 has no place for.
const OF_HTTP1: [HeaderName; 6] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// One of the streams that a connection may carry. It is counted here and not by `h2`, where a stream too many would
/// wait inside the connection for others to end.
pub(crate) struct Lane {
    shared: Arc<Shared>,
    reused: bool,
    counts: Arc<PoolCounts>,
}

impl Lane {
    pub(super) fn take(shared: &Arc<Shared>, counts: &Arc<PoolCounts>) -> Self {
        shared.begin_stream();
        counts.streams.add(1);
        let reused = shared.carried.swap(true, Ordering::Relaxed);
        Self { shared: shared.clone(), reused, counts: counts.clone() }
    }

    /// True when the connection has carried a request before.
    pub(super) fn is_reused(&self) -> bool {
        self.reused
    }

    /// Sends a request and waits for the head of the answer.
    pub(super) async fn send(self, request: Request<SendBody>) -> Result<Response<AnswerBody>, SendError> {
        let (request, body) = for_http2(request);
        let before = self.shared.traffic.read();
        let mut sender = self.shared.sender.clone();
        let Ok((mut answer, stream)) = sender.send_request(request, body.left() == 0) else {
            // The request is one that HTTP/2 can carry: it is the connection that cannot.
            self.shared.end();
            return Err(SendError::Refused);
        };
        drop(sender);
        let mut upload = (body.left() > 0).then(|| Box::new(Upload { stream, body, chunk: Bytes::new() }));
        let head = std::future::poll_fn(|cx| poll_head(&mut answer, &mut upload, cx)).await;
        match head {
            Ok(response) => Ok(response.map(|stream| AnswerBody::shared(stream, upload, self))),
            Err(error) => Err(self.why(error, before)),
        }
    }

    fn why(&self, error: h2::Error, before: u64) -> SendError {
        if error.is_remote() && error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM) {
            self.shared.refused();
            return SendError::Refused;
        }
        // Said to streams above the last one that the peer looks at; to the others the connection ends without it.
        if error.is_remote() && error.is_go_away() {
            return SendError::Refused;
        }
        // A peer that fell silent may be at work all the same.
        let closed = error.is_io() && !self.shared.silent.load(Ordering::Relaxed);
        if closed && self.shared.traffic.read() == before {
            return SendError::NoAnswer(Broken::Http2(error));
        }
        SendError::BadHead(Broken::Http2(error))
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.counts.streams.sub(1);
        self.shared.end_stream();
    }
}

fn poll_head(
    answer: &mut ResponseFuture,
    upload: &mut Option<Box<Upload>>,
    cx: &mut Context<'_>,
) -> Poll<Result<Response<RecvStream>, h2::Error>> {
    if upload.as_mut().is_some_and(|upload| upload.poll(cx).is_ready()) {
        *upload = None;
    }
    std::pin::Pin::new(answer).poll(cx)
}

/// The part of a request body that the provider has not got yet.
pub(super) struct Upload {
    stream: SendStream<Bytes>,
    body: SendBody,
    chunk: Bytes,
}

impl Upload {
    /// Sends what the peer's windows take. Ready when everything is sent or the peer does not want it; why not is what
    /// the answer says.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.chunk.is_empty() {
                let Some(next) = self.body.next() else { return Poll::Ready(()) };
                self.chunk = next;
                continue;
            }
            self.stream.reserve_capacity(self.chunk.len());
            let room = self.stream.capacity().min(self.chunk.len());
            if room == 0 {
                match std::task::ready!(self.stream.poll_capacity(cx)) {
                    Some(Ok(_)) => continue,
                    Some(Err(_)) | None => return Poll::Ready(()),
                }
            }
            let part = self.chunk.split_to(room);
            let last = self.chunk.is_empty() && self.body.left() == 0;
            if self.stream.send_data(part, last).is_err() {
                return Poll::Ready(());
            }
        }
    }
}

/// The request as HTTP/2 has it: the host in the URI, the length of the body in a header.
fn for_http2(request: Request<SendBody>) -> (Request<()>, SendBody) {
    let (mut head, body) = request.into_parts();
    let host = head.headers.remove(HOST);
    let mut uri = std::mem::take(&mut head.uri).into_parts();
    uri.scheme = Some(Scheme::HTTPS);
    uri.authority = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
    head.uri = Uri::from_parts(uri).unwrap_or_default();
    for name in &OF_HTTP1 {
        head.headers.remove(name);
    }
    head.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.left()));
    (Request::from_parts(head, ()), body)
}
