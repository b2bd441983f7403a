//! The access log: a line for each request on standard output, where an operator wants that.
//!
//! A thread of its own writes; it begins with the first line. Overflow policy of the queue: the line is dropped and
//! counted, because no request waits for whoever reads them.

use std::io::{self, Write};
use std::net::IpAddr;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::sleep;
use std::time::Duration;

use bulkhead_model::UnixMillis;
use bulkhead_model::redact::mask;
use bulkhead_telemetry::metric::Counter;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use serde::Serialize;
use tokio::time::Instant;

use crate::identify::Caller;
use crate::worker::Node;

/// Lines that wait for the thread.
const QUEUE: usize = 8192;
/// The thread is not woken for each line, but looks this often.
const REST: Duration = Duration::from_millis(10);
/// How long the end of the process waits for the last lines.
const LAST_LINES: Duration = Duration::from_secs(1);
/// A path may be as long as a head.
const LONGEST_TEXT: usize = 512;

/// The status of a request whose client left before there was an answer.
const GONE: u16 = 499;

/// The handle that workers hold.
#[derive(Default)]
pub(crate) struct AccessLog {
    /// Whatever the configuration says.
    always: bool,
    writer: OnceLock<Option<Writer>>,
    lost: Arc<Counter>,
}

struct Writer {
    queue: SyncSender<Option<Facts>>,
    ended: parking_lot::Mutex<Receiver<()>>,
}

impl AccessLog {
    /// One that is always on, or on where the configuration says so.
    pub(crate) fn new(always: bool) -> Self {
        Self { always, ..Self::default() }
    }

    pub(super) fn is_on(&self, configured: bool) -> bool {
        self.always || configured
    }

    /// Lines that nobody will read.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.get()
    }

    fn write(&self, facts: Facts) {
        let writer = self.writer.get_or_init(|| Writer::start(self.lost.clone()).ok());
        let taken = writer.as_ref().is_some_and(|writer| writer.queue.try_send(Some(facts)).is_ok());
        if !taken {
            self.lost.add(1);
        }
    }

    /// Writes what is left, unless nobody takes it in time.
    pub(crate) fn close(&self) {
        if let Some(Some(writer)) = self.writer.get()
            && writer.queue.try_send(None).is_ok()
        {
            let _ = writer.ended.lock().recv_timeout(LAST_LINES);
        }
    }
}

impl Writer {
    fn start(lost: Arc<Counter>) -> io::Result<Self> {
        let (queue, lines) = sync_channel(QUEUE);
        let (end, ended) = sync_channel(1);
        std::thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            run(&lines, &lost);
            let _ = end.send(());
        })?;
        Ok(Self { queue, ended: parking_lot::Mutex::new(ended) })
    }
}

/// Writes lines until it is told to end, as many at once as there are.
fn run(lines: &Receiver<Option<Facts>>, lost: &Counter) {
    let mut text = Vec::with_capacity(64 << 10);
    while let Ok(first) = lines.recv() {
        let (mut ends, mut count) = (false, 0);
        for line in std::iter::once(first).chain(lines.try_iter().take(QUEUE)) {
            let Some(facts) = line else {
                ends = true;
                break;
            };
            facts.append_to(&mut text);
            count += 1;
        }
        let mut out = io::stdout().lock();
        if out.write_all(&text).and_then(|()| out.flush()).is_err() {
            lost.add(count);
        }
        drop(out);
        text.clear();
        if ends {
            return;
        }
        sleep(REST);
    }
}

/// What the exchange knows of a request that its line should tell; it is in the request's extensions.
#[derive(Clone, Default)]
pub(crate) struct LogEntry(Arc<Known>);

#[derive(Default)]
struct Known {
    key: OnceLock<KeySaid>,
    model: OnceLock<Box<str>>,
    /// The last try.
    leg: parking_lot::Mutex<Leg>,
}

#[derive(Default)]
struct Leg {
    deployment: Option<Box<str>>,
    first_token: Option<Duration>,
}

struct KeySaid {
    id: Box<str>,
    alias: Option<Box<str>>,
}

impl LogEntry {
    /// Whose request it is.
    pub(crate) fn caller(&self, caller: &Caller) {
        let key = caller.key();
        let id = key.map_or("master", |key| key.id()).into();
        let _ = self.0.key.set(KeySaid { id, alias: key.and_then(|key| key.alias()).map(Into::into) });
    }

    /// The model that was asked for.
    pub(crate) fn model(&self, model: &str) {
        let _ = self.0.model.set(cut(model).into());
    }

    /// A try has ended: with whom, and when its first generated content came, since the request did.
    pub(crate) fn settled(&self, deployment: &str, first_token: Option<Duration>) {
        *self.0.leg.lock() = Leg { deployment: Some(deployment.into()), first_token };
    }
}

/// A line that is written when it is dropped.
pub(super) struct Line {
    node: Arc<Node>,
    arrived: Instant,
    /// `None` once it was handed over.
    facts: Option<Facts>,
}

/// What the listener knows of a request.
struct Facts {
    time: UnixMillis,
    client: IpAddr,
    method: Method,
    path: Box<str>,
    call_id: Option<HeaderValue>,
    status: u16,
    bytes: u64,
    took: Duration,
    entry: LogEntry,
}

impl Line {
    /// The line of a request that is beginning; the exchange finds its part in the request's extensions.
    pub(super) fn begin<B>(
        node: &Arc<Node>,
        client: IpAddr,
        arrived: Instant,
        request: &mut Request<B>,
    ) -> Box<Self> {
        let entry = LogEntry::default();
        request.extensions_mut().insert(entry.clone());
        let facts = Facts {
            time: node.clock.now(),
            client,
            method: request.method().clone(),
            path: cut(request.uri().path()).into(),
            call_id: None,
            status: GONE,
            bytes: 0,
            took: Duration::ZERO,
            entry,
        };
        Box::new(Self { node: node.clone(), arrived, facts: Some(facts) })
    }

    /// The head of the answer is there.
    pub(super) fn answered(&mut self, status: StatusCode, headers: &HeaderMap) {
        let Some(facts) = &mut self.facts else { return };
        facts.status = status.as_u16();
        facts.call_id = headers.get("x-litellm-call-id").cloned();
    }

    /// So much more of the body was sent.
    pub(super) fn sent(&mut self, bytes: usize) {
        let Some(facts) = &mut self.facts else { return };
        facts.bytes = facts.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(mut facts) = self.facts.take() {
            facts.took = self.arrived.elapsed();
            self.node.front.log.write(facts);
        }
    }
}

/// A line as it is read.
#[derive(Serialize)]
struct Written<'l> {
    time: String,
    call_id: Option<&'l str>,
    client: IpAddr,
    method: &'l str,
    path: &'l str,
    model: Option<&'l str>,
    deployment: Option<&'l str>,
    key: Option<&'l str>,
    key_alias: Option<&'l str>,
    status: u16,
    bytes: u64,
    duration_ms: u128,
    ttft_ms: Option<u128>,
}

impl Facts {
    fn append_to(&self, text: &mut Vec<u8>) {
        let Known { key, model, leg } = &*self.entry.0;
        let (key, leg) = (key.get(), leg.lock());
        let written = Written {
            time: self.time.rfc3339(),
            call_id: self.call_id.as_ref().and_then(|id| id.to_str().ok()),
            client: self.client,
            method: self.method.as_str(),
            path: &self.path,
            model: model.get().map(|model| &**model),
            deployment: leg.deployment.as_deref(),
            key: key.map(|key| &*key.id),
            key_alias: key.and_then(|key| key.alias.as_deref()),
            status: self.status,
            bytes: self.bytes,
            duration_ms: self.took.as_millis(),
            ttft_ms: leg.first_token.map(|after| after.as_millis()),
        };
        if let Ok(line) = serde_json::to_string(&written) {
            // Somebody may have put a key into a path.
            text.extend_from_slice(mask(&line).as_bytes());
            text.push(b'\n');
        }
    }
}

/// No more of a text than a line should have.
fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LONGEST_TEXT)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(entry: LogEntry) -> Facts {
        Facts {
            time: UnixMillis(1_790_000_000_000),
            client: [192, 0, 2, 7].into(),
            method: Method::POST,
            path: "/v1/chat/completions".into(),
            call_id: Some(HeaderValue::from_static("call-1")),
            status: 200,
            bytes: 17,
            took: Duration::from_millis(42),
            entry,
        }
    }

    #[test]
    fn a_line_is_one_object_and_masks_what_looks_like_a_key() {
        let entry = LogEntry::default();
        entry.model("gpt\n\"4o\" sk-0123456789abcdef0123456789abcdef");
        entry.caller(&Caller::Master);
        entry.settled("failed", None);
        entry.settled("d-1", Some(Duration::from_millis(7)));
        let mut text = Vec::new();
        facts(entry).append_to(&mut text);
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        assert!(!text.contains("0123456789abcdef"), "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&line["key"], &line["ttft_ms"]), (&"master".into(), &7.into()), "{text}");
        assert_eq!(line["deployment"], "d-1");
        assert_eq!((&line["client"], &line["bytes"]), (&"192.0.2.7".into(), &17.into()), "{text}");
    }

    #[test]
    fn lines_beyond_the_queue_are_counted_and_nobody_waits() {
        let log = AccessLog::default();
        let (queue, held) = sync_channel(2);
        let (_, ended) = sync_channel(1);
        let writer = Writer { queue, ended: parking_lot::Mutex::new(ended) };
        assert!(log.writer.set(Some(writer)).is_ok());
        for _ in 0..5 {
            log.write(facts(LogEntry::default()));
        }
        assert_eq!((log.lost(), held.try_iter().count()), (3, 2));
    }
}
