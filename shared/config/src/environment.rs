//! `os.environ/NAME`, and the file's own `environment_variables`. As in most container images, `NAME_FILE` names a file
//! that holds the value of `NAME`.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;

use crate::Source;
use crate::field::Fields;
use crate::problem::{Place, Report};
use crate::yaml::{Kind, Value};

const PREFIX: &str = "os.environ/";

/// Far above any credential.
const MAX_BYTES: usize = 64 << 10;

/// The variables that a file sees: its own first, then the process's.
pub(crate) struct Environment<'s> {
    source: &'s Source<'s>,
    declared: HashMap<String, String>,
    /// Variables whose trouble was reported, at the first place that asked.
    reported: HashSet<String>,
}

/// What keeps a variable from having a value.
struct Unusable {
    what: String,
    remedy: String,
}

/// The name in `os.environ/NAME`.
pub(crate) fn variable(text: &str) -> Option<&str> {
    text.strip_prefix(PREFIX)
}

impl<'s> Environment<'s> {
    pub(crate) fn new(source: &'s Source<'s>) -> Self {
        Self { source, declared: HashMap::new(), reported: HashSet::new() }
    }

    /// The variable's value, or what its file holds; an empty variable counts as unset. A file that holds no value is an
    /// error.
    pub(crate) fn get(
        &mut self,
        name: &str,
        place: Place,
        path: &str,
        report: &mut Report,
    ) -> Option<String> {
        match self.find(name) {
            Ok(value) => value,
            Err(unusable) => self.report(name, unusable, place, path, report),
        }
    }

    /// What the file itself says of a variable.
    pub(crate) fn own(&self, name: &str) -> Option<String> {
        self.declared.get(name).filter(|value| !value.trim().is_empty()).cloned()
    }

    /// True for a file that can be read.
    pub(crate) fn has_file(&self, file: &Path) -> bool {
        (self.source.read)(file).is_ok()
    }

    fn report(
        &mut self,
        name: &str,
        Unusable { what, remedy }: Unusable,
        place: Place,
        path: &str,
        report: &mut Report,
    ) -> Option<String> {
        if self.reported.insert(name.to_owned()) {
            report.error(place, path, what, remedy);
        }
        None
    }

    fn find(&self, name: &str) -> Result<Option<String>, Unusable> {
        let of_file = format!("{name}_FILE");
        let declared = |name: &str| self.declared.get(name).cloned();
        for layer in [&declared as &dyn Fn(&str) -> Option<String>, self.source.env] {
            let set = |name: &str| layer(name).filter(|value| !value.trim().is_empty());
            match (set(name), set(&of_file)) {
                (None, None) => {}
                (Some(value), None) => return Ok(Some(value)),
                (None, Some(file)) => return self.held_by(&of_file, Path::new(file.trim())).map(Some),
                // Were one of them to win, whoever renews the other would wait for nothing.
                (Some(_), Some(_)) => {
                    return Err(Unusable {
                        what: format!("the environment variables {name} and {of_file} are both set"),
                        remedy: "one of the two".to_owned(),
                    });
                }
            }
        }
        Ok(None)
    }

    /// What a file holds, without one line break at its end. The path is not shown: it may be a secret in the wrong
    /// place.
    fn held_by(&self, variable: &str, file: &Path) -> Result<String, Unusable> {
        let wrong = |what: String| Unusable {
            what: format!("the file that the environment variable {variable} names {what}"),
            remedy: format!("{variable}=/path/to/a/file that can be read and holds nothing but the value"),
        };
        let text = (self.source.read)(file).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => wrong("is not UTF-8 text".to_owned()),
            kind => wrong(format!("cannot be read: {kind}")),
        })?;
        if text.len() > MAX_BYTES {
            return Err(wrong(format!("is larger than {} KiB", MAX_BYTES >> 10)));
        }
        let value = text.strip_suffix('\n').unwrap_or(&text);
        let value = value.strip_suffix('\r').unwrap_or(value);
        if value.trim().is_empty() {
            return Err(wrong("is empty".to_owned()));
        }
        Ok(value.to_owned())
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
        &mut self,
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
        match self.find(name) {
            Ok(Some(value)) => Some(value),
            Ok(None) => {
                let what = format!("the environment variable {name} is not set, or empty");
                report.error(place, path, what, how_to_set(name));
                None
            }
            Err(unusable) => self.report(name, unusable, place, path, report),
        }
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
        "`export {name}={value}` before starting the gateway, or {name}_FILE with a file that holds it, or set {name} \
         under `environment_variables`"
    )
}
