//! The fault proxy as a process.

use std::net::SocketAddr;

use anyhow::Context;
use bulkhead_testkit::proxy::{FaultProxy, Mode};
use clap::Parser;
use loadtest::process;

/// A TCP proxy that delays, loses, cuts and corrupts. The control socket takes a mode a line (`delay 250`,
/// `blackhole`, `pass`, …), and `mode`, `stats` and `reset-connections`.
#[derive(Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where to forward to.
    #[arg(long)]
    upstream: SocketAddr,
    /// The mode to begin with, as on the control socket.
    #[arg(long, default_value = "pass")]
    mode: Mode,
    /// Where to listen for control connections.
    #[arg(long)]
    control: Option<SocketAddr>,
}

fn main() -> anyhow::Result<()> {
    let Arguments { listen, upstream, mode, control } = Arguments::parse();
    let proxy =
        FaultProxy::listening(listen, upstream).with_context(|| format!("cannot listen on {listen}"))?;
    proxy.set(mode);
    process::say(&format!("fault proxy listening on {} before {upstream}", proxy.addr()))?;
    if let Some(listen) = control {
        let control = proxy.control(listen).with_context(|| format!("cannot listen on {listen}"))?;
        process::say(&format!("fault proxy control on {control}"))?;
    }
    process::until_signal()?;
    Ok(())
}
