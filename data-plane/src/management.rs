//! Forwards the routes of the management API to the control plane: on a thread of its own, over connections of its own,
//! a few at a time, so that it costs inference nothing (design §2).

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bulkhead_model::ErrorKind;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, Version};
use http_body::Frame;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::fault::{Fault, Outcome};
use crate::flags::Peer;
use crate::respond::{BrokenOff, OutBody, named_by_connection};
use crate::upstream::{Dialer, system_roots};

const IN_FLIGHT: usize = 32;
/// The largest body in either direction.
const LARGEST: usize = 16 << 20;
/// Pieces of an answer that wait for the client.
const PIECES: usize = 4;

/// The way to the control plane's HTTP port.
pub(crate) struct Management {
    requests: mpsc::Sender<Forward>,
    room: Arc<Semaphore>,
}

/// Room for one request.
pub(crate) struct Entry<'m> {
    management: &'m Management,
    permit: OwnedSemaphorePermit,
}

/// A request on its way.
struct Forward {
    request: Request<Incoming>,
    answer: oneshot::Sender<Outcome<Response<OutBody>>>,
    _permit: OwnedSemaphorePermit,
}

impl Management {
    /// The forwarder, and the task that does its work. A request has `patience` from its head to the end of the answer.
    pub(crate) fn new(
        peer: Peer,
        patience: Duration,
    ) -> (Self, impl Future<Output = std::io::Result<()>> + Send + 'static) {
        let (requests, queue) = mpsc::channel(IN_FLIGHT);
        let room = Arc::new(Semaphore::new(IN_FLIGHT));
        let way = Way { peer, patience, dialer: Dialer::speaking("http/1.1", system_roots()) };
        (Self { requests, room }, serve(way, queue))
    }

    /// Takes a place, or says why there is none.
    pub(crate) fn enter(&self, head: &Parts) -> Outcome<Entry<'_>> {
        let declared = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        if declared.and_then(|text| text.parse::<usize>().ok()).is_some_and(|length| length > LARGEST) {
            return Err(too_large());
        }
        let permit = self.room.clone().try_acquire_owned().map_err(|_| {
            let message = "Too many requests to the management API are under way. Please retry shortly.";
            Fault::new(ErrorKind::Overloaded, message).retry_after(1)
        })?;
        Ok(Entry { management: self, permit })
    }
}

impl Entry<'_> {
    /// Forwards the request; the answer's body follows as it comes.
    pub(crate) async fn forward(self, head: Parts, body: Incoming) -> Outcome<Response<OutBody>> {
        let (answer, answered) = oneshot::channel();
        let request = Request::from_parts(head, body);
        let forward = Forward { request, answer, _permit: self.permit };
        self.management.requests.send(forward).await.map_err(|_| away())?;
        answered.await.map_err(|_| away())?
    }
}

async fn serve(way: Way, mut queue: mpsc::Receiver<Forward>) -> std::io::Result<()> {
    let way = Arc::new(way);
    let mut tasks = JoinSet::new();
    while let Some(forward) = queue.recv().await {
        let way = way.clone();
        tasks.spawn(async move { way.carry(forward).await });
        while tasks.try_join_next().is_some() {}
    }
    Ok(())
}

struct Way {
    peer: Peer,
    patience: Duration,
    dialer: Dialer,
}

impl Way {
    async fn carry(&self, forward: Forward) {
        let Forward { request, mut answer, _permit } = forward;
        let deadline = Instant::now() + self.patience;
        // Polls the connection, and ends with this task.
        let mut driver = JoinSet::new();
        let asked = tokio::select! {
            biased;
            () = answer.closed() => return,
            asked = timeout_at(deadline, self.ask(request, deadline, &mut driver)) => asked,
        };
        let (head, body) = match asked.unwrap_or_else(|_| Err(away())) {
            Ok(response) => response.into_parts(),
            Err(fault) => return drop(answer.send(Err(fault))),
        };
        let (pieces, out) = mpsc::channel(PIECES);
        let mut response = Response::new(OutBody::Forwarded(Forwarded(out)));
        *response.status_mut() = head.status;
        *response.headers_mut() = of_all_hops(&head.headers);
        if answer.send(Ok(response)).is_ok() {
            let left = pieces.clone();
            tokio::select! {
                _ = timeout_at(deadline, pass(body, pieces)) => {}
                () = left.closed() => {}
            }
        }
    }

    async fn ask(
        &self,
        request: Request<Incoming>,
        deadline: Instant,
        driver: &mut JoinSet<()>,
    ) -> Outcome<Response<Incoming>> {
        let request = self.addressed(request).ok_or_else(away)?;
        let wire = self.dialer.dial(&self.peer.target, deadline).await.map_err(|error| {
            tracing::warn!(%error, "the control plane's management API is away");
            away()
        })?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(wire)).await.map_err(|error| broke(&error))?;
        driver.spawn(async move { drop(connection.await) });
        sender.send_request(request).await.map_err(|error| broke(&error))
    }

    /// The request as the control plane gets it.
    fn addressed(&self, request: Request<Incoming>) -> Option<Request<Limited<Incoming>>> {
        let (head, body) = request.into_parts();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let uri: Uri = format!("{}{path}", self.peer.prefix).parse().ok()?;
        let mut headers = of_all_hops(&head.headers);
        headers.remove(EXPECT);
        headers.insert(HOST, HeaderValue::from_str(self.peer.authority.as_str()).ok()?);
        let mut request = Request::new(Limited::new(body, LARGEST));
        *request.method_mut() = head.method;
        *request.uri_mut() = uri;
        *request.version_mut() = Version::HTTP_11;
        *request.headers_mut() = headers;
        Some(request)
    }
}

/// Sends the answer's body piece by piece; one that is too large or breaks off has no end.
async fn pass(mut body: Incoming, pieces: mpsc::Sender<Piece>) {
    let mut room = LARGEST;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return };
        let Ok(bytes) = frame.into_data() else { continue };
        let Some(left) = room.checked_sub(bytes.len()) else {
            return tracing::warn!("an answer of the management API is larger than {LARGEST} bytes");
        };
        room = left;
        if pieces.send(Piece::Data(bytes)).await.is_err() {
            return;
        }
    }
    let _ = pieces.send(Piece::End).await;
}

/// The headers that are not of this connection only.
fn of_all_hops(headers: &HeaderMap) -> HeaderMap {
    let of_this_hop = named_by_connection(headers);
    let mut kept = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        if !is_of_this_hop(name) && !of_this_hop.contains(name) {
            kept.append(name, value.clone());
        }
    }
    kept
}

fn is_of_this_hop(name: &HeaderName) -> bool {
    [CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE].contains(name)
        || name.as_str() == "keep-alive"
        || name.as_str().starts_with("proxy-")
}

fn broke(error: &hyper::Error) -> Box<Fault> {
    let cause = std::error::Error::source(error);
    if cause.is_some_and(|cause| cause.is::<LengthLimitError>()) {
        return too_large();
    }
    tracing::warn!(%error, "the control plane's management API broke off");
    away()
}

fn away() -> Box<Fault> {
    let message = "The control plane does not answer; inference goes on without it. Please retry shortly.";
    Fault::new(ErrorKind::NotReady, message).retry_after(1)
}

fn too_large() -> Box<Fault> {
    let message =
        format!("The body is larger than the {LARGEST} bytes that are forwarded to the control plane.");
    Fault::new(ErrorKind::BodyTooLarge, message)
}

/// An answer's body as it comes from the control plane.
pub(crate) struct Forwarded(mpsc::Receiver<Piece>);

enum Piece {
    Data(Bytes),
    End,
}

impl Forwarded {
    pub(crate) fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        self.0.poll_recv(cx).map(|piece| match piece {
            Some(Piece::Data(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Piece::End) => None,
            None => Some(Err(BrokenOff)),
        })
    }
}
