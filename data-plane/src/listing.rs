//! `/v1/models`: what the caller may use.

mod google;

use std::collections::BTreeSet;

use bulkhead_model::{Dialect, ErrorKind};
use bulkhead_snapshot::{Group, Pattern, Shown, Snapshot};
use http::request::Parts;
use http::{Response, StatusCode};
use serde::Serialize;

use crate::fault::{Fault, Outcome};
use crate::identify::{Caller, Meant, identify, permit_route};
use crate::pages::json_bytes;
use crate::receive::is_googles_list;
use crate::respond::OutBody;
use crate::worker::Worker;

/// LiteLLM's constant: when a model was made is not known to a gateway.
const CREATED: u64 = 1_677_610_602;

/// One model in OpenAI's shape with LiteLLM's additions.
#[derive(Serialize)]
struct Model {
    id: String,
    object: &'static str,
    created: u64,
    owned_by: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u64>,
}

#[derive(Serialize)]
struct OpenAiList {
    data: Vec<Model>,
    object: &'static str,
}

#[derive(Serialize)]
struct AnthropicModel {
    #[serde(rename = "type")]
    kind: &'static str,
    display_name: String,
    created_at: &'static str,
    id: String,
}

#[derive(Serialize)]
struct AnthropicList {
    first_id: Option<String>,
    last_id: Option<String>,
    has_more: bool,
    data: Vec<AnthropicModel>,
}

/// Whose clients ask for models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    OpenAi,
    /// They name Anthropic's version.
    Anthropic,
    /// They ask at Google's path, or bring their key as Google wants it.
    Google,
}

impl Shape {
    fn of(head: &Parts) -> Self {
        if is_googles_list(head.uri.path()) {
            Self::Google
        } else if head.headers.contains_key("anthropic-version") {
            Self::Anthropic
        } else if head.headers.contains_key("x-goog-api-key") {
            Self::Google
        } else {
            Self::OpenAi
        }
    }
}

/// The dialect that errors are written in.
pub(crate) fn dialect(head: &Parts) -> Dialect {
    match Shape::of(head) {
        Shape::Google => Dialect::Gemini,
        Shape::OpenAi | Shape::Anthropic => Dialect::OpenAi,
    }
}

/// `GET /v1/models`, and Google's `/v1beta/models`.
pub(crate) fn models(worker: &Worker, head: &Parts) -> Outcome<Response<OutBody>> {
    let models = visible(worker, head)?;
    written(match Shape::of(head) {
        Shape::OpenAi => serde_json::to_vec(&OpenAiList { data: models, object: "list" }),
        Shape::Anthropic => {
            let data: Vec<_> = models.into_iter().map(anthropic).collect();
            let first_id = data.first().map(|model| model.id.clone());
            let last_id = data.last().map(|model| model.id.clone());
            serde_json::to_vec(&AnthropicList { first_id, last_id, has_more: false, data })
        }
        Shape::Google => serde_json::to_vec(&google::page(models, head.uri.query().unwrap_or_default())?),
    })
}

/// `GET /v1/models/{id}`.
pub(crate) fn model(worker: &Worker, head: &Parts, id: &str) -> Outcome<Response<OutBody>> {
    let models = visible(worker, head)?;
    let id = bulkhead_front::decoded(id);
    let Some(model) = models.into_iter().find(|model| model.id == id) else {
        let message = format!("The model '{id}' does not exist or is not available for this API key.");
        return Err(Fault::new(ErrorKind::NotFound, message).param("model"));
    };
    written(match Shape::of(head) {
        Shape::OpenAi => serde_json::to_vec(&model),
        Shape::Anthropic => serde_json::to_vec(&anthropic(model)),
        Shape::Google => serde_json::to_vec(&google::described(model)),
    })
}

fn written(text: serde_json::Result<Vec<u8>>) -> Outcome<Response<OutBody>> {
    match text {
        Ok(text) => Ok(json_bytes(StatusCode::OK, text.into())),
        Err(_) => Err(Fault::new(ErrorKind::Internal, "Internal server error")),
    }
}

fn anthropic(model: Model) -> AnthropicModel {
    AnthropicModel {
        kind: "model",
        display_name: model.id.clone(),
        created_at: "2023-02-28T18:56:42Z",
        id: model.id,
    }
}

fn visible(worker: &Worker, head: &Parts) -> Outcome<Vec<Model>> {
    let snapshot = worker.node.snapshot.load();
    let Some(snapshot) = snapshot.as_deref() else {
        return Err(worker.node.not_ready());
    };
    let caller = identify(snapshot, &head.headers, worker.node.clock.now())?;
    permit_route(&caller, head.uri.path(), None)?;
    Ok(list(snapshot, &caller))
}

fn list(snapshot: &Snapshot, caller: &Caller) -> Vec<Model> {
    let mut seen = BTreeSet::new();
    let mut models = Vec::new();
    for Shown { name, target, group } in snapshot.models.names() {
        let names = match &group.pattern {
            Some(pattern) if *name == *group.name => expanded(snapshot, pattern, group),
            _ => vec![name.to_owned()],
        };
        for id in names {
            let allowed = caller.forbidden(Meant::plain(&id), group).is_none();
            if allowed && seen.insert(id.clone()) {
                let target = if id == name { target.to_owned() } else { id.clone() };
                models.push(described(snapshot, id, &target, group));
            }
        }
    }
    models
}

/// A wildcard group stands for the names that the price data knows of its provider.
fn expanded(snapshot: &Snapshot, pattern: &Pattern, group: &Group) -> Vec<String> {
    let mut names: Vec<_> = group
        .deployments
        .iter()
        .flat_map(|deployment| {
            let provider = &deployment.provider.name;
            snapshot.prices.names_of(provider).map(move |name| {
                match name.starts_with(&format!("{provider}/")) {
                    true => name.to_owned(),
                    false => format!("{provider}/{name}"),
                }
            })
        })
        .filter(|name| pattern.matches(name))
        .collect();
    names.sort();
    names.dedup();
    names
}

fn described(snapshot: &Snapshot, id: String, target: &str, group: &Group) -> Model {
    let deployment = group.deployments.first();
    let listed = deployment
        .filter(|_| group.pattern.is_some())
        .and_then(|deployment| snapshot.prices.find(&deployment.provider.name, target));
    Model {
        object: "model",
        created: CREATED,
        owned_by: "openai",
        mode: deployment
            .and_then(|deployment| deployment.mode.as_deref().map(str::to_owned))
            .or_else(|| listed.and_then(|price| price.mode.as_deref().map(str::to_owned))),
        max_input_tokens: deployment
            .and_then(|deployment| deployment.max_input_tokens)
            .or_else(|| listed.and_then(|price| price.max_input_tokens)),
        max_output_tokens: deployment
            .and_then(|deployment| deployment.max_output_tokens)
            .or_else(|| listed.and_then(|price| price.max_output_tokens)),
        id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identify::fixture::Managed;

    #[test]
    fn a_list_has_what_all_layers_allow() {
        let listed = |managed: &Managed| {
            let ids = list(&managed.snapshot(), &managed.caller()).into_iter().map(|model| model.id);
            ids.collect::<Vec<_>>()
        };
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut managed = Managed::in_team();
        assert_eq!(listed(&managed), ["gpt-4o", "gpt-4o-mini"]);
        managed.users[0].models = names(&["gpt-4o"]);
        assert_eq!(listed(&managed), ["gpt-4o"]);
        managed.users[0].models = Vec::new();
        managed.teams[0].models = names(&["gpt-4o-mini"]);
        assert_eq!(listed(&managed), ["gpt-4o-mini"]);
        managed.key.models = names(&["gpt-4o"]);
        assert!(listed(&managed).is_empty());
    }
}
