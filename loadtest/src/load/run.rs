//! A run of the generator: drivers that take the next request as soon as they are free.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::alarm::Alarm;
use super::connection::{Connection, Target};
use super::exchange::{Expect, Failure, Good, exchange};
use super::{Load, Pace, Report, Template};

/// After a failure to connect, a connection waits so long: a server that is down is not hammered.
const RECONNECT: Duration = Duration::from_millis(10);

/// A run that is being made.
pub(super) struct Run {
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
    pub(super) fn new(load: Load, template: Template) -> Self {
        Self {
            template,
            start: Instant::now(),
            next: AtomicU64::new(0),
            events: AtomicU64::new(load.events.unwrap_or(0)),
            report: Mutex::new(Report::default()),
            load,
        }
    }

    /// What has been measured.
    pub(super) fn report(&self) -> Report {
        self.report.lock().clone()
    }

    /// Sends over so many connections until the time is over.
    pub(super) async fn work(self: Arc<Self>, connections: usize) -> io::Result<()> {
        let mut tasks = JoinSet::new();
        let books = Arc::new(Books::default());
        let target =
            Target { addr: self.load.addr, tls: self.load.tls.clone(), http2: self.load.http2.is_some() };
        let connections: Vec<_> = (0..connections).map(|_| Connection::new(target.clone())).collect();
        for connection in &connections {
            for _ in 0..self.load.http2.unwrap_or(1) {
                tasks.spawn(Arc::clone(&self).drive(Arc::clone(connection), Arc::clone(&books)));
            }
        }
        let mut outcome = Ok(());
        while let Some(driven) = tasks.join_next().await {
            outcome = outcome.and(driven.map_err(io::Error::other).flatten());
        }
        let mut measured = books.measured.lock();
        measured.reconnects += connections.iter().map(|connection| connection.reconnects()).sum::<u64>();
        measured.events_ever = measured.events + books.warmup.lock().events;
        self.report.lock().merge(&measured);
        outcome
    }

    /// Sends over one connection until the time is over. An error is one of the generator's own.
    async fn drive(self: Arc<Self>, connection: Arc<Connection>, books: Arc<Books>) -> io::Result<()> {
        let alarm = Alarm::new()?;
        let measured_from = self.start + self.load.warmup;
        while let Some(due) = self.due(&alarm).await? {
            let report = if due.at < measured_from { &books.warmup } else { &books.measured };
            let result = match self.is_too_late() {
                true => Err(Failure::NotSent),
                false => self.exchange(&connection, report).await,
            };
            let failed_to_connect = matches!(result, Err(Failure::Connect));
            self.note(&mut report.lock(), &due, result);
            if failed_to_connect {
                tokio::time::sleep(RECONNECT).await;
            }
        }
        Ok(())
    }

    /// The next request, when it is due; `None` when the time is over.
    async fn due(&self, alarm: &Alarm) -> io::Result<Option<Due>> {
        let end = self.start + self.load.warmup + self.load.duration;
        let now = Instant::now();
        let Pace::Open { rate } = self.load.pace else {
            return Ok((now < end).then_some(Due { at: now, lag: None }));
        };
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        let due = self.start + Duration::from_secs_f64(index as f64 / rate);
        if due >= end {
            return Ok(None);
        }
        if due <= now {
            return Ok(Some(Due { at: due, lag: None }));
        }
        alarm.wait_until(due).await?;
        let now = Instant::now();
        Ok(Some(Due { at: now, lag: Some(now - due) }))
    }

    /// Requests that were due but found no free connection until long after the run's end are given up: a server
    /// that hangs does not make the run endless.
    fn is_too_late(&self) -> bool {
        self.start.elapsed() > self.load.warmup + self.load.duration + self.load.timeout
    }

    async fn exchange(&self, connection: &Connection, report: &Mutex<Report>) -> Result<Good, Failure> {
        let exchange = exchange(connection, self.template.request(), self.load.expect, report);
        let result = tokio::time::timeout(self.load.timeout, exchange).await;
        let Ok(result) = result else {
            connection.abandon().await;
            return Err(Failure::Timeout);
        };
        let good = result?;
        if self.load.expect != Expect::Body {
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
