//! How long events are on their way when they come one by one.

use std::time::Duration;

use crate::compare::figures::Samples;
use crate::compare::table::{Column, Line};
use crate::compare::traffic::{PACED, PROMPT, measure as put, micros};
use crate::compare::{Round, Suite};
use crate::load::{Load, Pace};

pub(super) const TITLE: &str =
    "Events: 180 streams a second of 100 events, 10 ms apart, which are 200 at a time";

const CASE: &str = "200 streams";

/// A stream takes a little more than a second.
const RATE: f64 = 180.0;

/// Some more than are open at a time.
const CONNECTIONS: usize = 256;

/// Until so many streams are open, and each connection has had one.
const WARMUP: Duration = Duration::from_millis(1500);

/// A delayed acknowledgement that a write waits for takes 40 ms.
const STEP: Duration = Duration::from_millis(35);

pub(super) const COLUMNS: &[Column] = &[
    Column::added("delay_p50_us", "added delay p50, µs"),
    Column { beside: true, ..Column::added("delay_p99_us", "added delay p99, µs") },
    Column::added("delay_p999_us", "added delay p99.9, µs"),
    Column::plain("delay_max_us", "delay max, µs"),
    Column::plain("over_35_ms", "events over 35 ms, of a million"),
    Column::added("first_p99_us", "added first event p99, µs"),
    Column::beside("cpu_event_us", "CPU an event, µs"),
];

pub(super) const LINES: &[Line] = &[
    Line {
        title: "added delay of an event in 200 streams, p99, µs",
        case: CASE,
        column: Column::added("delay_p99_us", ""),
    },
    Line {
        title: "added time to the first event there, p99, µs",
        case: CASE,
        column: Column::added("first_p99_us", ""),
    },
];

pub(super) fn measure(round: &Round<'_>, samples: &mut Samples) -> anyhow::Result<()> {
    for contender in round.contenders() {
        let load = PACED.load(contender, PROMPT);
        let load = Load {
            pace: Pace::Open { rate: RATE },
            connections: CONNECTIONS,
            warmup: WARMUP,
            duration: round.duration,
            ..load
        };
        let measured = put(contender, &load)?;
        let report = &measured.report;
        let delay = |share| micros(report.delay.quantile(share));
        let figures = vec![
            ("delay_p50_us", delay(0.5)),
            ("delay_p99_us", delay(0.99)),
            ("delay_p999_us", delay(0.999)),
            ("delay_max_us", micros(report.delay.max())),
            ("over_35_ms", report.delay.over(STEP) as f64 * 1e6 / report.delay.count() as f64),
            ("first_p99_us", micros(report.first.quantile(0.99))),
            ("cpu_event_us", micros(measured.cpu) / report.events_ever as f64),
        ];
        samples.add(Suite::Events, CASE, contender.name, figures);
    }
    Ok(())
}
