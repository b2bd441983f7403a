//! The gRPC listener: nodes subscribe here (design §4), and send what was used (design §8).

mod codec;
mod join;
mod said;
mod session;
mod usage;
mod writer;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bulkhead_proto::Report;
use bulkhead_proto::usage_server::UsageServer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, watch};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::server::{Grpc, StreamingService};
use tonic::transport::Server;
use tonic::transport::server::Connected;
use tonic::{Request, Response, Status, Streaming};

use crate::publish::{Frame, Publisher, Registry};
use codec::Frames;
use session::Session;

pub(crate) use join::Join;
pub(crate) use usage::Usage;

const SUBSCRIBE: &str = "/bulkhead.v1.Snapshots/Subscribe";
const SEND: &str = "/bulkhead.v1.Usage/Send";
/// A report names rows that a node rejected, which may be many.
const REPORT: usize = 8 << 20;
/// Pushes that wait for a node.
const QUEUE: usize = 8;
/// An unanswered ping ends a connection.
const PING: Duration = Duration::from_secs(5);
/// Subscriptions on one connection; a node has one.
const STREAMS: u32 = 8;

/// The service, shared by all connections.
#[derive(Clone)]
pub(crate) struct Snapshots {
    pub(crate) publisher: Arc<Publisher>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) join: Arc<Join>,
    /// Takes the usage that nodes send, at the same door.
    pub(crate) usage: UsageServer<Usage>,
    /// True when this replica stops.
    pub(crate) stopping: watch::Receiver<bool>,
}

impl Snapshots {
    /// Serves these connections until this replica stops and every subscription has ended.
    pub(crate) async fn serve<C>(self, incoming: impl Stream<Item = io::Result<C>>) -> anyhow::Result<()>
    where
        C: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
    {
        let server = Server::builder()
            .http2_keepalive_interval(Some(PING))
            .http2_keepalive_timeout(Some(PING))
            .max_concurrent_streams(STREAMS);
        let mut stopping = self.stopping.clone();
        let stop = async move {
            // Where nobody can say stop any more, it is time, too.
            let _ = stopping.wait_for(|stopping| *stopping).await;
        };
        server.serve_with_incoming_shutdown(self, incoming, stop).await?;
        Ok(())
    }

    async fn subscribe(
        self,
        request: Request<Streaming<Report>>,
    ) -> Result<Response<ReceiverStream<Result<Frame, Status>>>, Status> {
        if self.publisher.version().is_none() {
            return Err(Status::unavailable("this replica is not ready"));
        }
        let admitted = self.join.admit(request.metadata()).await?;
        let (queue, pushes) = mpsc::channel(QUEUE);
        let session = Session { service: self, admitted, reports: request.into_inner(), queue };
        tokio::spawn(session.run());
        Ok(Response::new(ReceiverStream::new(pushes)))
    }
}

type Answer<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

impl StreamingService<Report> for Snapshots {
    type Response = Frame;
    type ResponseStream = ReceiverStream<Result<Frame, Status>>;
    type Future = Answer<Response<Self::ResponseStream>, Status>;

    fn call(&mut self, request: Request<Streaming<Report>>) -> Self::Future {
        Box::pin(self.clone().subscribe(request))
    }
}

impl Service<http::Request<Body>> for Snapshots {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answer<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        if request.uri().path() == SEND {
            return self.usage.call(request);
        }
        let service = self.clone();
        Box::pin(async move {
            if request.uri().path() != SUBSCRIBE {
                return Ok(Status::unimplemented("there is nothing of that name").into_http());
            }
            let mut grpc = Grpc::new(Frames).apply_max_message_size_config(Some(REPORT), None);
            Ok(grpc.streaming(service, request).await)
        })
    }
}
