//! One HTTP/2 connection to the control plane. It is opened anew each time, so that a name is looked up anew, too.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bulkhead_proto::snapshots_client::SnapshotsClient;
use bulkhead_proto::usage_client::UsageClient;
use http::Uri;
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tonic::body::Body;
use tonic::codegen::Service;

use crate::flags::Peer;
use crate::upstream::Dialer;

/// For name, TCP, TLS and HTTP/2 together.
const CONNECT: Duration = Duration::from_secs(10);
/// A peer that leaves a ping unanswered is gone.
const PING: Duration = Duration::from_secs(5);
/// One message: a chunk, or a delta of many rows.
const MESSAGE: usize = 64 << 20;
/// So that a full sync is not a matter of round trips.
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 8 << 20;

/// A connection, which closes when this is dropped.
pub(crate) struct Connection {
    channel: Channel,
    origin: Uri,
    _driver: JoinSet<()>,
}

impl Connection {
    /// Connects. The error is for the log and for people: it may name the host.
    pub(crate) async fn open(peer: &Peer, dialer: &Dialer) -> Result<Self, String> {
        let deadline = Instant::now() + CONNECT;
        let wire = dialer.dial(&peer.target, deadline).await.map_err(|error| error.to_string())?;
        let handshake = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .handshake(TokioIo::new(wire));
        let (sender, connection) = timeout_at(deadline, handshake)
            .await
            .map_err(|_| "it does not speak HTTP/2 with us".to_owned())?
            .map_err(|error| format!("HTTP/2: {error}"))?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "the connection to the control plane ended");
            }
        });
        Ok(Self { channel: Channel(sender), origin: peer.origin(), _driver: driver })
    }

    /// The snapshot stream on this connection.
    pub(super) fn snapshots(&self) -> SnapshotsClient<Channel> {
        SnapshotsClient::with_origin(self.channel.clone(), self.origin.clone())
            .max_decoding_message_size(MESSAGE)
    }

    /// The way of usage on this connection.
    pub(crate) fn usage(&self) -> UsageClient<Channel> {
        UsageClient::with_origin(self.channel.clone(), self.origin.clone())
    }
}

/// What tonic sends requests through.
#[derive(Clone)]
pub(crate) struct Channel(SendRequest<Body>);

impl Service<http::Request<Body>> for Channel {
    type Response = http::Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}
