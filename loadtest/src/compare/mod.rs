//! The same traffic through Bulkhead, HAProxy and nginx, in one run on one machine.
//!
//! Whatever is measured has a CPU of its own; the mock provider and the load share the other one. Rounds are
//! interleaved, and each begins with another contender, so that a machine that gets slower does so for all. HAProxy
//! runs twice: what the two differ by (A/A) is what this machine cannot tell apart.

mod contenders;
mod figures;
mod suites;
mod table;
mod traffic;

use std::path::PathBuf;
use std::time::Duration;

use crate::cpu;
use contenders::{Bench, Contender};
use figures::Samples;

pub use suites::Suite;
pub use table::{Table, put_into};

/// What is compared.
pub struct Comparison {
    /// The directory of `data-plane` and `mock-provider`.
    pub binaries: PathBuf,
    /// What is measured.
    pub suites: Vec<Suite>,
    /// Interleaved rounds.
    pub rounds: usize,
    /// What each contender gets of each kind of traffic in a round.
    pub duration: Duration,
}

/// One round, as a suite sees it.
struct Round<'a> {
    bench: &'a Bench<'a>,
    contenders: &'a [Contender],
    number: usize,
    duration: Duration,
}

impl Round<'_> {
    /// The contenders in the order of this round.
    fn contenders(&self) -> impl Iterator<Item = &Contender> {
        let (first, rest) = self.contenders.split_at(self.number % self.contenders.len().max(1));
        rest.iter().chain(first)
    }

    /// The one that has to do with keys.
    fn gateway(&self) -> Option<&Contender> {
        self.contenders.iter().find(|contender| contender.is_gateway())
    }
}

impl Comparison {
    /// Starts everything, measures, and ends everything. Progress goes to `say`.
    pub fn run(&self, mut say: impl FnMut(&str)) -> anyhow::Result<Table> {
        let dir = tempfile::tempdir()?;
        let bench = Bench { dir: dir.path(), binaries: self.binaries.clone() };
        let contenders = bench.contenders()?;
        let mut samples = Samples::default();
        for number in 0..self.rounds {
            let round = Round { bench: &bench, contenders: &contenders, number, duration: self.duration };
            for suite in &self.suites {
                say(&format!("round {} of {}: {}", number + 1, self.rounds, suite.name()));
                suite.measure(&round, &mut samples)?;
            }
        }
        samples.sort(&contenders.iter().map(|contender| contender.name).collect::<Vec<_>>());
        Ok(Table { method: self.method(), samples })
    }

    fn method(&self) -> String {
        format!(
            "{}; {} interleaved rounds, {} s for each kind of traffic and contender; one CPU for what is measured, the \
             other for the load and the provider; CPU is what the kernel charged to the process",
            cpu::machine(),
            self.rounds,
            self.duration.as_secs_f64(),
        )
    }
}
