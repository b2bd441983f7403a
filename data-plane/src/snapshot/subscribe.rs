//! The subscription: follows the control plane from a thread and runtime of its own, for as long as the process lives.
//!
//! Whatever comes or does not come on the stream, the worst that happens is a refusal that both sides can read, and
//! another connection.

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_model::random;
use bulkhead_proto::push::Push as Said;
use bulkhead_proto::report::Report as Say;
use bulkhead_proto::{self as proto, Push, Report};
use bulkhead_snapshot::Version;
use bulkhead_snapshot::disk::Written;
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet, spawn_blocking};
use tokio::time::{Instant, interval, sleep, timeout, timeout_at};
use tonic::{Code, Request, Status, Streaming};

use super::applier::{Applier, Step, Work};
use super::collect::{Collector, ROOM};
use super::connect::Connection;
use super::follow::Access;
use super::{Follow, Link, heard};
use crate::route::Rng;
use crate::worker::Node;

/// How often the node gives a sign of life. Whoever was not heard for 3 s does not count for `?wait=applied`.
const BEAT: Duration = Duration::from_secs(1);
/// A control plane that has been silent for this long is hung: less than the 15 s of design §4.
const SILENCE: Duration = Duration::from_secs(12);
const ANSWER: Duration = Duration::from_secs(10);
/// Reports that may wait for the connection.
const REPORTS: usize = 16;
/// How long a refusal has to get out before the connection is closed.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// Between connections: at most this, doubled each time, up to the cap.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// A full sync that was refused may cost the control plane much to repeat.
const ASK_ANEW: Duration = Duration::from_secs(60);
/// After so many refusals in a row everything is asked for.
const REFUSALS: u32 = 2;

/// Who follows what.
pub(crate) struct Subscriber {
    pub(crate) follow: Arc<Follow>,
    pub(crate) node: Arc<Node>,
    pub(crate) link: Arc<Link>,
    pub(crate) name: String,
    pub(crate) state_dir: PathBuf,
    pub(crate) seed: u64,
}

impl Subscriber {
    /// Follows until the process ends.
    pub(crate) async fn run(self, applier: Applier) -> std::io::Result<()> {
        let Self { follow, node, link, name, state_dir, seed } = self;
        tokio::spawn(heard::watch(link.clone(), node.clone(), state_dir.clone()));
        let rng = Arc::new(Rng::new(seed));
        let incarnation = Bytes::from([rng.next().to_be_bytes(), rng.next().to_be_bytes()].concat());
        let mut applier = Some(applier);
        loop {
            let following = Following {
                follow: follow.clone(),
                node: node.clone(),
                link: link.clone(),
                name: name.clone(),
                incarnation: incarnation.clone(),
                state_dir: state_dir.clone(),
                rng: rng.clone(),
                applier: applier.take(),
                writing: JoinSet::new(),
                refusals: 0,
            };
            // A defect of ours must not leave a node that follows nobody.
            if let Err(error) = tokio::spawn(following.run()).await {
                tracing::error!(%error, "following the control plane failed; starting over");
            }
            link.set_connected(false);
            sleep(LONGEST_WAIT).await;
        }
    }
}

struct Following {
    follow: Arc<Follow>,
    node: Arc<Node>,
    link: Arc<Link>,
    name: String,
    incarnation: Bytes,
    state_dir: PathBuf,
    rng: Arc<Rng>,
    /// `None` after it was lost to a defect: it is read from disk again.
    applier: Option<Applier>,
    /// A base on its way to the disk, at most one.
    writing: JoinSet<io::Result<Written>>,
    /// Pushes refused since the last one that was applied.
    refusals: u32,
}

/// Why a session is over.
enum Ended {
    /// There is no connection any more, or never was.
    Broke(String),
    /// The node refused what came, and said so.
    Refused,
}

/// The applier ended in a panic, a defect of ours.
struct Lost;

impl From<Lost> for Ended {
    fn from(_: Lost) -> Self {
        Self::Broke("writing the snapshot failed: a defect of the node".to_owned())
    }
}

impl Following {
    async fn run(mut self) {
        let mut tries = 0;
        loop {
            let began = Instant::now();
            let applied = self.link.counts.applied.get();
            let Err(ended) = Box::pin(self.session()).await;
            self.link.set_connected(false);
            self.say(ended);
            let good = self.link.counts.applied.get() > applied || began.elapsed() > LONGEST_WAIT;
            tries = if good { 0 } else { tries + 1 };
            sleep(random::backoff(tries, FIRST_WAIT, LONGEST_WAIT, self.rng.next())).await;
        }
    }

    /// Says why there is no connection; the same reason once.
    fn say(&self, ended: Ended) {
        let Ended::Broke(reason) = ended else { return };
        if self.link.show(|shown| shown.trouble.replace(reason.clone())).as_ref() != Some(&reason) {
            tracing::warn!("no connection to the control plane: {reason}");
        }
    }

    async fn session(&mut self) -> Result<Infallible, Ended> {
        if self.applier.is_none() {
            self.reopen().await?;
        }
        let Access { dialer, authorization, .. } = self.follow.access();
        let connection = Connection::open(&self.follow.peer, &dialer).await.map_err(Ended::Broke)?;
        let (reports, mut queue) = mpsc::channel(REPORTS);
        let _ = reports.try_send(self.hello());
        let outgoing = futures_util::stream::poll_fn(move |cx| queue.poll_recv(cx));
        let mut request = Request::new(outgoing);
        request.metadata_mut().insert("authorization", authorization);
        let answer = timeout(ANSWER, connection.snapshots().subscribe(request)).await;
        let answer = answer.map_err(|_| Ended::Broke("it does not answer".to_owned()))?;
        let pushes = answer.map_err(|status| Ended::Broke(in_words(&status)))?.into_inner();
        tracing::info!("connected to the control plane");
        self.link.set_connected(true);
        self.link.show(|shown| (shown.trouble, shown.held) = (None, None));
        let mut beats = JoinSet::new();
        beats.spawn(beat(reports.clone()));
        let session = Session {
            following: self,
            pushes,
            reports,
            beats,
            collector: None,
            ask_anew: None,
            heard: Instant::now(),
        };
        Box::pin(session.run()).await
    }

    fn hello(&self) -> Report {
        let everything = self.refusals >= REFUSALS;
        let version = self.applier.as_ref().and_then(Applier::version).filter(|_| !everything);
        report(Say::Hello(proto::Hello {
            node: self.name.clone(),
            incarnation: self.incarnation.clone(),
            release: env!("CARGO_PKG_VERSION").to_owned(),
            version: version.map(Version::encode),
            rejected: self.link.shown().rejected.encode(),
        }))
    }

    /// Reads the last good snapshot once more; what is in force stays in force.
    async fn reopen(&mut self) -> Result<(), Ended> {
        let (dir, follow) = (self.state_dir.clone(), self.follow.clone());
        let opened = spawn_blocking(move || Applier::open(&dir, &follow)).await;
        let opened = opened.map_err(|error| Ended::Broke(error.to_string()))?;
        self.writing = JoinSet::new();
        self.applier = Some(opened.map_err(|error| Ended::Broke(format!("the disk: {error}")))?);
        Ok(())
    }

    /// Lets the applier work, off the runtime.
    async fn with_applier<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Applier, &Node, &Link) -> T + Send + 'static,
    ) -> Result<T, Lost> {
        let mut applier = self.applier.take().ok_or(Lost)?;
        let (node, link) = (self.node.clone(), self.link.clone());
        let working = spawn_blocking(move || {
            let outcome = work(&mut applier, &node, &link);
            (applier, outcome)
        });
        let (applier, outcome) = working.await.map_err(|_| Lost)?;
        self.applier = Some(applier);
        Ok(outcome)
    }
}

/// One subscription.
struct Session<'f> {
    following: &'f mut Following,
    pushes: Streaming<Push>,
    reports: mpsc::Sender<Report>,
    beats: JoinSet<()>,
    /// A full sync that is under way.
    collector: Option<Collector>,
    /// When to connect anew because a full sync was refused.
    ask_anew: Option<Instant>,
    heard: Instant,
}

impl Session<'_> {
    async fn run(mut self) -> Result<Infallible, Ended> {
        loop {
            let silent = self.heard + SILENCE;
            let until = self.ask_anew.map_or(silent, |at| at.min(silent));
            let message = tokio::select! {
                Some(written) = self.following.writing.join_next() => {
                    self.wrote(written).await?;
                    continue;
                }
                message = timeout_at(until, self.pushes.message()) => message,
            };
            let push = match message {
                Ok(Ok(Some(push))) => push,
                Ok(Ok(None)) => return Err(Ended::Broke("it ended the stream".to_owned())),
                Ok(Err(status)) => return Err(self.broke(&status).await),
                Err(_) if until < silent => return Err(Ended::Refused),
                Err(_) => return Err(Ended::Broke(format!("nothing was heard for {} s", SILENCE.as_secs()))),
            };
            self.heard = Instant::now();
            self.following.link.hear(&self.following.node.snapshot);
            self.take(push).await?;
            self.heard = Instant::now();
        }
    }

    async fn take(&mut self, push: Push) -> Result<(), Ended> {
        match (push.push, self.collector.take()) {
            (Some(Said::Alive(_)), collector) => {
                self.collector = collector;
                self.tend().await
            }
            (Some(Said::Held(held)), _) => {
                self.hold(&held.reason);
                Ok(())
            }
            (Some(Said::FullBegin(begin)), None) => {
                let version = begin.version.clone();
                match Collector::begin(begin, ROOM) {
                    Ok(collector) => self.collector = Some(collector),
                    Err(reason) => return Err(self.refuse_and_leave(version, reason).await),
                }
                Ok(())
            }
            (Some(Said::Chunk(chunk)), Some(mut collector)) => {
                if let Err(reason) = collector.add(chunk) {
                    return Err(self.refuse_and_leave(collector.version(), reason).await);
                }
                self.collector = Some(collector);
                Ok(())
            }
            (Some(Said::FullEnd(end)), Some(collector)) => {
                let version = collector.version();
                match collector.finish(&end) {
                    Ok(full) => self.apply(Work::Full(Box::new(full)), version).await,
                    Err(reason) => Err(self.refuse_and_leave(version, reason).await),
                }
            }
            (Some(Said::Delta(delta)), None) => {
                let version = delta.version.clone();
                self.apply(Work::Delta(Box::new(delta)), version).await
            }
            (Some(_), collector) => {
                let version = collector.and_then(|collector| collector.version());
                Err(self.refuse_and_leave(version, "it came out of order".to_owned()).await)
            }
            // A newer control plane says what this release does not know. If it mattered, the next delta will not fit.
            (None, collector) => {
                self.collector = collector;
                Ok(())
            }
        }
    }

    async fn apply(&mut self, work: Work, version: Option<proto::Version>) -> Result<(), Ended> {
        let is_full = matches!(work, Work::Full(_));
        if is_full && let Some(written) = self.following.writing.join_next().await {
            self.wrote(written).await?;
        }
        let outcome =
            self.following.with_applier(|applier, node, link| applier.apply(work, node, link)).await;
        match outcome {
            Ok(Ok(step)) => {
                self.took(is_full);
                self.go(step).await;
                self.tend().await
            }
            Ok(Err(refused)) if is_full => {
                // The control plane has to change something first: the stream stays open for that.
                self.refuse(version, &refused.0).await;
                self.ask_anew = Some(Instant::now() + ASK_ANEW);
                Ok(())
            }
            Ok(Err(refused)) => Err(self.refuse_and_leave(version, refused.0).await),
            Err(Lost) => Err(self.refuse_and_leave(version, "a defect of the node".to_owned()).await),
        }
    }

    fn took(&mut self, is_full: bool) {
        let link = &self.following.link;
        link.counts.applied.add(1);
        link.show(|shown| (shown.refused, shown.held) = (None, None));
        if let Some(version) = link.shown().version {
            // Changes come by the hundred; that everything came anew does not.
            match is_full {
                true => tracing::info!(%version, "a whole snapshot is in force"),
                false => tracing::debug!(%version, "a change is in force"),
            }
        }
        self.following.refusals = 0;
        self.ask_anew = None;
    }

    /// Lets the applier mend and tidy the disk.
    async fn tend(&mut self) -> Result<(), Ended> {
        if self.following.writing.is_empty() {
            let step = self.following.with_applier(|applier, _, link| applier.tend(link)).await?;
            self.go(step).await;
        }
        Ok(())
    }

    async fn wrote(&mut self, written: Result<io::Result<Written>, JoinError>) -> Result<(), Ended> {
        let written = written.unwrap_or_else(|error| Err(io::Error::other(error)));
        let step = self.following.with_applier(|applier, _, link| applier.wrote(written, link)).await?;
        self.go(step).await;
        Ok(())
    }

    async fn go(&mut self, step: Step) {
        let Step { applied, base } = step;
        if let Some(base) = base {
            self.following.writing.spawn_blocking(move || base.write());
        }
        if let Some(applied) = applied {
            self.report(Say::Applied(applied)).await;
        }
    }

    fn hold(&self, reason: &str) {
        let reason = printable(reason);
        if self.following.link.show(|shown| shown.held.replace(reason.clone())).as_ref() != Some(&reason) {
            tracing::error!("the control plane publishes nothing to this node: {reason}");
        }
    }

    /// Says what is wrong with a push, here and there.
    async fn refuse(&mut self, version: Option<proto::Version>, reason: &str) {
        let following = &mut *self.following;
        following.refusals = following.refusals.saturating_add(1);
        following.link.counts.refused.add(1);
        let name = Version::decode(version.as_ref()).map_or_else(|| "a push".to_owned(), |it| it.to_string());
        let said = format!("{name} was refused: {reason}");
        if following.link.show(|shown| shown.refused.replace(said.clone())).as_ref() != Some(&said) {
            tracing::error!("{said}; what was there stays in force");
        }
        self.report(Say::Refused(proto::Refused { version, reason: reason.to_owned() })).await;
    }

    async fn refuse_and_leave(&mut self, version: Option<proto::Version>, reason: String) -> Ended {
        self.refuse(version, &reason).await;
        self.leave().await;
        Ended::Refused
    }

    /// A stream that broke, or a message that is none. Only the former has a cause.
    async fn broke(&mut self, status: &Status) -> Ended {
        let is_no_message = matches!(status.code(), Code::Internal | Code::OutOfRange);
        if is_no_message && std::error::Error::source(status).is_none() {
            return self.refuse_and_leave(None, in_words(status)).await;
        }
        Ended::Broke(in_words(status))
    }

    async fn report(&self, say: Say) {
        // The heartbeats keep a place that waits for a hung peer from waiting for ever: the connection is closed.
        let _ = timeout(SILENCE, self.reports.send(report(say))).await;
    }

    /// Ends our side of the stream and lets what was said get out.
    async fn leave(&mut self) {
        self.beats.shutdown().await;
        let (closed, _) = mpsc::channel(1);
        self.reports = closed;
        let ended = async { while let Ok(Some(_)) = self.pushes.message().await {} };
        let _ = timeout(LAST_WORDS, ended).await;
    }
}

fn report(say: Say) -> Report {
    Report { report: Some(say) }
}

/// Gives signs of life until the session is over.
async fn beat(reports: mpsc::Sender<Report>) {
    let mut ticks = interval(BEAT);
    loop {
        ticks.tick().await;
        if reports.send(report(Say::Alive(proto::Alive {}))).await.is_err() {
            return;
        }
    }
}

pub(crate) fn in_words(status: &Status) -> String {
    match status.code() {
        Code::Unauthenticated => format!("it refuses the join token: {}", printable(status.message())),
        code => format!("{code:?}: {}", printable(status.message())),
    }
}

/// What somebody else said, fit for a line of a log.
fn printable(text: &str) -> String {
    text.chars().take(300).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
