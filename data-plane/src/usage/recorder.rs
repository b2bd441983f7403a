//! The recorder: a thread that writes down what exchanges used, into files of a standalone gateway or into the spool of
//! a managed one.
//!
//! Workers hand events over without waiting and wake the thread once for all events of a batch. Overflow policy of the
//! queue: the event is dropped and counted; its money is in the ledger all the same, and where the spool knows that the
//! exchange was begun, it is an event whose usage is unknown.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{JoinHandle, Thread, park, park_timeout};
use std::time::Duration;

use bulkhead_model::{Clock, NanoUsd, UnixMillis};
use bulkhead_sealed::StateKeys;
use parking_lot::Mutex;

use super::event::UsageEvent;
use super::files::{Caps, Files};
use super::ndjson::Ndjson;
use super::spool::{Begun, Options, Spool};
use super::spooling::Spooling;
use crate::litellm::Tally;
use crate::settle::Exchange;
use crate::trace::Tracer;

const QUEUE: usize = 65_536;
/// Where the disk refuses, it is asked again after this long.
const RETRY: Duration = Duration::from_secs(1);

/// The handle that workers hold.
pub(crate) struct Recorder {
    shared: Arc<Shared>,
    writer: Thread,
    thread: Mutex<Option<JoinHandle<()>>>,
    spooled: Option<Spooled>,
}

/// What a managed node has beside the thread.
struct Spooled {
    spool: Arc<Spool>,
    keeper: Mutex<Option<JoinHandle<()>>>,
    /// Exchanges begun.
    begun: AtomicU64,
    /// What the last process left under way.
    left: Begun,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    closing: AtomicBool,
    counts: Counts,
    /// What LiteLLM's metrics count of events.
    litellm: Tally,
    /// Makes spans of events, where requests are traced.
    tracer: OnceLock<Arc<Tracer>>,
}

/// What waits for the thread.
#[derive(Default)]
pub(super) struct Queue {
    pub(super) messages: Vec<Message>,
    /// Exchanges that were begun and of whose end there was no room to say more.
    pub(super) dropped: Vec<u64>,
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

pub(super) enum Message {
    /// An exchange is begun, or may cost more than was thought.
    Begun {
        number: u64,
        exchange: Arc<Exchange>,
        bound: NanoUsd,
    },
    Ended(UsageEvent),
    /// Money that a former process claimed.
    Unsettled {
        at: UnixMillis,
        holder: Box<str>,
        bound: NanoUsd,
    },
}

/// Where events go.
enum Sink {
    Files(Ndjson),
    Spool(Spooling),
}

impl Recorder {
    /// Starts the thread of a standalone gateway. `node` and `incarnation` make the ids of events unique.
    pub(crate) fn standalone(dir: &Path, node: &str, incarnation: u64) -> io::Result<Self> {
        let files = Files::open(dir.join("usage"), Caps::default())?;
        Self::start(Sink::Files(Ndjson::new(files, format!("{node}-{incarnation:016x}"))), None)
    }

    /// Starts the threads of a managed node.
    pub(crate) fn managed(dir: &Path, keys: StateKeys, options: Options, clock: Clock) -> io::Result<Self> {
        let (writer, left) = Spool::open(dir.join("spool"), keys, options, clock)?;
        let spool = writer.spool().clone();
        let keeper = Mutex::new(Some(spool.keep()?));
        let spooled = Spooled { spool, keeper, begun: AtomicU64::new(0), left };
        Self::start(Sink::Spool(Spooling::new(writer)), Some(spooled))
    }

    fn start(sink: Sink, spooled: Option<Spooled>) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let writer = Writer { sink, shared: shared.clone() };
        let thread = std::thread::Builder::new().name("usage".to_owned()).spawn(move || writer.run())?;
        let writer = thread.thread().clone();
        Ok(Self { shared, writer, thread: Mutex::new(Some(thread)), spooled })
    }

    /// Says that an exchange is begun which may cost this much. Its number goes into the event that ends it.
    pub(crate) fn begin(&self, exchange: &Arc<Exchange>, bound: NanoUsd) -> u64 {
        let Some(spooled) = &self.spooled else { return 0 };
        let number = spooled.begun.fetch_add(1, Ordering::Relaxed) + 1;
        self.extend(number, exchange, bound);
        number
    }

    /// Says that what was begun may cost this much by now.
    pub(crate) fn extend(&self, number: u64, exchange: &Arc<Exchange>, bound: NanoUsd) {
        if number > 0 {
            self.send(Message::Begun { number, exchange: exchange.clone(), bound });
        }
    }

    /// Hands an event over; never waits.
    pub(crate) fn record(&self, event: UsageEvent) {
        self.send(Message::Ended(event));
    }

    /// Records what a crash left, found `at`: money that was claimed for a holder and of which nothing more is known.
    ///
    /// What the spool had under way is an event already. Still missing may be what was not written yet when the process
    /// died, and that is not more than what remains of the claim, most of which was never used.
    pub(crate) fn unsettled(&self, at: UnixMillis, holder: &str, bound: NanoUsd) {
        let left = self.spooled.as_ref().and_then(|spooled| spooled.left.get(holder.strip_prefix("key:")?));
        let bound = bound.minus(NanoUsd(left.copied().unwrap_or_default()));
        if bound > NanoUsd::ZERO {
            self.send(Message::Unsettled { at, holder: holder.into(), bound });
        }
    }

    fn send(&self, message: Message) {
        let mut queue = self.shared.queue.lock();
        if queue.messages.len() >= QUEUE {
            queue.refuse(&message, &self.shared.counts);
            return;
        }
        queue.messages.push(message);
        let first = queue.messages.len() == 1;
        drop(queue);
        if first {
            self.writer.unpark();
        }
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.shared.counts
    }

    /// From now on events go into traces, too.
    pub(crate) fn trace(&self, tracer: Arc<Tracer>) {
        let _ = self.shared.tracer.set(tracer);
    }

    pub(crate) fn litellm(&self) -> &Tally {
        &self.shared.litellm
    }

    /// The spool of a managed node.
    pub(crate) fn spool(&self) -> Option<&Arc<Spool>> {
        self.spooled.as_ref().map(|spooled| &spooled.spool)
    }

    /// Writes what is queued and ends the threads. Blocks for as long as the disk takes.
    pub(crate) fn close(&self) {
        let Some(thread) = self.thread.lock().take() else { return };
        self.shared.closing.store(true, Ordering::Release);
        self.writer.unpark();
        let _ = thread.join();
        if let Some(spooled) = &self.spooled
            && let Some(keeper) = spooled.keeper.lock().take()
        {
            spooled.spool.close(keeper);
        }
    }
}

impl Queue {
    fn ended(&self) -> impl Iterator<Item = &UsageEvent> {
        self.messages.iter().filter_map(|message| match message {
            Message::Ended(event) => Some(event),
            Message::Begun { .. } | Message::Unsettled { .. } => None,
        })
    }

    /// There is no room for this.
    fn refuse(&mut self, message: &Message, counts: &Counts) {
        match message {
            Message::Begun { .. } => {}
            Message::Ended(event) if event.number > 0 && self.dropped.len() < QUEUE => {
                self.dropped.push(event.number);
            }
            Message::Ended(_) | Message::Unsettled { .. } => {
                counts.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

struct Writer {
    sink: Sink,
    shared: Arc<Shared>,
}

impl Writer {
    fn run(mut self) {
        loop {
            let closing = self.shared.closing.load(Ordering::Acquire);
            if !closing {
                self.gather();
            }
            // While the disk refuses what there is, the queue fills up to its end.
            if closing || !self.sink.is_behind() {
                let queue = std::mem::take(&mut *self.shared.queue.lock());
                self.shared.litellm.count(queue.ended());
                if let Some(tracer) = self.shared.tracer.get() {
                    queue.ended().for_each(|event| tracer.ended(event));
                }
                self.sink.take(queue, &self.shared.counts);
            }
            self.sink.write(&self.shared.counts);
            if closing {
                return self.sink.give_up(&self.shared.counts);
            }
        }
    }

    fn gather(&self) {
        if self.sink.is_behind() {
            park_timeout(RETRY);
            return;
        }
        if self.shared.queue.lock().messages.is_empty() {
            park();
        }
        // More events gather for the same write; only closing cuts this short.
        park_timeout(self.sink.patience());
    }
}

impl Sink {
    /// Events wait at most this long to be written together. What a kill costs is what was not written; nothing is
    /// written per event, so a short time costs little.
    fn patience(&self) -> Duration {
        match self {
            Self::Files(_) => Duration::from_millis(50),
            Self::Spool(_) => Duration::from_millis(5),
        }
    }

    fn is_behind(&self) -> bool {
        match self {
            Self::Files(_) => false,
            Self::Spool(spooling) => spooling.is_behind(),
        }
    }

    fn take(&mut self, queue: Queue, counts: &Counts) {
        match self {
            Self::Files(files) => files.take(queue),
            Self::Spool(spooling) => spooling.take(queue, counts),
        }
    }

    fn write(&mut self, counts: &Counts) {
        match self {
            Self::Files(files) => files.write(counts),
            Self::Spool(spooling) => spooling.write(counts),
        }
    }

    /// The process ends: what could not be written is lost.
    fn give_up(&mut self, counts: &Counts) {
        if let Self::Spool(spooling) = self {
            spooling.give_up(counts);
        }
    }
}
