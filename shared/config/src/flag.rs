//! What flags of the command line say, and what is wrong with it.

use std::path::Path;
use std::time::Duration;

use bulkhead_model::{DurationError, Secret, WindowLength};

use crate::Problem;

/// The secret that `flag` gives, or that the file of its sister `<flag>-file` holds; `None` where there is neither.
pub fn secret(flag: &str, value: Option<&Secret>, file: Option<&Path>) -> Result<Option<Secret>, Problem> {
    either(flag, value, &format!("{flag}-file"), file)
}

/// As [`secret`], for a variable `NAME` and its sister `NAME_FILE`.
pub fn variable(name: &str, value: Option<&Secret>, file: Option<&Path>) -> Result<Option<Secret>, Problem> {
    either(name, value, &format!("{name}_FILE"), file)
}

fn either(
    flag: &str,
    value: Option<&Secret>,
    file_flag: &str,
    file: Option<&Path>,
) -> Result<Option<Secret>, Problem> {
    match (value, file) {
        (None, None) => Ok(None),
        (Some(value), None) if value.expose().trim().is_empty() => {
            Err(problem(flag, "it is empty", "the secret itself"))
        }
        (Some(value), None) => Ok(Some(Secret::new(value.expose().trim()))),
        (None, Some(file)) => {
            let remedy = "a file that can be read and holds nothing but the secret";
            let text = std::fs::read_to_string(file).map(Secret::new).map_err(|error| {
                problem(file_flag, format!("{} cannot be read: {error}", file.display()), remedy)
            })?;
            match text.expose().trim() {
                "" => Err(problem(file_flag, format!("{} is empty", file.display()), remedy)),
                text => Ok(Some(Secret::new(text))),
            }
        }
        (Some(_), Some(_)) => {
            Err(problem(flag, format!("{flag} and {file_flag} are both given"), "one of them"))
        }
    }
}

/// A length of time such as `30s`.
pub fn duration(text: &str) -> Result<Duration, DurationError> {
    let length: WindowLength = text.parse()?;
    Ok(Duration::from_millis(length.as_millis().unsigned_abs()))
}

/// Something that is wrong with the command line.
pub fn problem(flag: &str, what: impl Into<String>, remedy: impl Into<String>) -> Problem {
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
pub fn note<T>(outcome: Result<T, Problem>, problems: &mut Vec<Problem>) -> Option<T> {
    outcome.map_err(|problem| problems.push(problem)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_given_once_and_is_not_empty() {
        let says = |value: Option<&str>, file: Option<&str>| {
            let value = value.map(Secret::new);
            let read = secret("--key", value.as_ref(), file.map(Path::new));
            read.map(|secret| secret.map(|secret| secret.expose().to_owned()))
                .map_err(|wrong| wrong.to_string())
        };
        let holding = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        assert_eq!(says(None, None), Ok(None));
        assert_eq!(says(Some(" hush\n"), None), Ok(Some("hush".to_owned())));
        assert!(says(None, Some(holding)).unwrap().unwrap().starts_with("[package]"));
        for (value, file, wrong) in [
            (Some(" "), None, "--key: it is empty"),
            (None, Some("/dev/null"), "--key-file: /dev/null is empty"),
            (None, Some("/nowhere/key"), "--key-file: /nowhere/key cannot be read"),
            (Some("hush"), Some(holding), "--key: --key and --key-file are both given"),
        ] {
            let said = says(value, file).unwrap_err();
            assert!(said.starts_with(&format!("command line: {wrong}")) && !said.contains("hush"), "{said}");
        }
    }
}
