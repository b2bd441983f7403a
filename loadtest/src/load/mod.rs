//! A load generator: open loop at a fixed rate, or closed loop.
//!
//! In the open loop request `i` is due at `start + i / rate`, whatever became of the others, and its latency counts
//! from then: a server that stalls is charged for every request that had to wait meanwhile (no coordinated
//! omission). Each connection takes the next request as soon as it is free. Where a connection was free and waiting,
//! the request counts from when the generator woke, because its timer is not exact; that lateness is reported beside the
//! latency, and a run in which it is large measured the generator.

mod alarm;
mod connection;
mod events;
mod exchange;
mod flood;
mod held;
mod report;
mod run;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::Full;

pub use exchange::Expect;
pub use flood::{Flood, Flooded};
pub use held::Held;
pub use report::{Report, Times};
pub use tls::Tls;

use run::Run;

/// When requests are sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// So many a second.
    Open {
        /// Requests a second.
        rate: f64,
    },
    /// The next one of each connection when the last one is answered.
    Closed,
}

/// A run to be made.
#[derive(Debug, Clone)]
pub struct Load {
    /// Where to connect.
    pub addr: SocketAddr,
    /// The `host` header.
    pub host: String,
    /// Path and query.
    pub path: String,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// The body; without one, requests are GET.
    pub body: Option<Bytes>,
    /// When to send.
    pub pace: Pace,
    /// How long is measured.
    pub duration: Duration,
    /// How long is sent before that.
    pub warmup: Duration,
    /// Connections of all workers together.
    pub connections: usize,
    /// With HTTP/2, so many streams at a time on each connection; HTTP/1.1 without.
    pub http2: Option<usize>,
    /// TLS, with the protocol above as ALPN.
    pub tls: Option<Tls>,
    /// Threads.
    pub workers: usize,
    /// When a request has failed.
    pub timeout: Duration,
    /// What answers are to be.
    pub expect: Expect,
    /// Events that each stream must have; `None` takes the number of the first.
    pub events: Option<u64>,
}

impl Load {
    /// One request a second for a second; everything is to be set.
    pub fn to(addr: SocketAddr, path: &str) -> Self {
        Self {
            addr,
            host: addr.to_string(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: None,
            pace: Pace::Open { rate: 1.0 },
            duration: Duration::from_secs(1),
            warmup: Duration::ZERO,
            connections: 1,
            http2: None,
            tls: None,
            workers: 1,
            timeout: Duration::from_secs(60),
            expect: Expect::Body,
            events: None,
        }
    }

    /// Makes the run on threads of its own and blocks until it is over.
    pub fn run(&self) -> io::Result<Report> {
        let run = Arc::new(Run::new(self.clone(), self.template()?));
        let workers = self.workers.max(1);
        let mut threads = Vec::new();
        for worker in 0..workers {
            let run = Arc::clone(&run);
            let connections = self.connections / workers + usize::from(worker < self.connections % workers);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let work = move || runtime.block_on(run.work(connections));
            threads.push(std::thread::Builder::new().name(format!("load-{worker}")).spawn(work)?);
        }
        for thread in threads {
            thread.join().map_err(|_| io::Error::other("a worker of the load generator panicked"))??;
        }
        let mut report = run.report();
        report.seconds = self.duration.as_secs_f64();
        report.offered_rate = if let Pace::Open { rate } = self.pace { rate } else { 0.0 };
        Ok(report)
    }

    fn template(&self) -> io::Result<Template> {
        let mut headers = HeaderMap::new();
        if self.http2.is_none() {
            headers.insert(HOST, HeaderValue::from_str(&self.host).map_err(io::Error::other)?);
        }
        if self.body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, value) in &self.headers {
            let name = HeaderName::try_from(name).map_err(io::Error::other)?;
            headers.insert(name, HeaderValue::from_str(value).map_err(io::Error::other)?);
        }
        let uri = match self.http2 {
            None => self.path.parse(),
            Some(_) => {
                let scheme = if self.tls.is_some() { "https" } else { "http" };
                format!("{scheme}://{}{}", self.host, self.path).parse()
            }
        };
        let uri = uri.map_err(io::Error::other)?;
        let method = if self.body.is_some() { Method::POST } else { Method::GET };
        Ok(Template { method, uri, headers, body: self.body.clone().unwrap_or_default() })
    }
}

/// What every request is made from.
struct Template {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

impl Template {
    fn request(&self) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}
