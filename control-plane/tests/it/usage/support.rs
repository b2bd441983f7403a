//! A node that sends usage as it is told to, and what the database makes of it.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use bulkhead_proto::usage_batch::What;
use bulkhead_proto::usage_client::UsageClient;
use bulkhead_proto::usage_report::Report;
use bulkhead_proto::{UsageBatch, UsageEvent, UsageHello, UsageReply, UsageReport, UsageSource};
use prost::Message;
use sqlx::postgres::PgConnection;
use sqlx::types::Uuid;
use sqlx::{AssertSqlSafe, Row};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};

use crate::support::{ControlPlane, PATIENCE};

/// A start of a node's process.
pub(super) fn incarnation(n: u8) -> [u8; 16] {
    [n; 16]
}

/// An exchange of now.
pub(super) fn event(key: &str, cost: i64) -> UsageEvent {
    UsageEvent {
        time: now(),
        call_id: "call".to_owned(),
        call_type: "acompletion".to_owned(),
        model: "m".to_owned(),
        model_group: "g".to_owned(),
        provider: "openai".to_owned(),
        deployment: "d".to_owned(),
        key_id: key.to_owned(),
        source: i32::from(UsageSource::Reported),
        input_tokens: 10,
        output_tokens: 1,
        cost: Some(cost),
        endpoint: "/v1/chat/completions".to_owned(),
        ..UsageEvent::default()
    }
}

pub(super) fn now() -> i64 {
    bulkhead_model::Clock::System.now().0
}

pub(super) fn events(incarnation: [u8; 16], first: u64, events: &[UsageEvent]) -> UsageBatch {
    raw(incarnation, first, events.iter().map(UsageEvent::encode_to_vec).collect())
}

/// Events that are already encoded, or never were.
pub(super) fn raw(incarnation: [u8; 16], first: u64, events: Vec<Vec<u8>>) -> UsageBatch {
    UsageBatch {
        incarnation: incarnation.to_vec().into(),
        first,
        last: first + u64::try_from(events.len()).unwrap() - 1,
        what: i32::from(What::Events),
        events: events.into_iter().map(Into::into).collect(),
    }
}

pub(super) fn sums(incarnation: [u8; 16], first: u64, last: u64, sums: &[UsageEvent]) -> UsageBatch {
    UsageBatch { last, what: i32::from(What::Sums), ..events(incarnation, first, sums) }
}

pub(super) fn lost(incarnation: [u8; 16], first: u64, last: u64) -> UsageBatch {
    let incarnation = incarnation.to_vec().into();
    UsageBatch { incarnation, first, last, what: i32::from(What::Lost), events: Vec::new() }
}

/// A stream of a node.
pub(super) struct Sender {
    reports: mpsc::Sender<UsageReport>,
    replies: Streaming<UsageReply>,
}

impl Sender {
    /// Opens a stream; the mark of the incarnation comes with it.
    pub(super) async fn open(
        address: SocketAddr,
        token: &str,
        incarnation: [u8; 16],
    ) -> Result<(Self, u64), Status> {
        let mut sender = Self::connect(address, token).await?;
        let hello = UsageHello { node: "n".to_owned(), incarnations: vec![incarnation.to_vec().into()] };
        sender.report(Report::Hello(hello)).await;
        let mark = sender.mark().await?;
        Ok((sender, mark))
    }

    /// As [`Sender::open`], which has to work.
    pub(super) async fn opened(control_plane: &ControlPlane, token: &str, incarnation: [u8; 16]) -> Self {
        Self::open(control_plane.grpc, token, incarnation).await.unwrap().0
    }

    pub(super) async fn connect(address: SocketAddr, token: &str) -> Result<Self, Status> {
        let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await;
        let mut client =
            UsageClient::new(channel.map_err(|error| Status::unavailable(format!("{error:?}")))?);
        let (reports, queue) = mpsc::channel(16);
        let mut request = Request::new(ReceiverStream::new(queue));
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        let replies = client.send(request).await?.into_inner();
        Ok(Self { reports, replies })
    }

    pub(super) async fn report(&self, report: Report) {
        let _ = self.reports.send(UsageReport { report: Some(report) }).await;
    }

    pub(super) async fn send(&self, batch: UsageBatch) {
        self.report(Report::Batch(batch)).await;
    }

    /// Sends a batch; the mark that answers it.
    pub(super) async fn answered(&mut self, batch: UsageBatch) -> u64 {
        self.send(batch).await;
        self.mark().await.unwrap()
    }

    /// The mark in the next reply.
    pub(super) async fn mark(&mut self) -> Result<u64, Status> {
        let reply = timeout(4 * PATIENCE, self.replies.message()).await.expect("no reply")?;
        let marks = reply.ok_or_else(|| Status::cancelled("the stream ended"))?.marks;
        Ok(marks.first().unwrap().through)
    }

    /// How the stream ends.
    pub(super) async fn ended(mut self) -> Status {
        loop {
            if let Err(status) = self.mark().await {
                return status;
            }
        }
    }

    /// No more batches come; all marks that are still to come.
    pub(super) async fn finish(self) -> Vec<u64> {
        let Self { reports, mut replies } = self;
        drop(reports);
        let mut marks = Vec::new();
        while let Some(reply) = timeout(PATIENCE, replies.message()).await.expect("no end").unwrap() {
            marks.extend(reply.marks.iter().map(|mark| mark.through));
        }
        marks
    }
}

/// A number that a statement says.
pub(super) async fn number(connection: &mut PgConnection, statement: &str) -> i64 {
    let row = sqlx::query(AssertSqlSafe(statement.to_owned())).fetch_one(connection).await.unwrap();
    row.get(0)
}

/// Waits until a statement says a number.
pub(super) async fn until(connection: &mut PgConnection, statement: &str, wanted: i64) {
    let started = SystemTime::now();
    loop {
        let is = number(connection, statement).await;
        if is == wanted {
            return;
        }
        assert!(started.elapsed().unwrap() < PATIENCE, "{statement}: {is}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What was spent by a key, and by everybody: in `entity_spend`, in `usage_hourly`, and in the single events.
pub(super) async fn spent(connection: &mut PgConnection, key: &str) -> (i64, i64, i64, i64) {
    let row = sqlx::query(
        "select coalesce((select amount from entity_spend where kind = 1 and id = $1), 0),
            coalesce((select sum(amount)::bigint from entity_spend where kind = 0), 0),
            coalesce((select sum(cost)::bigint from usage_hourly where key_id = $1), 0),
            coalesce((select sum(cost)::bigint from (select key_id, cost from usage_events union all
                select key_id, cost from usage_late) all_events where key_id = $1), 0)",
    )
    .bind(key)
    .fetch_one(connection)
    .await
    .unwrap();
    (row.get(0), row.get(1), row.get(2), row.get(3))
}

/// Through and lost of an incarnation.
pub(super) async fn mark(connection: &mut PgConnection, incarnation: [u8; 16]) -> (i64, i64) {
    let row = sqlx::query("select through, lost from usage_marks where incarnation = $1")
        .bind(Uuid::from_bytes(incarnation))
        .fetch_one(connection)
        .await
        .unwrap();
    (row.get(0), row.get(1))
}
