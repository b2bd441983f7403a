//! Where a token of somebody else's is: LiteLLM's `oidc/…` names.

use std::path::{Path, PathBuf};

use crate::machine::Machine;
use crate::unavailable::Unavailable;
use crate::{google, request, token};

/// Files elsewhere are not read: who may write a deployment is not to read this machine by it.
const ALLOWED: &str = "LITELLM_OIDC_ALLOWED_CREDENTIAL_DIRS";
const ALLOWED_UNLESS_SET: &str = "/var/run/secrets,/run/secrets";

/// The token that `reference` leads to.
pub(crate) async fn token(machine: &Machine, reference: &str) -> Result<String, Unavailable> {
    let unknown = || {
        Unavailable::until_changed(
            "oidc/… is one of env/NAME, env_path/NAME, file//path, azure/, google/AUDIENCE, github/AUDIENCE, circleci/, \
             circleci_v2/",
        )
    };
    let rest = reference.strip_prefix("oidc/").ok_or_else(unknown)?;
    let (kind, rest) = rest.split_once('/').unwrap_or((rest, ""));
    match kind {
        "env" => variable(machine, rest).map(str::to_owned),
        "env_path" => allowed_file(machine, variable(machine, rest)?).await,
        "file" => allowed_file(machine, rest).await,
        "azure" => machine.read("oidc/azure", variable(machine, "AZURE_FEDERATED_TOKEN_FILE")?).await,
        "circleci" => variable(machine, "CIRCLE_OIDC_TOKEN").map(str::to_owned),
        "circleci_v2" => variable(machine, "CIRCLE_OIDC_TOKEN_V2").map(str::to_owned),
        "github" => github(machine, rest).await,
        "google" => google::identity(machine, rest).await,
        _ => Err(unknown()),
    }
}

fn variable<'a>(machine: &'a Machine, name: &str) -> Result<&'a str, Unavailable> {
    let unset =
        || Unavailable::until_changed(format!("the variable {name} is not set; an oidc/… name reads it"));
    machine.environment.get(name).ok_or_else(unset)
}

/// The text of a file in one of the folders for secrets.
pub(crate) async fn allowed_file(machine: &Machine, path: &str) -> Result<String, Unavailable> {
    let folders = machine.environment.get(ALLOWED).unwrap_or(ALLOWED_UNLESS_SET);
    match within(Path::new(path), folders).await {
        Ok(Some(found)) => machine.read("a token's file", &found.to_string_lossy()).await,
        Ok(None) => Err(Unavailable::until_changed(format!(
            "a token's file: {path} is in none of the folders that {ALLOWED} names ({ALLOWED_UNLESS_SET} unless set)"
        ))),
        Err(error) => {
            Err(Unavailable::until_changed(format!("a token's file: {path} cannot be read: {error}")))
        }
    }
}

/// Where the path leads to, by symbolic links and `..`, if that is in one of these folders.
async fn within(path: &Path, folders: &str) -> std::io::Result<Option<PathBuf>> {
    if !path.is_absolute() {
        return Ok(None);
    }
    let path = tokio::fs::canonicalize(path).await?;
    for folder in folders.split(',').map(str::trim).filter(|folder| !folder.is_empty()) {
        if tokio::fs::canonicalize(folder).await.is_ok_and(|folder| path.starts_with(folder)) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// GitHub Actions'.
async fn github(machine: &Machine, audience: &str) -> Result<String, Unavailable> {
    let who = "GitHub's token service";
    let secret = variable(machine, "ACTIONS_ID_TOKEN_REQUEST_TOKEN")?;
    let url =
        request::url("ACTIONS_ID_TOKEN_REQUEST_URL", variable(machine, "ACTIONS_ID_TOKEN_REQUEST_URL")?)?;
    let request = request::with_bearer(request::get(url, &[("audience", audience)]), secret)?;
    let answer: Issued = token::ask(&machine.network, who, request, &[secret]).await?;
    Ok(answer.value)
}

#[derive(serde::Deserialize)]
struct Issued {
    value: String,
}
