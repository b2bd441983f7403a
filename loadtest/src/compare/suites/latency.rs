//! What is added to the latency of a request when nothing else goes on.

use crate::compare::figures::Samples;
use crate::compare::table::{Column, Line};
use crate::compare::traffic::{PLAIN, PROMPT, measure as put};
use crate::compare::{Round, Suite};
use crate::load::{Load, Pace};

pub(super) const TITLE: &str = "Latency: one connection, each request when the last one is answered";

const CASE: &str = "plain";

pub(super) const COLUMNS: &[Column] = &[
    Column { beside: true, ..Column::added("p50_us", "added p50, µs") },
    Column::added("p99_us", "added p99, µs"),
    Column::added("p999_us", "added p99.9, µs"),
    Column::plain("p50_us", "p50, µs"),
    Column::plain("cpu_us", "CPU a request, µs"),
];

pub(super) const LINES: &[Line] = &[Line {
    title: "added latency at one connection, p50, µs",
    case: CASE,
    column: Column { beside: true, ..Column::added("p50_us", "") },
}];

pub(super) fn measure(round: &Round<'_>, samples: &mut Samples) -> anyhow::Result<()> {
    for contender in round.contenders() {
        let load = PLAIN.load(contender, PROMPT);
        let measured = put(contender, &Load { pace: Pace::Closed, duration: round.duration, ..load })?;
        let figures = vec![
            ("p50_us", measured.latency_us(0.5)),
            ("p99_us", measured.latency_us(0.99)),
            ("p999_us", measured.latency_us(0.999)),
            ("cpu_us", measured.cpu_us()),
        ];
        samples.add(Suite::Latency, CASE, contender.name, figures);
    }
    Ok(())
}
