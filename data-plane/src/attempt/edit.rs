//! The edits of a request body, complete (design §5). Everything else leaves byte for byte as it came.

use std::ops::Range;

use bulkhead_dialect::json::view::{find, is_object, part};
use bulkhead_dialect::json::{Kind, Member, Scan, Segments, Splice};
use bulkhead_dialect::translate::{Back, developers, models_within, with_model_within};
use bulkhead_model::rows::JsonMember;
use bulkhead_model::{Endpoint, ErrorKind};
use bulkhead_snapshot::Deployment;
use bytes::Bytes;

use super::hosted::Hosted;
use crate::fault::{Fault, Outcome};
use crate::read::Call;
use crate::route::Routed;

const STREAM_OPTIONS: &str = "stream_options";
/// What the call has read of them already is no longer.
const STREAM_OPTIONS_CAP: usize = 64 << 10;

/// A body as it leaves.
pub(crate) struct Edited {
    pub(crate) body: Segments,
    pub(crate) changes: Changes,
}

/// What was done to a body, as far as its answer has to know.
pub(crate) struct Changes {
    /// Members that were dropped although the client may have meant them.
    pub(crate) dropped: Vec<String>,
    /// The usage chunk was asked for by the gateway, not by the client.
    pub(crate) usage_added: bool,
    /// It was translated, and its answer goes back this way.
    pub(crate) back: Option<Back>,
    /// Bodies to be sent after it, one after the other, for one answer.
    pub(crate) more: Vec<Bytes>,
}

/// Edits a body for a deployment. `instead` goes into the place of what the client sent.
pub(crate) fn edit(call: &Call, routed: &Routed, instead: &[JsonMember], hosted: &Hosted) -> Outcome<Edited> {
    let deployment = &*routed.deployment;
    let (mut splice, dropped) = take_out(call, deployment)?;
    replace_model(call, routed, &mut splice);
    put_instead(call, instead, deployment, &mut splice);
    name_model_within(call, routed, &mut splice);
    speak_as_system(call, deployment, &mut splice);
    let usage_added = ask_for_usage(call, deployment, &mut splice);
    // Options of a stream are an error without one.
    let skips = |name: &str| {
        name == STREAM_OPTIONS && (usage_added || !call.stream)
            || instead.iter().any(|member| member.name == name)
            || hosted.writes(name)
    };
    let defaults = deployment.defaults().filter(|default| !skips(&default.name));
    add_defaults(&call.scan, &call.removed, defaults, &mut splice);
    hosted.write(&call.scan, &mut splice);
    let body = if splice.is_empty() { call.body.clone() } else { splice.apply(&call.body) };
    Ok(Edited { body, changes: Changes { dropped, usage_added, back: None, more: Vec::new() } })
}

/// Takes out what is not for the provider, and says what of it the client may have meant.
pub(super) fn take_out<'c>(call: &'c Call, deployment: &Deployment) -> Outcome<(Splice<'c>, Vec<String>)> {
    let mut splice = Splice::new(&call.scan);
    let mut dropped = call.ignored.to_vec();
    if let Some(bonds) = &call.bonds {
        bonds.open(call, deployment, &mut splice, &mut dropped);
    }
    for member in call.scan.members().iter().filter(|member| call.removed.contains(&member.ordinal)) {
        splice.remove(member);
    }
    drop_parameters(call, deployment, &mut splice, &mut dropped)?;
    Ok((splice, dropped))
}

/// Whoever sends it: what a deployment does not take, it does not get.
pub(super) fn put_instead(
    call: &Call,
    instead: &[JsonMember],
    deployment: &Deployment,
    splice: &mut Splice<'_>,
) {
    for JsonMember { name, json } in instead.iter().filter(|member| !deployment.drops(&member.name)) {
        let json = Bytes::copy_from_slice(json.as_bytes());
        match call.scan.find(name) {
            Some(member) => splice.replace(member, json),
            None => splice.append(name, json),
        }
    }
}

fn replace_model(call: &Call, routed: &Routed, splice: &mut Splice<'_>) {
    if call.endpoint.is_said_by_path() {
        return;
    }
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

/// Google's requests say the model again within, and it has to be the one that the path says.
fn name_model_within(call: &Call, routed: &Routed, splice: &mut Splice<'_>) {
    let Some(name) = models_within(call.endpoint) else { return };
    let Some(member) = call.scan.find(name) else { return };
    let Some(value) = call.body.bytes(member.value.clone(), call.body.len()) else { return };
    if let Some(renamed) = with_model_within(&value, &routed.model) {
        splice.replace(member, renamed);
    }
}

/// Most providers of chat refuse the role `developer`, as OpenAI's clients call the system.
fn speak_as_system(call: &Call, deployment: &Deployment, splice: &mut Splice<'_>) {
    if call.endpoint != Endpoint::ChatCompletions || deployment.provider.developer {
        return;
    }
    let Some(member) = call.scan.find("messages") else { return };
    let Some(value) = call.body.bytes(member.value.clone(), call.body.len()) else { return };
    let start = member.value.start;
    let system =
        |role: Range<usize>| (start + role.start..start + role.end, Bytes::from_static(br#""system""#));
    splice.replace_within(member, developers(&value).into_iter().map(system).collect());
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
        if deployment.drops(name) {
            splice.remove(member);
            dropped.push(name.to_owned());
        } else if deployment.provider.refuses(name) && member.kind != Kind::Null {
            unsupported.push(format!("'{name}'"));
        }
    }
    match unsupported.is_empty() {
        true => Ok(()),
        false => Err(unsupported_parameters(deployment, &call.model, &unsupported)),
    }
}

/// LiteLLM's words for what a provider cannot be asked for.
pub(super) fn unsupported_parameters(deployment: &Deployment, model: &str, quoted: &[String]) -> Box<Fault> {
    let message = format!(
        "litellm.UnsupportedParamsError: {} does not support parameters: [{}], for model={model}. To drop these, set \
         `litellm_settings: drop_params: true` or `drop_params: true` in the model's litellm_params.",
        deployment.provider.name,
        quoted.join(", "),
    );
    Fault::new(ErrorKind::BadRequest, message)
}

/// Asks for the usage of a stream where neither client nor deployment has and the provider can tell it.
fn ask_for_usage(call: &Call, deployment: &Deployment, splice: &mut Splice<'_>) -> bool {
    let streams = matches!(call.endpoint, Endpoint::ChatCompletions | Endpoint::Completions);
    let droppable = deployment.drops_always(STREAM_OPTIONS);
    if !streams || !call.stream || call.usage_wanted || !deployment.provider.stream_usage || droppable {
        return false;
    }
    let ours = deployment.defaults().find(|default| default.name == STREAM_OPTIONS);
    match (call.scan.find(STREAM_OPTIONS), ours) {
        (Some(member), _) => {
            let options = call.body.bytes(member.value.clone(), STREAM_OPTIONS_CAP).unwrap_or_default();
            splice.replace(member, with_usage(&options));
        }
        (None, Some(ours)) if includes_usage(ours) => return false,
        (None, ours) => {
            splice.append(STREAM_OPTIONS, with_usage(ours.map_or(&[], |ours| ours.json.as_bytes())));
        }
    }
    true
}

fn includes_usage(options: &JsonMember) -> bool {
    let options = options.json.as_bytes();
    find(options, "include_usage").is_some_and(|value| part(options, value) == b"true")
}

/// The options with `include_usage`, every other byte as it is; options of their own where there are none.
fn with_usage(options: &[u8]) -> Bytes {
    if let Some(value) = find(options, "include_usage") {
        let (before, after) = (part(options, 0..value.start), part(options, value.end..options.len()));
        return [before, b"true", after].concat().into();
    }
    match options.strip_suffix(b"}").filter(|_| is_object(options)) {
        Some(open) if !open.trim_ascii().ends_with(b"{") => {
            [open, br#","include_usage":true}"#].concat().into()
        }
        _ => Bytes::from_static(br#"{"include_usage":true}"#),
    }
}

/// Adds members where the client sent nothing by that name; `tools` are put together. What was `removed` of the client's
/// said nothing to the provider.
pub(super) fn add_defaults<'d>(
    scan: &Scan,
    removed: &[usize],
    defaults: impl Iterator<Item = &'d JsonMember>,
    splice: &mut Splice<'_>,
) {
    for default in defaults {
        match scan.find(&default.name).filter(|member| !removed.contains(&member.ordinal)) {
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
