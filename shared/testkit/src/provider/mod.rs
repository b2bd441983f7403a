//! A provider that is none: it speaks OpenAI's, Anthropic's and Google's dialects, keeps books of what it served, and
//! misbehaves when a model's name tells it to.
//!
//! It serves `/v1/chat/completions`, `/v1/completions`, `/v1/embeddings`, `/v1/responses`, `/v1/models`,
//! `/v1/messages` and `/v1/messages/count_tokens` (also without `/v1`), Google's
//! `/v1beta/models/{model}:generateContent` and `:streamGenerateContent` (as well), and the OpenAI ones under Azure's
//! `/openai/deployments/{model}/…`. Anthropic's messages are also at Vertex AI's `…:rawPredict`, `…:streamRawPredict` and
//! Bedrock's `/model/{model}/invoke`, `/invoke-with-response-stream`, as these want and send them. Any key that is not
//! empty is good, one that begins with `bad` or was revoked is refused. Answers
//! are the same in every run: ids follow from the number of the request, `created` stands still, and the model calls
//! itself `<model>-2026-01-01`. What a request can ask for (tools, structured output, several choices, usage in
//! streams, cached and reasoning tokens) is answered in the form of the real provider.
//!
//! A prompt with the word `cached` is reported as read from the cache (three quarters of it); on `/v1/messages`,
//! `cache_control` makes half of it written to the cache. Tools are called when `tool_choice` forces it or the last
//! message says `tool`; `tools` calls two. Every piece of text is one token; prompts count a token for 4 bytes.
//!
//! Parts of a model's name are joined with `+` (`gpt-4o+slow-ttft-500+chunks-200`). A part that is in the table below
//! does what it says there, a part that begins like one but does not parse makes the mock answer 404 (so that a
//! typing error in a test is seen), and any other part, such as `gpt-4o`, is an ordinary model.
//!
#![doc = include_str!("names.md")]

mod admin;
mod ask;
mod behaviour;
mod decide;
mod dialect;
mod errors;
mod heads;
mod hosted;
mod http2;
mod json;
mod ledger;
mod order;
mod plan;
mod play;
mod receive;
mod route;
mod say;
mod schema;
mod serve;
mod strict;
mod text;
mod transport;
mod wire;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

pub use hosted::invoke_frames;
pub use http2::Http2;
pub use ledger::{Ledger, LoggedRequest, Outcome, Record, Totals};
pub use serve::Stats;

use crate::thread;

/// How a mock provider is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Threads that serve connections.
    pub workers: usize,
    /// Requests that are logged with head and body; older ones are forgotten.
    pub log: usize,
    /// Records that are kept one by one; older ones only count in the totals.
    pub records: usize,
    /// Appended to the model's name in answers.
    pub model_suffix: String,
    /// Speaks HTTP/2 over TLS and nothing else.
    pub http2: Option<Http2>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            workers: 1,
            log: 1000,
            records: 100_000,
            model_suffix: "-2026-01-01".to_owned(),
            http2: None,
        }
    }
}

/// A running mock provider. It has threads and clocks of its own, so a test that pauses time does not pause it.
/// Dropping it closes its port and its connections.
pub struct MockProvider {
    addr: SocketAddr,
    scheme: &'static str,
    provider: Arc<serve::Provider>,
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

impl MockProvider {
    /// Starts one on a free port of the loopback interface.
    pub fn start() -> Self {
        Self::with(Options::default()).expect("a port of the loopback interface can be bound")
    }

    /// Starts one; an error when the address cannot be bound.
    pub fn with(options: Options) -> io::Result<Self> {
        let ledger = Ledger::new(options.records.max(1), options.log);
        let provider = Arc::new(serve::Provider::new(ledger, options.model_suffix));
        let (stop, stopped) = watch::channel(false);
        let scheme = if options.http2.is_some() { "https" } else { "http" };
        let mut threads = Vec::new();
        let mut queues = Vec::new();
        for worker in 0..options.workers.max(1) {
            let (queue, connections) = mpsc::channel(WAITING);
            queues.push(queue);
            let (provider, stopped) = (Arc::clone(&provider), stopped.clone());
            let http2 = options.http2.clone();
            let name = format!("mock-worker-{worker}");
            threads.push(thread::runtime(name, move || work(connections, provider, http2, stopped))?);
        }
        let listener = std::net::TcpListener::bind(options.listen)?;
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr()?;
        threads.push(thread::runtime("mock-accept".to_owned(), move || accept(listener, queues, stopped))?);
        Ok(Self { addr, scheme, provider, stop, threads })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:PORT`: Anthropic's and Azure's base URL.
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.addr)
    }

    /// `http://127.0.0.1:PORT/v1`: OpenAI's base URL.
    pub fn base_url(&self) -> String {
        format!("{}/v1", self.origin())
    }

    /// The books.
    pub fn ledger(&self) -> &Ledger {
        &self.provider.ledger
    }

    /// The logged requests, oldest first.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.provider.ledger.requests()
    }

    /// The newest logged request.
    pub fn last_request(&self) -> Option<LoggedRequest> {
        self.provider.ledger.requests().pop()
    }

    /// Connections and requests at the moment.
    pub fn stats(&self) -> Stats {
        self.provider.stats.read()
    }

    /// Refuses this key from now on.
    pub fn revoke(&self, key: &str) {
        self.provider.revoke(key);
    }

    /// Starts new books; models that fail a number of times start over.
    pub fn reset(&self) {
        self.provider.reset();
    }

    /// Closes port and connections and waits until they are.
    pub fn shutdown(self) {
        drop(self);
    }
}

impl Drop for MockProvider {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        for thread in self.threads.drain(..) {
            // A worker that panicked has failed its own test already.
            let _ = thread.join();
        }
    }
}

/// Accepted connections that may wait for a worker; beyond them, new ones wait in the kernel.
const WAITING: usize = 1024;

type Connections = mpsc::Receiver<std::net::TcpStream>;

/// Accepts and deals connections out in turn.
async fn accept(
    listener: std::net::TcpListener,
    queues: Vec<mpsc::Sender<std::net::TcpStream>>,
    mut stopped: watch::Receiver<bool>,
) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let mut turns = queues.iter().cycle();
    loop {
        let accepted = tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => return,
            accepted = listener.accept() => accepted,
        };
        let stream = accepted.and_then(|(stream, _)| stream.into_std());
        if let (Ok(stream), Some(queue)) = (stream, turns.next()) {
            // A worker is gone only when all are going.
            let _ = queue.send(stream).await;
        }
    }
}

/// Serves the connections dealt to this worker; those still open are dropped with the runtime.
async fn work(
    mut connections: Connections,
    provider: Arc<serve::Provider>,
    http2: Option<Http2>,
    mut stopped: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => return,
            Some(stream) = connections.recv() => {
                if let Ok(stream) = tokio::net::TcpStream::from_std(stream) {
                    tokio::spawn(serve::connection(stream, Arc::clone(&provider), http2.clone()));
                }
            }
        }
    }
}
