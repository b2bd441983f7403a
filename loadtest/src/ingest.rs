//! How much usage a control plane takes in: nodes that send events as fast as they are answered.
//!
//! A control plane process on a database of its own, nodes in this process, gRPC between them; everything on one
//! machine, PostgreSQL included. Beside issue 4: 20,000 events a second with 100 active keys, 5,000 with 5,000.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bulkhead_model::{Clock, random};
use bulkhead_proto::usage_client::UsageClient;
use bulkhead_proto::usage_report::Report;
use bulkhead_proto::{UsageBatch, UsageEvent, UsageHello, UsageReport, UsageSource};
use bytes::Bytes;
use hdrhistogram::Histogram;
use prost::Message;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;
use tonic::transport::Channel;

use crate::cpu;

/// Batches of a node that are not answered yet.
const IN_FLIGHT: usize = 4;
/// An answer takes longer only where something is broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is measured.
#[derive(Debug, Clone)]
pub struct Ingest {
    /// Where the control plane's binary is.
    pub binaries: PathBuf,
    /// A database that nobody needs; it is migrated.
    pub database_url: String,
    /// The control plane's.
    pub master_key: String,
    /// Nodes that send at once.
    pub nodes: usize,
    /// Keys that the events are of, in no order.
    pub keys: u64,
    /// Events of a batch.
    pub batch: u64,
    /// For how long.
    pub duration: Duration,
}

/// What was measured.
pub struct Figures {
    ingest: Ingest,
    machine: String,
    events: u64,
    took: Duration,
    /// Microseconds from a batch's way out to its answer.
    answers: Histogram<u64>,
    /// CPU time of the control plane.
    cpu: Duration,
    /// Its resident memory at the end.
    resident: u64,
}

impl Ingest {
    /// Runs everything.
    pub fn measure(self) -> anyhow::Result<Figures> {
        let control_plane = ControlPlane::start(&self)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let before = cpu::time(control_plane.0.id())?;
        let (address, token) = (control_plane.1.clone(), self.token()?);
        let (events, took, answers) = runtime.block_on(self.run(&address, &token))?;
        let cpu = cpu::time(control_plane.0.id())?.saturating_sub(before);
        let resident = cpu::resident(control_plane.0.id())?;
        Ok(Figures { machine: cpu::machine(), ingest: self, events, took, answers, cpu, resident })
    }

    async fn run(&self, address: &str, token: &str) -> anyhow::Result<(u64, Duration, Histogram<u64>)> {
        let start = Instant::now();
        let mut nodes = JoinSet::new();
        for node in 0..self.nodes {
            nodes.spawn(send(self.clone(), address.to_owned(), token.to_owned(), node));
        }
        let (mut events, mut answers) = (0, Histogram::new(3)?);
        while let Some(sent) = nodes.join_next().await {
            let (through, times) = sent??;
            events += through;
            answers.add(times)?;
        }
        Ok((events, start.elapsed(), answers))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.binaries.join("control-plane"));
        command.env("DATABASE_URL", &self.database_url).env("LITELLM_MASTER_KEY", &self.master_key);
        command
    }

    fn token(&self) -> anyhow::Result<String> {
        let output = self.command().args(["token", "create", "--group", "load"]).output()?;
        ensure!(output.status.success(), "no join token: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }
}

/// One node: keeps some batches under way until the time is over, and waits for the last answer. How many events were
/// taken, and how long the answers took.
async fn send(
    ingest: Ingest,
    address: String,
    token: String,
    node: usize,
) -> anyhow::Result<(u64, Histogram<u64>)> {
    let channel = Channel::from_shared(format!("http://{address}"))?.connect().await?;
    let (reports, queue) = tokio::sync::mpsc::channel(IN_FLIGHT);
    let mut request = Request::new(ReceiverStream::new(queue));
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse()?);
    let incarnation: Bytes = [random::number().to_be_bytes(), random::number().to_be_bytes()].concat().into();
    let hello = UsageHello { node: format!("node-{node}"), incarnations: vec![incarnation.clone()] };
    reports.send(UsageReport { report: Some(Report::Hello(hello)) }).await?;
    let mut replies = UsageClient::new(channel).send(request).await?.into_inner();
    let mut answers = Histogram::new(3)?;
    let mut under_way: VecDeque<(u64, Instant)> = VecDeque::new();
    let (mut next, mut through) = (1, 0);
    let end = Instant::now() + ingest.duration;
    while Instant::now() < end || !under_way.is_empty() {
        while Instant::now() < end && under_way.len() < IN_FLIGHT {
            let last = next + ingest.batch - 1;
            let events = (next..=last).map(|_| event(ingest.keys).encode_to_vec().into()).collect();
            let batch = UsageBatch { incarnation: incarnation.clone(), first: next, last, what: 0, events };
            reports.send(UsageReport { report: Some(Report::Batch(batch)) }).await?;
            under_way.push_back((last, Instant::now()));
            next = last + 1;
        }
        let reply = timeout(PATIENCE, replies.message()).await.context("no answer")??;
        for mark in reply.context("the stream ended")?.marks {
            through = mark.through;
            while let Some((_, sent)) = under_way.pop_front_if(|(last, _)| *last <= through) {
                answers.record(u64::try_from(sent.elapsed().as_micros())?)?;
            }
        }
    }
    Ok((through, answers))
}

/// An exchange as most are: of some key, in a team, by a user.
fn event(keys: u64) -> UsageEvent {
    let number = random::number();
    let key = number % keys.max(1);
    UsageEvent {
        time: Clock::System.now().0,
        call_id: format!("{number:016x}-{:016x}", random::number()),
        call_type: "acompletion".to_owned(),
        model: format!("model-{}", number % 3),
        model_group: format!("model-{}", number % 3),
        provider: "openai".to_owned(),
        provider_model: "gpt-5-mini-2026-08-07".to_owned(),
        deployment: format!("deployment-{}", number % 3),
        key_id: format!("0197a3c4-5b6d-7e8f-9a0b-{key:012x}"),
        key_hash: vec![7; 32].into(),
        key_alias: format!("alias-of-key-{key:07}"),
        team: format!("team-{}", key % 100),
        user: format!("user-{key}"),
        source: i32::from(UsageSource::Reported),
        input_tokens: 100 + number % 1000,
        output_tokens: 1 + number % 500,
        cost: Some(i64::try_from(number % 1_000_000).unwrap_or_default()),
        duration_ms: number % 10_000,
        first_byte_ms: Some(number % 1000),
        endpoint: "/v1/chat/completions".to_owned(),
        ..UsageEvent::default()
    }
}

/// The control plane under test, and where nodes reach it.
struct ControlPlane(Child, String);

impl ControlPlane {
    fn start(ingest: &Ingest) -> anyhow::Result<Self> {
        let migrated = ingest.command().arg("migrate").output().context("cannot start the control plane")?;
        ensure!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
        let addresses =
            ["--listen", "127.0.0.1:0", "--grpc-listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"];
        let mut child = ingest
            .command()
            .arg("serve")
            .args(addresses)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let log = child.stderr.take().context("no log")?;
        let (tell, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(log).lines().map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        let mut started = Self(child, String::new());
        let mut said = String::new();
        loop {
            let Ok(line) = lines.recv_timeout(PATIENCE) else {
                bail!("the control plane did not start: {said}")
            };
            said.push_str(&line);
            if let Some((_, address)) = line.split_once("nodes listening on http://") {
                let end = address.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':');
                started.1 = address.get(..end.unwrap_or(address.len())).unwrap_or_default().to_owned();
            }
            if line.contains("the database is there") {
                return Ok(started);
            }
        }
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Figures {
    /// As Markdown: a row for each figure.
    pub fn markdown(&self) -> String {
        let Self { ingest, machine, events, took: _, answers, cpu: _, resident } = self;
        let millis = |quantile: f64| answers.value_at_quantile(quantile) as f64 / 1e3;
        format!(
            "| {} active keys | |\n|---|---|\n\
             | taken in | {:.0} events/s for {:.0} s |\n\
             | a batch is answered after | median {:.0} ms, p99 {:.0} ms, max {:.0} ms |\n\
             | CPU of the control plane | {:.1} µs an event |\n\
             | its resident memory | {:.0} MB |\n\n\
             {machine}, with PostgreSQL and {} nodes on it; {events} events in batches of {}.\n",
            ingest.keys,
            self.rate(),
            ingest.duration.as_secs_f64(),
            millis(0.5),
            millis(0.99),
            millis(1.0),
            self.cpu_micros(),
            *resident as f64 / 1e6,
            ingest.nodes,
            ingest.batch,
        )
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        let Self { ingest, machine, events, took, answers, cpu: _, resident } = self;
        let millis = |quantile: f64| answers.value_at_quantile(quantile) as f64 / 1e3;
        json!({
            "machine": machine,
            "keys": ingest.keys,
            "nodes": ingest.nodes,
            "batch": ingest.batch,
            "events": events,
            "seconds": took.as_secs_f64(),
            "events_per_second": self.rate(),
            "answer_ms": {"median": millis(0.5), "p99": millis(0.99), "max": millis(1.0)},
            "cpu_us_per_event": self.cpu_micros(),
            "resident_bytes": resident,
        })
    }

    fn rate(&self) -> f64 {
        self.events as f64 / self.took.as_secs_f64()
    }

    fn cpu_micros(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.events.max(1) as f64
    }
}
