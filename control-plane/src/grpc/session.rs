//! One subscription, from the first report to the end.

use std::time::Duration;

use bulkhead_proto::report::Report as Say;
use bulkhead_proto::{self as proto, Report};
use bulkhead_snapshot::Version;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::{Status, Streaming};

use super::writer::{Event, Writer};
use super::{Snapshots, said};
use crate::publish::{Frame, Heard};
use crate::store::nodes::Told;
use crate::store::tokens::Admitted;

/// A node says who it is by then.
const HELLO: Duration = Duration::from_secs(5);
/// A node that is silent for so long is gone.
const SILENCE: Duration = Duration::from_secs(15);
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Events that wait for the writer; a node has a few pushes at a time.
const EVENTS: usize = 1024;

pub(super) type Queue = mpsc::Sender<Result<Frame, Status>>;

/// A subscription that was let in.
pub(super) struct Session {
    pub(super) service: Snapshots,
    pub(super) admitted: Admitted,
    pub(super) reports: Streaming<Report>,
    pub(super) queue: Queue,
}

impl Session {
    pub(super) async fn run(mut self) {
        let queue = self.queue.clone();
        let ended = match self.hello().await {
            Ok(hello) => self.serve(hello).await,
            Err(ended) => ended,
        };
        if let Some(status) = ended {
            let _ = timeout(LAST_WORDS, queue.send(Err(status))).await;
        }
    }

    async fn hello(&mut self) -> Result<proto::Hello, Option<Status>> {
        let first = timeout(HELLO, self.reports.message()).await;
        let first = first.map_err(|_| Some(Status::deadline_exceeded("there was no hello")))?;
        match first.map_err(|_| None)?.ok_or(None)?.report {
            Some(Say::Hello(hello)) => Ok(hello),
            _ => Err(Some(Status::invalid_argument("the first report has to be hello"))),
        }
    }

    /// Serves a node until it leaves; what it is told where it has to.
    async fn serve(self, hello: proto::Hello) -> Option<Status> {
        let Self { service, admitted, mut reports, queue } = self;
        let version = Version::decode(hello.version.as_ref());
        let Some(told) = told(hello, version, &admitted) else {
            return Some(Status::invalid_argument("the node's name is empty, too long, or not printable"));
        };
        let node = told.node.clone();
        tracing::info!(node, group = admitted.group, version = shown(version.as_ref()), "a node subscribed");
        let heard = service.registry.open(told);
        service.publisher.counts.subscribers.add(1);
        let (tell, events) = mpsc::channel(EVENTS);
        let writer = Writer::new(&service.publisher, &queue, &heard, &node, version);
        let mut stopping = service.stopping.clone();
        let ended = tokio::select! {
            ended = listen(&mut reports, &heard, &tell, &node) => ended,
            ended = writer.run(events) => Some(ended),
            () = service.join.revoked(&admitted.token) => Some(Status::unauthenticated("the join token was revoked")),
            _ = stopping.wait_for(|stopping| *stopping) => Some(Status::unavailable("this replica stops")),
            () = queue.closed() => None,
        };
        service.publisher.counts.subscribers.sub(1);
        let reason = ended.as_ref().map_or("it left", |status| status.message());
        tracing::info!(node, reason, "a subscription ended");
        ended
    }
}

fn told(hello: proto::Hello, version: Option<Version>, admitted: &Admitted) -> Option<Told> {
    let proto::Hello { node, incarnation, release, version: _, rejected } = hello;
    Some(Told {
        node: said::name(&node)?,
        group: admitted.group.clone(),
        incarnation: said::incarnation(&incarnation),
        release: said::text(&release, 100),
        stream: 0,
        connected: true,
        version,
        rejected: said::rejected(rejected),
        refused: None,
        held: None,
        silence: Duration::ZERO,
    })
}

/// Hears what the node says until it says no more.
async fn listen(
    reports: &mut Streaming<Report>,
    heard: &Heard,
    tell: &mpsc::Sender<Event>,
    node: &str,
) -> Option<Status> {
    loop {
        let report = match timeout(SILENCE, reports.message()).await {
            Ok(Ok(Some(report))) => report,
            Ok(Ok(None) | Err(_)) => return None,
            Err(_) => return Some(Status::deadline_exceeded("nothing was heard for 15 s")),
        };
        let event = match report.report {
            Some(Say::Applied(proto::Applied { version, rejected })) => {
                let version = Version::decode(version.as_ref());
                heard.runs(version, said::rejected(rejected));
                Event::Applied(version)
            }
            Some(Say::Refused(proto::Refused { version, reason })) => {
                let version = Version::decode(version.as_ref());
                let reason = said::reason(&reason);
                tracing::warn!(node, version = shown(version.as_ref()), reason, "a push was refused");
                heard.refused(format!("{}: {reason}", shown(version.as_ref())));
                Event::Refused(version)
            }
            Some(Say::Hello(_)) => return Some(Status::invalid_argument("hello comes once")),
            Some(Say::Alive(_)) | None => {
                heard.alive();
                continue;
            }
        };
        if tell.try_send(event).is_err() {
            return Some(Status::resource_exhausted("too many reports at once"));
        }
    }
}

fn shown(version: Option<&Version>) -> String {
    version.map_or_else(|| "none".to_owned(), ToString::to_string)
}
