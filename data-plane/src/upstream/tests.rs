//! The pool with paused time and connections whose other end the test plays.

mod http1;
mod http2;
mod peer;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use bulkhead_dialect::json::Segments;
use bulkhead_snapshot::Target;
use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use tokio::io::DuplexStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use self::peer::{Frames, Peer};
use super::answer::AnswerBody;
use super::body::SendBody;
use super::counts::PoolCounts;
use super::dial::{Connect, DialError, Dialling};
use super::pool::{Granted, Limits, Pool};
use super::send::{Failure, SendError};
use super::wire::Wire;

const BODY: &[u8] = br#"{"model":"m"}"#;
const PATIENCE: Duration = Duration::from_secs(600);
const ROOMY: Limits = Limits { connections: 100, waiters: 100 };

/// A pool, and its attempts to connect as they come.
struct Rig {
    pool: Arc<Pool>,
    dials: mpsc::UnboundedReceiver<Dial>,
    target: Target,
}

struct Stage(mpsc::UnboundedSender<Dial>);

/// An attempt to connect; the test decides what becomes of it.
struct Dial(oneshot::Sender<Result<Wire, DialError>>);

impl Connect for Stage {
    fn connect<'a>(&'a self, _: &'a Target, _: Instant) -> Dialling<'a> {
        let (answer, outcome) = oneshot::channel();
        self.0.send(Dial(answer)).unwrap();
        // Without a test to answer it, it fails.
        Box::pin(async move { outcome.await.unwrap_or(Err(DialError::Timeout)) })
    }
}

impl Dial {
    fn connects(self, http2: bool, buffer: usize) -> DuplexStream {
        let (ours, theirs) = tokio::io::duplex(buffer);
        assert!(self.0.send(Ok(Wire::scripted(ours, http2))).is_ok(), "nobody waits for the connection");
        theirs
    }

    fn http1(self) -> Peer {
        Peer(self.connects(false, 64 << 10))
    }

    /// A peer that allows so many streams.
    async fn http2(self, streams: u32) -> Frames {
        Frames::greet(self.connects(true, 64 << 10), Some(streams)).await
    }

    fn fails(self) {
        let _ = self.0.send(Err(DialError::connect("nobody listens")));
    }
}

impl Rig {
    fn plain(limits: Limits) -> Self {
        Self::new(false, limits)
    }

    fn tls() -> Self {
        Self::new(true, ROOMY)
    }

    fn new(https: bool, limits: Limits) -> Self {
        let (asked, dials) = mpsc::unbounded_channel();
        let target = Target { https, host: "provider".into(), port: 443 };
        Self { pool: Pool::new(Arc::new(Stage(asked)), limits, 7), dials, target }
    }

    fn counts(&self) -> &PoolCounts {
        self.pool.counts()
    }

    /// The next attempt to connect.
    async fn dial(&mut self) -> Dial {
        timeout(PATIENCE, self.dials.recv()).await.expect("nobody dials").unwrap()
    }

    /// Attempts to connect that have begun and were not taken.
    async fn dials_begun(&mut self) -> usize {
        turns().await;
        self.dials.len()
    }

    fn get(&self) -> Waiting<Result<Granted, DialError>> {
        self.get_within(PATIENCE)
    }

    fn get_within(&self, time: Duration) -> Waiting<Result<Granted, DialError>> {
        let (pool, target) = (self.pool.clone(), self.target.clone());
        Waiting(tokio::spawn(async move { pool.get(&target, Instant::now() + time).await }))
    }

    fn send(&self) -> Waiting<Result<Response<AnswerBody>, Failure>> {
        self.send_body(Bytes::from_static(BODY))
    }

    fn send_body(&self, body: Bytes) -> Waiting<Result<Response<AnswerBody>, Failure>> {
        let (pool, target) = (self.pool.clone(), self.target.clone());
        let send = async move {
            let by = Instant::now() + PATIENCE;
            pool.send(&target, &|| request(body.clone()), by, by).await
        };
        Waiting(tokio::spawn(send))
    }
}

/// What a task will say.
struct Waiting<T>(JoinHandle<T>);

impl<T> Waiting<T> {
    async fn outcome(self) -> T {
        timeout(PATIENCE * 2, self.0).await.expect("still waiting").unwrap()
    }

    async fn is_over(&self) -> bool {
        turns().await;
        self.0.is_finished()
    }

    async fn leaves(self) {
        self.0.abort();
        turns().await;
    }
}

fn request(body: Bytes) -> Request<SendBody> {
    let mut segments = Segments::default();
    segments.push(body);
    let mut request = Request::new(SendBody::new(segments));
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = "/v1/chat/completions".parse().unwrap();
    request.headers_mut().insert("host", HeaderValue::from_static("provider"));
    request
}

/// Lets every task do what it can do now. Nothing outside of the runtime takes part.
async fn turns() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// The whole answer, or how it broke.
async fn whole(answer: Response<AnswerBody>) -> Result<Vec<u8>, super::send::Broken> {
    let (mut body, mut text) = (answer.into_body(), Vec::new());
    while let Some(chunk) =
        timeout(PATIENCE, std::future::poll_fn(|cx| body.poll_chunk(cx))).await.expect("no end")
    {
        text.extend_from_slice(&chunk?);
    }
    Ok(text)
}
