//! A chat request in its provider's own names, without what the provider's model refuses.

use bulkhead_dialect::fit::{Fit, Members, Verdict};
use bulkhead_dialect::json::{Kind, Member, Splice};
use bulkhead_model::Endpoint;
use bulkhead_model::rows::JsonMember;
use bulkhead_snapshot::Deployment;
use bytes::Bytes;

use super::edit::unsupported_parameters;
use crate::apart::apart;
use crate::fault::Outcome;
use crate::read::Call;

/// Longest value of a member that matters.
const LONGEST: usize = 256;
const EFFORT: &str = "reasoning_effort";

/// What a deployment makes of members of chat; elsewhere they are as they are.
pub(super) fn members(to: Endpoint, deployment: &Deployment, model: &str) -> Members {
    match to {
        Endpoint::ChatCompletions => {
            Members::of(deployment.provider, deployment.base_model.as_deref().unwrap_or(model))
        }
        _ => Members::default(),
    }
}

/// Renames, leaves out and refuses.
pub(super) fn fit_members(
    call: &Call,
    deployment: &Deployment,
    members: &Members,
    instead: &[JsonMember],
    splice: &mut Splice<'_>,
    dropped: &mut Vec<String>,
) -> Outcome<()> {
    if members.takes_all() {
        return Ok(());
    }
    let mut refused = Vec::new();
    let effort = effort(call, deployment);
    for member in call.scan.members().iter().filter(|member| member.kind != Kind::Null) {
        let is_other = |name: &&str| {
            deployment.drops(name)
                || instead.iter().any(|other| members.name(&other.name) == members.name(name))
        };
        let Some(name) = call.scan.name(member).filter(|name| !is_other(name)) else { continue };
        let value = call.body.bytes(member.value.clone(), LONGEST).unwrap_or_default();
        match members.verdict(name, &value, effort.as_deref()) {
            Verdict::Keep => fit_member(call, members, name, member, &value, splice),
            Verdict::Idle => splice.remove(member),
            Verdict::Refuse if !deployment.drop_params => refused.push(format!("'{name}'")),
            Verdict::Aside | Verdict::Refuse => {
                splice.remove(member);
                dropped.push(name.to_owned());
            }
        }
    }
    match refused.is_empty() {
        true => Ok(()),
        false => Err(unsupported_parameters(deployment, &call.model, &refused)),
    }
}

/// How much the model is told to reason: by the client, else by the operator.
fn effort(call: &Call, deployment: &Deployment) -> Option<String> {
    match call.scan.find(EFFORT).filter(|member| member.kind != Kind::Null) {
        Some(member) => member.string_value(&call.body, LONGEST),
        None => {
            let default = deployment.defaults().find(|default| default.name == EFFORT)?;
            serde_json::from_str(&default.json).ok()
        }
    }
}

/// Another name, or another value.
fn fit_member(
    call: &Call,
    members: &Members,
    name: &str,
    member: &Member,
    value: &[u8],
    splice: &mut Splice<'_>,
) {
    if let Some(other) = members.value(name, value) {
        splice.replace(member, Bytes::from_static(other));
    }
    let other = members.name(name);
    if other == name {
        return;
    }
    splice.remove(member);
    let value = Bytes::copy_from_slice(value);
    match call.scan.find(other) {
        None => splice.append(other, value),
        // OpenAI's newer name for the limit is the one that counts.
        Some(also) if name == "max_completion_tokens" => splice.replace(also, value),
        Some(_) => {}
    }
}

/// Takes out of the conversation what the gateway gave the client to keep for another provider, and what this one
/// refuses.
pub(super) async fn fit_messages(call: &Call, deployment: &Deployment, splice: &mut Splice<'_>) {
    let Some(fit) = Fit::of(call.endpoint, deployment.provider, &call.body) else { return };
    let Some(member) = call.scan.find("messages") else { return };
    let (body, range) = (call.body.clone(), member.value.clone());
    let work = move || fit.messages(&body.bytes(range, usize::MAX).unwrap_or_default());
    if let Some(messages) = apart(member.value.len(), work).await.flatten() {
        splice.replace(member, messages);
    }
}
