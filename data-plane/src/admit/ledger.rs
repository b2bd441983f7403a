//! The local ledger: what keys have used, on disk, so that budgets survive a restart and a `kill -9`.
//!
//! A journal of lines, one holder's state each, the last one of a holder counts. A thread of its own writes what
//! changed every 100 ms, and at once when a request waits for a claim. Money is *claimed* on disk before requests may
//! reserve it: after a crash all that was claimed counts as spent, so that no crash gives money back; while nothing
//! is in flight the claim is what was spent, so that an idle gateway loses nothing either.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use bulkhead_model::{NanoUsd, UnixMillis};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::holder::{Holder, Saved};

const FLUSH: Duration = Duration::from_millis(100);
const SYNC: Duration = Duration::from_secs(1);
/// The journal is rewritten when it is this long and four times as long as after the last time.
const REWRITE_BYTES: u64 = 4 << 20;

/// What a crash left: holders that had claimed more than is known to be spent.
type Left = Vec<(Box<str>, Saved)>;

/// The handle that the gate holds.
pub(crate) struct Ledger {
    shared: Arc<Shared>,
    urge: SyncSender<Wake>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

struct Shared {
    dirty: Mutex<Vec<Arc<Holder>>>,
    saved: Mutex<HashMap<Box<str>, Saved>>,
    failing: AtomicBool,
    errors: AtomicU64,
}

enum Wake {
    Now,
    Stop,
}

impl Ledger {
    /// Opens or makes the journal in `dir` and starts its thread.
    pub(crate) fn open(dir: &Path) -> io::Result<(Self, Left)> {
        let path = dir.join("ledger.ndjson");
        let mut saved = read(&path)?;
        let unsettled = saved.iter().filter(|(_, saved)| saved.claimed > saved.spent);
        let unsettled = unsettled.map(|(id, saved)| (id.clone(), *saved)).collect();
        // Spent from now on, so that the next start does not find it once more.
        saved.values_mut().for_each(|saved| saved.spent = saved.claimed);
        let journal = Journal::open(path, saved.clone())?;
        let shared = Arc::new(Shared {
            dirty: Mutex::default(),
            saved: Mutex::new(saved),
            failing: AtomicBool::new(false),
            errors: AtomicU64::new(0),
        });
        let (urge, wakes) = sync_channel(1);
        let writer = Writer { shared: shared.clone(), journal, ahead: Vec::new() };
        let thread =
            std::thread::Builder::new().name("ledger".to_owned()).spawn(move || writer.run(&wakes))?;
        Ok((Self { shared, urge, thread: Mutex::new(Some(thread)) }, unsettled))
    }

    /// Remembers a holder that changed.
    pub(super) fn note(&self, holder: &Arc<Holder>) {
        self.shared.dirty.lock().push(holder.clone());
    }

    /// Asks for a flush now; one that is asked for already will do.
    pub(super) fn urge(&self) {
        let _ = self.urge.try_send(Wake::Now);
    }

    /// What a former process wrote down of a holder, once.
    pub(super) fn take_saved(&self, id: &str) -> Option<Saved> {
        self.shared.saved.lock().remove(id)
    }

    /// True while the disk refuses writes.
    pub(crate) fn is_failing(&self) -> bool {
        self.shared.failing.load(Ordering::Relaxed)
    }

    /// Writes that failed since the start.
    pub(crate) fn errors(&self) -> u64 {
        self.shared.errors.load(Ordering::Relaxed)
    }

    /// Writes down the last changes and ends the thread. Blocks for as long as the disk takes.
    pub(crate) fn close(&self) {
        let Some(thread) = self.thread.lock().take() else { return };
        if self.urge.send(Wake::Stop).is_ok() {
            let _ = thread.join();
        }
    }
}

struct Writer {
    shared: Arc<Shared>,
    journal: Journal,
    /// Holders whose claim is ahead of what they use: written again until it is not.
    ahead: Vec<Arc<Holder>>,
}

impl Writer {
    fn run(mut self, wakes: &Receiver<Wake>) {
        loop {
            let last = match wakes.recv_timeout(FLUSH) {
                Ok(Wake::Now) | Err(RecvTimeoutError::Timeout) => false,
                Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => true,
            };
            let outcome = self.flush(!last);
            self.report(outcome);
            if last {
                let outcome = self.journal.sync();
                return self.report(outcome);
            }
        }
    }

    fn flush(&mut self, ahead: bool) -> io::Result<()> {
        let mut noted = std::mem::take(&mut *self.shared.dirty.lock());
        noted.append(&mut self.ahead);
        noted.sort_by(|a, b| a.id.cmp(&b.id));
        noted.dedup_by(|a, b| a.id == b.id);
        let states: Vec<_> = noted.iter().map(|holder| (&*holder.id, holder.save(ahead))).collect();
        if let Err(error) = self.journal.append(&states) {
            // Tried again on the next flush; nothing is forgotten while the process lives.
            self.ahead = noted;
            return Err(error);
        }
        for (holder, (_, saved)) in noted.iter().zip(&states) {
            holder.claimed(saved);
        }
        noted.retain(|holder| holder.claims_ahead());
        self.ahead = noted;
        self.journal.maintain()
    }

    fn report(&self, outcome: io::Result<()>) {
        let failing = outcome.is_err();
        let was_failing = self.shared.failing.swap(failing, Ordering::Relaxed);
        match outcome {
            Err(error) => {
                self.shared.errors.fetch_add(1, Ordering::Relaxed);
                if !was_failing {
                    tracing::error!(%error, "the ledger cannot be written: budgets are exact until this process ends");
                }
            }
            Ok(()) if was_failing => tracing::info!("the ledger can be written again"),
            Ok(()) => {}
        }
    }
}

/// The file.
struct Journal {
    path: PathBuf,
    file: File,
    len: u64,
    /// The length at which it is rewritten.
    rewrite_at: u64,
    /// The file may end within a line: the next one begins with a line break.
    torn: bool,
    /// The last state of every holder, to rewrite from.
    live: HashMap<Box<str>, Saved>,
    synced: Instant,
    unsynced: bool,
}

impl Journal {
    /// Rewrites the journal, or goes on with the old one where the disk has no room for another.
    fn open(path: PathBuf, live: HashMap<Box<str>, Saved>) -> io::Result<Self> {
        let (file, len, torn) = match rewrite(&path, &live) {
            Ok((file, len)) => (file, len, false),
            Err(error) => {
                let Ok(file) = OpenOptions::new().append(true).open(&path) else { return Err(error) };
                tracing::error!(%error, "the ledger cannot be rewritten; the old one is kept");
                (file, 0, true)
            }
        };
        let rewrite_at = rewrite_at(len);
        Ok(Self { path, file, len, rewrite_at, torn, live, synced: Instant::now(), unsynced: false })
    }

    fn append(&mut self, states: &[(&str, Saved)]) -> io::Result<()> {
        if states.is_empty() {
            return Ok(());
        }
        let mut lines = Lines::default();
        if self.torn {
            lines.text.push(b'\n');
        }
        for (id, saved) in states {
            lines.push(id, saved)?;
        }
        self.torn = true;
        self.file.write_all(&lines.text)?;
        self.torn = false;
        self.unsynced = true;
        self.len = self.len.saturating_add(u64::try_from(lines.text.len()).unwrap_or(u64::MAX));
        for (id, saved) in states {
            match self.live.get_mut(*id) {
                Some(last) => *last = *saved,
                None => drop(self.live.insert((*id).into(), *saved)),
            }
        }
        Ok(())
    }

    fn maintain(&mut self) -> io::Result<()> {
        if self.len > self.rewrite_at {
            // Where it fails, the journal goes on as it is, and this is tried again a good deal later.
            self.rewrite_at = self.len.saturating_add(REWRITE_BYTES);
            let (file, len) = rewrite(&self.path, &self.live)?;
            (self.file, self.len, self.rewrite_at, self.torn) = (file, len, rewrite_at(len), false);
        }
        if self.unsynced && self.synced.elapsed() >= SYNC {
            self.sync()?;
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        self.unsynced = false;
        self.synced = Instant::now();
        Ok(())
    }
}

fn rewrite_at(len: u64) -> u64 {
    len.saturating_mul(4).max(REWRITE_BYTES)
}

/// Writes a journal to a temporary file, synced, and renames it over the old one.
fn rewrite(path: &Path, live: &HashMap<Box<str>, Saved>) -> io::Result<(File, u64)> {
    let temporary = path.with_extension("tmp");
    let mut lines = Lines::default();
    for (id, saved) in live {
        lines.push(id, saved)?;
    }
    let text = lines.text;
    let written = write_synced(&temporary, &text);
    let file = written.inspect_err(|_| drop(fs::remove_file(&temporary)))?;
    fs::rename(&temporary, path)?;
    if let Some(dir) = path.parent() {
        File::open(dir)?.sync_all()?;
    }
    Ok((file, u64::try_from(text.len()).unwrap_or(u64::MAX)))
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(file)
}

/// Lines of the journal.
#[derive(Default)]
struct Lines {
    text: Vec<u8>,
    /// The line that is being written.
    body: Vec<u8>,
}

impl Lines {
    /// `<checksum> <rate start> <requests> <tokens> <budget start> <spent> <claimed> <generation> <base over> <budget end>
    /// <id>`
    fn push(&mut self, id: &str, saved: &Saved) -> io::Result<()> {
        let Self { text, body } = self;
        let Saved { rate_start, requests, tokens, .. } = saved;
        let Saved { budget_start, budget_end, generation, base_over, spent, claimed, .. } = saved;
        let (rate, start, end) = (rate_start.0, budget_start.0, budget_end.0);
        let (spent, claimed, over) = (spent.0, claimed.0, u8::from(*base_over));
        body.clear();
        write!(body, "{rate} {requests} {tokens} {start} {spent} {claimed} {generation} {over} {end} ")?;
        serde_json::to_writer(&mut *body, id)?;
        write!(text, "{:08x} ", checksum(body))?;
        text.extend_from_slice(body);
        text.push(b'\n');
        Ok(())
    }
}

pub(super) fn checksum(body: &[u8]) -> u32 {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, body);
    digest.as_ref().first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

fn read(path: &Path) -> io::Result<HashMap<Box<str>, Saved>> {
    let text = match fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashMap::new()),
        Err(error) => return Err(error),
    };
    let mut states = HashMap::new();
    let mut damaged = 0;
    for line in text.lines().filter(|line| !line.is_empty()) {
        match read_line(line) {
            Some((id, saved)) => drop(states.insert(id, saved)),
            None => damaged += 1,
        }
    }
    // The last line may be torn by a power cut; more than that is a damaged disk.
    if damaged > 0 {
        tracing::warn!(damaged, file = %path.display(), "lines of the ledger were damaged and are left out");
    }
    Ok(states)
}

fn read_line(line: &str) -> Option<(Box<str>, Saved)> {
    let (sum, body) = line.split_once(' ')?;
    if u32::from_str_radix(sum, 16).ok()? != checksum(body.as_bytes()) {
        return None;
    }
    let (numbers, id) = body.split_at_checked(body.find('"')?)?;
    let mut fields = numbers.split_ascii_whitespace();
    let mut number = || fields.next()?.parse::<i64>().ok();
    let mut saved = Saved {
        rate_start: UnixMillis(number()?),
        requests: u64::try_from(number()?).ok()?,
        tokens: u64::try_from(number()?).ok()?,
        budget_start: UnixMillis(number()?),
        spent: NanoUsd(number()?),
        claimed: NanoUsd(number()?),
        ..Saved::default()
    };
    // Lines of an older release end here.
    if let Some(generation) = fields.next() {
        saved.generation = generation.parse().ok()?;
        saved.base_over = fields.next()? == "1";
        saved.budget_end = UnixMillis(fields.next()?.parse().ok()?);
    }
    let id: String = serde_json::from_str(id).ok()?;
    Some((id.into(), saved))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved(spent: i64) -> Saved {
        Saved { spent: NanoUsd(spent), claimed: NanoUsd(spent), ..Saved::default() }
    }

    fn journal(dir: &Path) -> Journal {
        Journal::open(dir.join("ledger.ndjson"), HashMap::new()).unwrap()
    }

    #[test]
    fn what_is_written_after_a_torn_line_can_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = journal(dir.path());
        journal.append(&[("a", saved(1))]).unwrap();
        journal.file.write_all(b"deadbeef 1 2 3").unwrap();
        let writable = std::mem::replace(&mut journal.file, File::open(&journal.path).unwrap());
        assert!(journal.append(&[("b", saved(2))]).is_err());
        journal.file = writable;
        journal.append(&[("b", saved(2))]).unwrap();
        journal.append(&[("c", saved(3))]).unwrap();
        let states = read(&journal.path).unwrap();
        let expected = [("a", 1), ("b", 2), ("c", 3)].map(|(id, spent)| (id.into(), saved(spent)));
        assert_eq!(states, HashMap::from(expected));
    }

    #[test]
    fn a_rewrite_that_fails_forgets_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = journal(dir.path());
        for spent in 0..100 {
            journal.append(&[("a", saved(spent)), ("b", saved(2 * spent))]).unwrap();
        }
        let path = std::mem::replace(&mut journal.path, dir.path().join("gone/ledger.ndjson"));
        journal.rewrite_at = 0;
        assert!(journal.maintain().is_err());
        journal.append(&[("b", saved(7))]).unwrap();
        let expected = HashMap::from([("a".into(), saved(99)), ("b".into(), saved(7))]);
        assert_eq!(read(&path).unwrap(), expected);
        journal.path = path;
        journal.rewrite_at = 0;
        journal.maintain().unwrap();
        assert!(journal.len < 200, "{}", journal.len);
        assert_eq!(read(&journal.path).unwrap(), expected);
    }
}
