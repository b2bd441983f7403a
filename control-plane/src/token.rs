//! `control-plane token`: what lets nodes join.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use bulkhead_config::flag::secret;
use bulkhead_model::{KeyHash, Secret};

use crate::Failure;
use crate::args::{Database, Token};
use crate::seal::Seal;
use crate::store::{Store, StoreError, audit, tokens};

const PREFIX: &str = "bh-join-";
const RANDOM: usize = 32;
const ID: usize = 6;
/// In whose name it is done.
const BY: &str = "command line";

pub(crate) async fn run(command: &Token) -> Result<(), Failure> {
    match command {
        Token::Create { group, token_file, database } => create(group, token_file.as_deref(), database).await,
        Token::List(database) => list(database).await,
        Token::Revoke { id, database } => revoke(id, database).await,
    }
}

async fn create(group: &str, file: Option<&Path>, database: &Database) -> Result<(), Failure> {
    if group.is_empty() || group.len() > 100 || group.chars().any(char::is_control) {
        return Err(Failure::Usage(
            "--group: a name of 1 to 100 characters, such as `production`".to_owned(),
        ));
    }
    let token = match file {
        Some(file) => made_elsewhere(file)?,
        None => Secret::new(format!("{PREFIX}{}", random_digits::<RANDOM>()?)),
    };
    let id = random_digits::<ID>()?;
    let mut transaction = store(database)?.begin().await.map_err(anyhow::Error::from)?;
    let noted = async {
        let is_new = tokens::create(&mut transaction, &id, &KeyHash::of(token.expose()), group).await?;
        if is_new {
            audit::note(&mut transaction, BY, "token create", &format!("{id} ({group})")).await?;
        }
        Ok::<_, StoreError>(is_new)
    };
    let is_new = noted.await.map_err(anyhow::Error::from)?;
    transaction.commit().await.context("the token was not stored")?;
    match (file, is_new) {
        (None, _) => {
            tracing::info!(id, group, "a join token; it is shown only now");
            return print(token.expose());
        }
        (Some(_), true) => tracing::info!(id, group, "the join token lets nodes in"),
        (Some(_), false) => tracing::info!(group, "the join token is known already"),
    }
    Ok(())
}

/// A token that somebody else made, which nobody can guess if it was made like those made here.
fn made_elsewhere(file: &Path) -> Result<Secret, Failure> {
    let token = secret("--token", None, Some(file)).map_err(|problem| Failure::Usage(problem.to_string()))?;
    let is_one = |token: &Secret| {
        let digits = token.expose().strip_prefix(PREFIX);
        digits.is_some_and(|it| it.len() == 2 * RANDOM && it.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    token.filter(is_one).ok_or_else(|| {
        let remedy = format!("echo \"{PREFIX}$(openssl rand -hex {RANDOM})\"");
        Failure::Usage(format!("--token-file: {} holds no join token: {remedy}", file.display()))
    })
}

async fn list(database: &Database) -> Result<(), Failure> {
    let mut transaction = store(database)?.begin().await.map_err(anyhow::Error::from)?;
    let tokens = tokens::list(&mut transaction).await.map_err(anyhow::Error::from)?;
    for token in tokens {
        let state = token.revoked.map_or_else(|| "good".to_owned(), |at| format!("revoked {}", day(at)));
        print(&format!("{}  {}  created {}  {state}", token.id, token.group, day(token.created)))?;
    }
    Ok(())
}

async fn revoke(id: &str, database: &Database) -> Result<(), Failure> {
    let mut transaction = store(database)?.begin().await.map_err(anyhow::Error::from)?;
    let noted = async {
        let found = tokens::revoke(&mut transaction, id).await?;
        if found {
            audit::note(&mut transaction, BY, "token revoke", id).await?;
        }
        Ok::<_, StoreError>(found)
    };
    let found = noted.await.map_err(anyhow::Error::from)?;
    transaction.commit().await.context("the token was not revoked")?;
    if !found {
        return Err(Failure::Usage(format!("there is no token `{id}`: see `control-plane token list`")));
    }
    tracing::info!(id, "revoked: nodes that joined by it are disconnected within 5 s");
    Ok(())
}

/// These commands open nothing that is sealed.
pub(crate) fn store(database: &Database) -> Result<Store, Failure> {
    let seal = Seal::new(&Secret::new(""))?;
    Ok(Store::new(&database.only_url()?, seal.into(), 1).map_err(anyhow::Error::from)?)
}

/// On standard output: what a script reads.
pub(crate) fn print(line: &str) -> Result<(), Failure> {
    Ok(writeln!(std::io::stdout(), "{line}").context("standard output")?)
}

fn day(time: time::OffsetDateTime) -> String {
    let (date, (hour, minute, _)) = (time.date(), time.to_hms());
    format!("{date} {hour:02}:{minute:02} UTC")
}

fn random_digits<const BYTES: usize>() -> anyhow::Result<String> {
    let mut bytes = [0; BYTES];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| anyhow::anyhow!("there is no randomness"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
