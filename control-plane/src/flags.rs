//! What flags say, checked.

use std::path::{Path, PathBuf};

use bulkhead_config::flag::{self, problem, secret};
use bulkhead_config::{Problem, master_key_weakness};
use bulkhead_model::Secret;

/// As [`secret`], else LiteLLM's variable, or what the file of its sister `…_FILE` holds.
pub(crate) fn secret_or(
    flag: &str,
    value: Option<&Secret>,
    file: Option<&Path>,
    variable: &str,
) -> Result<Option<Secret>, Problem> {
    if let Some(given) = secret(flag, value, file)? {
        return Ok(Some(given));
    }
    flag::variable(variable, variable_of(variable).map(Secret::new).as_ref(), file_of(variable).as_deref())
}

/// The file that holds a variable's value.
pub(crate) fn file_of(variable: &str) -> Option<PathBuf> {
    variable_of(&format!("{variable}_FILE")).map(PathBuf::from)
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
