//! What large requests cost.

use crate::compare::figures::{DIRECT, Samples};
use crate::compare::table::{Column, Line};
use crate::compare::traffic::{PLAIN, measure as put, mebibytes};
use crate::compare::{Round, Suite};
use crate::load::{Load, Pace};

pub(super) const TITLE: &str =
    "Bodies: 4 connections, requests of 10 KB to 10 MB, each when the last one is answered";

const SIZES: [(&str, usize); 4] = [("10 KB", 10_000), ("100 KB", 100_000), ("1 MB", MB), ("10 MB", 10 * MB)];

const MB: usize = 1_000_000;

/// From the last but one to the last.
const SLOPE: &str = "from 1 to 10 MB";

pub(super) const COLUMNS: &[Column] = &[
    Column::beside("cpu_us", "CPU a request, µs"),
    Column::beside("cpu_byte_ns", "CPU a byte, ns"),
    Column::added("p50_us", "added p50, µs"),
    Column::plain("peak_mib", "most memory so far, MiB"),
];

pub(super) const LINES: &[Line] = &[Line {
    title: "CPU a byte of large bodies, ns",
    case: SLOPE,
    column: Column::beside("cpu_byte_ns", ""),
}];

pub(super) fn measure(round: &Round<'_>, samples: &mut Samples) -> anyhow::Result<()> {
    let through = |of: &str| of != DIRECT;
    let mut million = Vec::new();
    for (case, size) in SIZES {
        for contender in round.contenders() {
            let load = PLAIN.load(contender, size);
            let load = Load { pace: Pace::Closed, connections: 4, duration: round.duration, ..load };
            let measured = put(contender, &load)?;
            let cpu = measured.cpu_us();
            let figures = vec![
                ("cpu_us", cpu),
                ("p50_us", measured.latency_us(0.5)),
                ("peak_mib", mebibytes(contender.peak()?)),
            ];
            samples.add(Suite::Bodies, case, contender.name, figures);
            if size == MB {
                million.push((contender.name, cpu));
            }
            let before = million.iter().find(|(of, _)| size > MB && *of == contender.name && through(of));
            if let Some((_, before)) = before {
                let slope = (cpu - before) * 1000.0 / (size - MB) as f64;
                samples.add(Suite::Bodies, SLOPE, contender.name, vec![("cpu_byte_ns", slope)]);
            }
        }
    }
    Ok(())
}
