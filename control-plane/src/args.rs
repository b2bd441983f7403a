//! The command line (design §2). Every flag is an environment variable too; LiteLLM's own names are honoured.

use bulkhead_model::Secret;
use clap::{Args as ClapArgs, Parser, Subcommand};

/// Owns keys, teams, models and PostgreSQL, and tells every data plane what is declared.
#[derive(Parser)]
#[command(name = "control-plane", version, about)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Bring the database's schema up to date. Safe beside a running fleet; `serve` never does it by itself.
    Migrate(Database),
}

/// Where the database is.
#[derive(ClapArgs)]
pub(crate) struct Database {
    /// postgres://USER:PASSWORD@HOST:PORT/NAME; also DATABASE_URL.
    #[arg(long, value_name = "URL", env = "BULKHEAD_DATABASE_URL", hide_env_values = true, value_parser = secret)]
    database_url: Option<Secret>,
}

impl Database {
    /// The URL, or what is missing.
    pub(crate) fn url(&self) -> Result<Secret, crate::Failure> {
        let from_env = || std::env::var("DATABASE_URL").ok().filter(|url| !url.is_empty()).map(Secret::new);
        self.database_url.clone().or_else(from_env).ok_or_else(|| {
            crate::Failure::Usage(
                "--database-url: which database? write postgres://USER:PASSWORD@HOST:5432/NAME, or set DATABASE_URL"
                    .to_owned(),
            )
        })
    }
}

fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text))
}
