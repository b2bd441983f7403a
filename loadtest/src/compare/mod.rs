//! The same traffic through Bulkhead, HAProxy and nginx, in one run on one machine.
//!
//! Whatever is measured has a CPU of its own; the mock provider and the load share the other one. Rounds are
//! interleaved, so that a machine that gets slower does so for all. HAProxy runs twice: what the two differ by (A/A) is
//! what this machine cannot tell apart.

mod contenders;
mod report;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::json;

use crate::cpu;
use crate::load::{Load, Pace};
use contenders::{Bench, Contender, KEY};
use report::{Sample, Samples};

pub use report::Table;

/// What is compared.
pub struct Comparison {
    /// The directory of `data-plane` and `mock-provider`.
    pub binaries: PathBuf,
    /// Interleaved rounds.
    pub rounds: usize,
    /// What each contender gets in a round.
    pub duration: Duration,
    /// Keep-alive connections.
    pub connections: usize,
}

/// A kind of traffic.
struct Traffic {
    title: &'static str,
    /// The model's name at the gateway, and at the provider.
    model: (&'static str, &'static str),
    stream: bool,
    /// Requests a second.
    rate: f64,
}

const TRAFFIC: [Traffic; 2] = [
    Traffic { title: "plain", model: ("plain", "ok"), stream: false, rate: 4000.0 },
    Traffic { title: "stream of 20 events", model: ("stream", "chunks-20"), stream: true, rate: 2000.0 },
];

impl Comparison {
    /// Starts everything, measures, and ends everything. Progress goes to `say`.
    pub fn run(&self, mut say: impl FnMut(&str)) -> anyhow::Result<Table> {
        let dir = tempfile::tempdir()?;
        let bench = Bench { dir: dir.path(), binaries: self.binaries.clone() };
        let provider = bench.provider()?;
        let at = provider.addr;
        let contenders = [
            bench.haproxy("HAProxy", at)?,
            bench.haproxy("HAProxy twin", at)?,
            bench.nginx(at)?,
            bench.bulkhead(at)?,
            provider,
        ];
        let mut samples = Samples::default();
        for round in 1..=self.rounds {
            say(&format!("round {round} of {}", self.rounds));
            for traffic in &TRAFFIC {
                for contender in &contenders {
                    samples.add(traffic.title, contender.name, self.measure(traffic, contender)?);
                }
            }
        }
        Ok(samples.table(self.method()))
    }

    fn measure(&self, traffic: &Traffic, contender: &Contender) -> anyhow::Result<Sample> {
        let mut load = Load::to(contender.addr, "/v1/chat/completions");
        let model = if contender.name == "Bulkhead" { traffic.model.0 } else { traffic.model.1 };
        // About 200 bytes.
        let prompt = "Say hello to everybody in the room, ".repeat(4);
        let message = json!({"role": "user", "content": prompt});
        let body = json!({"model": model, "messages": [message], "stream": traffic.stream});
        load.body = Some(body.to_string().into());
        load.headers.push(("authorization".to_owned(), format!("Bearer {KEY}")));
        load.pace = Pace::Open { rate: traffic.rate };
        load.duration = self.duration;
        load.connections = self.connections;
        load.expect = if traffic.stream { crate::load::Expect::Stream } else { crate::load::Expect::Body };
        let before = contender.cpu()?;
        let report = load.run()?;
        let spent = contender.cpu()?.saturating_sub(before);
        ensure!(report.failures() == 0, "{} failed {:?}", contender.name, report.failed);
        Ok(Sample {
            cpu_us: spent.as_secs_f64() * 1e6 / report.ok as f64,
            p50_us: report.latency.quantile(0.5).as_secs_f64() * 1e6,
            p99_us: report.latency.quantile(0.99).as_secs_f64() * 1e6,
            resident: contender.resident().context("the process ended")?,
        })
    }

    fn method(&self) -> String {
        format!(
            "{}; {} interleaved rounds of {} s; {} keep-alive connections; {} plain and {} streams a second, open loop; \
             one CPU for what is measured, the other for the load and the provider; CPU is what the kernel charged to \
             the process; medians (lowest–highest)",
            cpu::machine(),
            self.rounds,
            self.duration.as_secs_f64(),
            self.connections,
            TRAFFIC[0].rate,
            TRAFFIC[1].rate,
        )
    }
}
