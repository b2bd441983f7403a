//! What a request and a stream cost that are translated, beside the same in their own dialect. Nobody else translates.

use crate::compare::figures::Samples;
use crate::compare::table::{Column, Line};
use crate::compare::traffic::{
    Model, PLAIN, PLAIN_TRANSLATED, PROMPT, STREAM, STREAM_TRANSLATED, measure as put,
};
use crate::compare::{Round, Suite};
use crate::load::{Load, Pace};

pub(super) const TITLE: &str = "Translation: clients of chat at a provider of Anthropic's messages, 16 connections, 2000 plain requests or 1000 \
     streams of 20 events a second";

pub(super) const COLUMNS: &[Column] = &[
    Column::plain("cpu_us", "CPU a request, µs"),
    Column::plain("same_us", "in the same dialect, µs"),
    Column::plain("ratio", "ratio"),
];

pub(super) const LINES: &[Line] = &[
    Line { title: "CPU a translated request, × the same dialect's", case: "plain", column: RATIO },
    Line {
        title: "CPU a translated stream, × the same dialect's",
        case: "stream of 20 events",
        column: RATIO,
    },
];

const RATIO: Column = Column::plain("ratio", "");

/// Case, models and requests a second.
const TRAFFIC: [(&str, [Model; 2], f64); 2] = [
    ("plain", [PLAIN, PLAIN_TRANSLATED], 2000.0),
    ("stream of 20 events", [STREAM, STREAM_TRANSLATED], 1000.0),
];

pub(super) fn measure(round: &Round<'_>, samples: &mut Samples) -> anyhow::Result<()> {
    for (case, [same, translated], rate) in TRAFFIC {
        if let Some(contender) = round.gateway() {
            let cpu = |model: Model| {
                let load = model.load(contender, PROMPT);
                let pace = Pace::Open { rate };
                let load = Load { pace, connections: 16, duration: round.duration, ..load };
                anyhow::Ok(put(contender, &load)?.cpu_us())
            };
            let (same_us, cpu_us) = (cpu(same)?, cpu(translated)?);
            let figures = vec![("cpu_us", cpu_us), ("same_us", same_us), ("ratio", cpu_us / same_us)];
            samples.add(Suite::Translation, case, contender.name, figures);
        }
    }
    Ok(())
}
