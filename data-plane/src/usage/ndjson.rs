//! Records of a standalone gateway: a line of JSON for each event.

use std::io::Write;
use std::sync::atomic::Ordering;

use bulkhead_model::{NanoUsd, UnixMillis};

use super::files::Files;
use super::recorder::{Counts, Message, Queue};

/// Writes records to rotating files.
pub(super) struct Ndjson {
    files: Files,
    /// Makes the ids of records unique, with a number behind it.
    prefix: String,
    next: u64,
    text: Vec<u8>,
    events: u64,
    failing: bool,
}

impl Ndjson {
    pub(super) fn new(files: Files, prefix: String) -> Self {
        Self { files, prefix, next: 0, text: Vec::new(), events: 0, failing: false }
    }

    pub(super) fn take(&mut self, queue: Queue) {
        queue.messages.iter().for_each(|message| self.put(message));
    }

    fn put(&mut self, message: &Message) {
        let id = format!("{}-{}", self.prefix, self.next);
        let before = self.text.len();
        let written = match message {
            Message::Begun { .. } => return,
            Message::Ended(event) => event.write(&id, &mut self.text),
            Message::Unsettled { at, holder, bound } => unsettled(&id, *at, holder, *bound, &mut self.text),
        };
        self.next += 1;
        self.events += 1;
        match written {
            Ok(()) => self.text.push(b'\n'),
            Err(_) => self.text.truncate(before),
        }
    }

    pub(super) fn write(&mut self, counts: &Counts) {
        if self.text.is_empty() {
            return;
        }
        let outcome = self.files.append(&self.text, counts);
        self.text.clear();
        let events = std::mem::take(&mut self.events);
        match outcome {
            Ok(()) => {
                counts.recorded.fetch_add(events, Ordering::Relaxed);
                self.failing = false;
            }
            Err(error) => {
                counts.lost.fetch_add(events, Ordering::Relaxed);
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
    bound: NanoUsd,
    out: &mut Vec<u8>,
) -> serde_json::Result<()> {
    let record = serde_json::json!({
        "id": id, "time": at.rfc3339(), "status": "failure", "error": "crash", "usage": "unknown",
        "holder": holder, "bound": bound.to_string(),
    });
    write!(out, "{record}").map_err(serde_json::Error::io)
}
