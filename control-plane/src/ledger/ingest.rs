//! The one task of a replica that writes.

use std::collections::{BTreeMap, HashSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_model::{Clock, random};
use sqlx::types::Uuid;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::batch::{Piece, Verdict, part};
use super::plan::{Found, Plan};
use super::{Ledger, Waiting};
use crate::jobs::partitions;
use crate::store::usage::{self, Days, Trouble};
use crate::store::{PgConnection, Store, StoreError};

/// Events of one transaction, unless a single batch has more.
const EVENTS: usize = 5000;
const BATCHES: usize = 256;
/// A transaction that takes longer hangs. Nodes wait longer.
const HANGS: Duration = Duration::from_secs(20);
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(3);
/// How long it is known which days have partitions.
const DAYS: Duration = Duration::from_secs(60);
/// Without partitions everything is late, which is no reason to take nothing in.
const TRIES: u32 = 5;

/// Takes usage in.
pub(crate) struct Ingest {
    ledger: Arc<Ledger>,
    store: Store,
    shard: i16,
    connection: Option<PgConnection>,
    days: Option<(Days, Instant)>,
}

/// What the last try taught about the next.
#[derive(Default)]
struct Lesson {
    failures: u32,
    /// Some numbers are there behind their marks.
    look: bool,
    no_partition: bool,
}

type Marks = BTreeMap<Uuid, i64>;

impl Ingest {
    /// `shard` keeps apart what replicas count of everything.
    pub(crate) fn new(ledger: Arc<Ledger>, store: Store, shard: i16) -> Self {
        Self { ledger, store, shard, connection: None, days: None }
    }

    /// Takes in whatever waits until the process ends.
    pub(crate) async fn run(mut self) -> Infallible {
        self.prepare().await;
        let Some(mut queue) = self.ledger.waiting.lock().take() else { return std::future::pending().await };
        loop {
            let waiting = gather(&mut queue).await;
            let events: usize = waiting.iter().map(|waiting| waiting.batch.len()).sum();
            self.settle(waiting).await;
            self.ledger.counts.waiting.sub(i64::try_from(events).unwrap_or(i64::MAX));
        }
    }

    /// Makes the partitions of today and of the days around it, so that the first events have where to go.
    async fn prepare(&mut self) {
        for tries in 0..TRIES {
            let made = timeout(HANGS, partitions::prepare(&self.store)).await;
            match made.unwrap_or_else(|_| Err(StoreError::hung())) {
                Ok(()) => return,
                Err(error) if tries == 0 => tracing::warn!(%error, "partitions of usage cannot be made"),
                Err(_) => {}
            }
            sleep(random::backoff(tries, FIRST, LONGEST, random::number())).await;
        }
    }

    /// Writes batches and answers them.
    async fn settle(&mut self, waiting: Vec<Waiting>) {
        // Whoever does not wait any more sends it again.
        let waiting: Vec<_> = waiting.into_iter().filter(|waiting| !waiting.answer.is_closed()).collect();
        let mut marks = Marks::new();
        let mut rest = vec![waiting.iter().map(|waiting| waiting.batch.piece()).collect::<Vec<_>>()];
        while let Some(pieces) = rest.pop() {
            if pieces.is_empty() {
                continue;
            }
            match self.write(&pieces).await {
                Ok(moved) => marks.extend(moved),
                Err(reason) => {
                    self.ledger.counts.refusals.add(1);
                    tracing::debug!(
                        pieces = pieces.len(),
                        reason = &*reason,
                        "usage that the database refuses"
                    );
                    let (first, second) = part(pieces, &reason);
                    rest.extend([second, first]);
                }
            }
        }
        for Waiting { batch, answer, .. } in waiting {
            if let Some(through) = marks.get(&batch.incarnation) {
                self.ledger.counts.batches.add(1);
                let _ = answer.send(*through);
            }
        }
    }

    /// Tries until it is committed, or refused for what is in it; the marks, or why.
    async fn write(&mut self, pieces: &[Piece<'_>]) -> Result<Marks, Arc<str>> {
        let mut lesson = Lesson::default();
        loop {
            let began = Instant::now();
            let tried = timeout(HANGS, self.attempt(pieces, &lesson)).await;
            let trouble = match tried {
                Ok(Ok((marks, tally))) => {
                    if lesson.failures > 0 {
                        tracing::info!(failures = lesson.failures, "usage is taken in again");
                    }
                    self.ledger.counts.committed(&tally, began.elapsed());
                    return Ok(marks);
                }
                Ok(Err(trouble)) => trouble,
                Err(_) => Trouble::Passing(sqlx::Error::PoolTimedOut),
            };
            // Whatever hangs on it is not waited for.
            self.connection = None;
            match trouble {
                Trouble::Known if !lesson.look => lesson.look = true,
                Trouble::NoPartition if !lesson.no_partition => {
                    lesson.no_partition = true;
                    self.days = None;
                }
                Trouble::Refused(reason) if pieces.iter().any(|piece| piece.verdict != Verdict::Abandon) => {
                    return Err(reason);
                }
                // Nor do they go with each other: they are tried in parts.
                Trouble::Known if pieces.iter().any(|piece| piece.verdict != Verdict::Abandon) => {
                    return Err(Trouble::Known.to_string().into());
                }
                trouble => {
                    if lesson.failures == 0 {
                        tracing::error!(error = %trouble, "usage cannot be taken in: nodes keep what they have");
                    }
                    self.ledger.counts.failures.add(1);
                    lesson.failures += 1;
                    sleep(random::backoff(lesson.failures, FIRST, LONGEST, random::number())).await;
                }
            }
        }
    }

    async fn attempt(
        &mut self,
        pieces: &[Piece<'_>],
        lesson: &Lesson,
    ) -> Result<(Marks, super::plan::Tally), Trouble> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(self.store.dedicated().await.map_err(away)?),
        };
        let days = match &self.days {
            Some((days, looked)) if looked.elapsed() < DAYS => days,
            _ => &self.days.insert((usage::partitions::days(connection).await?, Instant::now())).0,
        };
        let nodes = pieces.iter().map(|piece| (piece.batch.incarnation, &*piece.batch.node)).collect();
        let mut transaction = usage::begin(connection).await?;
        let marks = usage::lock(&mut transaction, &nodes).await?;
        let mut stored = HashSet::new();
        if lesson.look {
            for piece in pieces {
                let numbers = piece.from..=piece.to;
                stored.extend(usage::known(&mut transaction, piece.batch.incarnation, numbers).await?);
            }
        }
        let found = Found { marks: &marks, days, stored: &stored };
        let plan = Plan::new(pieces, &found, Clock::System.now().0);
        if !plan.marks.is_empty() {
            usage::store(&mut transaction, &plan.events).await?;
            usage::store_late(&mut transaction, &plan.late).await?;
            usage::put_rejects(&mut transaction, &plan.rejects).await?;
            usage::add_facts(&mut transaction, self.shard, &plan.rollup.facts()).await?;
            usage::add_spent(&mut transaction, self.shard, plan.rollup.spent()).await?;
            usage::move_to(&mut transaction, &plan.marks).await?;
        }
        transaction.commit().await?;
        let moved = plan.marks.iter().map(|(id, mark)| (*id, mark.through));
        let mut through: Marks = marks.iter().map(|(id, mark)| (*id, mark.through)).collect();
        through.extend(moved);
        Ok((through, plan.tally))
    }
}

/// Waits for a batch, and takes those that are there with it, as many as one transaction should write.
async fn gather(queue: &mut mpsc::Receiver<Waiting>) -> Vec<Waiting> {
    let mut waiting = Vec::new();
    let mut events = 0;
    waiting.extend(queue.recv().await);
    while events < EVENTS && waiting.len() < BATCHES {
        let Ok(next) = queue.try_recv() else { break };
        events += next.batch.len();
        waiting.push(next);
    }
    waiting
}

fn away(error: StoreError) -> Trouble {
    match error {
        StoreError::Away(error) => Trouble::Passing(error),
        other => Trouble::Passing(sqlx::Error::Io(std::io::Error::other(other.to_string()))),
    }
}
