//! What memory open streams take, in processes that have done nothing before.

use std::time::Duration;

use anyhow::{Context, ensure};

use crate::compare::contenders::Contender;
use crate::compare::figures::{DIRECT, HAPROXY, Samples};
use crate::compare::table::{Column, Line};
use crate::compare::traffic::{SILENT, mebibytes};
use crate::compare::{Round, Suite};
use crate::load::Held;

pub(super) const TITLE: &str =
    "Memory: 1000 streams that are silent after their first event, in a new process";

const CASE: &str = "1000 streams";
const STREAMS: usize = 1000;

/// How long a state lasts, at most, before it is looked at: what gives memory back needs a moment.
const REST: Duration = Duration::from_secs(1);

pub(super) const COLUMNS: &[Column] = &[
    Column::plain("rest_mib", "at rest, MiB"),
    Column::plain("open_mib", "with the streams, MiB"),
    Column::beside("stream_kib", "a stream, KiB"),
    Column::plain("after_mib", "after them, MiB"),
];

pub(super) const LINES: &[Line] = &[
    Line { title: "memory at rest, MiB", case: CASE, column: Column::plain("rest_mib", "") },
    Line { title: "memory with 1000 open streams, MiB", case: CASE, column: Column::plain("open_mib", "") },
];

pub(super) fn measure(round: &Round<'_>, samples: &mut Samples) -> anyhow::Result<()> {
    let provider = round.contenders.iter().find(|contender| contender.name == DIRECT);
    let at = provider.context("no provider")?.addr;
    // One at a time: none takes the other's CPU.
    let rest = round.duration.min(REST);
    one(&round.bench.haproxy(HAPROXY, at)?, rest, samples)?;
    one(&round.bench.nginx(at)?, rest, samples)?;
    one(&round.bench.bulkhead(at)?, rest, samples)
}

fn one(contender: &Contender, wait: Duration, samples: &mut Samples) -> anyhow::Result<()> {
    std::thread::sleep(wait);
    let rest = contender.resident()?;
    let request = SILENT.raw(contender);
    let streams = Held::open(contender.addr, request.as_bytes(), STREAMS);
    let streams = streams.with_context(|| format!("{} holds no {STREAMS} streams", contender.name))?;
    std::thread::sleep(wait);
    let open = contender.resident()?;
    let stirred = streams.stirred()?;
    ensure!(stirred == 0, "{} ended {stirred} streams.\n{}", contender.name, contender.last_words());
    drop(streams);
    std::thread::sleep(wait);
    let figures = vec![
        ("rest_mib", mebibytes(rest)),
        ("open_mib", mebibytes(open)),
        ("stream_kib", mebibytes(open.saturating_sub(rest)) * 1024.0 / STREAMS as f64),
        ("after_mib", mebibytes(contender.resident()?)),
    ];
    samples.add(Suite::Memory, CASE, contender.name, figures);
    Ok(())
}
