//! Measurements that start what they measure.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use loadtest::compare::Comparison;
use loadtest::process;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
enum Arguments {
    /// The same traffic through Bulkhead, HAProxy and nginx (both have to be installed): prints a table, or JSON.
    Compare(Compare),
}

#[derive(Parser)]
struct Compare {
    /// Interleaved rounds.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Seconds that each contender gets in a round.
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// Keep-alive connections.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// A document in which the table between `<!-- figures:begin -->` and `<!-- figures:end -->` is replaced.
    #[arg(long)]
    write: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let Arguments::Compare(compare) = Arguments::parse();
    let binaries = std::env::current_exe()?.parent().context("the program has no directory")?.to_owned();
    let comparison = Comparison {
        binaries,
        rounds: compare.rounds,
        duration: Duration::try_from_secs_f64(compare.seconds)?,
        connections: compare.connections,
    };
    let table = comparison.run(|progress| drop(writeln!(std::io::stderr(), "{progress}")))?;
    if let Some(path) = &compare.write {
        let document = fs::read_to_string(path)?;
        let document =
            table.put_into(&document).with_context(|| format!("{} has no markers", path.display()))?;
        fs::write(path, document)?;
    }
    let text = if compare.json { format!("{:#}", table.json()) } else { table.markdown() };
    process::say(&text)?;
    Ok(())
}
