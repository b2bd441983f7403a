//! What a request and a stream cost.

use crate::compare::figures::Samples;
use crate::compare::table::{Column, Line};
use crate::compare::traffic::{Model, PLAIN, PROMPT, STREAM, measure as put, mebibytes};
use crate::compare::{Round, Suite};
use crate::load::{Load, Pace};

pub(super) const TITLE: &str =
    "Requests: 16 connections, 4000 plain requests or 2000 streams of 20 events a second";

pub(super) const COLUMNS: &[Column] = &[
    Column::beside("cpu_us", "CPU a request, µs"),
    Column::added("p50_us", "added p50, µs"),
    Column::added("p99_us", "added p99, µs"),
    Column::added("p999_us", "added p99.9, µs"),
    Column::plain("resident_mib", "memory, MiB"),
];

pub(super) const LINES: &[Line] = &[
    Line { title: "CPU a request, µs", case: PLAIN_CASE, column: Column::beside("cpu_us", "") },
    Line { title: "CPU a stream of 20 events, µs", case: STREAM_CASE, column: Column::beside("cpu_us", "") },
];

const PLAIN_CASE: &str = "plain";
const STREAM_CASE: &str = "stream of 20 events";

/// Case, model, requests a second.
const TRAFFIC: [(&str, Model, f64); 2] = [(PLAIN_CASE, PLAIN, 4000.0), (STREAM_CASE, STREAM, 2000.0)];

pub(super) fn measure(round: &Round<'_>, samples: &mut Samples) -> anyhow::Result<()> {
    for (case, model, rate) in TRAFFIC {
        for contender in round.contenders() {
            let load = model.load(contender, PROMPT);
            let pace = Pace::Open { rate };
            let measured = put(contender, &Load { pace, connections: 16, duration: round.duration, ..load })?;
            let figures = vec![
                ("cpu_us", measured.cpu_us()),
                ("p50_us", measured.latency_us(0.5)),
                ("p99_us", measured.latency_us(0.99)),
                ("p999_us", measured.latency_us(0.999)),
                ("resident_mib", mebibytes(contender.resident()?)),
            ];
            samples.add(Suite::Requests, case, contender.name, figures);
        }
    }
    Ok(())
}
