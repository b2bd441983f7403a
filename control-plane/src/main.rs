//! The control plane: owns keys, teams, users, models and PostgreSQL, and tells every data plane what is declared.

mod api;
mod apply;
mod args;
mod domain;
mod epoch;
mod flags;
mod grpc;
mod jobs;
mod ledger;
mod migrate;
mod ops;
mod publish;
mod seal;
mod seldom;
mod serve;
mod store;
mod token;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use args::{Args, Command};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What still runs when a command is done has so long to end.
const SHUTDOWN: Duration = Duration::from_secs(1);

/// Bad configuration, as in sysexits.h.
const EX_USAGE: u8 = 64;

/// Why a command failed.
pub(crate) enum Failure {
    /// What the operator wrote is wrong; everything that is.
    Usage(String),
    /// Anything else.
    Other(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(EX_USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let filter = ["BULKHEAD_LOG", "LITELLM_LOG"].iter().find_map(|name| std::env::var(name).ok());
    bulkhead_telemetry::log::init(filter.as_deref());
    match run(args.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(problems)) => {
            let _ = writeln!(std::io::stderr(), "{problems}");
            ExitCode::from(EX_USAGE)
        }
        Err(Failure::Other(error)) => {
            let _ = writeln!(std::io::stderr(), "control-plane: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)?;
    let done = runtime.block_on(async {
        match command {
            Command::Serve(args) => serve::run(*args).await,
            Command::Migrate(args) => migrate::run(&args).await,
            Command::Check(file) => apply::check(&file),
            Command::Apply { file, database, keys } => apply::run(&file, &database, &keys).await,
            Command::Token(command) => token::run(&command).await,
            Command::Epoch(command) => epoch::run(&command).await,
        }
    });
    runtime.shutdown_timeout(SHUTDOWN);
    done
}
