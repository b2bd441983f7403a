//! `os.environ/NAME`, and the file's own `environment_variables`.

use std::collections::HashMap;

use crate::field::Fields;
use crate::problem::{Place, Report};
use crate::yaml::{Kind, Value};

const PREFIX: &str = "os.environ/";

/// The variables that a file sees: its own first, then the process's.
pub(crate) struct Environment<'s> {
    process: &'s dyn Fn(&str) -> Option<String>,
    declared: HashMap<String, String>,
}

/// The name in `os.environ/NAME`.
pub(crate) fn variable(text: &str) -> Option<&str> {
    text.strip_prefix(PREFIX)
}

impl<'s> Environment<'s> {
    pub(crate) fn new(process: &'s dyn Fn(&str) -> Option<String>) -> Self {
        Self { process, declared: HashMap::new() }
    }

    /// The variable's value; an empty one counts as unset.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let value = self.declared.get(name).cloned().or_else(|| (self.process)(name));
        value.filter(|value| !value.trim().is_empty())
    }

    /// Takes over the section `environment_variables`. A value may itself be `os.environ/NAME` of the process.
    pub(crate) fn declare(&mut self, section: &Fields<'_>, report: &mut Report) {
        let mut declared = HashMap::new();
        for field in section.each() {
            let Value::Scalar(scalar) = &field.node.value else {
                let remedy = format!("{}: some-text", field.name());
                report.error(field.place, &field.path, "a variable must be a single text", remedy);
                continue;
            };
            let value = match variable(&scalar.text) {
                None if scalar.kind() == Kind::Null => continue,
                None => Some(scalar.text.clone()),
                Some(name) => self.require(name, field.place, &field.path, report),
            };
            declared.extend(value.map(|value| (field.name().to_owned(), value)));
        }
        self.declared = declared;
    }

    /// The variable's value, or an error that says how to set it.
    pub(crate) fn require(
        &self,
        name: &str,
        place: Place,
        path: &str,
        report: &mut Report,
    ) -> Option<String> {
        if !is_name(name) {
            let what = "`os.environ/` must be followed by the name of a variable";
            report.error(place, path, what, "os.environ/OPENAI_API_KEY");
            return None;
        }
        let value = self.get(name);
        if value.is_none() {
            let what = format!("the environment variable {name} is not set, or empty");
            report.error(place, path, what, how_to_set(name));
        }
        value
    }
}

/// Letters, digits and `_`: anything else is a mistake, and may be a secret in the wrong place.
fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty() && name.len() <= 128 && name.bytes().all(fits)
}

fn how_to_set(name: &str) -> String {
    let value = match name {
        "LITELLM_MASTER_KEY" => "\"sk-$(openssl rand -hex 24)\"",
        _ => "…",
    };
    format!(
        "`export {name}={value}` before starting the gateway, or set {name} under `environment_variables`"
    )
}
