//! A load generator: open loop at a fixed rate, or closed loop.
//!
//! In the open loop request `i` is due at `start + i / rate`, whatever became of the others, and its latency counts
//! from then: a server that stalls is charged for every request that had to wait meanwhile (no coordinated
//! omission). Each connection takes the next request as soon as it is free. Where a connection was free and waiting,
//! the request counts from when the generator woke, because its timer is only good to a millisecond; that lateness is
//! reported beside the latency, and a run in which it is large measured the generator.

mod connection;
mod events;
mod report;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::Full;
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;

pub use report::{Report, Times};

use connection::{Connection, Failure, Good};

/// After a failure to connect, a connection waits so long: a server that is down is not hammered.
const RECONNECT: Duration = Duration::from_millis(10);

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
    /// Threads.
    pub workers: usize,
    /// When a request has failed.
    pub timeout: Duration,
    /// Answers are streams of events, which are checked.
    pub stream: bool,
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
            workers: 1,
            timeout: Duration::from_secs(60),
            stream: false,
            events: None,
        }
    }

    /// Makes the run on threads of its own and blocks until it is over.
    pub fn run(&self) -> io::Result<Report> {
        let run = Arc::new(Run {
            template: self.template()?,
            load: self.clone(),
            start: Instant::now(),
            next: AtomicU64::new(0),
            events: AtomicU64::new(self.events.unwrap_or(0)),
            report: Mutex::new(Report::default()),
        });
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
            thread.join().map_err(|_| io::Error::other("a worker of the load generator panicked"))?;
        }
        let mut report = run.report.lock().clone();
        report.seconds = self.duration.as_secs_f64();
        report.offered_rate = if let Pace::Open { rate } = self.pace { rate } else { 0.0 };
        Ok(report)
    }

    fn template(&self) -> io::Result<Template> {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_str(&self.host).map_err(io::Error::other)?);
        if self.body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, value) in &self.headers {
            let name = HeaderName::try_from(name).map_err(io::Error::other)?;
            headers.insert(name, HeaderValue::from_str(value).map_err(io::Error::other)?);
        }
        let uri = self.path.parse().map_err(io::Error::other)?;
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

/// A run that is being made.
struct Run {
    load: Load,
    template: Template,
    start: Instant,
    /// The next request to send.
    next: AtomicU64,
    /// Events that a stream must have; 0 while no stream has said.
    events: AtomicU64,
    report: Mutex<Report>,
}

/// What the connections of one worker measure. They share a thread, so the locks are free.
#[derive(Default)]
struct Books {
    measured: Mutex<Report>,
    /// What is not measured is sent all the same, and noted where nobody looks.
    warmup: Mutex<Report>,
}

/// A request that is to be sent now.
struct Due {
    /// From when its latency counts.
    at: Instant,
    /// How late the generator was, where it waited.
    lag: Option<Duration>,
}

impl Run {
    async fn work(self: Arc<Self>, connections: usize) {
        let mut tasks = JoinSet::new();
        let books = Arc::new(Books::default());
        for _ in 0..connections {
            tasks.spawn(Arc::clone(&self).drive(Arc::clone(&books)));
        }
        while tasks.join_next().await.is_some() {}
        self.report.lock().merge(&books.measured.lock());
    }

    /// Sends over one connection until the time is over.
    async fn drive(self: Arc<Self>, books: Arc<Books>) {
        let mut connection = Connection::new(self.load.addr);
        let measured_from = self.start + self.load.warmup;
        while let Some(due) = self.due().await {
            let report = if due.at < measured_from { &books.warmup } else { &books.measured };
            let result = match self.is_too_late() {
                true => Err(Failure::NotSent),
                false => self.exchange(&mut connection, report).await,
            };
            let failed_to_connect = matches!(result, Err(Failure::Connect));
            self.note(&mut report.lock(), &due, result);
            if failed_to_connect {
                tokio::time::sleep(RECONNECT).await;
            }
        }
        books.measured.lock().reconnects += connection.reconnects();
    }

    /// The next request, when it is due; `None` when the time is over.
    async fn due(&self) -> Option<Due> {
        let end = self.start + self.load.warmup + self.load.duration;
        let now = Instant::now();
        let Pace::Open { rate } = self.load.pace else {
            return (now < end).then_some(Due { at: now, lag: None });
        };
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        let due = self.start + Duration::from_secs_f64(index as f64 / rate);
        if due >= end {
            return None;
        }
        if due <= now {
            return Some(Due { at: due, lag: None });
        }
        tokio::time::sleep_until(due).await;
        let now = Instant::now();
        Some(Due { at: now, lag: Some(now - due) })
    }

    /// Requests that were due but found no free connection until long after the run's end are given up: a server
    /// that hangs does not make the run endless.
    fn is_too_late(&self) -> bool {
        self.start.elapsed() > self.load.warmup + self.load.duration + self.load.timeout
    }

    async fn exchange(&self, connection: &mut Connection, report: &Mutex<Report>) -> Result<Good, Failure> {
        let exchange = connection.exchange(self.template.request(), self.load.stream, report);
        let result = tokio::time::timeout(self.load.timeout, exchange).await;
        let Ok(result) = result else {
            connection.abandon();
            return Err(Failure::Timeout);
        };
        let good = result?;
        if self.load.stream {
            let set = self.events.compare_exchange(0, good.events, Ordering::Relaxed, Ordering::Relaxed);
            if set.is_err_and(|expected| expected != good.events) {
                return Err(Failure::Events);
            }
        }
        Ok(good)
    }

    fn note(&self, report: &mut Report, due: &Due, result: Result<Good, Failure>) {
        report.sent += 1;
        if let Some(lag) = due.lag {
            report.lag.record(lag);
        }
        match result {
            Ok(good) => {
                report.ok += 1;
                report.latency.record(due.at.elapsed());
                report.first.record(good.first.saturating_duration_since(due.at));
                report.events += good.events;
                report.bytes += good.bytes;
            }
            Err(failure) => *report.failed.entry(failure.label()).or_default() += 1,
        }
    }
}
