//! The command line (design §2).

use std::path::PathBuf;

use clap::Parser;

/// Serves inference traffic in the OpenAI and Anthropic dialects.
#[derive(Debug, Parser)]
#[command(name = "data-plane", version, about)]
pub(crate) struct Args {
    /// Run standalone from this file, in LiteLLM's config.yaml schema.
    #[arg(long, value_name = "FILE", env = "BULKHEAD_CONFIG")]
    pub(crate) config: PathBuf,

    /// Where to serve inference.
    #[arg(long, value_name = "ADDRESS", env = "BULKHEAD_LISTEN", default_value = "0.0.0.0:4000")]
    pub(crate) listen: String,

    /// Where to serve probes and metrics.
    #[arg(long, value_name = "ADDRESS", env = "BULKHEAD_OPS_LISTEN", default_value = "127.0.0.1:4010")]
    pub(crate) ops_listen: String,

    /// Where to keep the ledger and usage records.
    #[arg(long, value_name = "DIR", env = "BULKHEAD_STATE_DIR", default_value = "bulkhead-state")]
    pub(crate) state_dir: PathBuf,

    /// This node's name in usage records; the host's name by default.
    #[arg(long, value_name = "NAME", env = "BULKHEAD_NODE_NAME")]
    pub(crate) node_name: Option<String>,

    /// Serve TLS with this certificate chain (PEM).
    #[arg(long, value_name = "FILE", env = "BULKHEAD_TLS_CERT", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// The key of --tls-cert (PEM).
    #[arg(long, value_name = "FILE", env = "BULKHEAD_TLS_KEY", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
}
