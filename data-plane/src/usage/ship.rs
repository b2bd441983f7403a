//! The shipper: sends what is in the spool to the control plane, in order, from a thread and runtime of its own, for as
//! long as the process lives (design §8).
//!
//! Nothing is lost by whatever happens to a connection: what was not acknowledged is sent again, and the control plane
//! knows by its number what it has.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bulkhead_model::random;
use bulkhead_proto::usage_report::Report as Say;
use bulkhead_proto::{Mark, UsageBatch, UsageHello, UsageReply, UsageReport};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tonic::{Request, Streaming};

use super::spool::{Incarnation, Spool};
use crate::route::Rng;
use crate::snapshot::{Access, Connection, Follow, in_words};
use crate::worker::Node;

/// Events that come in this time leave together: the control plane writes each batch in a transaction.
const GATHER: Duration = Duration::from_millis(100);
/// Encoded events of one batch, about.
const BATCH_BYTES: usize = 512 << 10;
/// Batches on their way.
const IN_FLIGHT: usize = 4;
const ANSWER: Duration = Duration::from_secs(10);
/// A control plane that acknowledges nothing for this long is given up, and asked anew.
const ACKNOWLEDGED: Duration = Duration::from_secs(30);
/// Between connections: at most this, doubled each time, up to the cap.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How long a node that stops waits for what is in its spool to get away: with a control plane, and without.
const LEAVING: Duration = Duration::from_secs(10);
const LEAVING_ALONE: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(20);

/// Returns when the spool is empty, or when waiting for that is of no use. What stays is sent by the next start.
pub(crate) async fn emptied(node: &Node) {
    let Some(spool) = node.recorder.spool() else { return };
    let began = Instant::now();
    let patience =
        || if node.link.as_ref().is_some_and(|link| link.is_connected()) { LEAVING } else { LEAVING_ALONE };
    while !spool.is_empty() && began.elapsed() < patience() {
        sleep(LOOK).await;
    }
    let left = spool.lag().events;
    if left > 0 {
        tracing::warn!(events = left, "usage stays in the spool until the next start");
    }
}

/// Who sends what to whom.
pub(crate) struct Shipper {
    pub(crate) follow: Arc<Follow>,
    pub(crate) node: Arc<Node>,
    pub(crate) spool: Arc<Spool>,
    pub(crate) name: String,
    pub(crate) seed: u64,
}

/// A batch that was sent.
#[derive(Clone, Copy)]
struct Sent {
    incarnation: Incarnation,
    first: u64,
    last: u64,
    at: Instant,
}

impl Shipper {
    /// Sends until the process ends.
    pub(crate) async fn run(self) -> std::io::Result<()> {
        let rng = Rng::new(self.seed);
        let (mut tries, mut told) = (0, None);
        loop {
            let began = Instant::now();
            let Err(reason) = self.session().await;
            if told.as_ref() != Some(&reason) {
                tracing::warn!("usage waits in the spool: {reason}");
                told = Some(reason);
            }
            tries = if began.elapsed() > LONGEST_WAIT { 0 } else { tries + 1 };
            sleep(random::backoff(tries, FIRST_WAIT, LONGEST_WAIT, rng.next())).await;
        }
    }

    async fn session(&self) -> Result<Infallible, String> {
        let Access { dialer, authorization, .. } = self.follow.access();
        let connection = Connection::open(&self.follow.peer, &dialer).await?;
        let (reports, mut queue) = mpsc::channel(IN_FLIGHT + 1);
        let hello = UsageHello {
            node: self.name.clone(),
            incarnations: self.spool.incarnations().iter().map(|incarnation| incarnation.encode()).collect(),
        };
        let _ = reports.try_send(UsageReport { report: Some(Say::Hello(hello)) });
        let outgoing = futures_util::stream::poll_fn(move |cx| queue.poll_recv(cx));
        let mut request = Request::new(outgoing);
        request.metadata_mut().insert("authorization", authorization);
        let answer = timeout(ANSWER, connection.usage().send(request)).await;
        let answer = answer.map_err(|_| "the control plane does not answer".to_owned())?;
        let mut replies = answer.map_err(|status| in_words(&status))?.into_inner();
        let first = timeout(ANSWER, replies.message()).await.map_err(|_| "it says no marks".to_owned())?;
        let marks = first.map_err(|status| in_words(&status))?.ok_or("it ended the stream")?.marks;
        self.spool.resume(&decoded(marks));
        Session { shipper: self, reports, replies, sent: VecDeque::new() }.run().await
    }
}

/// One connection.
struct Session<'s> {
    shipper: &'s Shipper,
    reports: mpsc::Sender<UsageReport>,
    replies: Streaming<UsageReply>,
    /// What is on its way, oldest first.
    sent: VecDeque<Sent>,
}

impl Session<'_> {
    async fn run(mut self) -> Result<Infallible, String> {
        let mut appended = self.shipper.spool.appended();
        loop {
            appended.mark_unchanged();
            let idle = self.fill().await?;
            let deadline = self.sent.front().map(|sent| sent.at + ACKNOWLEDGED);
            tokio::select! {
                reply = self.replies.message() => {
                    let reply = reply.map_err(|status| in_words(&status))?;
                    self.hear(reply.ok_or("it ended the stream")?.marks);
                }
                changed = appended.changed(), if idle => {
                    changed.map_err(|_| "the spool is closed".to_owned())?;
                    self.gather().await;
                }
                () = until(deadline) => return Err("the control plane acknowledges nothing".to_owned()),
            }
        }
    }

    /// Sends what there is; true where there is nothing more.
    async fn fill(&mut self) -> Result<bool, String> {
        while self.sent.len() < IN_FLIGHT {
            let next = self.shipper.spool.next(BATCH_BYTES).map_err(|error| format!("the spool: {error}"))?;
            let Some(batch) = next else { return Ok(true) };
            let Some(incarnation) = Incarnation::decode(&batch.incarnation) else {
                return Err("the spool holds a batch without a name".to_owned());
            };
            let UsageBatch { first, last, .. } = batch;
            self.sent.push_back(Sent { incarnation, first, last, at: Instant::now() });
            let report = UsageReport { report: Some(Say::Batch(batch)) };
            self.reports.send(report).await.map_err(|_| "the connection broke".to_owned())?;
        }
        Ok(false)
    }

    /// A node that stops has nothing to wait for.
    async fn gather(&self) {
        if !self.shipper.node.draining.load(Ordering::Relaxed) {
            sleep(GATHER).await;
        }
    }

    fn hear(&mut self, marks: Vec<Mark>) {
        for (incarnation, through) in decoded(marks) {
            let lacks = |sent: &Sent| sent.incarnation == incarnation && sent.first > through + 1;
            let oldest = self.sent.iter().find(|sent| sent.incarnation == incarnation);
            if oldest.is_some_and(lacks) {
                // It has less than what it acknowledged: a database that was restored.
                tracing::warn!(through, "the control plane lost usage it had: sending it again");
                self.sent.retain(|sent| sent.incarnation != incarnation);
                self.shipper.spool.resume(&[(incarnation, through)]);
                continue;
            }
            self.shipper.spool.acked(incarnation, through);
            self.sent.retain(|sent| sent.incarnation != incarnation || sent.last > through);
        }
    }
}

fn decoded(marks: Vec<Mark>) -> Vec<(Incarnation, u64)> {
    let read = |mark: Mark| Some((Incarnation::decode(&mark.incarnation)?, mark.through));
    marks.into_iter().filter_map(read).collect()
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
