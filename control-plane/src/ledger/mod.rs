//! Takes in the usage that nodes report (design §8), each number once.
//!
//! Streams hand their batches over and wait; one task of a replica takes all that wait and writes them in one
//! transaction, sums included. What is committed is answered by the mark of its incarnation, and whatever comes again
//! is at or below that mark. While the database is away nothing is answered, the queue fills, streams wait, and nodes
//! keep what they have.

mod batch;
mod counts;
mod event;
mod ingest;
mod plan;
mod rollup;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sqlx::types::Uuid;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use crate::store::{Line, Store, StoreError, usage};

pub(crate) use batch::Batch;
pub(crate) use counts::Counts;
pub(crate) use ingest::Ingest;

/// Batches that wait, and their bytes.
const BATCHES: usize = 1024;
const BYTES: usize = 32 << 20;
/// What even an empty batch counts for.
const LEAST: usize = 1024;

const PATIENCE: Duration = Duration::from_secs(5);

/// Where batches are handed over.
pub(crate) struct Ledger {
    line: Line,
    queue: mpsc::Sender<Waiting>,
    /// For the one who takes in.
    waiting: Mutex<Option<mpsc::Receiver<Waiting>>>,
    room: Arc<Semaphore>,
    pub(crate) counts: Counts,
}

/// A batch that waits, and who waits for it.
struct Waiting {
    batch: Batch,
    /// Told the mark, once it is for good.
    answer: oneshot::Sender<i64>,
    _room: OwnedSemaphorePermit,
}

impl Ledger {
    pub(crate) fn new(store: &Store) -> Arc<Self> {
        let (queue, waiting) = mpsc::channel(BATCHES);
        Arc::new(Self {
            line: Line::new(store),
            queue,
            waiting: Mutex::new(Some(waiting)),
            room: Arc::new(Semaphore::new(BYTES)),
            counts: Counts::default(),
        })
    }

    /// Where these incarnations are; 0 where they are not known.
    pub(crate) async fn marks(&self, incarnations: &[Uuid]) -> Result<BTreeMap<Uuid, i64>, StoreError> {
        let mut line = self.line.take().await?;
        let known = timeout(PATIENCE, usage::through(&mut line, incarnations)).await;
        let known = known.map_err(|_| StoreError::hung())??;
        line.give_back();
        let mark = |id: &Uuid| (*id, known.get(id).copied().unwrap_or(0));
        Ok(incarnations.iter().map(mark).collect())
    }

    /// Waits for room, and hands a batch over. The answer is the mark after it is committed.
    pub(crate) async fn hand_over(&self, batch: Batch) -> Option<oneshot::Receiver<i64>> {
        let bytes = u32::try_from(batch.bytes.clamp(LEAST, BYTES)).ok()?;
        let room = self.room.clone().acquire_many_owned(bytes).await.ok()?;
        let place = self.queue.reserve().await.ok()?;
        let (answer, answered) = oneshot::channel();
        // Not before: whoever gave up until now handed nothing over.
        self.counts.waiting.add(i64::try_from(batch.len()).unwrap_or(i64::MAX));
        place.send(Waiting { batch, answer, _room: room });
        Some(answered)
    }
}

#[cfg(test)]
mod tests {
    use bulkhead_model::{Secret, UnixMillis};
    use bulkhead_proto::UsageBatch;

    use super::*;
    use crate::seal::Seal;

    #[tokio::test(start_paused = true)]
    async fn what_finds_no_room_is_not_among_what_waits() {
        let url = Secret::new("postgres://nobody@127.0.0.1:1/nothing");
        let seal = Arc::new(Seal::new(&Secret::new("salt")).unwrap());
        let ledger = Ledger::new(&Store::new(&url, seal, 1).unwrap());
        let batch = || {
            let incarnation = vec![1; 16].into();
            let sent =
                UsageBatch { incarnation, first: 1, last: 1, what: 0, events: vec![bytes::Bytes::new()] };
            Batch::read("n".into(), sent, UnixMillis(5)).unwrap()
        };
        for _ in 0..BATCHES {
            assert!(ledger.hand_over(batch()).await.is_some());
        }
        for _ in 0..3 {
            assert!(timeout(PATIENCE, ledger.hand_over(batch())).await.is_err(), "nobody takes them");
        }
        assert_eq!(ledger.counts.waiting.get(), i64::try_from(BATCHES).unwrap());
    }
}
