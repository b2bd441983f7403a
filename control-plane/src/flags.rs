//! What flags say, checked.

use std::path::Path;

use bulkhead_config::{Problem, master_key_weakness};
use bulkhead_model::Secret;

/// The secret of `--<flag>` or of the file of `--<flag>-file`; `None` where there is neither.
pub(crate) fn secret(
    flag: &str,
    value: Option<&Secret>,
    file: Option<&Path>,
) -> Result<Option<Secret>, Problem> {
    let file_flag = format!("{flag}-file");
    match (value, file) {
        (None, None) => Ok(None),
        (Some(value), None) if value.expose().trim().is_empty() => {
            Err(problem(flag, "it is empty", "the secret itself"))
        }
        (Some(value), None) => Ok(Some(Secret::new(value.expose().trim()))),
        (None, Some(file)) => {
            let remedy = "a file that can be read and holds nothing but the secret";
            let text = std::fs::read_to_string(file).map(Secret::new).map_err(|error| {
                problem(&file_flag, format!("{} cannot be read: {error}", file.display()), remedy)
            })?;
            match text.expose().trim() {
                "" => Err(problem(&file_flag, format!("{} is empty", file.display()), remedy)),
                text => Ok(Some(Secret::new(text))),
            }
        }
        (Some(_), Some(_)) => {
            Err(problem(flag, format!("{flag} and {file_flag} are both given"), "one of them"))
        }
    }
}

/// As [`secret`], else the first of LiteLLM's variables that is set.
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

/// Something that is wrong with the command line.
pub(crate) fn problem(flag: &str, what: impl Into<String>, remedy: impl Into<String>) -> Problem {
    Problem {
        file: "command line".to_owned(),
        line: 0,
        column: 0,
        path: flag.to_owned(),
        what: what.into(),
        remedy: remedy.into(),
    }
}

/// Keeps a problem for later, so that all are said at once.
pub(crate) fn note<T>(outcome: Result<T, Problem>, problems: &mut Vec<Problem>) -> Option<T> {
    outcome.map_err(|problem| problems.push(problem)).ok()
}
