//! The command line (design §2). Every flag is an environment variable too; LiteLLM's own names are honoured.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_config::flag::{duration, note, problem};
use bulkhead_config::{Problem, Problems};
use bulkhead_model::Secret;
use clap::builder::FalseyValueParser;
use clap::{Args as ClapArgs, Parser, Subcommand};

use crate::Failure;
use crate::flags::{file_of, master_key, secret_or};
use crate::seal::Seal;

/// Owns keys, teams, models and PostgreSQL, and tells every data plane what is declared.
#[derive(Parser)]
#[command(name = "control-plane", version, about)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Serve the management API and the nodes.
    Serve(Box<Serve>),
    /// Bring the database's schema up to date. Safe beside a running fleet; `serve` never does it by itself.
    Migrate(Database),
    /// Validate a gateway.yaml: every error at once.
    Check(ConfigFile),
    /// Write what a gateway.yaml declares into the database.
    Apply {
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        database: Database,
        #[command(flatten)]
        keys: Keys,
    },
    /// Join tokens, by which nodes subscribe.
    #[command(subcommand)]
    Token(Token),
    /// The history of changes, after a restore or a lossy failover.
    #[command(subcommand)]
    Epoch(Epoch),
}

#[derive(Subcommand)]
pub(crate) enum Token {
    /// Make one; it is printed once. Or let in those who hold one that was made elsewhere.
    Create {
        /// The nodes it is for.
        #[arg(long, value_name = "GROUP", env = "BULKHEAD_GROUP")]
        group: String,
        /// A file that holds the token: `bh-join-` and 64 hexadecimal digits. Nothing is printed, and nothing is done
        /// where it is known.
        #[arg(long, value_name = "FILE", env = "BULKHEAD_TOKEN_FILE")]
        token_file: Option<PathBuf>,
        #[command(flatten)]
        database: Database,
    },
    /// All of them, without the tokens themselves.
    List(Database),
    /// End one: nodes that joined by it are disconnected.
    Revoke {
        /// As `token list` names it.
        id: String,
        #[command(flatten)]
        database: Database,
    },
}

#[derive(Subcommand)]
pub(crate) enum Epoch {
    /// Begin a new epoch, so that every node takes what this database says. Without --accept-loss: say what differs.
    New {
        /// What nodes have and the database lost stays lost.
        #[arg(long)]
        accept_loss: bool,
        #[command(flatten)]
        database: Database,
    },
}

/// Where the database is.
#[derive(Clone, ClapArgs)]
pub(crate) struct Database {
    /// postgres://USER:PASSWORD@HOST:PORT/NAME; also DATABASE_URL.
    #[arg(long, value_name = "URL", env = "BULKHEAD_DATABASE_URL", hide_env_values = true, value_parser = secret)]
    database_url: Option<Secret>,

    /// A file that holds the URL.
    #[arg(long, value_name = "FILE", env = "BULKHEAD_DATABASE_URL_FILE")]
    database_url_file: Option<PathBuf>,
}

/// What seals secrets in the database, and lets operators in.
#[derive(Clone, ClapArgs)]
pub(crate) struct Keys {
    /// The master key; also LITELLM_MASTER_KEY, or `general_settings.master_key` of --config.
    #[arg(long, value_name = "KEY", env = "BULKHEAD_MASTER_KEY", hide_env_values = true, value_parser = secret)]
    master_key: Option<Secret>,

    /// A file that holds the master key.
    #[arg(long, value_name = "FILE", env = "BULKHEAD_MASTER_KEY_FILE")]
    master_key_file: Option<PathBuf>,

    /// Encrypts provider credentials in the database; also LITELLM_SALT_KEY; by default the master key.
    #[arg(long, value_name = "KEY", env = "BULKHEAD_SALT_KEY", hide_env_values = true, value_parser = secret)]
    salt_key: Option<Secret>,

    /// A file that holds the salt key.
    #[arg(long, value_name = "FILE", env = "BULKHEAD_SALT_KEY_FILE")]
    salt_key_file: Option<PathBuf>,
}

#[derive(ClapArgs)]
pub(crate) struct ConfigFile {
    /// In LiteLLM's config.yaml schema.
    #[arg(long, value_name = "FILE", env = "BULKHEAD_CONFIG")]
    pub(crate) config: PathBuf,
}

/// Everything that `serve` is told.
#[derive(ClapArgs)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) database: Database,

    #[command(flatten)]
    pub(crate) keys: Keys,

    /// Apply this gateway.yaml, unless it was applied before, and whatever becomes of it and of the files it reads.
    #[arg(long, value_name = "FILE", env = "BULKHEAD_CONFIG")]
    pub(crate) config: Option<PathBuf>,

    /// Where to serve the management API.
    #[arg(long, value_name = "ADDRESS", env = "BULKHEAD_LISTEN", default_value = "0.0.0.0:4001")]
    pub(crate) listen: String,

    /// Where nodes subscribe.
    #[arg(long, value_name = "ADDRESS", env = "BULKHEAD_GRPC_LISTEN", default_value = "127.0.0.1:4002")]
    pub(crate) grpc_listen: String,

    /// Where to serve probes and metrics.
    #[arg(long, value_name = "ADDRESS", env = "BULKHEAD_OPS_LISTEN", default_value = "127.0.0.1:4011")]
    pub(crate) ops_listen: String,

    /// The path under which a front proxy has the management API, such as /llmproxy; also SERVER_ROOT_PATH. It may strip
    /// the path or keep it.
    #[arg(long, value_name = "PATH", env = "BULKHEAD_ROOT_PATH")]
    pub(crate) root_path: Option<String>,

    /// Origins from which browsers may call, separated by commas, or `*`; also LITELLM_CORS_ORIGINS.
    #[arg(long, value_name = "ORIGINS", env = "BULKHEAD_CORS_ORIGINS")]
    pub(crate) cors_origins: Option<String>,

    /// Serve the management API by TLS with this certificate chain (PEM).
    #[arg(long, value_name = "FILE", env = "BULKHEAD_TLS_CERT", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// The key of --tls-cert (PEM).
    #[arg(long, value_name = "FILE", env = "BULKHEAD_TLS_KEY", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,

    /// Serve nodes by TLS with this certificate chain (PEM).
    #[arg(long, value_name = "FILE", env = "BULKHEAD_GRPC_CERT", requires = "grpc_key")]
    pub(crate) grpc_cert: Option<PathBuf>,

    /// The key of --grpc-cert (PEM).
    #[arg(long, value_name = "FILE", env = "BULKHEAD_GRPC_KEY", requires = "grpc_cert")]
    pub(crate) grpc_key: Option<PathBuf>,

    /// Serve nodes on other machines without TLS: join tokens and all keys travel unencrypted.
    #[arg(long, env = "BULKHEAD_INSECURE_PLAINTEXT", value_parser = FalseyValueParser::new())]
    pub(crate) insecure_plaintext: bool,

    /// Do not LISTEN for changes, only look for them: for a PgBouncer that pools transactions.
    #[arg(long, env = "BULKHEAD_NO_LISTEN_NOTIFY", value_parser = FalseyValueParser::new())]
    pub(crate) no_listen_notify: bool,

    /// How long to go on serving when told to stop, unready already: a load balancer that sends by readiness notices
    /// only after a moment. By default not at all.
    #[arg(long, value_name = "TIME", env = "BULKHEAD_DRAIN_WAIT", value_parser = duration)]
    pub(crate) drain_wait: Option<Duration>,

    /// Changes that the history keeps, for nodes that come back: one that missed more gets everything anew.
    #[arg(long, value_name = "COUNT", env = "BULKHEAD_KEEP_CHANGES", default_value_t = 100_000,
        value_parser = clap::value_parser!(i64).range(1..))]
    pub(crate) keep_changes: i64,

    /// Days for which single events of usage are kept; what they add up to stays.
    #[arg(long, value_name = "DAYS", env = "BULKHEAD_USAGE_RETENTION_DAYS", default_value_t = 30,
        value_parser = clap::value_parser!(i64).range(2..=3650))]
    pub(crate) usage_retention_days: i64,
}

impl Database {
    /// The URL, or what is missing.
    pub(crate) fn url(&self) -> Result<Secret, Problem> {
        let url = secret_or(
            "--database-url",
            self.database_url.as_ref(),
            self.database_url_file.as_deref(),
            "DATABASE_URL",
        )?;
        let remedy = "postgres://USER:PASSWORD@HOST:5432/NAME; or set DATABASE_URL";
        let url = url.ok_or_else(|| problem("--database-url", "nothing says which database", remedy))?;
        // What is wrong with it is not quoted: it holds a password.
        let is_postgres =
            ["postgres://", "postgresql://"].iter().any(|scheme| url.expose().starts_with(scheme));
        if !is_postgres || url.expose().parse::<sqlx::postgres::PgConnectOptions>().is_err() {
            return Err(problem("--database-url", "this is not the URL of a PostgreSQL database", remedy));
        }
        Ok(url)
    }

    /// The file that holds the URL, if one does.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        self.database_url_file.clone().or_else(|| file_of("DATABASE_URL"))
    }

    /// As [`Database::url`], for commands that are told little else.
    pub(crate) fn only_url(&self) -> Result<Secret, Failure> {
        self.url().map_err(|problem| Failure::Usage(problem.to_string()))
    }
}

impl Keys {
    /// The master key of the command line or the environment, if there is one.
    pub(crate) fn given_master_key(&self) -> Result<Option<Secret>, Problem> {
        secret_or(
            "--master-key",
            self.master_key.as_ref(),
            self.master_key_file.as_deref(),
            "LITELLM_MASTER_KEY",
        )
    }

    /// The file that holds the master key, if one does.
    pub(crate) fn master_key_file(&self) -> Option<PathBuf> {
        self.master_key_file.clone().or_else(|| file_of("LITELLM_MASTER_KEY"))
    }

    /// The salt key, if there is one beside the master key.
    pub(crate) fn salt_key(&self) -> Result<Option<Secret>, Problem> {
        secret_or("--salt-key", self.salt_key.as_ref(), self.salt_key_file.as_deref(), "LITELLM_SALT_KEY")
    }

    /// What seals, by the master key where nothing else is given.
    pub(crate) fn seal(&self, master_key: &Secret) -> Result<Arc<Seal>, Problem> {
        let salt = self.salt_key()?;
        let seal = Seal::new(salt.as_ref().unwrap_or(master_key));
        let wrong = |error: anyhow::Error| problem("--salt-key", error.to_string(), "another one");
        seal.map(Arc::new).map_err(wrong)
    }
}

/// The master key that a file goes by, which is also the one of the command line.
pub(crate) fn agreed(given: Option<Secret>, declared: Option<&Secret>) -> Result<Secret, Problem> {
    match (given, declared) {
        (Some(given), Some(declared)) if given != *declared => Err(problem(
            "--master-key",
            "the file declares another master key",
            "the same in both places, or `master_key: os.environ/LITELLM_MASTER_KEY` in the file",
        )),
        (given, declared) => master_key(given.or_else(|| declared.cloned())),
    }
}

/// Everything that is wrong, or what was read.
pub(crate) fn all<T>(read: Option<T>, problems: Vec<Problem>) -> Result<T, Failure> {
    match read {
        Some(read) if problems.is_empty() => Ok(read),
        _ => Err(Failure::Usage(Problems(problems).to_string())),
    }
}

/// The URL and what seals, for commands that write.
pub(crate) fn database_and_seal(
    database: &Database,
    keys: &Keys,
    declared: Option<&Secret>,
) -> Result<(Secret, Arc<Seal>), Failure> {
    let mut problems = Vec::new();
    let url = note(database.url(), &mut problems);
    let master_key = keys.given_master_key().and_then(|given| agreed(given, declared));
    let seal = note(master_key.and_then(|key| keys.seal(&key)), &mut problems);
    all(url.zip(seal), problems)
}

fn secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text))
}
