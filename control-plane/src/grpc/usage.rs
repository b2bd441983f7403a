//! Usage that nodes send (design §8): marks, then batches, each answered by the mark once it is for good.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_model::Clock;
use bulkhead_proto::usage_report::Report;
use bulkhead_proto::usage_server::{Usage as Service, UsageServer};
use bulkhead_proto::{Mark, UsageHello, UsageReply, UsageReport};
use bytes::Bytes;
use sqlx::types::Uuid;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::{Join, said};
use crate::ledger::{Batch, Ledger};
use crate::seldom::Seldom;
use crate::store::tokens::Admitted;

/// Nodes send no more in one message.
const MESSAGE: usize = 8 << 20;
/// A node says who it is by then.
const HELLO: Duration = Duration::from_secs(5);
/// Starts of a node's process of which it still has something.
const INCARNATIONS: usize = 1000;
/// Batches of one node that wait.
const IN_FLIGHT: usize = 4;
/// A batch is committed by then, or the node is told to come again.
const COMMIT: Duration = Duration::from_secs(30);
/// A node that takes no answer for so long is too slow.
const SLOW: Duration = Duration::from_secs(15);
const LAST_WORDS: Duration = Duration::from_secs(1);

static AWAY: Seldom = Seldom::new();

/// The service, shared by all connections.
pub(crate) struct Usage {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) join: Arc<Join>,
    /// True when this replica stops.
    pub(crate) stopping: watch::Receiver<bool>,
}

type Queue = mpsc::Sender<Result<UsageReply, Status>>;

/// A batch that was handed over.
struct InFlight {
    incarnation: Uuid,
    answer: oneshot::Receiver<i64>,
}

impl Usage {
    /// As it is served.
    pub(crate) fn server(self) -> UsageServer<Self> {
        UsageServer::new(self).max_decoding_message_size(MESSAGE)
    }
}

impl Service for Usage {
    type SendStream = ReceiverStream<Result<UsageReply, Status>>;

    fn send<'s, 'f>(
        &'s self,
        request: Request<Streaming<UsageReport>>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Self::SendStream>, Status>> + Send + 'f>>
    where
        's: 'f,
        Self: 'f,
    {
        Box::pin(async move {
            let admitted = self.join.admit(request.metadata()).await?;
            let (queue, replies) = mpsc::channel(1);
            let (ledger, join) = (self.ledger.clone(), self.join.clone());
            let stopping = self.stopping.clone();
            let session = Session { ledger, join, stopping, admitted, reports: request.into_inner(), queue };
            tokio::spawn(session.run());
            Ok(Response::new(ReceiverStream::new(replies)))
        })
    }
}

/// A stream that was let in.
struct Session {
    ledger: Arc<Ledger>,
    join: Arc<Join>,
    stopping: watch::Receiver<bool>,
    admitted: Admitted,
    reports: Streaming<UsageReport>,
    queue: Queue,
}

impl Session {
    async fn run(mut self) {
        let queue = self.queue.clone();
        let ended = match self.hello().await {
            Ok(node) => self.serve(node).await,
            Err(ended) => ended,
        };
        if let Some(status) = ended {
            let _ = timeout(LAST_WORDS, queue.send(Err(status))).await;
        }
    }

    /// Who it is; it is told where it stands.
    async fn hello(&mut self) -> Result<Arc<str>, Option<Status>> {
        let first = timeout(HELLO, self.reports.message()).await;
        let first = first.map_err(|_| Status::deadline_exceeded("there was no hello"))?;
        let Some(Report::Hello(UsageHello { node, incarnations })) =
            first.map_err(too_large)?.ok_or(None)?.report
        else {
            return Err(Some(Status::invalid_argument("the first report has to be hello")));
        };
        let Some(node) = said::name(&node) else {
            let what = "the node's name is empty, too long, or not printable";
            return Err(Some(Status::invalid_argument(what)));
        };
        if incarnations.len() > INCARNATIONS {
            return Err(Some(Status::invalid_argument("too many incarnations")));
        }
        let ids: Result<Vec<_>, _> = incarnations.iter().map(|id| Uuid::from_slice(id)).collect();
        let ids = ids.map_err(|_| Status::invalid_argument("an incarnation has 16 bytes"))?;
        let marks = self.ledger.marks(&ids).await.map_err(|error| {
            if let Some(kept_back) = AWAY.turn() {
                tracing::warn!(node, %error, kept_back, "marks of nodes cannot be looked up");
            }
            Status::unavailable("the database is not available")
        })?;
        answer(&self.queue, &marks).await?;
        Ok(node.into())
    }

    /// Takes batches until the node leaves; what it is told where it has to.
    async fn serve(self, node: Arc<str>) -> Option<Status> {
        let Self { ledger, join, mut stopping, admitted, mut reports, queue } = self;
        tracing::info!(node = &*node, group = admitted.group, "a node sends usage");
        ledger.counts.senders.add(1);
        let (hand_on, in_flight) = mpsc::channel(IN_FLIGHT);
        // What was handed over is confirmed after the last batch, too.
        let taking = async { Ok(take(&mut reports, &node, &ledger, hand_on).await) };
        let working = async { tokio::try_join!(taking, confirm(in_flight, &queue)) };
        let ended = tokio::select! {
            ended = working => ended.map_or_else(Some, |(ended, ())| ended),
            () = join.revoked(&admitted.token) => Some(Status::unauthenticated("the join token was revoked")),
            _ = stopping.wait_for(|stopping| *stopping) => Some(Status::unavailable("this replica stops")),
            () = queue.closed() => None,
        };
        ledger.counts.senders.sub(1);
        let reason = ended.as_ref().map_or("it left", |status| status.message());
        tracing::info!(node = &*node, reason, "a node sends usage no longer");
        ended
    }
}

/// Hands batches over until there are no more.
async fn take(
    reports: &mut Streaming<UsageReport>,
    node: &Arc<str>,
    ledger: &Ledger,
    hand_on: mpsc::Sender<InFlight>,
) -> Option<Status> {
    loop {
        // An idle node has nothing to say; one that is gone answers no ping.
        let report = match reports.message().await {
            Ok(report) => report?,
            Err(status) => return too_large(status),
        };
        let batch = match report.report {
            Some(Report::Batch(batch)) => batch,
            Some(Report::Hello(_)) => return Some(Status::invalid_argument("hello comes once")),
            None => continue,
        };
        let batch = match Batch::read(node.clone(), batch, Clock::System.now()) {
            Ok(batch) => batch,
            Err(malformed) => {
                tracing::error!(node = &**node, %malformed, "a batch of usage that no node should send");
                return Some(Status::invalid_argument(malformed.to_string()));
            }
        };
        let incarnation = batch.incarnation;
        let answer = match timeout(COMMIT, ledger.hand_over(batch)).await {
            Ok(Some(answer)) => answer,
            Ok(None) => return Some(Status::unavailable("this replica stops")),
            Err(_) => return Some(Status::unavailable("too much usage waits to be written")),
        };
        hand_on.send(InFlight { incarnation, answer }).await.ok()?;
    }
}

/// Says of each batch when it is for good.
async fn confirm(mut in_flight: mpsc::Receiver<InFlight>, queue: &Queue) -> Result<(), Status> {
    while let Some(InFlight { incarnation, answer: committed }) = in_flight.recv().await {
        let Ok(Ok(through)) = timeout(COMMIT, committed).await else {
            return Err(Status::unavailable("the database takes too long"));
        };
        answer(queue, &BTreeMap::from([(incarnation, through)])).await?;
    }
    Ok(())
}

async fn answer(queue: &Queue, marks: &BTreeMap<Uuid, i64>) -> Result<(), Status> {
    let mark = |(id, through): (&Uuid, &i64)| Mark {
        incarnation: Bytes::copy_from_slice(id.as_bytes()),
        through: through.unsigned_abs(),
    };
    let reply = UsageReply { marks: marks.iter().map(mark).collect() };
    match timeout(SLOW, queue.send(Ok(reply))).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Status::cancelled("the node left")),
        Err(_) => Err(Status::resource_exhausted("the node takes too long")),
    }
}

/// What a node is told where its message cannot be taken; nothing where it is gone.
fn too_large(status: Status) -> Option<Status> {
    (status.code() == tonic::Code::OutOfRange).then_some(status)
}
