//! The management API's listener.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, StatusCode, Version};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::Status;
use super::front::Entrance;
use super::tls::HANDSHAKE;
use crate::api::{LIVENESS, READINESS};
use crate::ops::Counts;

/// An answer is there by then, or never comes.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a client may be idle or take for a head.
const IDLE: Duration = Duration::from_secs(75);
/// Connections at a time; more wait to be accepted.
const CONNECTIONS: usize = 1024;
/// After a connection that could not be accepted.
const AGAIN: Duration = Duration::from_millis(100);
/// The longest head of a request.
const LONGEST_HEAD: usize = 64 << 10;
/// Requests on an HTTP/2 connection at a time.
const STREAMS: u32 = 100;
/// Of those, how many may be given up before anybody looked at them.
const UNSEEN_RESETS: usize = 20;
/// A client that says nothing on HTTP/2 is asked whether it lives, and has as long to say so.
const PING: Duration = Duration::from_secs(20);
/// What an HTTP/2 client says first.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The API behind a gate that is shut until the database was found good. That the process lives is said before.
pub(super) fn app(api: Router, status: Arc<Status>, counts: Arc<Counts>) -> Router {
    api.layer(from_fn_with_state(status, gate)).layer(from_fn_with_state(counts, count))
}

async fn count(State(counts): State<Arc<Counts>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    // The pattern, not the path: nobody outside makes it.
    let pattern = request.extensions().get::<MatchedPath>().cloned();
    let under_way = UnderWay::new(&counts);
    let response = next.run(request).await;
    drop(under_way);
    let pattern = pattern.as_ref().map(MatchedPath::as_str);
    counts.requests.answered(pattern, response.status().as_u16(), began.elapsed());
    response
}

/// Counts a request also where its client leaves.
struct UnderWay<'c>(&'c Counts);

impl<'c> UnderWay<'c> {
    fn new(counts: &'c Counts) -> Self {
        counts.requests.in_flight.add(1);
        Self(counts)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.requests.in_flight.sub(1);
    }
}

async fn gate(State(status): State<Arc<Status>>, request: Request, next: Next) -> Response {
    // On HTTP/2 the connection says so itself.
    let says_close = request.version() < Version::HTTP_2;
    let shut = match request.uri().path() {
        path if LIVENESS.contains(&path) => None,
        READINESS => status.unready(),
        _ => status.waits(),
    };
    let answer = async {
        match shut {
            Some(reason) => unavailable(&format!("this replica is not ready: {reason}")),
            None => next.run(request).await,
        }
    };
    let mut response =
        timeout(PATIENCE, answer).await.unwrap_or_else(|_| unavailable("the database takes too long"));
    if says_close && status.is_stopping() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn unavailable(message: &str) -> Response {
    let error = json!({ "message": message, "type": "service_unavailable", "param": null, "code": "503" });
    let headers = [("retry-after", "1")];
    (StatusCode::SERVICE_UNAVAILABLE, headers, axum::Json(json!({ "error": error }))).into_response()
}

/// Serves until `stop` and the requests in flight then.
pub(super) async fn serve(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    front: Arc<Entrance>,
    app: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let tls = tls.map(TlsAcceptor::from);
    let served = Served { front, app: TowerToHyperService::new(app) };
    let (room, shutdown) = (Arc::new(Semaphore::new(CONNECTIONS)), GracefulShutdown::new());
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = accept(&listener, &room) => accepted,
        };
        let Some((socket, place)) = accepted else { continue };
        let (served, tls, watcher) = (served.clone(), tls.clone(), shutdown.watcher());
        tokio::spawn(async move {
            let served = match tls {
                None => served.plainly(socket, watcher).await,
                Some(tls) => served.securely(socket, tls, watcher).await,
            };
            if let Err(error) = served {
                tracing::debug!(error = format!("{error:#}"), "a connection broke");
            }
            drop(place);
        });
    }
    drop(listener);
    shutdown.shutdown().await;
}

/// The next connection, once there is room for one more.
async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let place = room.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((socket, _)) => Some((socket, place)),
        Err(_) => {
            // There may be too many.
            sleep(AGAIN).await;
            None
        }
    }
}

/// What is served on every connection.
#[derive(Clone)]
struct Served {
    front: Arc<Entrance>,
    app: TowerToHyperService<Router>,
}

impl Served {
    /// HTTP/1.1, or HTTP/2 where the client begins with it.
    async fn plainly(self, socket: TcpStream, watcher: Watcher) -> anyhow::Result<()> {
        socket.set_nodelay(true)?;
        let http2 = timeout(IDLE, begins_with_http2(&socket)).await??;
        self.on(socket, http2, watcher).await
    }

    /// What is agreed on in the handshake.
    async fn securely(self, socket: TcpStream, tls: TlsAcceptor, watcher: Watcher) -> anyhow::Result<()> {
        socket.set_nodelay(true)?;
        let stream = timeout(HANDSHAKE, tls.accept(socket)).await??;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        self.on(stream, http2, watcher).await
    }

    async fn on(
        self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        http2: bool,
        watcher: Watcher,
    ) -> anyhow::Result<()> {
        let service = service_fn(move |request| self.front.clone().answer(self.app.clone(), request));
        let builder = builder();
        let builder = if http2 { builder.http2_only() } else { builder.http1_only() };
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        watcher.watch(connection).await.map_err(|error| anyhow::anyhow!(error))
    }
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(IDLE).max_buf_size(LONGEST_HEAD);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(LONGEST_HEAD).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(UNSEEN_RESETS)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    builder
}

/// Looks at the first bytes of a connection.
async fn begins_with_http2(socket: &TcpStream) -> io::Result<bool> {
    let mut first = [0; PREFACE.len()];
    loop {
        let len = socket.peek(&mut first).await?;
        let first = first.get(..len).unwrap_or_default();
        if len == 0 || !PREFACE.starts_with(first) || len == PREFACE.len() {
            return Ok(len == PREFACE.len() && PREFACE.starts_with(first));
        }
        // The rest is on its way, and what is there does not go away by being looked at.
        sleep(Duration::from_millis(5)).await;
    }
}
