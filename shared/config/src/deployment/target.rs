//! Where a deployment's requests go, and with which key.

use bulkhead_dialect::cloud::Cloud;
use bulkhead_model::Secret;

use super::{base_url, bedrock, vertex};
use crate::field::{Cx, Field, Fields};
use crate::provider::{self, Provider};

/// Base URL, key and version of a deployment.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) api_base: Option<String>,
    pub(super) api_key: Option<Secret>,
    pub(super) api_version: Option<String>,
    /// Of AWS: the declared one, else that of the model's name.
    pub(super) region: Option<String>,
}

/// What a deployment itself says about its target.
pub(super) struct Declared {
    /// `None` is not said; the inner `None` is said wrongly, and reported.
    api_base: Option<Option<String>>,
    api_key: Option<Secret>,
    api_version: Option<String>,
    /// Of a provider that has an address in each region.
    region: Option<String>,
    vertex: vertex::Said,
    /// Bedrock's own name of the model, where `model` only says its price.
    pub(super) model_id: Option<String>,
}

/// Reads what is declared, whoever the provider is.
pub(super) fn declared(params: &Fields<'_>, cx: &mut Cx<'_>) -> Declared {
    let (api_base, in_base) = declared_base(params, cx).map(|field| checked(&field, cx)).unzip();
    let version = params.get("api_version").and_then(|field| super::printable(&field, "2024-10-21", cx));
    Declared {
        api_base,
        api_key: params.get("api_key").and_then(|field| field.secret(cx)),
        api_version: version.or(in_base.flatten()),
        region: params.get("aws_region_name").and_then(|field| super::printable(&field, "us-east-1", cx)),
        vertex: vertex::Said::read(params, cx),
        model_id: bedrock::model_id(params, cx),
    }
}

/// Looks for the rest in the provider's variables. `None` is reported.
pub(super) fn complete(
    declared: Declared,
    params: &Fields<'_>,
    provider: &Provider,
    cx: &mut Cx<'_>,
) -> Option<Target> {
    let declares_base = declared.api_base.is_some();
    let api_key = declared.api_key.or_else(|| default_key(params, provider, declares_base, cx));
    if provider.name == "vertex_ai" {
        let base = match declared.api_base {
            Some(checked) => Some(checked?),
            None => base_of_variable(params, provider, cx)?,
        };
        let (version, key) = (declared.api_version.as_deref(), api_key.as_ref().map(Secret::expose));
        let base = vertex::base(declared.vertex, base, version, key, params, cx)?;
        return Some(Target { api_base: Some(base), api_key, api_version: None, region: None });
    }
    let region = declared.region.or_else(|| {
        let model = params.get("model").filter(|_| provider.cloud == Some(Cloud::Aws))?;
        bedrock::region_of(&model.text(cx, "bedrock/us.anthropic.claude-…")?, declared.model_id.as_deref())
    });
    let api_base = match declared.api_base {
        Some(checked) => checked.map(Some),
        None => default_base(params, provider, cx)
            .and_then(|base| in_region(base, region.clone(), params, provider, cx)),
    };
    let unversioned = api_base.iter().flatten().any(|base| base.ends_with("/openai/v1"));
    let api_version = declared.api_version.or_else(|| default_version(params, provider, unversioned, cx));
    let api_base = api_base?.map(|base| provider::with_path(provider, base));
    Some(Target { api_base, api_key, api_version, region })
}

/// What the provider's variables give, for a deployment that declares nothing. `None` where they do not suffice.
pub(super) fn from_environment(provider: &Provider, params: &Fields<'_>, cx: &mut Cx<'_>) -> Option<Target> {
    let api_key = Some(key_of(provider, params, cx)?);
    let mut default =
        |name: &String, of: &str| cx.default(name, params.place, &format!("{}.{of}", params.path));
    let api_base = match provider.base_url_env.iter().find_map(|name| default(name, "api_base")) {
        Some(base) => Some(provider::with_path(provider, base_url::check(&base).ok()?)),
        None => match template(provider) {
            Some(template) => {
                let region =
                    REGION.iter().find_map(|name| default(&(*name).to_owned(), "aws_region_name"))?;
                Some(in_place(template, &region).ok()?)
            }
            None if provider.base_url.is_some() => None,
            None => return None,
        },
    };
    let api_version = match &provider.api_version_env {
        Some(name) => Some(default(name, "api_version")?),
        None => None,
    };
    Some(Target { api_base, api_key, api_version, region: None })
}

/// Where the region goes in an address.
const GAP: &str = "{region}";

/// Variables that name an AWS region.
pub(super) const REGION: [&str; 3] = ["AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION"];

/// The address of a provider that has one in each region, with a gap for it.
fn template(provider: &Provider) -> Option<&str> {
    provider.base_url.as_deref().filter(|url| url.contains(GAP))
}

fn in_place(template: &str, region: &str) -> Result<String, &'static str> {
    base_url::check(&template.replace(GAP, region.trim()))
}

/// The address of a provider that has one in each region. `None` is reported.
fn in_region(
    base: Option<String>,
    declared: Option<String>,
    params: &Fields<'_>,
    provider: &Provider,
    cx: &mut Cx<'_>,
) -> Option<Option<String>> {
    let (None, Some(template)) = (&base, template(provider)) else { return Some(base) };
    let path = format!("{}.aws_region_name", params.path);
    let variable = |cx: &mut Cx<'_>| REGION.iter().find_map(|name| cx.default(name, params.place, &path));
    let Some(region) = declared.or_else(|| variable(cx)) else {
        let what = format!("`{}` has an address in each region, and this says none", provider.name);
        cx.report.error(params.place, &path, what, "aws_region_name: us-east-1, or the variable AWS_REGION");
        return None;
    };
    match in_place(template, &region) {
        Ok(base) => Some(Some(base)),
        Err(what) => {
            cx.report.error(params.place, &path, what, "aws_region_name: us-east-1");
            None
        }
    }
}

/// `api_base`, or another of LiteLLM's names for it.
fn declared_base<'n>(params: &Fields<'n>, cx: &mut Cx<'_>) -> Option<Field<'n>> {
    let base = params.get("api_base").or_else(|| params.get("aws_bedrock_runtime_endpoint"));
    let url = params.get("base_url");
    if let (Some(_), Some(url)) = (&base, &url) {
        url.error(cx, "`base_url` is another name of `api_base`, which is there too", "one of the two");
    }
    base.or(url)
}

/// The URL, and the version that people copy along with it from Azure. `None` is reported.
fn checked(field: &Field<'_>, cx: &mut Cx<'_>) -> (Option<String>, Option<String>) {
    let Some(text) = field.text(cx, "https://api.example.com/v1") else { return (None, None) };
    let (text, version) = match text.split_once("?api-version=") {
        Some((base, version)) if version.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') => {
            (base, Some(version.to_owned()))
        }
        _ => (text.as_str(), None),
    };
    match base_url::check(text) {
        Ok(base) => (Some(base), version),
        Err(what) => {
            field.error(cx, what, format!("{}: https://api.example.com/v1", field.name()));
            (None, None)
        }
    }
}

/// The variable's URL; `Some(None)` where none is set, `None` is reported.
fn base_of_variable(params: &Fields<'_>, provider: &Provider, cx: &mut Cx<'_>) -> Option<Option<String>> {
    let path = format!("{}.api_base", params.path);
    let found = provider
        .base_url_env
        .iter()
        .find_map(|name| cx.default(name, params.place, &path).map(|base| (name, base)));
    let Some((name, base)) = found else { return Some(None) };
    match base_url::check(&base) {
        Ok(base) => Some(Some(base)),
        Err(what) => {
            let what = format!("the variable {name} gives the base URL: {what}");
            cx.report.error(params.place, &path, what, format!("{name}=https://api.example.com/v1"));
            None
        }
    }
}

/// The variable's URL; `Some(None)` leaves it to the provider table.
fn default_base(params: &Fields<'_>, provider: &Provider, cx: &mut Cx<'_>) -> Option<Option<String>> {
    if let Some(base) = base_of_variable(params, provider, cx)? {
        return Some(Some(base));
    }
    if provider.base_url.is_some() {
        return Some(None);
    }
    let what = format!("`{}` has no address of its own", provider.name);
    let mut remedy = format!("api_base: https://{}.example.com/v1", provider.name.replace('_', "-"));
    if let Some(name) = provider.base_url_env.first() {
        remedy = format!("{remedy}, or set the variable {name}");
    }
    cx.report.error(params.place, &format!("{}.api_base", params.path), what, remedy);
    None
}

/// The first variable that is set and holds what a header can carry.
fn key_of(provider: &Provider, params: &Fields<'_>, cx: &mut Cx<'_>) -> Option<Secret> {
    let usable = |key: &String| key.trim().bytes().all(|byte| byte.is_ascii_graphic());
    let path = format!("{}.api_key", params.path);
    let mut keys = provider.api_key_env.iter().filter_map(|name| cx.default(name, params.place, &path));
    keys.find(usable).map(|key| Secret::new(key.trim()))
}

fn default_key(
    params: &Fields<'_>,
    provider: &Provider,
    declares_base: bool,
    cx: &mut Cx<'_>,
) -> Option<Secret> {
    let key = key_of(provider, params, cx);
    let stands_in = key.is_none() && provider.cloud.is_some();
    if params.get("api_key").is_some() || stands_in || !provider::is_a_service(provider) {
        return key;
    }
    let names = provider.api_key_env.join(" or ");
    let what = match (&key, declares_base) {
        // A server of one's own may need no key.
        (None, true) | (Some(_), false) => return key,
        (None, false) => format!(
            "there is no usable api_key, neither here nor in {names}: `{}` will refuse",
            provider.name
        ),
        (Some(_), true) => {
            format!("there is no api_key here, so the one in {names} is sent to this api_base")
        }
    };
    let variable = provider.api_key_env.first().map_or("API_KEY", String::as_str);
    cx.report.warn(
        params.place,
        &format!("{}.api_key", params.path),
        what,
        format!("api_key: os.environ/{variable}"),
    );
    key
}

/// Azure's paths carry a version, unless the base URL is that of its unversioned API.
fn default_version(
    params: &Fields<'_>,
    provider: &Provider,
    unversioned: bool,
    cx: &mut Cx<'_>,
) -> Option<String> {
    let variable = provider.api_version_env.as_ref()?;
    let path = format!("{}.api_version", params.path);
    let version = cx.default(variable, params.place, &path);
    if version.is_none() && !unversioned && params.get("api_version").is_none() {
        let what = format!("`{}` needs an api_version", provider.name);
        cx.report.error(
            params.place,
            &path,
            what,
            format!("api_version: \"2024-10-21\", or set the variable {variable}"),
        );
    }
    version
}
