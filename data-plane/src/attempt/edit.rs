//! The edits of a request body, complete (design §5). Everything else leaves byte for byte as it came.

use bulkhead_dialect::json::{Kind, Member, Scan, Segments, Splice};
use bulkhead_model::{Endpoint, ErrorKind};
use bulkhead_snapshot::Deployment;
use bytes::Bytes;
use serde_json::{Map, Value};

use crate::fault::{Fault, Outcome};
use crate::read::Call;
use crate::route::Routed;

const STREAM_OPTIONS_CAP: usize = 4 << 10;

/// A body as it leaves.
pub(crate) struct Edited {
    pub(crate) body: Segments,
    /// The usage chunk was asked for by the gateway, not by the client.
    pub(crate) usage_added: bool,
    /// Members that were dropped although the client may have meant them.
    pub(crate) dropped: Vec<String>,
}

/// Edits a body for a deployment.
pub(crate) fn edit(call: &Call, routed: &Routed) -> Outcome<Edited> {
    let (scan, deployment) = (&call.scan, &*routed.deployment);
    let mut splice = Splice::new(scan);
    let mut dropped = call.ignored.to_vec();
    for member in scan.members().iter().filter(|member| call.removed.contains(&member.ordinal)) {
        splice.remove(member);
    }
    drop_parameters(call, deployment, &mut splice, &mut dropped)?;
    replace_model(call, routed, &mut splice);
    let usage_added = ask_for_usage(call, deployment, &mut splice);
    add_defaults(scan, deployment, &mut splice);
    let body = if splice.is_empty() { call.body.clone() } else { splice.apply(&call.body) };
    Ok(Edited { body, usage_added, dropped })
}

fn replace_model(call: &Call, routed: &Routed, splice: &mut Splice<'_>) {
    match call.scan.find("model") {
        // What the body says is compared, not what was asked for: the path may have named another model.
        Some(member) => {
            let said = call.body.bytes(member.value.clone(), routed.model_json.len());
            if said.as_deref() != Some(&*routed.model_json) {
                splice.replace(member, routed.model_json.clone());
            }
        }
        // The path named the model; the provider wants it in the body, and where it does not, ignores it.
        None => splice.append("model", &routed.model_json),
    }
}

/// Drops what the deployment never wants, and what its provider does not know where the configuration says so.
fn drop_parameters(
    call: &Call,
    deployment: &Deployment,
    splice: &mut Splice<'_>,
    dropped: &mut Vec<String>,
) -> Outcome<()> {
    let mut unsupported = Vec::new();
    for member in call.scan.members() {
        let Some(name) = call.scan.name(member) else { continue };
        let always = deployment.drop_always.iter().any(|listed| **listed == *name);
        let unknown = deployment.provider.unsupported.iter().any(|listed| *listed == name);
        if always || (unknown && deployment.drop_params) {
            splice.remove(member);
            dropped.push(name.to_owned());
        } else if unknown && member.kind != Kind::Null {
            unsupported.push(format!("'{name}'"));
        }
    }
    if unsupported.is_empty() {
        return Ok(());
    }
    let message = format!(
        "litellm.UnsupportedParamsError: {} does not support parameters: [{}], for model={}. To drop these, set \
         `litellm_settings: drop_params: true` or `drop_params: true` in the model's litellm_params.",
        deployment.provider.name,
        unsupported.join(", "),
        call.model
    );
    Err(Fault::new(ErrorKind::BadRequest, message))
}

/// Asks for the usage of a stream where the client has not and the provider can tell it.
fn ask_for_usage(call: &Call, deployment: &Deployment, splice: &mut Splice<'_>) -> bool {
    let streams = matches!(call.endpoint, Endpoint::ChatCompletions | Endpoint::Completions);
    let droppable = deployment.drop_always.iter().any(|listed| &**listed == "stream_options");
    if !streams || !call.stream || call.usage_wanted || !deployment.provider.stream_usage || droppable {
        return false;
    }
    match call.scan.find("stream_options") {
        None => splice.append("stream_options", br#"{"include_usage":true}"#),
        Some(member) => {
            let mut options: Map<String, Value> =
                member.json_value(&call.body, STREAM_OPTIONS_CAP).unwrap_or_default();
            options.insert("include_usage".to_owned(), Value::Bool(true));
            splice.replace(member, Value::Object(options).to_string().into());
        }
    }
    true
}

/// Adds call parameters and `extra_body` where the client sent nothing by that name; `tools` are put together.
fn add_defaults(scan: &Scan, deployment: &Deployment, splice: &mut Splice<'_>) {
    for default in &deployment.defaults {
        match scan.find(&default.name) {
            None => splice.append(&default.name, default.json.as_bytes()),
            Some(member) if default.name == "tools" && is_array(member) => {
                if let Some(elements) = elements(&default.json) {
                    splice.insert_into_array(member, Bytes::copy_from_slice(elements.as_bytes()));
                }
            }
            Some(_) => {}
        }
    }
}

fn is_array(member: &Member) -> bool {
    matches!(member.kind, Kind::Array { .. })
}

/// What stands between the brackets of an array, where there is something.
fn elements(array: &str) -> Option<&str> {
    let inner = array.trim().strip_prefix('[')?.strip_suffix(']')?.trim();
    (!inner.is_empty()).then_some(inner)
}
