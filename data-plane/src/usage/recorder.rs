//! The recorder: a thread that writes usage records to rotating files in the state directory.
//!
//! Workers hand events over without waiting. Overflow policy of the queue: the event is dropped and counted; its
//! money is in the ledger all the same.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::event::UsageEvent;

const QUEUE: usize = 65_536;
/// Events wait at most this long to be written together.
const BATCH: Duration = Duration::from_millis(50);
const BATCH_EVENTS: usize = 4096;
const FILE_BYTES: u64 = 64 << 20;
/// All files together; the oldest go first.
const TOTAL_BYTES: u64 = 1 << 30;

/// The handle that workers hold.
pub(crate) struct Recorder {
    queue: SyncSender<Message>,
    counts: Arc<Counts>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
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
    Event(Box<UsageEvent>),
    Unsettled { id: Box<str>, bound: String },
    Stop,
}

impl Recorder {
    /// Starts the thread. `node` and `incarnation` make the ids of events unique (design §8).
    pub(crate) fn start(dir: &Path, node: &str, incarnation: u64) -> io::Result<Self> {
        let files = Files::open(dir.join("usage"))?;
        let (queue, messages) = sync_channel(QUEUE);
        let counts = Arc::<Counts>::default();
        let writer = Writer {
            files,
            counts: counts.clone(),
            prefix: format!("{node}-{incarnation:016x}"),
            next: 0,
            failing: false,
        };
        let thread =
            std::thread::Builder::new().name("usage".to_owned()).spawn(move || writer.run(&messages))?;
        Ok(Self { queue, counts, thread: Mutex::new(Some(thread)) })
    }

    /// Hands an event over; never waits.
    pub(crate) fn record(&self, event: UsageEvent) {
        self.send(Message::Event(Box::new(event)));
    }

    /// Records what a crash left: money that was claimed for a holder and of which nothing more is known.
    pub(crate) fn unsettled(&self, id: &str, bound: String) {
        self.send(Message::Unsettled { id: id.into(), bound });
    }

    fn send(&self, message: Message) {
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = self.queue.try_send(message) {
            self.counts.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Writes what is queued and ends the thread. Blocks for as long as the disk takes.
    pub(crate) fn close(&self) {
        let Some(thread) = self.thread.lock().take() else { return };
        if self.queue.send(Message::Stop).is_ok() {
            let _ = thread.join();
        }
    }
}

struct Writer {
    files: Files,
    counts: Arc<Counts>,
    prefix: String,
    next: u64,
    failing: bool,
}

impl Writer {
    fn run(mut self, messages: &Receiver<Message>) {
        let mut text = Vec::new();
        loop {
            let mut last = match messages.recv() {
                Ok(message) => self.put(message, &mut text),
                Err(_) => return,
            };
            let mut events = usize::from(!last);
            let until = Instant::now() + BATCH;
            while !last && events < BATCH_EVENTS {
                let left = until.saturating_duration_since(Instant::now());
                match messages.recv_timeout(left) {
                    Ok(message) => {
                        last = self.put(message, &mut text);
                        events += usize::from(!last);
                    }
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => last = true,
                }
            }
            self.write(&mut text, events);
            if last {
                return;
            }
        }
    }

    /// Appends a record; true for the message to stop.
    fn put(&mut self, message: Message, text: &mut Vec<u8>) -> bool {
        let id = format!("{}-{}", self.prefix, self.next);
        let record = match message {
            Message::Stop => return true,
            Message::Event(event) => event.to_json(&id),
            Message::Unsettled { id: holder, bound } => unsettled(&id, &holder, &bound),
        };
        self.next += 1;
        if serde_json::to_writer(&mut *text, &record).is_ok() {
            text.push(b'\n');
        }
        false
    }

    fn write(&mut self, text: &mut Vec<u8>, events: usize) {
        if text.is_empty() {
            return;
        }
        let outcome = self.files.append(text, &self.counts);
        text.clear();
        let events = u64::try_from(events).unwrap_or(u64::MAX);
        match outcome {
            Ok(()) => {
                self.counts.recorded.fetch_add(events, Ordering::Relaxed);
                self.failing = false;
            }
            Err(error) => {
                self.counts.lost.fetch_add(events, Ordering::Relaxed);
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(%error, "usage records cannot be written; they are counted as lost until they can");
                }
            }
        }
    }
}

fn unsettled(id: &str, holder: &str, bound: &str) -> Value {
    json!({ "id": id, "status": "failure", "error": "crash", "usage": "unknown", "holder": holder, "bound": bound })
}

/// `usage/<number>.ndjson`, the highest number being written.
struct Files {
    dir: PathBuf,
    /// Sizes by number.
    sizes: BTreeMap<u64, u64>,
    current: Option<(u64, File)>,
}

impl Files {
    fn open(dir: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        let mut sizes = BTreeMap::new();
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let number =
                name.to_str().and_then(|name| name.strip_suffix(".ndjson")).and_then(|n| n.parse().ok());
            if let Some(number) = number {
                sizes.insert(number, entry.metadata()?.len());
            }
        }
        Ok(Self { dir, sizes, current: None })
    }

    fn append(&mut self, text: &[u8], counts: &Counts) -> io::Result<()> {
        let len = u64::try_from(text.len()).unwrap_or(u64::MAX);
        let full = self.current.as_ref().is_none_or(|(number, _)| {
            self.sizes.get(number).is_some_and(|size| size.saturating_add(len) > FILE_BYTES)
        });
        if full {
            self.next_file(counts)?;
        }
        let Some((number, file)) = &mut self.current else { return Err(io::Error::other("no file")) };
        file.write_all(text)?;
        *self.sizes.entry(*number).or_default() += len;
        Ok(())
    }

    /// A new file at every start, so that a line torn by a crash stays at the end of its own file.
    fn next_file(&mut self, counts: &Counts) -> io::Result<()> {
        let number = self.sizes.last_key_value().map_or(1, |(number, _)| number + 1);
        let file = OpenOptions::new().create_new(true).append(true).open(self.path(number))?;
        self.sizes.insert(number, 0);
        self.current = Some((number, file));
        while self.sizes.values().sum::<u64>() > TOTAL_BYTES - FILE_BYTES {
            let Some((oldest, _)) = self.sizes.pop_first() else { break };
            fs::remove_file(self.path(oldest))?;
            counts.files_deleted.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn path(&self, number: u64) -> PathBuf {
        self.dir.join(format!("{number:08}.ndjson"))
    }
}
