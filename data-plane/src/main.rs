//! The data plane: serves inference traffic from an in-memory snapshot and touches no database.

mod admission;
mod admit;
mod apart;
mod args;
mod attempt;
mod bound;
mod counted;
mod exchange;
mod fault;
#[cfg(test)]
mod fence;
mod flags;
mod health;
mod identify;
mod leases;
mod legs;
mod listener;
mod listing;
mod litellm;
mod management;
mod metrics;
mod node;
mod ops;
mod pages;
mod read;
mod receive;
mod respond;
mod route;
mod settle;
mod snapshot;
mod source;
mod stored;
mod trace;
mod upstream;
mod usage;
mod worker;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

// A test build has the system's, whose calls can be counted from outside.
#[cfg(not(all(test, debug_assertions)))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Bad configuration, as in sysexits.h.
const EX_USAGE: u8 = 64;

fn main() -> ExitCode {
    let args = match args::Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(EX_USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let env: std::collections::HashMap<String, String> = std::env::vars().collect();
    let filter = env.get("BULKHEAD_LOG").or_else(|| env.get("LITELLM_LOG"));
    bulkhead_telemetry::log::init(filter.map(String::as_str));
    match node::run(args, env) {
        Ok(()) => ExitCode::SUCCESS,
        Err(node::Failure::Configuration(problems)) => {
            let _ = writeln!(std::io::stderr(), "{problems}");
            ExitCode::from(EX_USAGE)
        }
        Err(node::Failure::Other(error)) => {
            let _ = writeln!(std::io::stderr(), "data-plane: {error:#}");
            ExitCode::FAILURE
        }
    }
}
