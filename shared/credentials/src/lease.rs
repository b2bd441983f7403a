//! One proof, kept fresh.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::UNIX_EPOCH;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use crate::clock::Clock;
use crate::keeper::Keeper;
use crate::refresh::{self, Fetched};
use crate::unavailable::Unavailable;
use crate::{Proof, Source};

/// One proof, kept fresh as long as somebody holds this.
pub struct Lease {
    kept: Arc<Kept>,
    /// None where there is nothing to fetch.
    task: Option<AbortHandle>,
    entry: Entry,
    clock: Clock,
}

/// Where the keeper finds a lease.
pub(crate) struct Entry {
    pub(crate) keeper: Weak<Keeper>,
    pub(crate) source: Source,
}

/// What a lease and the task that refreshes it share.
#[derive(Default)]
pub(crate) struct Kept {
    held: ArcSwapOption<Held>,
    /// Why the last fetch failed, until one succeeds.
    trouble: Mutex<Option<Unavailable>>,
    /// Something of the above has changed.
    pub(crate) news: watch::Sender<()>,
    /// Somebody says that what is held was refused.
    pub(crate) refusals: Notify,
    pub(crate) counters: Counters,
}

/// What a lease has done.
#[derive(Debug, Default)]
pub struct Counters {
    /// Fetches that gave a proof.
    pub fetched: AtomicU64,
    /// Fetches that failed.
    pub failed: AtomicU64,
    /// When the proof that is held ends, in seconds since 1970; zero while there is none, or it does not end.
    pub ends: AtomicU64,
}

/// A proof, and until when it is handed out.
struct Held {
    proof: Arc<Proof>,
    project: Option<Arc<str>>,
    until: Option<Instant>,
    refused: AtomicBool,
}

impl Lease {
    /// On something that is there already.
    pub(crate) fn declared(proof: Proof, entry: Entry) -> Self {
        let kept = Kept::default();
        kept.hold(Fetched { proof, ends: None, project: None });
        Self { kept: Arc::new(kept), task: None, entry, clock: Clock::default() }
    }

    /// On what `fetch` gives, again and again, on `runtime`.
    pub(crate) fn fetched<F, T>(runtime: &Handle, entry: Entry, fetch: F) -> Self
    where
        F: Fn() -> T + Send + 'static,
        T: Future<Output = Result<Fetched, Unavailable>> + Send + 'static,
    {
        let kept = Arc::new(Kept::default());
        let task = runtime.spawn(refresh::run(Arc::clone(&kept), entry.source.cloud(), fetch));
        Self { kept, task: Some(task.abort_handle()), entry, clock: Clock::default() }
    }

    /// The proof of the moment, if there is one: one load, for any number of threads.
    pub fn now(&self) -> Option<Arc<Proof>> {
        let held = self.kept.held.load();
        held.as_ref().filter(|held| held.is_good()).map(|held| Arc::clone(&held.proof))
    }

    /// The proof of the moment, or the first to come before the deadline. It does not wait where that cannot help.
    pub async fn get(&self, deadline: Instant) -> Result<Arc<Proof>, Unavailable> {
        let mut news = self.kept.news.subscribe();
        loop {
            if let Some(proof) = self.now() {
                return Ok(proof);
            }
            let trouble = self.kept.trouble.lock().clone();
            match trouble {
                Some(trouble) if !trouble.waiting_may_help() => return Err(trouble),
                trouble => {
                    if !matches!(timeout_at(deadline, news.changed()).await, Ok(Ok(()))) {
                        return Err(trouble.unwrap_or_else(|| self.silence()));
                    }
                }
            }
        }
    }

    /// The provider refused this proof (401, 403): it is fetched anew, once per proof and not more often than every
    /// few seconds. It is handed out until another is there: what was refused may be a lack of rights.
    pub fn refused(&self, proof: &Arc<Proof>) {
        let held = self.kept.held.load();
        let Some(held) = held.as_ref().filter(|held| Arc::ptr_eq(&held.proof, proof)) else { return };
        if !held.refused.swap(true, Relaxed) {
            self.kept.refusals.notify_one();
        }
    }

    /// The project that Google's credentials name, as soon as they are fetched.
    pub fn project(&self) -> Option<Arc<str>> {
        self.kept.held.load().as_ref()?.project.clone()
    }

    /// The clock of those who check what is signed with this.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What this lease has done so far.
    pub fn counters(&self) -> &Counters {
        &self.kept.counters
    }

    fn silence(&self) -> Unavailable {
        Unavailable::for_now(format!("{} credentials were not fetched in time", self.entry.source.cloud()))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
        if let Some(keeper) = self.entry.keeper.upgrade() {
            keeper.forget(&self.entry.source);
        }
    }
}

impl Kept {
    pub(crate) fn hold(&self, fetched: Fetched) {
        let seconds = fetched.ends.and_then(|ends| ends.duration_since(UNIX_EPOCH).ok());
        self.counters.ends.store(seconds.map_or(0, |seconds| seconds.as_secs()), Relaxed);
        self.counters.fetched.fetch_add(1, Relaxed);
        let held = Held {
            proof: Arc::new(fetched.proof),
            project: fetched.project.map(Into::into),
            until: fetched.ends.map(|ends| Instant::now() + refresh::usable(refresh::left(ends))),
            refused: AtomicBool::new(false),
        };
        self.held.store(Some(Arc::new(held)));
        *self.trouble.lock() = None;
        self.news.send_replace(());
    }

    pub(crate) fn fail(&self, trouble: Unavailable) {
        self.counters.failed.fetch_add(1, Relaxed);
        *self.trouble.lock() = Some(trouble);
        self.news.send_replace(());
    }

    /// True when what is held now was refused.
    pub(crate) fn is_refused(&self) -> bool {
        self.held.load().as_ref().is_some_and(|held| held.refused.load(Relaxed))
    }
}

impl Held {
    fn is_good(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() < until)
    }
}
