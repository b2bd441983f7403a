//! The load generator as a process.

use std::net::ToSocketAddrs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use http::Uri;
use loadtest::load::{Expect, Load, Pace, Tls};
use loadtest::process;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Sends requests at a fixed rate (or, with --closed, as fast as so many connections can) and prints one JSON object.
#[derive(Parser)]
struct Arguments {
    /// Where to send them: http://HOST:PORT/PATH, or https:// with --ca.
    #[arg(long)]
    url: Uri,
    /// Requests a second, whatever the answers do.
    #[arg(long, required_unless_present = "closed")]
    rate: Option<f64>,
    /// Instead of a rate: so many connections that each send the next request when the answer is there.
    #[arg(long, conflicts_with = "rate")]
    closed: Option<usize>,
    /// How long to measure.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// How long to send before measuring.
    #[arg(long, default_value_t = 0.0)]
    warmup: f64,
    /// Connections to spread a rate over.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// HTTP/2, with so many streams at a time on each connection. Without TLS, the server has to expect it.
    #[arg(long, value_name = "STREAMS")]
    http2: Option<usize>,
    /// For https://, a file (PEM) with the authorities to trust.
    #[arg(long)]
    ca: Option<PathBuf>,
    /// A file with the body; without it, GET.
    #[arg(long)]
    body_file: Option<PathBuf>,
    /// The body itself.
    #[arg(long, conflicts_with = "body_file")]
    body: Option<String>,
    /// A header, NAME:VALUE; may be repeated.
    #[arg(long)]
    header: Vec<String>,
    /// Answers are streams of events.
    #[arg(long)]
    stream: bool,
    /// Answers are streams of a model `stamped-N` of the mock provider on this machine: checks the order of the pieces,
    /// and measures how long each was on its way.
    #[arg(long)]
    stamped: bool,
    /// Events that each stream must have; by default as many as the first one had.
    #[arg(long)]
    events: Option<u64>,
    /// Seconds after which a request has failed.
    #[arg(long, default_value_t = 60.0)]
    timeout: f64,
    /// Threads.
    #[arg(long, default_value_t = 1)]
    workers: usize,
}

impl Arguments {
    fn is_https(&self) -> bool {
        self.url.scheme_str() == Some("https")
    }
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let report = load(&arguments)?.run()?;
    process::say(&report.json().to_string())?;
    Ok(())
}

fn load(arguments: &Arguments) -> anyhow::Result<Load> {
    let authority = arguments.url.authority().context("the URL needs a host and a port")?;
    let port = authority.port_u16().unwrap_or(if arguments.is_https() { 443 } else { 80 });
    let addr = (authority.host(), port).to_socket_addrs()?.next().context("the host has no address")?;
    let path = arguments.url.path_and_query().map_or("/", |path| path.as_str());
    let mut load = Load::to(addr, path);
    load.host = authority.to_string();
    for header in &arguments.header {
        let (name, value) = header.split_once(':').context("a header is NAME:VALUE")?;
        load.headers.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    load.body = match (&arguments.body_file, &arguments.body) {
        (Some(file), _) => {
            Some(std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?.into())
        }
        (None, body) => body.clone().map(Into::into),
    };
    load.pace = match (arguments.closed, arguments.rate) {
        (Some(_), _) => Pace::Closed,
        (None, rate) => Pace::Open { rate: rate.unwrap_or(1.0) },
    };
    load.connections = arguments.closed.unwrap_or(arguments.connections);
    load.duration = Duration::try_from_secs_f64(arguments.seconds)?;
    load.warmup = Duration::try_from_secs_f64(arguments.warmup)?;
    load.timeout = Duration::try_from_secs_f64(arguments.timeout)?;
    load.expect = match (arguments.stamped, arguments.stream) {
        (true, _) => Expect::Stamped,
        (false, true) => Expect::Stream,
        (false, false) => Expect::Body,
    };
    load.http2 = arguments.http2;
    load.tls = tls(arguments, authority.host())?;
    load.events = arguments.events;
    load.workers = arguments.workers;
    Ok(load)
}

fn tls(arguments: &Arguments, host: &str) -> anyhow::Result<Option<Tls>> {
    let ca = match (arguments.is_https(), &arguments.ca) {
        (false, None) => return Ok(None),
        (true, Some(ca)) => ca,
        (true, None) => anyhow::bail!("https:// needs --ca"),
        (false, Some(_)) => anyhow::bail!("--ca is for https://"),
    };
    let pem = std::fs::read(ca).with_context(|| format!("cannot read {}", ca.display()))?;
    Tls::trusting(&pem, host, arguments.http2.is_some()).map(Some)
}
