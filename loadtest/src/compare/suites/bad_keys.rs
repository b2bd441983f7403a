//! What bad keys cost, and whether they are in the way of good ones.

use anyhow::{Context, ensure};

use crate::compare::contenders::Contender;
use crate::compare::figures::Samples;
use crate::compare::table::{Column, Line};
use crate::compare::traffic::{Measured, PATH, PLAIN, PROMPT, measure as put, mebibytes, micros};
use crate::compare::{Round, Suite};
use crate::load::{Flood, Flooded, Load, Pace};

pub(super) const TITLE: &str =
    "Bad keys: 20,000 a second, each another one, beside 200 valid requests a second";

const CASE: &str = "20,000 a second";
const RATE: u64 = 20_000;
const VALID: f64 = 200.0;

pub(super) const COLUMNS: &[Column] = &[
    Column::plain("rate", "refused a second"),
    Column::plain("cpu_us", "CPU a bad key, µs"),
    Column::plain("connections", "connections it took"),
    Column::plain("failed", "valid requests failed"),
    Column::plain("quiet_p99_us", "their p99 before, µs"),
    Column::plain("p99_us", "and meanwhile, µs"),
    Column::plain("before_mib", "memory before, MiB"),
    Column::plain("after_mib", "and after, MiB"),
];

pub(super) const LINES: &[Line] =
    &[Line { title: "CPU a bad key, µs", case: CASE, column: Column::plain("cpu_us", "") }];

pub(super) fn measure(round: &Round<'_>, samples: &mut Samples) -> anyhow::Result<()> {
    let gateway = round.gateway().context("no gateway")?;
    let load = PLAIN.load(gateway, PROMPT);
    let valid = Load { pace: Pace::Open { rate: VALID }, connections: 16, duration: round.duration, ..load };
    let quiet = put(gateway, &valid)?;
    let before = gateway.resident()?;
    let spent = gateway.cpu()?;
    let (flooded, report) = flood(gateway, &valid)?;
    let spent = gateway.cpu()?.saturating_sub(spent);
    let refused = flooded.answered(401);
    ensure!(
        refused > 0 && refused == flooded.answers.values().sum::<u64>(),
        "bad keys were answered with {:?}.\n{}",
        flooded.answers,
        gateway.last_words()
    );
    let figures = vec![
        ("rate", refused as f64 / round.duration.as_secs_f64()),
        ("cpu_us", micros(spent.saturating_sub(cost(&quiet, report.sent))) / refused as f64),
        ("connections", flooded.connections as f64),
        ("failed", report.failures() as f64),
        ("quiet_p99_us", quiet.latency_us(0.99)),
        ("p99_us", micros(report.latency.quantile(0.99))),
        ("before_mib", mebibytes(before)),
        ("after_mib", mebibytes(gateway.resident()?)),
    ];
    samples.add(Suite::BadKeys, CASE, gateway.name, figures);
    Ok(())
}

/// What so many valid requests take when nothing else goes on.
fn cost(quiet: &Measured, requests: u64) -> std::time::Duration {
    quiet.cpu.mul_f64(requests as f64 / quiet.report.sent.max(1) as f64)
}

/// Bad keys and valid requests at once. What becomes of the valid ones is a figure, and no reason to stop.
fn flood(gateway: &Contender, valid: &Load) -> anyhow::Result<(Flooded, crate::load::Report)> {
    let flood = Flood {
        addr: gateway.addr,
        path: PATH.to_owned(),
        body: r#"{"model":"plain","messages":[{"role":"user","content":"Hi"}]}"#.to_owned(),
        rate: RATE,
        connections: 16,
        duration: valid.duration,
    };
    std::thread::scope(|scope| {
        let flooding = scope.spawn(|| flood.run());
        let report = valid.run();
        let flooded = flooding.join().map_err(|_| anyhow::anyhow!("the flood panicked"))?;
        Ok((flooded?, report?))
    })
}
