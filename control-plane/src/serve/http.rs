//! The management API's listener.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::serve::Listener;
use rustls::ServerConfig;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Status;

/// An answer is there by then, or never comes.
const PATIENCE: Duration = Duration::from_secs(30);
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Handshakes that are done and wait to be served.
const DONE: usize = 64;

/// The API behind a gate that is shut until the database was found good.
pub(super) fn app(api: Router, status: Arc<Status>) -> Router {
    api.layer(from_fn_with_state(status, gate))
}

async fn gate(State(status): State<Arc<Status>>, request: Request, next: Next) -> Response {
    if let Some(reason) = status.waits() {
        return unavailable(&format!("this replica is not ready: {reason}"));
    }
    match timeout(PATIENCE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => unavailable("the database takes too long"),
    }
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
    app: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    match tls {
        None => axum::serve(listener, app).with_graceful_shutdown(stop).await,
        Some(tls) => axum::serve(Secured::new(listener, tls)?, app).with_graceful_shutdown(stop).await,
    }
}

/// Connections whose handshake is done: one that takes its time holds up no other.
struct Secured {
    done: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
}

impl Secured {
    fn new(listener: TcpListener, tls: Arc<ServerConfig>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (ready, done) = mpsc::channel(DONE);
        tokio::spawn(accept(listener, TlsAcceptor::from(tls), ready));
        Ok(Self { done, address })
    }
}

async fn accept(
    mut listener: TcpListener,
    tls: TlsAcceptor,
    ready: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>,
) {
    loop {
        let (connection, peer) = tokio::select! {
            accepted = Listener::accept(&mut listener) => accepted,
            () = ready.closed() => return,
        };
        let (tls, ready) = (tls.clone(), ready.clone());
        tokio::spawn(async move {
            if let Ok(Ok(connection)) = timeout(HANDSHAKE, tls.accept(connection)).await {
                let _ = ready.send((connection, peer)).await;
            }
        });
    }
}

impl Listener for Secured {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.done.recv().await {
            Some(accepted) => accepted,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}
