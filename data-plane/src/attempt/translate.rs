//! A request that leaves in another dialect than it came in.
//!
//! What the gateway takes out and puts in for the client is done before; what an operator adds in the provider's own
//! names is added after.

use bulkhead_dialect::fit::Members;
use bulkhead_dialect::json::{Scanner, Segments, Splice};
use bulkhead_dialect::providers::Auth;
use bulkhead_dialect::translate::{
    Dialect, Leaving, Loss, ReasoningStyle, RequestOptions, TranslateError, Way, Weight,
};
use bulkhead_model::rows::JsonMember;
use bulkhead_model::{Endpoint, ErrorKind};
use bulkhead_pricing::PriceBook;
use bulkhead_snapshot::{Deployment, Site};
use bytes::Bytes;

use super::edit::{Changes, Edited, add_defaults, put_instead, take_out, unsupported_parameters};
use super::hosted::Hosted;
use super::members::members;
use crate::apart::apart;
use crate::fault::{Fault, Outcome};
use crate::read::Call;
use crate::route::Routed;

/// LiteLLM's limit of output for a model that has to have one and of which nothing is known.
const MAX_TOKENS: u64 = 4096;

/// Translates a body for a deployment's endpoint.
pub(crate) async fn translate(
    call: &Call,
    routed: &Routed,
    to: Endpoint,
    instead: &[JsonMember],
    hosted: &Hosted,
    book: &PriceBook,
) -> Outcome<Edited> {
    let deployment = &*routed.deployment;
    let Some(way) = Way::between(call.endpoint, to) else {
        return Err(Fault::new(ErrorKind::Internal, "The request cannot be translated."));
    };
    let (mut splice, mut dropped) = take_out(call, deployment, false)?;
    put_instead(call, instead, deployment, &Members::default(), &mut splice);
    // LiteLLM's names are those of chat and embeddings.
    let is_upstreams = way.leads_to_openai();
    let said = |name: &str| instead.iter().any(|member| member.name == name);
    if !is_upstreams {
        let is_free = |param: &&JsonMember| !said(&param.name) && !hosted.writes(&param.name);
        let params = deployment.call_params.iter().filter(is_free);
        add_defaults(&call.scan, &call.removed, params, &Members::default(), &mut splice);
    }
    let text = splice.apply(&call.body).into_bytes();
    let model = routed.model.clone();
    let base_model = deployment.base_model.clone();
    let members = members(to, deployment, &model);
    let options = RequestOptions { members, ..options(call, deployment, &model, way.upstream(), book) };
    let work = move || {
        let (model, base_model) = (Some(&*model), base_model.as_deref());
        way.request(&text, &RequestOptions { model, base_model, ..options })
    };
    let translated = apart(call.body.len(), work).await;
    let Leaving { body, more, losses, back } = translated
        .ok_or_else(|| Fault::new(ErrorKind::Internal, "The request could not be translated."))?
        .map_err(|error| not_translated(&error))?;
    dropped.extend(lost(losses, deployment, &call.model)?);
    let params = deployment.call_params.iter().filter(|_| is_upstreams);
    let added = params.chain(&deployment.extra_body).filter(|member| !hosted.writes(&member.name));
    let added = added.collect::<Vec<_>>();
    let mut changes = Changes { dropped, usage_added: false, back: Some(back), more: Vec::new() };
    for body in more {
        changes.more.push(with_members(body, &added, &members, hosted)?.into_bytes());
    }
    Ok(Edited { body: with_members(body, &added, &members, hosted)?, changes })
}

/// What of a deployment matters to the translation.
fn options(
    call: &Call,
    deployment: &Deployment,
    model: &str,
    into: Option<Dialect>,
    book: &PriceBook,
) -> RequestOptions<'static> {
    let provider = deployment.provider;
    let abilities = deployment.abilities_of(model, book);
    RequestOptions {
        model: None,
        base_model: None,
        stream: call.endpoint.is_said_by_path().then_some(call.stream),
        max_tokens: deployment.max_output_tokens.unwrap_or(MAX_TOKENS),
        // Of a model that nobody knows, whoever asks it to reason may know better.
        reasoning: match abilities {
            _ if into == Some(Dialect::Gemini) && is_gemini_3(model) => ReasoningStyle::Adaptive,
            // Of Ollama's models the price book knows few, and of none whether it reasons.
            _ if into == Some(Dialect::Ollama) => ReasoningStyle::Fixed,
            None => ReasoningStyle::Fixed,
            Some(abilities) if abilities.adaptive_thinking => ReasoningStyle::Adaptive,
            Some(abilities) if abilities.reasoning => ReasoningStyle::Fixed,
            Some(_) => ReasoningStyle::None,
        },
        output_schema: !matches!(into, Some(Dialect::Messages | Dialect::Converse))
            || abilities.is_some_and(|can| can.output_schema),
        developer: provider.developer,
        cache_control: provider.cache_control,
        reasoning_content: provider.reasoning_content,
        members: Members::default(),
        // Foundry serves other makers' models, too, which know no such role.
        max_completion_tokens: provider.max_completion_tokens
            || (matches!(provider.auth, Auth::AzureApiKey | Auth::Foundry)
                && abilities.is_some_and(|can| can.reasoning)),
        stream_usage: provider.stream_usage && !deployment.drops_always("stream_options"),
        // Vertex refuses what it does not know.
        gemini_api: deployment.site(model) != Site::VertexGemini,
    }
}

/// From the third on, Gemini's models are told a level, and want their signatures back.
fn is_gemini_3(model: &str) -> bool {
    let version = model.split("gemini-").nth(1).and_then(|rest| rest.split(['-', '.']).next());
    version.and_then(|version| version.parse::<u32>().ok()).is_some_and(|version| version >= 3)
}

/// What is not in the request, by the client's names: refused or left out, as the configuration says.
fn lost(losses: Vec<Loss>, deployment: &Deployment, model: &str) -> Outcome<Vec<String>> {
    let asked = losses.iter().filter(|loss| loss.weight == Weight::Asked);
    let quoted: Vec<String> = asked.map(quoted).collect();
    if !quoted.is_empty() && !deployment.drop_params {
        return Err(unsupported_parameters(deployment, model, &quoted));
    }
    Ok(losses.into_iter().map(|loss| loss.name).collect())
}

fn quoted(loss: &Loss) -> String {
    match &*loss.place {
        "" => format!("'{}'", loss.name),
        place => format!("'{}' in {place}", loss.name),
    }
}

fn not_translated(error: &TranslateError) -> Box<Fault> {
    match error {
        TranslateError::Invalid { name, place } if place.is_empty() => {
            Fault::field(name, format!("Invalid value for '{name}'."))
        }
        TranslateError::Invalid { name, place } => {
            Fault::field(name, format!("Invalid value for '{name}' in {place}."))
        }
        TranslateError::Json(error) => Fault::new(ErrorKind::BadJson, error.to_string()),
        TranslateError::Refused { name, what } => Fault::field(name, format!("'{name}': {what}")),
        TranslateError::NoUpstream | TranslateError::NoClient | TranslateError::NoAnswer => {
            Fault::new(ErrorKind::Internal, "The request cannot be translated.")
        }
    }
}

fn with_members(body: Bytes, added: &[&JsonMember], members: &Members, hosted: &Hosted) -> Outcome<Segments> {
    let mut segments = Segments::default();
    segments.push(body.clone());
    if added.is_empty() && !hosted.is_in_body() {
        return Ok(segments);
    }
    let mut scanner = Scanner::new();
    let scan = scanner.feed(&body).and_then(|()| scanner.finish());
    let scan = scan.map_err(|error| Fault::new(ErrorKind::BadJson, error.to_string()))?;
    let mut splice = Splice::new(&scan);
    add_defaults(&scan, &[], added.iter().copied(), members, &mut splice);
    hosted.write(&scan, &mut splice);
    Ok(if splice.is_empty() { segments } else { splice.apply(&segments) })
}
