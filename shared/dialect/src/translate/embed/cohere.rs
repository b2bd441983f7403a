//! Cohere's `/v2/embed`, and the same models on Bedrock.

use bytes::{Bytes, BytesMut};

use super::super::json::{get, items};
use super::super::loss::Losses;
use super::super::write::{self, Fields, Items};
use super::Refusal;
use super::answer::Vectors;
use super::form::{self, Input, Knob, Part, Request, Setting, Vocabulary, task_in};
use crate::json::view::{members, part, path, whole_number};

/// LiteLLM's word for what vectors are for where nobody says it; Cohere wants one.
const DOCUMENTS: &str = "search_document";

/// Writes a request. Bedrock has the model's name in the path.
pub(super) fn write_request(
    request: &Request<'_>,
    model: Option<&str>,
    losses: &mut Losses,
) -> Result<Bytes, Refusal> {
    if request.inputs.iter().flat_map(|input| &input.parts).any(|part| !is_taken(part)) {
        return Err(Refusal::Content("this model takes text and pictures (`data:image/…`) only."));
    }
    let encoding = request.text(Knob::Encoding);
    let mut out = BytesMut::with_capacity(request.text_bytes() + write::USUAL_SIZE);
    write::object(&mut out, |body| {
        if let Some(model) = model {
            body.text("model", model);
        }
        let is_pictures = write_inputs(&request.inputs, body);
        let task = request.setting(Knob::Task).zip(request.text(Knob::Task));
        let word = task.as_ref().and_then(|(said, task)| {
            let word = task_in(task, Vocabulary::Cohere);
            if word.is_none() {
                losses.asked(&said.name, "");
            }
            word
        });
        body.text("input_type", word.unwrap_or(if is_pictures { "image" } else { DOCUMENTS }));
        // Models on Bedrock answer in floats unless they are told otherwise, and older ones do not know it.
        if let Some(encoding) = encoding.as_deref().or(model.map(|_| "float")) {
            body.array("embedding_types", |types| types.text(encoding));
        }
        for Setting { knob, name, value } in &request.settings {
            match knob {
                Knob::Dimensions => body.raw("output_dimension", value),
                Knob::Truncate => body.raw("truncate", value),
                Knob::User => losses.aside(name, ""),
                Knob::Title | Knob::AutoTruncate | Knob::Normalize => losses.asked(name, ""),
                Knob::Task | Knob::Encoding => {}
            }
        }
    });
    Ok(out.freeze())
}

fn is_taken(part: &Part<'_>) -> bool {
    match part {
        Part::Text(_) => true,
        Part::Media { media_type, .. } => media_type.starts_with("image/"),
        Part::Uri { .. } => false,
    }
}

/// Texts, or pictures, or both: every model takes the first two. True for pictures alone.
fn write_inputs(inputs: &[Input<'_>], body: &mut Fields<'_>) -> bool {
    if let Some(texts) = inputs.iter().map(Input::text).collect::<Option<Vec<_>>>() {
        body.array("texts", |items| texts.iter().for_each(|text| items.text(text)));
        return false;
    }
    let pictures = inputs.iter().map(|input| match &*input.parts {
        [Part::Media { media_type, data }] => Some(data_url(media_type, data)),
        _ => None,
    });
    if let Some(pictures) = pictures.collect::<Option<Vec<_>>>() {
        body.array("images", |items| pictures.iter().for_each(|picture| items.text(picture)));
        return true;
    }
    body.array("inputs", |items| {
        for input in inputs {
            items.object(|item| {
                item.array("content", |parts| {
                    input.parts.iter().for_each(|part| write_part(part, parts));
                });
            });
        }
    });
    false
}

fn write_part(part: &Part<'_>, parts: &mut Items<'_>) {
    parts.object(|item| match part {
        Part::Text(text) | Part::Uri { uri: text, .. } => {
            item.text("type", "text");
            item.text("text", text);
        }
        Part::Media { media_type, data } => {
            item.text("type", "image_url");
            item.object("image_url", |image| image.text("url", &data_url(media_type, data)));
        }
    });
}

fn data_url(media_type: &str, data: &str) -> String {
    format!("data:{media_type};base64,{data}")
}

pub(super) fn read_answer(body: &[u8]) -> Vectors<'_> {
    let embeddings = get(body, "embeddings").unwrap_or_default();
    let usage = path(body, &["meta", "billed_units"]).map(|range| part(body, range)).and_then(billed);
    Vectors { vectors: read_vectors(embeddings), usage }
}

/// A list, or lists by the form of their numbers, of which one was asked for.
pub(super) fn read_vectors(embeddings: &[u8]) -> Vec<&[u8]> {
    let by_form = || members(embeddings).map(|(_, range)| part(embeddings, range)).find(|it| *it != b"null");
    let list = if embeddings.starts_with(b"{") { by_form().unwrap_or_default() } else { embeddings };
    items(list).collect()
}

/// Tokens of texts and of pictures.
fn billed(units: &[u8]) -> Option<bulkhead_model::Usage> {
    let count = |name| get(units, name).and_then(whole_number);
    let pictures = count("image_tokens").or_else(|| count("images"));
    let texts = count("input_tokens");
    if texts.is_none() && pictures.is_none() {
        return None;
    }
    Some(form::input(texts.unwrap_or(0).saturating_add(pictures.unwrap_or(0))))
}
