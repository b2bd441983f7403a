//! The address of Vertex AI: a host in each location, and a project in the path.

use bulkhead_dialect::cloud::PROJECT_GAP;

use super::base_url;
use crate::field::{Cx, Field, Fields};
use crate::provider::is_google_key;

/// LiteLLM's variables, then Google's.
const PROJECT: [&str; 4] = ["VERTEXAI_PROJECT", "VERTEX_PROJECT", "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT"];
/// Declared credentials come before Google's variables, as they do in LiteLLM.
const PROJECT_BESIDE_CREDENTIALS: &[&str] = &["VERTEXAI_PROJECT", "VERTEX_PROJECT"];
const LOCATION: [&str; 3] = ["VERTEXAI_LOCATION", "VERTEX_LOCATION", "GOOGLE_CLOUD_LOCATION"];
/// LiteLLM's, where nobody says one.
const DEFAULT_LOCATION: &str = "us-central1";

/// What a deployment says of where its model is.
pub(super) struct Said {
    /// `None` is said wrongly, and reported; the inner `None` is not said.
    project: Option<Option<String>>,
    location: Option<Option<String>>,
}

impl Said {
    pub(super) fn read(params: &Fields<'_>, cx: &mut Cx<'_>) -> Self {
        Self {
            project: name(params, ["vertex_project", "vertex_ai_project"], "my-project", cx),
            location: name(params, ["vertex_location", "vertex_ai_location"], "us-central1", cx),
        }
    }
}

/// Where a deployment's requests go; `declared` is its `api_base`. `None` is reported.
pub(super) fn base(
    said: Said,
    declared: Option<String>,
    version: Option<&str>,
    key: Option<&str>,
    params: &Fields<'_>,
    cx: &mut Cx<'_>,
) -> Option<String> {
    // One that says the project says all.
    if let Some(base) = declared.as_ref().filter(|base| base.contains("/projects/") || names_model(base)) {
        return Some(base.clone());
    }
    let version = version.unwrap_or("v1");
    let location = said
        .location?
        .or_else(|| default(&LOCATION, "vertex_location", params, cx))
        .unwrap_or_else(|| DEFAULT_LOCATION.to_owned());
    let variables = match params.get("vertex_credentials") {
        Some(_) => PROJECT_BESIDE_CREDENTIALS,
        None => &PROJECT,
    };
    let project = said.project?.or_else(|| default(variables, "vertex_project", params, cx));
    // Credentials name one when they are fetched; a token in place of a key does not.
    let project = project.or_else(|| key.is_none().then(|| PROJECT_GAP.to_owned()));
    // The express mode has a key, and no project.
    let is_express = key.is_some_and(is_google_key);
    let path = match &project {
        Some(project) => format!("/{version}/projects/{project}/locations/{location}"),
        None if is_express => format!("/{version}"),
        None => {
            no_project(params, cx);
            return None;
        }
    };
    let host = match (&declared, &project) {
        (Some(base), _) => base.strip_suffix(&format!("/{version}")).unwrap_or(base).to_owned(),
        (None, Some(_)) => format!("https://{}", host(&location)),
        (None, None) => format!("https://{}", host("global")),
    };
    match base_url::check(&format!("{host}{path}")) {
        Ok(base) => Some(base),
        Err(what) => {
            cx.report.error(
                params.place,
                &format!("{}.vertex_location", params.path),
                what,
                "vertex_location: us-east5",
            );
            None
        }
    }
}

/// The host of a location, of a multi-region or of the whole world.
fn host(location: &str) -> String {
    match location {
        "global" => "aiplatform.googleapis.com".to_owned(),
        "us" | "eu" => format!("aiplatform.{location}.rep.googleapis.com"),
        location => format!("{location}-aiplatform.googleapis.com"),
    }
}

/// As LiteLLM's `api_base`, to which only the action is added.
fn names_model(base: &str) -> bool {
    matches!(base.rsplit('/').nth(1), Some("models" | "endpoints"))
}

/// A name that is part of an address, under either of LiteLLM's names for it. `None` is reported.
fn name(params: &Fields<'_>, names: [&str; 2], example: &str, cx: &mut Cx<'_>) -> Option<Option<String>> {
    let Some(field) = names.iter().find_map(|name| params.get(name)) else { return Some(None) };
    let text = field.text(cx, example)?;
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(is_of_name) {
        wrong(&field, example, cx);
        return None;
    }
    Some(Some(text.to_owned()))
}

/// Projects of domains have a colon and dots: `example.com:project`.
fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':')
}

fn wrong(field: &Field<'_>, example: &str, cx: &mut Cx<'_>) {
    let what = "this is part of an address: letters, digits, `-`, `.` and `:`";
    field.error(cx, what, format!("{}: {example}", field.name()));
}

fn default(variables: &[&str], of: &str, params: &Fields<'_>, cx: &mut Cx<'_>) -> Option<String> {
    let path = format!("{}.{of}", params.path);
    let found = variables.iter().find_map(|name| cx.default(name, params.place, &path))?;
    Some(found.trim().to_owned()).filter(|value| !value.is_empty() && value.bytes().all(is_of_name))
}

fn no_project(params: &Fields<'_>, cx: &mut Cx<'_>) {
    cx.report.error(
        params.place,
        &format!("{}.vertex_project", params.path),
        "`vertex_ai` has an address in each project, and neither this nor the key says one",
        "vertex_project: my-project, or the variable VERTEXAI_PROJECT",
    );
}
