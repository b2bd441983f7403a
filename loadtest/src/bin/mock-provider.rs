//! The mock provider as a process.

use std::net::SocketAddr;

use bulkhead_testkit::provider::{MockProvider, Options};
use clap::Parser;
use loadtest::process;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Speaks OpenAI's and Anthropic's dialects, keeps books (GET /_mock/ledger, /_mock/requests, /_mock/stats,
/// POST /_mock/reset), and misbehaves as the model's name says (`ok`, `cut-after-5`, `429-retry-after-7`, …).
#[derive(Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Threads.
    #[arg(long, default_value_t = 1)]
    workers: usize,
    /// Requests to log with head and body.
    #[arg(long, default_value_t = 1000)]
    log: usize,
    /// Records to keep one by one; older ones only count in the totals.
    #[arg(long, default_value_t = 100_000)]
    records: usize,
    /// Appended to the model's name in answers.
    #[arg(long, default_value = "-2026-01-01")]
    model_suffix: String,
}

fn main() -> anyhow::Result<()> {
    let Arguments { listen, workers, log, records, model_suffix } = Arguments::parse();
    let mock = MockProvider::with(Options { listen, workers, log, records, model_suffix, http2: None })?;
    process::say(&format!("mock provider listening on {}", mock.origin()))?;
    process::until_signal()?;
    Ok(())
}
