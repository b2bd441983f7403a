//! How much goes through, and how long it takes when half of that does.

use crate::compare::contenders::Contender;
use crate::compare::figures::{DIRECT, Samples};
use crate::compare::table::{Column, Line};
use crate::compare::traffic::{PLAIN, PROMPT, measure as put};
use crate::compare::{Round, Suite};
use crate::load::{Load, Pace};

pub(super) const TITLE: &str =
    "Capacity: 16 connections, as many plain requests as they can, then half of what the slowest took";

const CLOSED: &str = "as many as possible";
const HALF: &str = "half of that";

pub(super) const COLUMNS: &[Column] = &[
    Column::beside("rate", "requests a second"),
    Column::plain("busy", "CPU busy, %"),
    Column::beside("p99_us", "p99, µs"),
    Column::added("p50_us", "added p50, µs"),
    Column::added("p99_us", "added p99, µs"),
    Column::added("p999_us", "added p99.9, µs"),
];

pub(super) const LINES: &[Line] = &[
    Line { title: "requests a second, 16 connections", case: CLOSED, column: Column::beside("rate", "") },
    Line { title: "p99 at half of that, µs", case: HALF, column: Column::beside("p99_us", "") },
];

pub(super) fn measure(round: &Round<'_>, samples: &mut Samples) -> anyhow::Result<()> {
    let mut slowest = f64::INFINITY;
    for contender in round.contenders() {
        let rate = one(round, contender, CLOSED, Pace::Closed, samples)?;
        if contender.name != DIRECT {
            slowest = slowest.min(rate);
        }
    }
    // The same rate for all: what has the most left is not given more to do.
    for contender in round.contenders() {
        one(round, contender, HALF, Pace::Open { rate: slowest / 2.0 }, samples)?;
    }
    Ok(())
}

/// The rate achieved.
fn one(
    round: &Round<'_>,
    contender: &Contender,
    case: &'static str,
    pace: Pace,
    samples: &mut Samples,
) -> anyhow::Result<f64> {
    let load = PLAIN.load(contender, PROMPT);
    let measured = put(contender, &Load { pace, connections: 16, duration: round.duration, ..load })?;
    let rate = measured.report.achieved_rate();
    let figures = vec![
        ("rate", rate),
        ("busy", measured.cpu.as_secs_f64() * 100.0 / measured.wall.as_secs_f64()),
        ("p50_us", measured.latency_us(0.5)),
        ("p99_us", measured.latency_us(0.99)),
        ("p999_us", measured.latency_us(0.999)),
    ];
    samples.add(Suite::Capacity, case, contender.name, figures);
    Ok(rate)
}
