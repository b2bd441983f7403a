//! The keeper of the spool: makes what was written last, removes what is not needed, and makes room. On a thread of its
//! own, so that a slow disk holds up nobody who writes.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{JoinHandle, park_timeout};
use std::time::{Duration, SystemTime};

use bulkhead_model::UnixMillis;
use bulkhead_sealed::Damage;
use tokio::time::Instant;

use super::files::{Form, SegmentName};
use super::index::Segment;
use super::read::Reader;
use super::sums::Part;
use super::{Full, Spool};

/// Between two syncs.
const SYNC: Duration = Duration::from_secs(1);
const REMOVE: Duration = Duration::from_secs(60);
/// How long events are kept that the control plane has: its database may be restored from a backup.
const KEPT: i64 = 24 * 3_600_000;

impl Spool {
    /// Starts the thread, which ends with [`Spool::close`].
    pub(in crate::usage) fn keep(self: &Arc<Self>) -> io::Result<JoinHandle<()>> {
        let spool = self.clone();
        std::thread::Builder::new().name("spool".to_owned()).spawn(move || {
            spool.keeper.set(std::thread::current()).ok();
            loop {
                if !spool.dirty.load(Ordering::Acquire) && !spool.is_closing() {
                    // Once in a while there is something to remove.
                    park_timeout(REMOVE);
                }
                let last = spool.is_closing();
                spool.dirty.store(false, Ordering::Release);
                spool.tend();
                if last {
                    return;
                }
                spool.pause(Instant::now() + SYNC);
            }
        })
    }

    /// Waits; only closing cuts it short.
    fn pause(&self, until: Instant) {
        while !self.is_closing() && Instant::now() < until {
            park_timeout(until.saturating_duration_since(Instant::now()));
        }
    }

    fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Writes down the last things and ends the keeper's thread.
    pub(in crate::usage) fn close(&self, keeper: JoinHandle<()>) {
        self.closing.store(true, Ordering::Release);
        keeper.thread().unpark();
        let _ = keeper.join();
    }

    pub(super) fn wake(&self) {
        if !self.dirty.swap(true, Ordering::AcqRel)
            && let Some(keeper) = self.keeper.get()
        {
            keeper.unpark();
        }
    }

    /// Does what there is to do.
    pub(super) fn tend(&self) {
        self.sync();
        self.save_marks();
        self.remove_outdated();
        self.make_room();
    }

    /// Makes what was written last, and lets it be sent.
    fn sync(&self) {
        let unsynced: Vec<_> = {
            let index = self.index.lock();
            let unsynced = |segment: &Segment| {
                let file = segment.unsynced.clone()?;
                Some((segment.name.number, file, segment.last, segment.len, segment.ready.1 == 0))
            };
            index.segments.values().filter_map(unsynced).collect()
        };
        if unsynced.is_empty() {
            return;
        }
        let is_new = unsynced.iter().any(|(.., is_new)| *is_new);
        let synced = unsynced.iter().try_for_each(|(_, file, ..)| file.sync_data());
        let synced = synced.and_then(|()| if is_new { self.dir.sync() } else { Ok(()) });
        // A disk that cannot do it may lose what it has when the power fails; until then it serves.
        self.note_trouble(synced.err());
        let mut index = self.index.lock();
        for (number, _, last, len, _) in unsynced {
            let Some(segment) = index.segments.get_mut(&number) else { continue };
            segment.ready = (last, len);
            if segment.len == len {
                segment.unsynced = None;
            }
        }
        drop(index);
        self.appended.send_modify(|moves| *moves += 1);
    }

    fn save_marks(&self) {
        let marks = {
            let mut index = self.index.lock();
            std::mem::take(&mut index.marks_moved).then(|| index.marks.clone())
        };
        // Without them more is sent again than has to be, and less can be removed.
        if let Some(error) = marks.and_then(|marks| self.dir.save_marks(&marks).err()) {
            self.index.lock().marks_moved = true;
            self.note_trouble(Some(error));
        }
    }

    fn remove_outdated(&self) {
        let before = UnixMillis(self.clock.now().0.saturating_sub(KEPT));
        let outdated = self.index.lock().outdated(before);
        outdated.iter().for_each(|name| self.remove(name));
    }

    fn remove(&self, name: &SegmentName) {
        self.index.lock().segments.remove(&name.number);
        if let Err(error) = self.dir.remove(name) {
            tracing::error!(%error, file = %self.dir.path(name).display(), "usage that was sent cannot be removed");
        }
    }

    /// Goes back below the cap: what the control plane has goes first, then detail.
    fn make_room(&self) {
        let is_over = || self.index.lock().bytes() > self.options.cap;
        while is_over() {
            let acknowledged = self.index.lock().acknowledged();
            let Some(name) = acknowledged else { break };
            self.remove(&name);
        }
        while self.options.full == Full::Fold && is_over() {
            let folded = self.fold();
            if !matches!(folded, Ok(true)) {
                self.note_trouble(folded.err());
                break;
            }
        }
        // What is new matters more than what a restored database may want once more.
        while is_over() {
            let acknowledged = self.index.lock().acknowledged_once();
            let Some(name) = acknowledged else { break };
            self.remove(&name);
        }
        let is_over = is_over();
        if self.over.swap(is_over, Ordering::Relaxed) == is_over {
            return;
        }
        match (is_over, self.options.full) {
            (false, _) => tracing::info!("the spool has room again"),
            (true, Full::Fold) => tracing::error!(
                "the spool is over --spool-cap and nothing is left to be summed up: usage is counted as lost"
            ),
            (true, Full::Block) => {
                tracing::error!("the spool is over --spool-cap: requests are refused (--spool-full block)")
            }
        }
    }

    /// Folds what was never sent, the oldest first. Nothing is handed out meanwhile. False: there is nothing to fold.
    fn fold(&self) -> io::Result<bool> {
        let reading = self.reading.lock();
        let sent = reading.sent.through;
        let (foldable, mergeable) = {
            let index = self.index.lock();
            (index.foldable(sent), index.mergeable(sent))
        };
        if let Some((name, last)) = foldable {
            self.fold_events(name, last)?;
            return Ok(true);
        }
        let Some(run) = mergeable else { return Ok(false) };
        self.merge_sums(&run)?;
        Ok(true)
    }

    fn fold_events(&self, name: SegmentName, last: u64) -> io::Result<()> {
        let good = self.index.lock().segments.get(&name.number).map(|segment| segment.ready.1);
        let (events, damage) = match Reader::open(&self.dir, &self.keys, name) {
            Ok(mut reader) => reader.all(last, good.unwrap_or_default()),
            Err(damage) => (Vec::new(), Some(damage)),
        };
        if let Some(damage) = damage {
            self.damaged(&name, &for_good(damage)?);
        }
        let parts = Part::of(name.first, &events);
        let folded = SegmentName { form: Form::Sums, ..name };
        self.put_sums(folded, last, &parts)?;
        self.dir.remove(&name)?;
        let events = events.len() as u64;
        if self.counts.folded.fetch_add(events, Ordering::Relaxed) == 0 {
            tracing::error!(
                "the spool is over --spool-cap: the oldest usage is summed up, its detail is lost"
            );
        }
        Ok(())
    }

    fn merge_sums(&self, run: &[(SegmentName, u64)]) -> io::Result<()> {
        let (Some((first, _)), Some((_, last))) = (run.first(), run.last()) else { return Ok(()) };
        let mut parts = Vec::new();
        for (name, _) in run {
            match Part::read_all(&self.dir, &self.keys, name) {
                Ok(read) => parts.extend(read),
                Err(damage) => self.damaged(name, &for_good(damage)?),
            }
        }
        self.put_sums(*first, *last, &Part::merge(parts))?;
        for (name, _) in run.iter().skip(1) {
            self.remove(name);
        }
        Ok(())
    }

    fn put_sums(&self, name: SegmentName, last: u64, parts: &[Part]) -> io::Result<()> {
        let len = Part::write_all(&self.dir, &self.keys, &name, last, parts)?;
        let mut index = self.index.lock();
        let written = index.segments.get(&name.number).and_then(|segment| segment.written.front().copied());
        let at = written.map_or(self.clock.now(), |(_, at)| at);
        index.segments.insert(name.number, Segment::sealed(name, last, len, at));
        Ok(())
    }

    /// A segment, or the rest of it, that cannot be read any more.
    pub(super) fn damaged(&self, name: &SegmentName, damage: &Damage) {
        self.counts.damaged.fetch_add(1, Ordering::Relaxed);
        tracing::error!(file = %self.dir.path(name).display(), "usage is lost: {damage}");
    }

    /// Says what is wrong with the disk, once.
    fn note_trouble(&self, error: Option<io::Error>) {
        match error {
            Some(error) if !self.trouble.swap(true, Ordering::Relaxed) => {
                tracing::error!(%error, "the spool's disk is in trouble");
            }
            Some(_) => {}
            None => self.trouble.store(false, Ordering::Relaxed),
        }
    }

    /// Notes at the file when the control plane had all of it, for the next process.
    pub(super) fn touch(&self, name: &SegmentName) {
        // Without it the file is kept for too short or too long a time; it is not worth more than trying.
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(self.clock.now().0.unsigned_abs());
        File::options().append(true).open(self.dir.path(name)).and_then(|file| file.set_modified(now)).ok();
    }
}

/// Damage that stays, or an error that may pass.
fn for_good(damage: Damage) -> io::Result<Damage> {
    match damage {
        Damage::Io(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        damage => Ok(damage),
    }
}
