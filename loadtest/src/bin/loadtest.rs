//! Measurements that start what they measure.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use bulkhead_model::random;
use clap::Parser;
use loadtest::compare::{Comparison, Suite, put_into};
use loadtest::ingest::Ingest;
use loadtest::keys::Fleet;
use loadtest::process;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
enum Arguments {
    /// The same traffic through Bulkhead, HAProxy and nginx (both have to be installed): prints tables.
    Compare(Compare),
    /// A full sync of many keys, then changes of one: prints what memory and time they take as a table, or JSON.
    Keys(Keys),
    /// Nodes that send usage to a control plane as fast as it is taken in: prints how fast that is, or JSON.
    Ingest(Usage),
}

#[derive(Parser)]
struct Compare {
    /// What to measure; may be repeated. All of it by default.
    #[arg(long = "suite", value_delimiter = ',')]
    suites: Vec<Suite>,
    /// Interleaved rounds.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Seconds that each contender gets of each kind of traffic in a round.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// A file for every figure of every round, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// A document in which the main lines go between `<!-- figures:begin -->` and `<!-- figures:end -->`.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// A document in which all tables go between such comments.
    #[arg(long, value_name = "FILE")]
    details: Option<PathBuf>,
}

#[derive(Parser)]
struct Keys {
    /// Keys.
    #[arg(long, default_value_t = 1_000_000)]
    keys: u64,
    /// Users that they belong to in turn; by default each key has its own.
    #[arg(long)]
    users: Option<u64>,
    /// Changes of one key.
    #[arg(long, default_value_t = 3000)]
    deltas: u64,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

#[derive(Parser)]
struct Usage {
    /// A database that nobody needs: it is migrated and filled.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
    /// Keys that the events are of.
    #[arg(long, default_value_t = 100)]
    keys: u64,
    /// Nodes that send at once.
    #[arg(long, default_value_t = 4)]
    nodes: usize,
    /// Events of a batch.
    #[arg(long, default_value_t = 500)]
    batch: u64,
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse() {
        Arguments::Compare(arguments) => compare(&arguments),
        Arguments::Keys(arguments) => keys(&arguments),
        Arguments::Ingest(arguments) => ingest(arguments),
    }
}

fn keys(arguments: &Keys) -> anyhow::Result<()> {
    let &Keys { keys, users, deltas, json } = arguments;
    let figures = Fleet { keys, users: users.unwrap_or(keys), deltas }.measure()?;
    process::say(&if json { format!("{:#}", figures.json()) } else { figures.markdown() })?;
    Ok(())
}

fn ingest(arguments: Usage) -> anyhow::Result<()> {
    let Usage { database_url, keys, nodes, batch, seconds, json } = arguments;
    let duration = Duration::try_from_secs_f64(seconds)?;
    let master_key = format!("sk-{:016x}{:016x}", random::number(), random::number());
    let ingest = Ingest { binaries: binaries()?, database_url, master_key, nodes, keys, batch, duration };
    let figures = ingest.measure()?;
    process::say(&if json { format!("{:#}", figures.json()) } else { figures.markdown() })?;
    Ok(())
}

/// Where this program is, and those that it starts.
fn binaries() -> anyhow::Result<PathBuf> {
    Ok(std::env::current_exe()?.parent().context("the program has no directory")?.to_owned())
}

fn compare(compare: &Compare) -> anyhow::Result<()> {
    let comparison = Comparison {
        binaries: binaries()?,
        suites: if compare.suites.is_empty() { Suite::ALL.to_vec() } else { compare.suites.clone() },
        rounds: compare.rounds,
        duration: Duration::try_from_secs_f64(compare.seconds)?,
    };
    let table = comparison.run(|progress| drop(writeln!(std::io::stderr(), "{progress}")))?;
    // First to where nothing is lost when a document cannot be written.
    process::say(&format!("{}\n{}", table.details(), table.summary()))?;
    if let Some(path) = &compare.json {
        fs::write(path, format!("{:#}\n", table.json()))?;
    }
    for (path, text) in [(&compare.write, table.summary()), (&compare.details, table.details())] {
        let Some(path) = path else { continue };
        let document = fs::read_to_string(path)?;
        let document =
            put_into(&document, &text).with_context(|| format!("{} has no markers", path.display()))?;
        fs::write(path, document)?;
    }
    Ok(())
}
