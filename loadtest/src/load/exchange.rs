//! One exchange: the answer is checked as it comes.

use std::time::Duration;

use bulkhead_testkit::stamp;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::connection::Connection;
use super::events::EventCounter;
use super::report::Report;

/// Why an exchange failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// No connection was free in time.
    NotSent,
    /// No connection.
    Connect,
    /// The connection ended before a head came.
    NoAnswer,
    /// The answer ended before its end.
    Truncated,
    /// Not in time.
    Timeout,
    /// Not 200.
    Status(StatusCode),
    /// A stream without a terminal event.
    NoTerminal,
    /// A stream with an error event.
    ErrorEvent,
    /// A stream with another number of events than it should have.
    Events,
    /// A stream whose pieces are not numbered 0, 1, 2, …
    Order,
}

impl Failure {
    /// The class in the report.
    pub(super) fn label(&self) -> String {
        match self {
            Self::NotSent => "not_sent".to_owned(),
            Self::Connect => "connect".to_owned(),
            Self::NoAnswer => "no_answer".to_owned(),
            Self::Truncated => "truncated".to_owned(),
            Self::Timeout => "timeout".to_owned(),
            Self::Status(status) => format!("status_{}", status.as_u16()),
            Self::NoTerminal => "no_terminal_event".to_owned(),
            Self::ErrorEvent => "error_event".to_owned(),
            Self::Events => "event_count".to_owned(),
            Self::Order => "event_order".to_owned(),
        }
    }
}

/// What answers are to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Anything with 200.
    Body,
    /// A stream of events that comes to its proper end.
    Stream,
    /// The same, of pieces with stamps ([`bulkhead_testkit::stamp`]), which are numbered without a gap and say how
    /// long each was on its way.
    Stamped,
}

/// What a good answer had.
pub(super) struct Good {
    pub(super) first: Instant,
    pub(super) events: u64,
    pub(super) bytes: u64,
}

/// Sends a request and reads the answer to its end. Gaps between pieces and their delays go straight into the report.
pub(super) async fn exchange(
    connection: &Connection,
    request: Request<Full<Bytes>>,
    expect: Expect,
    report: &Mutex<Report>,
) -> Result<Good, Failure> {
    let response = match connection.send(request).await {
        Ok(response) => response,
        Err(failure) => {
            connection.abandon().await;
            return Err(failure);
        }
    };
    let status = response.status();
    let Ok((good, counter)) = read(response.into_body(), expect, report).await else {
        connection.abandon().await;
        return Err(Failure::Truncated);
    };
    match (status.is_success(), expect) {
        (false, _) => Err(Failure::Status(status)),
        (true, Expect::Body) => Ok(good),
        (true, Expect::Stream | Expect::Stamped) if counter.error => Err(Failure::ErrorEvent),
        (true, Expect::Stream | Expect::Stamped) if !counter.terminal => Err(Failure::NoTerminal),
        (true, Expect::Stamped) if counter.disorder || counter.stamps == 0 => Err(Failure::Order),
        (true, Expect::Stream | Expect::Stamped) => Ok(good),
    }
}

async fn read(
    mut body: Incoming,
    expect: Expect,
    report: &Mutex<Report>,
) -> hyper::Result<(Good, EventCounter)> {
    let mut counter = EventCounter::new(expect == Expect::Stamped);
    let mut first = None;
    let mut last = Instant::now();
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        bytes += data.len() as u64;
        let now = Instant::now();
        if expect != Expect::Body {
            let received = if expect == Expect::Stamped { stamp::now() } else { 0 };
            let mut report = report.lock();
            counter.feed(&data, |stamp| {
                report.delay.record(Duration::from_nanos(received.saturating_sub(stamp.nanos)));
            });
            if first.is_some() {
                report.gap.record(now - last);
            }
        }
        first = first.or(Some(now));
        last = now;
    }
    Ok((Good { first: first.unwrap_or(last), events: counter.events, bytes }, counter))
}
