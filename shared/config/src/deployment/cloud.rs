//! What a deployment says of its account with a cloud, whose signatures and tokens stand in for a key.

use std::path::Path;

use bulkhead_dialect::cloud::{Cloud, PARAMETERS, REGION};
use bulkhead_model::Secret;
use bulkhead_model::rows::CloudValue;

use super::target::{self, Target};
use crate::field::{Cx, Field, Fields};
use crate::json;
use crate::provider::Provider;
use crate::yaml::Value;

/// Ways that LiteLLM has and this version has not.
const REFUSED: [&str; 2] = ["azure_username", "azure_password"];

/// Say together whose keys they are: half of them from elsewhere would be nobody's.
const WHO: [&str; 4] =
    ["aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_profile_name"];

/// The file's own `environment_variables` stand for the process's, which the gateway asks when it runs.
const VARIABLES: [(&str, &str); 15] = [
    ("aws_access_key_id", "AWS_ACCESS_KEY_ID"),
    ("aws_secret_access_key", "AWS_SECRET_ACCESS_KEY"),
    ("aws_session_token", "AWS_SESSION_TOKEN"),
    ("aws_profile_name", "AWS_PROFILE"),
    ("aws_role_name", "AWS_ROLE_NAME"),
    ("aws_session_name", "AWS_SESSION_NAME"),
    ("aws_external_id", "AWS_EXTERNAL_ID"),
    ("aws_web_identity_token", "AWS_WEB_IDENTITY_TOKEN"),
    ("aws_sts_endpoint", "AWS_STS_ENDPOINT"),
    ("vertex_credentials", "GOOGLE_APPLICATION_CREDENTIALS"),
    ("tenant_id", "AZURE_TENANT_ID"),
    ("client_id", "AZURE_CLIENT_ID"),
    ("client_secret", "AZURE_CLIENT_SECRET"),
    ("azure_ad_token", "AZURE_AD_TOKEN"),
    ("azure_scope", "AZURE_SCOPE"),
];

/// What is declared, whoever the provider is.
pub(super) struct Declared<'n>(Vec<(Cloud, Field<'n>, Secret)>);

/// Reads all but the region, which belongs to the address, and is read with that.
pub(super) fn declared<'n>(params: &Fields<'n>, cx: &mut Cx<'_>) -> Declared<'n> {
    for field in REFUSED.iter().filter_map(|name| params.get(name)) {
        let what = format!("`{}`: nobody can sign in with a user's password here", field.name());
        field.error(cx, what, "tenant_id, client_id and client_secret of an application, or azure_ad_token");
    }
    let mut said = Vec::new();
    for (cloud, name) in PARAMETERS.iter().filter(|(_, name)| *name != REGION) {
        let Some(field) = params.get(name) else { continue };
        let value = match *name {
            "vertex_credentials" => document(&field, cx),
            _ => field.secret(cx),
        };
        said.extend(value.map(|value| (*cloud, field, value)));
    }
    Declared(said)
}

/// Google's credentials: the path of a file, its JSON, or the same as a mapping.
fn document(field: &Field<'_>, cx: &mut Cx<'_>) -> Option<Secret> {
    const EXPECTED: &str = "the path of a file, its JSON as a text, or a mapping";
    let text = match &field.node.value {
        Value::Map(_) => json::text(field, cx)?,
        _ => field.scalar(cx, EXPECTED, "os.environ/VERTEX_CREDENTIALS")?.text.trim().to_owned(),
    };
    let is_fine = match text.starts_with('{') {
        true => serde_json::from_str::<serde_json::Value>(&text)
            .is_ok_and(|json| json.get("type").is_some_and(serde_json::Value::is_string)),
        false => !text.contains(char::is_control),
    };
    if !is_fine {
        let what = "this is neither the path of a file nor the JSON of Google's credentials with its `type`";
        field.error(cx, what, format!("{}: os.environ/NAME, with all of the file in NAME", field.name()));
    }
    (is_fine && !text.is_empty()).then(|| Secret::new(text))
}

/// What counts of it with this provider, at this address and with this key.
pub(super) fn complete(
    Declared(said): Declared<'_>,
    target: &Target,
    provider: &Provider,
    params: &Fields<'_>,
    cx: &mut Cx<'_>,
) -> Vec<CloudValue> {
    let (own, others): (Vec<_>, Vec<_>) =
        said.into_iter().partition(|(cloud, ..)| Some(*cloud) == provider.cloud);
    for (cloud, field, _) in others {
        let what =
            format!("`{}` is for {}, and `{}` is not there", field.name(), cloud.name(), provider.name);
        field.warn(cx, what, "nothing; it has no effect and may stay for LiteLLM");
    }
    let Some(cloud) = provider.cloud else { return Vec::new() };
    let has_key = target.api_key.is_some();
    let mut values = match (has_key, own.first()) {
        (true, Some((_, field, _))) => {
            let keys = provider.api_key_env.join(" or ");
            let what = format!("there is an api_key, too, here or in {keys}, and that one counts");
            field.warn(cx, what, "one of the two");
            Vec::new()
        }
        (true, None) => Vec::new(),
        (false, _) => usable(cloud, own, params, cx),
    };
    if cloud == Cloud::Aws {
        match region(target, params, cx) {
            Some(region) => values.push(CloudValue { name: REGION.to_owned(), value: Secret::new(region) }),
            None if has_key => {}
            None => without_region(target.api_base.as_deref(), params, cx),
        }
    }
    values
}

/// As in LiteLLM: what is declared, what the model's name says, what the variables say.
fn region(target: &Target, params: &Fields<'_>, cx: &mut Cx<'_>) -> Option<String> {
    if let Some(region) = &target.region {
        return Some(region.clone());
    }
    let path = format!("{}.{REGION}", params.path);
    target::REGION.iter().find_map(|name| cx.default(name, params.place, &path))
}

/// An address of Bedrock's names its region; any other does not.
fn without_region(base: Option<&str>, params: &Fields<'_>, cx: &mut Cx<'_>) {
    if base.is_some_and(|base| !base.contains("//bedrock-runtime") && !base.contains(".bedrock-runtime.")) {
        let path = format!("{}.{REGION}", params.path);
        let what =
            "requests are signed for a region, and neither this nor the model nor the address says one";
        cx.report.error(params.place, &path, what, "aws_region_name: us-east-1, or the variable AWS_REGION");
    }
}

/// With what the file's variables say of the rest.
fn usable(
    cloud: Cloud,
    own: Vec<(Cloud, Field<'_>, Secret)>,
    params: &Fields<'_>,
    cx: &mut Cx<'_>,
) -> Vec<CloudValue> {
    let of_cloud = |name: &str| PARAMETERS.contains(&(cloud, name));
    let is_said = |name: &str| own.iter().any(|(_, field, _)| field.name() == name);
    let says_who = WHO.into_iter().any(is_said);
    let from_file: Vec<_> = VARIABLES
        .iter()
        .filter(|(name, _)| of_cloud(name) && !is_said(name) && !(says_who && WHO.contains(name)))
        .filter_map(|(name, variable)| Some(((*name).to_owned(), cx.env.own(variable)?)))
        .map(|(name, value)| CloudValue { name, value: Secret::new(value.trim()) })
        .collect();
    let said = own.into_iter().map(|(_, field, value)| CloudValue { name: field.name().to_owned(), value });
    let values: Vec<_> = said.chain(from_file).collect();
    check(&values, params, cx);
    if values.is_empty() {
        nothing_found(cloud, params, cx);
    }
    values
}

/// What is said in part only.
fn check(values: &[CloudValue], params: &Fields<'_>, cx: &mut Cx<'_>) {
    let has = |name: &str| values.iter().any(|value| value.name == name);
    let path = format!("{}.aws_role_name", params.path);
    let has_role = has("aws_role_name") || cx.default("AWS_ROLE_NAME", params.place, &path).is_some();
    let without_role = |name: &'static str| (has(name) && !has_role).then_some((name, "aws_role_name"));
    let needs = |name: &'static str, other: &'static str| (has(name) && !has(other)).then_some((name, other));
    let missing = [
        needs("aws_access_key_id", "aws_secret_access_key"),
        needs("aws_secret_access_key", "aws_access_key_id"),
        needs("aws_session_token", "aws_access_key_id"),
        without_role("aws_web_identity_token"),
    ];
    for (name, other) in missing.into_iter().flatten() {
        let at = params.get(name);
        let (place, path) = at.map_or((params.place, params.path.clone()), |field| (field.place, field.path));
        cx.report.error(place, &path, format!("`{name}` needs `{other}`"), format!("{other}: os.environ/…"));
    }
    for (name, other) in ["aws_session_name", "aws_external_id"].into_iter().filter_map(without_role) {
        if let Some(field) = params.get(name) {
            let what = format!("`{name}` has no effect without `{other}`");
            field.warn(cx, what, format!("{other}: arn:aws:iam::123456789012:role/name"));
        }
    }
}

/// Variables that name credentials, and the file in the home directory that may hold some.
fn chain(cloud: Cloud) -> (&'static [&'static str], Option<&'static str>) {
    match cloud {
        Cloud::Aws => (
            &[
                "AWS_ACCESS_KEY_ID",
                "AWS_PROFILE",
                "AWS_ROLE_NAME",
                "AWS_ROLE_ARN",
                "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                "AWS_SHARED_CREDENTIALS_FILE",
                "AWS_CONFIG_FILE",
            ],
            Some(".aws/credentials"),
        ),
        Cloud::Google => {
            (&["GOOGLE_APPLICATION_CREDENTIALS"], Some(".config/gcloud/application_default_credentials.json"))
        }
        Cloud::Azure => (&["AZURE_CLIENT_ID", "AZURE_AD_TOKEN", "IDENTITY_ENDPOINT"], None),
    }
}

/// What the gateway finds when it runs is not known here; that there is nothing to see is worth a word.
fn nothing_found(cloud: Cloud, params: &Fields<'_>, cx: &mut Cx<'_>) {
    let (variables, file) = chain(cloud);
    let path = format!("{}.api_key", params.path);
    let is_set = |name: &&str| cx.default(name, params.place, &path).is_some();
    if variables.iter().any(is_set) {
        return;
    }
    if let (Some(file), Some(home)) = (file, cx.default("HOME", params.place, &path))
        && cx.env.has_file(&Path::new(&home).join(file))
    {
        return;
    }
    let what = format!(
        "there is no api_key, nothing is said of an account with {}, and none of the variables {} is set: only the \
         machine's own identity can stand in, where it has one",
        cloud.name(),
        variables.join(", ")
    );
    let remedy = match cloud {
        Cloud::Aws => "aws_access_key_id and aws_secret_access_key, or aws_role_name",
        Cloud::Google => "vertex_credentials: os.environ/NAME",
        Cloud::Azure => "tenant_id, client_id and client_secret",
    };
    cx.report.warn(params.place, &path, what, remedy);
}
