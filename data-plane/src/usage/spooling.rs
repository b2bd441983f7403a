//! What goes into the spool of a managed node.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use super::recorder::{Counts, Message, Queue};
use super::spool::{Batch, SpoolWriter};
use super::wire;

/// Encodes events, and writes a batch of them at a time.
pub(super) struct Spooling {
    writer: SpoolWriter,
    batch: Batch,
    failing: bool,
}

impl Spooling {
    pub(super) fn new(writer: SpoolWriter) -> Self {
        Self { writer, batch: Batch::default(), failing: false }
    }

    /// There is something that could not be written.
    pub(super) fn is_behind(&self) -> bool {
        !self.batch.is_empty()
    }

    /// Takes in what is queued. What began and ended in the same batch was never under way.
    pub(super) fn take(&mut self, queue: Queue, counts: &Counts) {
        let Queue { messages, dropped } = queue;
        let ended = |message: &Message| match message {
            Message::Ended(event) => Some(event.number),
            Message::Begun { .. } | Message::Unsettled { .. } => None,
        };
        let ended: HashSet<u64> = messages.iter().filter_map(ended).collect();
        let mut dropped: HashSet<u64> = dropped.into_iter().collect();
        for message in messages {
            match message {
                Message::Begun { number, .. } if ended.contains(&number) => {}
                Message::Begun { number, exchange, bound } => {
                    let event = wire::begun(&exchange, bound);
                    if dropped.remove(&number) {
                        self.batch.events.push((number, event));
                    } else {
                        self.batch.opens.push((number, event));
                    }
                }
                Message::Ended(event) => self.batch.events.push((event.number, wire::ended(&event))),
                Message::Unsettled { at, holder, bound } => {
                    let key_id = holder.strip_prefix("key:").unwrap_or(&holder);
                    self.batch.events.push((0, wire::claimed(at, key_id, bound)));
                }
            }
        }
        for number in dropped {
            match self.writer.begun(number) {
                Some(event) => self.batch.events.push((number, event)),
                None => drop(counts.lost.fetch_add(1, Ordering::Relaxed)),
            }
        }
    }

    /// Writes what was taken in. What the disk refuses is kept and tried again.
    pub(super) fn write(&mut self, counts: &Counts) {
        let (written, outcome) = self.writer.write(&mut self.batch);
        counts.recorded.fetch_add(written, Ordering::Relaxed);
        match outcome {
            Ok(()) if self.failing => {
                self.failing = false;
                tracing::info!("usage can be written again");
            }
            Err(error) if !self.failing => {
                self.failing = true;
                tracing::error!(
                    %error,
                    "usage cannot be written: it waits in memory, and what there is no room for is counted as lost"
                );
            }
            _ => {}
        }
    }

    pub(super) fn give_up(&mut self, counts: &Counts) {
        counts.lost.fetch_add(self.batch.events.len() as u64, Ordering::Relaxed);
    }
}
