//! A server that answers as a test wants it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use loadtest::load::{Expect, Load, Pace};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

/// What becomes of a request: its body.
type Answer = dyn Fn(Request<Incoming>) -> String + Send + Sync;

/// Serves until it is dropped.
pub(crate) struct Server {
    addr: SocketAddr,
    shared: Arc<Shared>,
    _runtime: Runtime,
}

struct Shared {
    answer: Box<Answer>,
    /// Answers wait until so many requests are in flight.
    together: Option<tokio::sync::Barrier>,
    accepted: AtomicU64,
}

impl Server {
    pub(crate) fn http1(answer: impl Fn(Request<Incoming>) -> String + Send + Sync + 'static) -> Self {
        Self::start(answer, None, None, false)
    }

    /// HTTP/2 that answers so many requests at once, or waits for more.
    pub(crate) fn http2(
        answer: impl Fn(Request<Incoming>) -> String + Send + Sync + 'static,
        together: usize,
        tls: Option<TlsAcceptor>,
    ) -> Self {
        Self::start(answer, Some(tokio::sync::Barrier::new(together)), tls, true)
    }

    fn start(
        answer: impl Fn(Request<Incoming>) -> String + Send + Sync + 'static,
        together: Option<tokio::sync::Barrier>,
        tls: Option<TlsAcceptor>,
        http2: bool,
    ) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { answer: Box::new(answer), together, accepted: AtomicU64::new(0) });
        runtime.spawn(accept(listener, Arc::clone(&shared), tls, http2));
        Self { addr, shared, _runtime: runtime }
    }

    /// Connections so far.
    pub(crate) fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// A load of 0.2 seconds.
    pub(crate) fn load(&self, expect: Expect, rate: f64) -> Load {
        let duration = Duration::from_millis(200);
        Load { pace: Pace::Open { rate }, duration, expect, ..Load::to(self.addr, "/") }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, tls: Option<TlsAcceptor>, http2: bool) {
    while let Ok((stream, _)) = listener.accept().await {
        shared.accepted.fetch_add(1, Ordering::Relaxed);
        let (shared, tls) = (Arc::clone(&shared), tls.clone());
        tokio::spawn(async move {
            match tls {
                None => serve(stream, shared, http2).await,
                Some(tls) => serve(tls.accept(stream).await.unwrap(), shared, http2).await,
            }
        });
    }
}

async fn serve<S>(stream: S, shared: Arc<Shared>, http2: bool)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request: Request<Incoming>| {
        let shared = Arc::clone(&shared);
        async move {
            if let Some(together) = &shared.together {
                together.wait().await;
            }
            Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from((shared.answer)(request)))))
        }
    });
    let io = TokioIo::new(stream);
    // A client that goes away is no concern of the server's.
    let _ = match http2 {
        true => http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await,
        false => http1::Builder::new().serve_connection(io, service).await,
    };
}
