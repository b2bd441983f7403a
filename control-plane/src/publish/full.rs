//! Full syncs: read and encoded once, while those who need one follow.

use std::sync::Arc;
use std::time::Duration;

use bulkhead_proto as proto;
use bulkhead_snapshot::{Digest, Version};
use bytes::Bytes;
use parking_lot::Mutex;
use proto::push::Push;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout};

use super::{Frame, Published, Publisher};
use crate::store::history;
use crate::store::resources::{self, ChunkSize};
use crate::store::{Store, StoreError};

/// A chunk holds no more than either; a single resource may be larger.
const CHUNK: ChunkSize = ChunkSize { items: 1000, bytes: 1 << 20 };
/// For so long a full sync serves those who come later, whatever was changed meanwhile: deltas follow.
const FRESH: Duration = Duration::from_secs(5);
/// For so long one is kept that nobody uses.
const KEPT: Duration = Duration::from_secs(20);

/// Reading everything never takes longer.
const PATIENCE: Duration = Duration::from_secs(120);

/// A full sync in the making, or made.
pub(crate) struct Full {
    began: Instant,
    history: u64,
    /// Absent until it is known.
    begun: Mutex<Option<Begun>>,
    frames: Mutex<Vec<Frame>>,
    progress: watch::Sender<Progress>,
}

#[derive(Debug, Clone, Copy)]
struct Begun {
    version: Version,
    forced: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Frames(usize),
    Done(usize),
    Failed,
}

/// The full sync that is shared at the moment.
pub(super) struct Shelf {
    latest: Mutex<Option<Arc<Full>>>,
    building: Arc<Semaphore>,
}

impl Default for Shelf {
    fn default() -> Self {
        Self { latest: Mutex::default(), building: Arc::new(Semaphore::new(1)) }
    }
}

impl Shelf {
    /// Forgets what nobody uses.
    pub(super) fn tidy(&self) {
        let mut latest = self.latest.lock();
        if latest.as_ref().is_some_and(|full| full.began.elapsed() > KEPT && Arc::strong_count(full) == 1) {
            *latest = None;
        }
    }
}

/// It could not be read to its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Broken;

impl Full {
    fn new(history: u64) -> Self {
        Self {
            began: Instant::now(),
            history,
            begun: Mutex::default(),
            frames: Mutex::default(),
            progress: watch::Sender::new(Progress::Frames(0)),
        }
    }

    /// The next frame after so many; `None` after the last.
    pub(crate) async fn frame(&self, index: usize) -> Result<Option<Frame>, Broken> {
        let mut progress = self.progress.subscribe();
        let there = progress.wait_for(|progress| match progress {
            Progress::Frames(count) => *count > index,
            Progress::Done(_) | Progress::Failed => true,
        });
        let there = *there.await.map_err(|_| Broken)?;
        match there {
            Progress::Failed => Err(Broken),
            Progress::Frames(_) | Progress::Done(_) => Ok(self.frames.lock().get(index).cloned()),
        }
    }

    /// The version that it is of, once a frame is there, and whether an operator forced it.
    pub(crate) fn version(&self) -> Option<(Version, bool)> {
        self.begun.lock().map(|begun| (begun.version, begun.forced))
    }

    fn push(&self, frame: Frame) {
        let mut frames = self.frames.lock();
        frames.push(frame);
        self.progress.send_replace(Progress::Frames(frames.len()));
    }

    fn end(&self, done: bool) {
        let count = self.frames.lock().len();
        self.progress.send_replace(if done { Progress::Done(count) } else { Progress::Failed });
    }

    /// True where it serves whoever asks now.
    fn serves(&self, published: &Published) -> bool {
        if self.history != published.history || *self.progress.borrow() == Progress::Failed {
            return false;
        }
        match *self.begun.lock() {
            None => !published.head.forced,
            Some(Begun { version, forced }) => {
                let is_newest = version == published.head.version;
                if published.head.forced {
                    is_newest && forced
                } else {
                    is_newest || self.began.elapsed() < FRESH
                }
            }
        }
    }
}

impl Publisher {
    /// A full sync to send: the one that is there, or a new one.
    pub(crate) fn full(self: &Arc<Self>, published: &Published) -> Arc<Full> {
        let mut latest = self.fulls.latest.lock();
        if let Some(full) = latest.as_ref().filter(|full| full.serves(published)) {
            return full.clone();
        }
        let full = Arc::new(Full::new(published.history));
        *latest = Some(full.clone());
        self.counts.fulls.add(1);
        tokio::spawn(self.clone().build(full.clone()));
        full
    }

    async fn build(self: Arc<Self>, full: Arc<Full>) {
        let Ok(_alone) = self.fulls.building.clone().acquire_owned().await else { return full.end(false) };
        let outcome = timeout(PATIENCE, self.read_into(&full)).await;
        let outcome = outcome.unwrap_or_else(|_| Err(StoreError::hung()));
        if let Err(error) = &outcome {
            tracing::error!(%error, "a full sync could not be read");
        }
        full.end(outcome.is_ok());
    }

    async fn read_into(&self, full: &Full) -> Result<(), StoreError> {
        let mut connection = self.store.dedicated().await?;
        let mut moment = Store::snapshot_on(&mut connection).await?;
        let head = history::head(&mut moment).await?;
        let version = Some(head.version.encode());
        let resources = resources::count(&mut moment).await?;
        *full.begun.lock() = Some(Begun { version: head.version, forced: head.forced });
        let begin = proto::FullBegin { version: version.clone(), resources, forced: head.forced };
        full.push(Frame::of(Push::FullBegin(begin)));
        let mut digests = Digest::default();
        let take = |items| {
            let (frame, digest) = Frame::chunk(items);
            digests.digest(&digest);
            full.push(frame);
        };
        let read = resources::read_all(&mut moment, self.store.seal(), CHUNK, take).await?;
        if read != resources {
            return Err(anyhow::anyhow!("{read} resources where there are {resources}").into());
        }
        let digest = Bytes::copy_from_slice(&digests.finish());
        full.push(Frame::of(Push::FullEnd(proto::FullEnd { version, digest })));
        Ok(())
    }
}
