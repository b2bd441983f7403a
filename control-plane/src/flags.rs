//! What flags say, checked.

use std::path::Path;

use bulkhead_config::flag::{problem, secret};
use bulkhead_config::{Problem, master_key_weakness};
use bulkhead_model::Secret;

/// As [`secret`], else LiteLLM's variable.
pub(crate) fn secret_or(
    flag: &str,
    value: Option<&Secret>,
    file: Option<&Path>,
    variable: &str,
) -> Result<Option<Secret>, Problem> {
    let from_env = || variable_of(variable).map(Secret::new);
    Ok(secret(flag, value, file)?.or_else(from_env))
}

/// An environment variable that says something.
pub(crate) fn variable_of(name: &str) -> Option<String> {
    std::env::var(name).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// A master key that nobody can guess.
pub(crate) fn master_key(key: Option<Secret>) -> Result<Secret, Problem> {
    let remedy =
        "--master-key or LITELLM_MASTER_KEY, with a key made by: echo \"sk-$(openssl rand -hex 24)\"";
    let what = "there is no master key, so everybody could use and change everything";
    let key = key.ok_or_else(|| problem("--master-key", what, remedy))?;
    match master_key_weakness(key.expose()) {
        None => Ok(key),
        Some(what) => Err(problem("--master-key", what, remedy)),
    }
}
