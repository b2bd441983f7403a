//! `credential_list`: what deployments share by a name.

use std::collections::HashMap;

use crate::field::{Cx, Field, Fields};
use crate::problem::Place;
use crate::suggest;
use crate::table::{self, Section};
use crate::yaml::{Entry, Map};

/// Where a deployment names what it shares.
const NAME: &str = "litellm_credential_name";
const EXAMPLE: &str = "{credential_name: azure, credential_values: {api_key: os.environ/AZURE_API_KEY}}";

/// The credentials of the file by their names.
#[derive(Default)]
pub(crate) struct Credentials<'n> {
    named: HashMap<String, Shared<'n>>,
}

struct Shared<'n> {
    place: Place,
    /// None is said wrongly, and reported.
    values: Option<Fields<'n>>,
}

impl<'n> Credentials<'n> {
    /// Reads the list. A value is read, and its variable looked for, where a deployment uses it.
    pub(crate) fn read(root: &Fields<'n>, cx: &mut Cx<'_>) -> Self {
        let mut out = Self::default();
        let list = root.get("credential_list").and_then(|list| list.items(cx, &format!("[{EXAMPLE}]")));
        for item in list.unwrap_or_default() {
            if let Some(fields) = item.fields(cx, EXAMPLE) {
                out.element(&fields, cx);
            }
        }
        out
    }

    fn element(&mut self, fields: &Fields<'n>, cx: &mut Cx<'_>) {
        let Some(field) = fields.required("credential_name", "azure", cx) else { return };
        let Some(name) = field.text(cx, "azure") else { return };
        let values = fields.required("credential_values", "{api_key: os.environ/AZURE_API_KEY}", cx);
        let values = values.and_then(|values| values.fields(cx, "{api_key: os.environ/AZURE_API_KEY}"));
        for value in values.iter().flat_map(Fields::each).filter(|value| !is_param(value.name())) {
            let what = format!("`{}` is nothing that a deployment takes, so it is left out", value.name());
            value.at_key().warn(cx, what, "one of the keys of litellm_params");
        }
        if let Some(twin) = self.named.get(&name) {
            let first = cx.report.line_of(twin.place, field.place);
            field.error(cx, format!("the credential in {first} has this name"), "another credential_name");
            return;
        }
        self.named.insert(name, Shared { place: field.place, values });
    }

    /// `litellm_params` with what the credential that they name says besides. `None` where they name none that can be
    /// used; what is wrong is reported.
    pub(super) fn joined(&self, params: &Fields<'_>, cx: &mut Cx<'_>) -> Option<Map> {
        let field = params.get(NAME)?;
        let name = field.text(cx, "azure")?;
        let Some(shared) = self.named.get(&name) else {
            self.unknown(&field, &name, cx);
            return None;
        };
        let mut joined = params.map.clone();
        let own = |entry: &&Entry| params.get(&entry.key).is_none() && is_param(&entry.key);
        for entry in shared.values.iter().flat_map(|values| &values.map.entries).filter(own) {
            joined.put(entry.clone());
        }
        Some(joined)
    }

    fn unknown(&self, field: &Field<'_>, name: &str, cx: &mut Cx<'_>) {
        let near = suggest::nearest(name, self.named.keys().map(String::as_str));
        let what = format!("credential_list has no credential `{name}`{}", suggest::question(near));
        let remedy = match near {
            Some(near) => format!("{NAME}: {near}"),
            None => format!("credential_list: [{}]", EXAMPLE.replacen("azure", name, 1)),
        };
        field.error(cx, what, remedy);
    }
}

/// Anything else would go into the bodies of requests, which a secret with a misspelt name must not.
fn is_param(name: &str) -> bool {
    name != NAME && (Section::LitellmParams.class(name).is_some() || table::price(name).is_some())
}
