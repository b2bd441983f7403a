//! What can be measured, each in a file: its traffic, its figures, and which of them are main lines.

mod bad_keys;
mod bodies;
mod capacity;
mod events;
mod latency;
mod memory;
mod requests;
mod translation;

use clap::ValueEnum;

use super::Round;
use super::figures::Samples;
use super::table::{Column, Line};

/// A suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Suite {
    /// Plain requests and streams of 20 events at a fixed rate, 16 connections: CPU a request.
    Requests,
    /// One request at a time: what is added to its latency.
    Latency,
    /// As many as 16 connections can, then half of that as a fixed rate.
    Capacity,
    /// Events 10 ms apart in 200 streams: how long each is on its way.
    Events,
    /// At rest, with 1000 silent streams, and after them.
    Memory,
    /// Bodies from 10 KB to 10 MB: CPU a request and a byte.
    Bodies,
    /// 20,000 bad keys a second beside valid traffic.
    BadKeys,
    /// Requests and streams that are translated, beside the same in their own dialect: CPU a request.
    Translation,
}

impl Suite {
    /// All, in the order of the tables.
    pub const ALL: [Self; 8] = [
        Self::Requests,
        Self::Latency,
        Self::Capacity,
        Self::Events,
        Self::Memory,
        Self::Bodies,
        Self::BadKeys,
        Self::Translation,
    ];

    /// Its name on the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Latency => "latency",
            Self::Capacity => "capacity",
            Self::Events => "events",
            Self::Memory => "memory",
            Self::Bodies => "bodies",
            Self::BadKeys => "bad-keys",
            Self::Translation => "translation",
        }
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Requests => requests::TITLE,
            Self::Latency => latency::TITLE,
            Self::Capacity => capacity::TITLE,
            Self::Events => events::TITLE,
            Self::Memory => memory::TITLE,
            Self::Bodies => bodies::TITLE,
            Self::BadKeys => bad_keys::TITLE,
            Self::Translation => translation::TITLE,
        }
    }

    pub(super) fn columns(self) -> &'static [Column] {
        match self {
            Self::Requests => requests::COLUMNS,
            Self::Latency => latency::COLUMNS,
            Self::Capacity => capacity::COLUMNS,
            Self::Events => events::COLUMNS,
            Self::Memory => memory::COLUMNS,
            Self::Bodies => bodies::COLUMNS,
            Self::BadKeys => bad_keys::COLUMNS,
            Self::Translation => translation::COLUMNS,
        }
    }

    pub(super) fn lines(self) -> &'static [Line] {
        match self {
            Self::Requests => requests::LINES,
            Self::Latency => latency::LINES,
            Self::Capacity => capacity::LINES,
            Self::Events => events::LINES,
            Self::Memory => memory::LINES,
            Self::Bodies => bodies::LINES,
            Self::BadKeys => bad_keys::LINES,
            Self::Translation => translation::LINES,
        }
    }

    pub(super) fn measure(self, round: &Round<'_>, samples: &mut Samples) -> anyhow::Result<()> {
        match self {
            Self::Requests => requests::measure(round, samples),
            Self::Latency => latency::measure(round, samples),
            Self::Capacity => capacity::measure(round, samples),
            Self::Events => events::measure(round, samples),
            Self::Memory => memory::measure(round, samples),
            Self::Bodies => bodies::measure(round, samples),
            Self::BadKeys => bad_keys::measure(round, samples),
            Self::Translation => translation::measure(round, samples),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_is_in_the_list_under_its_name_on_the_command_line() {
        assert_eq!(Suite::value_variants(), Suite::ALL);
        for suite in Suite::ALL {
            assert_eq!(suite.to_possible_value().unwrap().get_name(), suite.name());
        }
    }
}
