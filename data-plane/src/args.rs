//! The command line (design §2).

use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use bulkhead_config::flag::duration;
use bulkhead_model::Secret;
use clap::builder::FalseyValueParser;
use clap::{Parser, ValueEnum};

use crate::usage::{Full, SpoolOptions};

/// Serves inference traffic in the OpenAI and Anthropic dialects.
#[derive(Parser)]
#[command(name = "data-plane", version, about)]
pub(crate) struct Args {
    /// Run standalone from this file, in LiteLLM's config.yaml schema.
    #[arg(long, value_name = "FILE", env = "BULKHEAD_CONFIG")]
    pub(crate) config: Option<PathBuf>,

    /// Follow this control plane (https://HOST:4002) instead of a file.
    #[arg(long, value_name = "URL", env = "BULKHEAD_CONTROL_PLANE")]
    pub(crate) control_plane: Option<String>,

    #[command(flatten)]
    pub(crate) managed: Managed,

    /// Forward the routes of the management API to the control plane's HTTP port (http://HOST:4001).
    #[arg(long, value_name = "URL", env = "BULKHEAD_MANAGEMENT_URL")]
    pub(crate) management_url: Option<String>,

    /// How long a request to --management-url may take, from its head to the end of the answer.
    #[arg(long, value_name = "TIME", env = "BULKHEAD_MANAGEMENT_TIMEOUT", default_value = "30s", value_parser = duration)]
    pub(crate) management_timeout: Duration,

    /// Where to serve inference.
    #[arg(long, value_name = "ADDRESS", env = "BULKHEAD_LISTEN", default_value = "0.0.0.0:4000")]
    pub(crate) listen: String,

    /// Where to serve probes and metrics.
    #[arg(long, value_name = "ADDRESS", env = "BULKHEAD_OPS_LISTEN", default_value = "127.0.0.1:4010")]
    pub(crate) ops_listen: String,

    /// Where to keep the last good snapshot, the ledger and usage records.
    #[arg(long, value_name = "DIR", env = "BULKHEAD_STATE_DIR", default_value = "bulkhead-state")]
    pub(crate) state_dir: PathBuf,

    /// This node's name in usage records and to the control plane; the host's name by default.
    #[arg(long, value_name = "NAME", env = "BULKHEAD_NODE_NAME")]
    pub(crate) node_name: Option<String>,

    /// Serve TLS with this certificate chain (PEM).
    #[arg(long, value_name = "FILE", env = "BULKHEAD_TLS_CERT", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// The key of --tls-cert (PEM).
    #[arg(long, value_name = "FILE", env = "BULKHEAD_TLS_KEY", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,

    /// The path under which a front proxy has this gateway, such as /llmproxy; also SERVER_ROOT_PATH. It may strip the
    /// path or keep it.
    #[arg(long, value_name = "PATH", env = "BULKHEAD_ROOT_PATH")]
    pub(crate) root_path: Option<String>,

    /// Origins from which browsers may call, separated by commas, or `*`; also LITELLM_CORS_ORIGINS.
    #[arg(long, value_name = "ORIGINS", env = "BULKHEAD_CORS_ORIGINS")]
    pub(crate) cors_origins: Option<String>,

    /// Write a line of JSON for each request to standard output, whatever the configuration says.
    #[arg(long, env = "BULKHEAD_ACCESS_LOG", value_parser = FalseyValueParser::new())]
    pub(crate) access_log: bool,

    /// How long to go on taking connections when told to stop, unready already: a load balancer that sends by
    /// readiness notices only after a moment. By default not at all.
    #[arg(long, value_name = "TIME", env = "BULKHEAD_DRAIN_WAIT", value_parser = duration)]
    pub(crate) drain_wait: Option<Duration>,
}

/// What only a node with a control plane has.
#[derive(clap::Args)]
pub(crate) struct Managed {
    /// What `control-plane token create` printed.
    #[arg(long, value_name = "TOKEN", env = "BULKHEAD_JOIN_TOKEN", hide_env_values = true, value_parser = secret)]
    pub(crate) join_token: Option<Secret>,

    /// A file that holds the join token.
    #[arg(long, value_name = "FILE", env = "BULKHEAD_JOIN_TOKEN_FILE")]
    pub(crate) join_token_file: Option<PathBuf>,

    /// Encrypts the snapshot on disk: 32 bytes in hex or base64; after a comma, the key before this one. By default it
    /// is derived from the join token.
    #[arg(long, value_name = "KEY", env = "BULKHEAD_STATE_KEY", hide_env_values = true, value_parser = secret)]
    pub(crate) state_key: Option<Secret>,

    /// A file that holds the state key.
    #[arg(long, value_name = "FILE", env = "BULKHEAD_STATE_KEY_FILE")]
    pub(crate) state_key_file: Option<PathBuf>,

    /// Trust these authorities (PEM) for the control plane's gRPC certificate, and no others.
    #[arg(long, value_name = "FILE", env = "BULKHEAD_GRPC_CA")]
    pub(crate) grpc_ca: Option<PathBuf>,

    /// Follow an http:// control plane on another machine, too: the join token and all keys travel unencrypted.
    #[arg(long, env = "BULKHEAD_INSECURE_PLAINTEXT", value_parser = FalseyValueParser::new())]
    pub(crate) insecure_plaintext: bool,

    /// How long nothing may be heard of the control plane before --max-stale-action.
    #[arg(long, value_name = "TIME", env = "BULKHEAD_MAX_STALE", default_value = "1h", value_parser = duration)]
    pub(crate) max_stale: Duration,

    /// What to do then.
    #[arg(long, env = "BULKHEAD_MAX_STALE_ACTION", value_enum, default_value_t = StaleAction::Serve)]
    pub(crate) max_stale_action: StaleAction,

    /// How much usage may wait on disk for the control plane, in bytes, KiB, MiB or GiB.
    #[arg(long, value_name = "SIZE", env = "BULKHEAD_SPOOL_CAP", default_value = "1GiB", value_parser = bytes)]
    pub(crate) spool_cap: u64,

    /// What to do when there is more.
    #[arg(long, env = "BULKHEAD_SPOOL_FULL", value_enum, default_value_t = Full::Fold)]
    pub(crate) spool_full: Full,
}

impl Managed {
    pub(crate) fn spool(&self) -> SpoolOptions {
        SpoolOptions { cap: self.spool_cap, full: self.spool_full }
    }
}

/// What a node does that has not heard of its control plane for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StaleAction {
    /// Serve what is known, and say so.
    Serve,
    /// Answer 503 and be unready until the control plane is heard again.
    Stop,
}

fn secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text))
}

/// A number of bytes, at least a mebibyte.
fn bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let unit = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(unit).unwrap_or_default();
    let unit: u64 = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err("not a size such as 512MiB: bytes, KiB, MiB or GiB".to_owned()),
    };
    let bytes = number.parse().ok().and_then(|number: u64| number.checked_mul(unit));
    bytes
        .filter(|bytes| *bytes >= 1 << 20)
        .ok_or_else(|| "a size is a whole number, of 1MiB or more".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_bytes_or_has_a_unit() {
        for (text, size) in [
            ("1048576", 1 << 20),
            ("512MiB", 512 << 20),
            (" 1 GiB ", 1 << 30),
            ("2048KiB", 2 << 20),
            ("1048577B", 1048577),
        ] {
            assert_eq!(bytes(text), Ok(size), "{text}");
        }
        for text in ["", "MiB", "1", "1023KiB", "1GB", "-1GiB", "1.5GiB", "99999999999GiB", "é"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
