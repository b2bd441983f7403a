//! Whether this replica should get requests, and why not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::watch;

/// What this replica is doing.
pub(crate) struct Status {
    /// Why it cannot serve yet.
    waits: Mutex<Option<String>>,
    notes: Mutex<BTreeMap<About, String>>,
    started: watch::Sender<bool>,
    stopping: AtomicBool,
}

/// What a note is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum About {
    /// What the files on disk say.
    Files,
    /// The gateway.yaml of this replica.
    Config,
    MasterKey,
    Database,
}

impl Status {
    /// One that has not looked at the database yet; the other end says when it has, and found it good.
    pub(super) fn new() -> (Arc<Self>, watch::Receiver<bool>) {
        let (started, is_started) = watch::channel(false);
        let status = Self {
            waits: Mutex::new(Some("starting".to_owned())),
            notes: Mutex::default(),
            started,
            stopping: AtomicBool::new(false),
        };
        (Arc::new(status), is_started)
    }

    /// Why nothing can be served yet; `None` where it can.
    pub(crate) fn waits(&self) -> Option<String> {
        self.waits.lock().clone()
    }

    /// True when it was told to stop: what still comes is served, and should go elsewhere.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Why this replica should get no requests, as far as it is known here.
    pub(crate) fn unready(&self) -> Option<String> {
        if self.is_stopping() { Some("stopping".to_owned()) } else { self.waits() }
    }

    /// What an operator should know though all is well.
    pub(crate) fn notes(&self) -> Vec<String> {
        self.notes.lock().values().cloned().collect()
    }

    /// It cannot serve yet; true where that is news.
    pub(super) fn wait(&self, reason: &str) -> bool {
        let mut waits = self.waits.lock();
        let is_news = waits.as_deref() != Some(reason);
        *waits = Some(reason.to_owned());
        is_news
    }

    /// What there is to say of something; true where that is news.
    pub(super) fn note(&self, about: About, note: Option<&str>) -> bool {
        let mut notes = self.notes.lock();
        let is_news = notes.get(&about).map(String::as_str) != note;
        match note {
            Some(note) => notes.insert(about, note.to_owned()),
            None => notes.remove(&about),
        };
        is_news
    }

    pub(super) fn start(&self) {
        *self.waits.lock() = None;
        self.started.send_replace(true);
    }

    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }
}
