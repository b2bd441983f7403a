//! The recorder: a thread that writes usage records to rotating files in the state directory.
//!
//! Workers hand events over without waiting and wake the thread once for all events of a batch. Overflow policy of the
//! queue: the event is dropped and counted; its money is in the ledger all the same.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, Thread, park, park_timeout};
use std::time::Duration;

use bulkhead_model::UnixMillis;
use parking_lot::Mutex;

use super::event::UsageEvent;
use super::files::{Caps, Files};

const QUEUE: usize = 65_536;
/// Events wait at most this long to be written together.
const BATCH: Duration = Duration::from_millis(50);

/// The handle that workers hold.
pub(crate) struct Recorder {
    shared: Arc<Shared>,
    writer: Thread,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Vec<Message>>,
    closing: AtomicBool,
    counts: Counts,
}

/// What happened to events since the start.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) recorded: AtomicU64,
    /// Lost because the queue was full or the disk refused.
    pub(crate) lost: AtomicU64,
    /// Files deleted to stay within the total.
    pub(crate) files_deleted: AtomicU64,
}

enum Message {
    Event(UsageEvent),
    Unsettled { at: UnixMillis, id: Box<str>, bound: String },
}

impl Recorder {
    /// Starts the thread. `node` and `incarnation` make the ids of events unique (design §8).
    pub(crate) fn start(dir: &Path, node: &str, incarnation: u64) -> io::Result<Self> {
        let files = Files::open(dir.join("usage"), Caps::default())?;
        let shared = Arc::<Shared>::default();
        let prefix = format!("{node}-{incarnation:016x}");
        let writer = Writer { files, shared: shared.clone(), prefix, next: 0, failing: false };
        let thread = std::thread::Builder::new().name("usage".to_owned()).spawn(move || writer.run())?;
        Ok(Self { shared, writer: thread.thread().clone(), thread: Mutex::new(Some(thread)) })
    }

    /// Hands an event over; never waits.
    pub(crate) fn record(&self, event: UsageEvent) {
        self.send(Message::Event(event));
    }

    /// Records what a crash left, found `at`: money that was claimed for a holder and of which nothing more is known.
    pub(crate) fn unsettled(&self, at: UnixMillis, id: &str, bound: String) {
        self.send(Message::Unsettled { at, id: id.into(), bound });
    }

    fn send(&self, message: Message) {
        let mut queue = self.shared.queue.lock();
        if queue.len() >= QUEUE {
            self.shared.counts.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        queue.push(message);
        let first = queue.len() == 1;
        drop(queue);
        if first {
            self.writer.unpark();
        }
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.shared.counts
    }

    /// Writes what is queued and ends the thread. Blocks for as long as the disk takes.
    pub(crate) fn close(&self) {
        let Some(thread) = self.thread.lock().take() else { return };
        self.shared.closing.store(true, Ordering::Release);
        self.writer.unpark();
        let _ = thread.join();
    }
}

struct Writer {
    files: Files,
    shared: Arc<Shared>,
    prefix: String,
    next: u64,
    failing: bool,
}

impl Writer {
    fn run(mut self) {
        let mut text = Vec::new();
        loop {
            let closing = self.shared.closing.load(Ordering::Acquire);
            if !closing {
                if self.shared.queue.lock().is_empty() {
                    park();
                }
                // More events gather for the same write; only closing cuts this short.
                park_timeout(BATCH);
            }
            let batch = std::mem::take(&mut *self.shared.queue.lock());
            for message in &batch {
                self.put(message, &mut text);
            }
            self.write(&mut text, batch.len());
            if closing {
                return;
            }
        }
    }

    fn put(&mut self, message: &Message, text: &mut Vec<u8>) {
        let id = format!("{}-{}", self.prefix, self.next);
        self.next += 1;
        let before = text.len();
        let written = match message {
            Message::Event(event) => event.write(&id, text),
            Message::Unsettled { at, id: holder, bound } => unsettled(&id, *at, holder, bound, text),
        };
        match written {
            Ok(()) => text.push(b'\n'),
            Err(_) => text.truncate(before),
        }
    }

    fn write(&mut self, text: &mut Vec<u8>, events: usize) {
        if text.is_empty() {
            return;
        }
        let outcome = self.files.append(text, &self.shared.counts);
        text.clear();
        let events = u64::try_from(events).unwrap_or(u64::MAX);
        match outcome {
            Ok(()) => {
                self.shared.counts.recorded.fetch_add(events, Ordering::Relaxed);
                self.failing = false;
            }
            Err(error) => {
                self.shared.counts.lost.fetch_add(events, Ordering::Relaxed);
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(
                        %error,
                        "usage records cannot be written; they are counted as lost until they can"
                    );
                }
            }
        }
    }
}

fn unsettled(
    id: &str,
    at: UnixMillis,
    holder: &str,
    bound: &str,
    out: &mut Vec<u8>,
) -> serde_json::Result<()> {
    let record = serde_json::json!({
        "id": id, "time": at.rfc3339(), "status": "failure", "error": "crash", "usage": "unknown",
        "holder": holder, "bound": bound,
    });
    write!(out, "{record}").map_err(serde_json::Error::io)
}
