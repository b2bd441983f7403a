//! gateway.yaml: parse, validate, explain.
//!
//! The file has LiteLLM's schema, so that an existing `config.yaml` works, and two sections of its own:
//! `virtual_keys` and `bulkhead_settings`. Nothing is guessed and nothing skipped in silence: every mistake is
//! reported at once with its line and a remedy, a limit that would not be enforced stops the process unless it is
//! accepted by name, and what has no effect is said once (`table`).
//!
//! The file's part reads the environment and the disk only through [`Source`]; [`flag`] reads secrets of the command
//! line. No message holds a secret.

mod accept;
mod check;
mod deployment;
mod environment;
mod failures;
mod field;
pub mod flag;
mod include;
mod json;
mod mask;
mod problem;
mod provider;
mod reach;
pub mod route;
mod settings;
mod suggest;
mod table;
mod virtual_key;
mod yaml;

use std::io;
use std::path::{Path, PathBuf};

use bulkhead_model::Secret;
use bulkhead_model::rows::{DeploymentRow, KeyRow, SettingsRow};

pub use failures::allowed_fails;
pub use mask::is_secret_name;
pub use problem::{Problem, Problems};
pub use settings::master_key_weakness;
pub use suggest::nearest;

use accept::Accept;
use deployment::Credentials;
use environment::Environment;
use field::{Cx, Fields};
use problem::{Place, Report};
use reach::Reach;
use table::Section;
use yaml::{Node, Value};

/// Where files and variables come from.
pub struct Source<'a> {
    /// The value of an environment variable.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The text of a file.
    pub read: &'a dyn Fn(&Path) -> io::Result<String>,
}

/// What a file declares.
#[derive(Clone, Default)]
pub struct Declared {
    /// What holds for the whole gateway.
    pub settings: SettingsRow,
    /// The elements of `model_list`.
    pub deployments: Vec<DeploymentRow>,
    /// The elements of `virtual_keys`.
    pub keys: Vec<KeyRow>,
    /// The master key, from the file or from `LITELLM_MASTER_KEY`.
    pub master_key: Option<Secret>,
    /// What has no effect or looks like a slip.
    pub warnings: Vec<Problem>,
    /// The file and what it includes.
    pub files: Vec<PathBuf>,
}

/// Reads a file with its includes, or says everything that is wrong with it.
pub fn load(path: &Path, source: &Source<'_>) -> Result<Declared, Problems> {
    let mut report = Report::default();
    let tree = include::read(path, source, &mut report);
    let place = Place { file: 0, line: 1, column: 1 };
    let root = Node { place, value: Value::Map(tree.root) };
    let secrets = mask::secrets(&root);
    let mut cx = Cx { env: Environment::new(source), report, accept: Accept::default() };
    let mut read = match &root.value {
        Value::Map(map) if tree.complete || !map.entries.is_empty() => {
            validate(&Fields { path: String::new(), place, map }, tree.complete, &mut cx)
        }
        _ => Declared::default(),
    };
    let (errors, warnings) = cx.report.finish(&secrets);
    (read.warnings, read.files) = (warnings, tree.files);
    if errors.is_empty() { Ok(read) } else { Err(Problems(errors)) }
}

/// Everything after the file has become a tree. Where the tree is not complete, what refers from one section to
/// another is not judged.
fn validate(root: &Fields<'_>, complete: bool, cx: &mut Cx<'_>) -> Declared {
    if let Some(section) =
        root.get("environment_variables").and_then(|field| field.fields(cx, "{NAME: value}"))
    {
        cx.env.declare(&section, &mut cx.report);
    }
    settings::accept_unenforced(root, cx);
    check::strict(root, Section::Top, cx);
    let settings::Settings { mut row, aliases, mut mentions, master_key } =
        settings::read(root, complete, cx);
    let credentials = Credentials::read(root, cx);
    let deployments =
        root.get("model_list").map(|list| deployment::read(&list, &credentials, cx)).unwrap_or_default();
    let reach = Reach::new(&deployments, aliases.names());
    if complete {
        row.aliases = settings::check_aliases(aliases, &reach, cx);
        no_models(root, &reach, cx);
    }
    let context = virtual_key::Context { master_key: row.master_key, reach: complete.then_some(&reach) };
    let keys = root
        .get("virtual_keys")
        .map(|list| virtual_key::read(&list, &context, &mut mentions, cx))
        .unwrap_or_default();
    if complete {
        mentions.check(&reach, cx);
        cx.accept.report_unused(&mut cx.report);
    }
    Declared { settings: row, deployments: deployments.rows, keys, master_key, ..Declared::default() }
}

fn no_models(root: &Fields<'_>, reach: &Reach, cx: &mut Cx<'_>) {
    if reach.groups().next().is_none() {
        let remedy = "model_list: [{model_name: gpt-4o, litellm_params: {model: openai/gpt-4o}}]";
        cx.report.warn(
            root.place,
            "model_list",
            "no model is declared, so every request for one is refused",
            remedy,
        );
    }
}
