//! `model_list`: from its elements to deployments.

mod base_url;
mod bedrock;
mod cloud;
mod cooling;
mod credential;
mod every_provider;
mod identity;
mod info;
mod params;
mod prices;
mod provider;
mod target;
mod vertex;

use bulkhead_model::rows::DeploymentRow;

use crate::check;
use crate::field::{Cx, Field, Fields};
use crate::provider::Provider;
use crate::table::Section;
pub(crate) use credential::Credentials;
use identity::Identities;
use info::Info;
use params::Params;
use provider::Served;

/// What `model_list` declares.
#[derive(Default)]
pub(crate) struct Deployments {
    pub(crate) rows: Vec<DeploymentRow>,
    /// Every name under which something is served, also of elements with errors, so that one mistake is not
    /// reported again wherever the name is used.
    pub(crate) groups: Vec<String>,
    pub(crate) access_groups: Vec<String>,
}

/// Reads the list.
pub(crate) fn read(list: &Field<'_>, credentials: &Credentials<'_>, cx: &mut Cx<'_>) -> Deployments {
    let mut out = Deployments::default();
    let mut identities = Identities::default();
    for item in
        list.items(cx, "[{model_name: gpt-4o, litellm_params: {model: openai/gpt-4o}}]").unwrap_or_default()
    {
        if let Some(fields) = item.fields(cx, "{model_name: gpt-4o, litellm_params: {model: openai/gpt-4o}}")
        {
            element(&fields, credentials, cx, &mut identities, &mut out);
        }
    }
    out
}

fn element(
    fields: &Fields<'_>,
    credentials: &Credentials<'_>,
    cx: &mut Cx<'_>,
    identities: &mut Identities,
    out: &mut Deployments,
) {
    check::strict(fields, Section::ModelList, cx);
    let group = fields.required("model_name", "gpt-4o", cx).and_then(|field| printable(&field, "gpt-4o", cx));
    let info = fields.get("model_info").and_then(|field| field.fields(cx, "{mode: chat}"));
    let info = info.map(|info| Info::read(&info, cx)).unwrap_or_default();
    let id = identities.id(group.as_deref(), fields, &info, cx);
    out.access_groups.extend(info.access_groups.iter().cloned());
    out.groups.extend(group.clone());
    let declared = fields.required("litellm_params", "{model: openai/gpt-4o}", cx);
    let Some(declared) = declared.and_then(|field| field.fields(cx, "{model: openai/gpt-4o}")) else {
        return;
    };
    let joined = credentials.joined(&declared, cx);
    let declared = Fields { map: joined.as_ref().unwrap_or(declared.map), ..declared };
    let params = Params::read(&declared, cx);
    let target = target::declared(&declared, cx);
    let account = cloud::declared(&declared, cx);
    let Some(model) = declared.required("model", "openai/gpt-4o", cx) else { return };
    let served = provider::served(&declared, &model, group.as_deref(), cx);
    let (Some(served), Some(group)) = (served, group) else { return };
    match served {
        Served::By(provider, name) => {
            let named = own_name(provider, name, target.model_id.as_deref(), &declared, cx);
            let target = target::complete(target, &declared, provider, cx);
            let (Some((name, base)), Some(target)) = (named, target) else { return };
            let params =
                Params { base_model: params.base_model.or(info.base_model.clone()).or(base), ..params };
            let cloud = cloud::complete(account, &target, provider, &declared, cx);
            let row = row(id, group, provider.name.clone(), name, target, params, info);
            out.rows.push(DeploymentRow { cloud, ..row });
        }
        Served::ByAll => {
            for each in every_provider::expand(&declared, &model, &group, cx) {
                let (params, info) = (params.clone(), info.clone());
                let id = format!("{id}-{}", each.suffix);
                out.groups.push(each.group.clone());
                out.rows.push(row(id, each.group, each.provider, each.model, each.target, params, info));
            }
        }
    }
}

/// The provider's own name of a model behind LiteLLM's, and the price book's where that is not it. `None` is reported.
fn own_name(
    provider: &Provider,
    name: String,
    id: Option<&str>,
    params: &Fields<'_>,
    cx: &mut Cx<'_>,
) -> Option<(String, Option<String>)> {
    match &*provider.name {
        "bedrock" => bedrock::named(&name, id, params, cx).map(|named| (named.model, named.base)),
        // The router is a deployment like others.
        "azure_ai" => Some((name.strip_prefix("model_router/").unwrap_or(&name).to_owned(), None)),
        _ => Some((name, None)),
    }
}

fn row(
    id: String,
    group: String,
    provider: String,
    model: String,
    target: target::Target,
    params: Params,
    info: Info,
) -> DeploymentRow {
    let cooling = params.cooling.or(info.cooling);
    DeploymentRow {
        id,
        group,
        provider,
        model,
        api_base: target.api_base,
        api_key: target.api_key,
        cloud: Vec::new(),
        api_version: target.api_version,
        organization: params.organization,
        timeout: params.timeout,
        stream_timeout: params.stream_timeout,
        connect_timeout: params.connect_timeout,
        first_byte_timeout: params.first_byte_timeout,
        idle_timeout: params.idle_timeout,
        num_retries: params.num_retries,
        max_parallel: params.max_parallel,
        cooldown_time: cooling.time,
        allowed_fails: cooling.allowed_fails,
        allowed_fails_policy: cooling.policy.unwrap_or_default(),
        weight: params.weight,
        rpm: params.rpm,
        tpm: params.tpm,
        order: params.order,
        tags: params.tags,
        extra_headers: params.extra_headers,
        extra_body: params.extra_body,
        call_params: params.call_params,
        drop_params: params.drop_params,
        drop_always: params.drop_always,
        prices: prices::joined(params.prices, info.prices),
        mode: info.mode,
        base_model: params.base_model.or(info.base_model),
        access_groups: info.access_groups,
        max_input_tokens: info.max_input_tokens,
        max_output_tokens: info.max_output_tokens,
        credential: None,
        blocked: false,
        requires: Vec::new(),
    }
}

/// A text that can stand in a response header, where names and ids of models go.
fn printable(field: &Field<'_>, example: &str, cx: &mut Cx<'_>) -> Option<String> {
    let text = field.text(cx, example)?;
    if text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        return Some(text);
    }
    let what = "holds characters that no response header can carry";
    field.error(cx, what, format!("{}: a name of letters, digits and punctuation of ASCII", field.name()));
    None
}
