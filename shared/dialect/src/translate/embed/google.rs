//! Google's `:embedContent` and `:batchEmbedContents`.

use std::borrow::Cow;

use bulkhead_model::Usage;
use bytes::{Bytes, BytesMut};

use super::super::TranslateError;
use super::super::gemini::{self, names};
use super::super::json::text;
use super::super::loss::Losses;
use super::super::write::{self, Fields, Items};
use super::Refusal;
use super::answer::Vectors;
use super::form::{Input, Knob, Part, Request, Setting, Vocabulary, invalid, task_in};
use crate::usage::UsageMeter;

const FILES: &str = "https://generativelanguage.googleapis.com/";

/// One content. The model's name is in the path, and may be missing here.
pub(super) fn read_one<'a>(body: &'a [u8], losses: &mut Losses) -> Result<Request<'a>, TranslateError> {
    let mut request = Request::default();
    for (name, value) in names::fields(body) {
        let knob = match &*name {
            "model" => {
                request.model = text(value).map(bare);
                continue;
            }
            "content" => {
                request.inputs = vec![read_content(value)?];
                continue;
            }
            // What older and newer clients say at once or in an object of its own.
            "embedContentConfig" => {
                for (name, value) in names::fields(value) {
                    match knob_of(&name) {
                        Some(knob) => request.say(Setting { knob, name, value }.check()?, losses),
                        None => losses.asked(&name, "embedContentConfig"),
                    }
                }
                continue;
            }
            other => knob_of(other),
        };
        match knob {
            Some(knob) => request.say(Setting { knob, name, value }.check()?, losses),
            None => losses.asked(&name, ""),
        }
    }
    if request.inputs.is_empty() {
        return Err(invalid("content"));
    }
    Ok(request)
}

fn knob_of(name: &str) -> Option<Knob> {
    Some(match name {
        "taskType" => Knob::Task,
        "title" => Knob::Title,
        "outputDimensionality" => Knob::Dimensions,
        "autoTruncate" => Knob::AutoTruncate,
        _ => return None,
    })
}

/// Several. Other providers are told what they are for once, so all have to say the same.
pub(super) fn read_batch<'a>(body: &'a [u8], losses: &mut Losses) -> Result<Request<'a>, TranslateError> {
    let mut all: Option<Request<'a>> = None;
    for (name, value) in names::fields(body) {
        if name != "requests" {
            losses.asked(&name, "");
            continue;
        }
        for one in names::items(value) {
            let one = read_one(one, losses)?;
            match &mut all {
                Some(all) if says_the_same(all, &one) => all.inputs.extend(one.inputs),
                Some(_) => {
                    let what = "this provider takes one taskType, title and outputDimensionality for all. Send \
                                requests that differ apart.";
                    return Err(TranslateError::Refused { name: "requests", what });
                }
                None => all = Some(one),
            }
        }
    }
    all.ok_or_else(|| invalid("requests"))
}

fn says_the_same(one: &Request<'_>, other: &Request<'_>) -> bool {
    let said = |request: &Request<'_>, knob| request.setting(knob).map(|setting| setting.value.to_owned());
    [Knob::Task, Knob::Title, Knob::Dimensions, Knob::AutoTruncate]
        .into_iter()
        .all(|knob| said(one, knob) == said(other, knob))
}

fn read_content(content: &[u8]) -> Result<Input<'_>, TranslateError> {
    let parts = names::get(content, "parts").unwrap_or_default();
    let parts = names::items(parts).map(read_part).collect::<Option<Vec<_>>>().unwrap_or_default();
    match parts.is_empty() {
        true => Err(invalid("content")),
        false => Ok(Input { parts }),
    }
}

fn read_part(part: &[u8]) -> Option<Part<'_>> {
    if let Some(text) = names::get_text(part, "text") {
        return Some(Part::Text(text));
    }
    if let Some(data) = names::get(part, "inlineData") {
        let media_type = names::get_text(data, "mimeType")?;
        return Some(Part::Media { media_type, data: gemini::standard(names::get_text(data, "data")?) });
    }
    let file = names::get(part, "fileData")?;
    let uri = names::get_text(file, "fileUri")?;
    Some(Part::Uri { media_type: names::get_text(file, "mimeType"), uri })
}

/// `models/x` is `x`.
fn bare(model: Cow<'_, str>) -> Cow<'_, str> {
    match model.strip_prefix("models/") {
        Some(name) => name.to_owned().into(),
        None => model,
    }
}

/// Each request says the model again.
pub(super) fn write_batch(request: &Request<'_>, model: &str, losses: &mut Losses) -> Result<Bytes, Refusal> {
    let task = request.text(Knob::Task);
    let task = task.as_deref().and_then(|task| task_in(task, Vocabulary::Google));
    let dimensions = request.setting(Knob::Dimensions);
    let title = request.setting(Knob::Title);
    for Setting { knob, name, .. } in &request.settings {
        match knob {
            Knob::User => losses.aside(name, ""),
            Knob::Truncate | Knob::AutoTruncate | Knob::Normalize | Knob::Encoding => losses.asked(name, ""),
            Knob::Task | Knob::Dimensions | Knob::Title => {}
        }
    }
    let mut out = BytesMut::with_capacity(2 * request.text_bytes() + write::USUAL_SIZE);
    let mut is_known = true;
    write::object(&mut out, |body| {
        body.array("requests", |items| {
            for input in &request.inputs {
                items.object(|one| {
                    one.text("model", &format!("models/{model}"));
                    one.object("content", |content| {
                        content.array("parts", |parts| {
                            for part in &input.parts {
                                is_known &= write_part(part, parts);
                            }
                        });
                    });
                    if let Some(task) = task {
                        one.text("taskType", task);
                    }
                    if let Some(title) = title {
                        one.raw("title", title.value);
                    }
                    if let Some(dimensions) = dimensions {
                        one.raw("outputDimensionality", dimensions.value);
                    }
                });
            }
        });
    });
    match is_known {
        true => Ok(out.freeze()),
        false => Err(Refusal::Content(
            "the kind of a file that is not sent along must be known. Send a `file` with its `format`.",
        )),
    }
}

/// False for a file of which nobody knows what it is. Texts that are Google's addresses lead to files, as with LiteLLM.
fn write_part(part: &Part<'_>, parts: &mut Items<'_>) -> bool {
    let mut is_known = true;
    parts.object(|fields| match part {
        Part::Media { media_type, data } => {
            fields.object("inlineData", |inline| {
                inline.text("mimeType", media_type);
                inline.text("data", data);
            });
        }
        Part::Uri { media_type, uri } => is_known = write_file(media_type.as_deref(), uri, fields),
        Part::Text(text) if is_file(text) => is_known = write_file(None, text, fields),
        Part::Text(text) => fields.text("text", text),
    });
    is_known
}

fn is_file(text: &str) -> bool {
    text.starts_with("gs://") || text.starts_with("files/") || text.starts_with(FILES)
}

fn write_file(media_type: Option<&str>, uri: &str, fields: &mut Fields<'_>) -> bool {
    let media_type = media_type.or_else(|| gemini::of_url(uri));
    fields.object("fileData", |file| {
        if let Some(media_type) = media_type {
            file.text("mimeType", media_type);
        }
        let place = if uri.starts_with("files/") { format!("{FILES}v1beta/{uri}") } else { uri.to_owned() };
        file.text("fileUri", &place);
    });
    // Google knows itself what was uploaded to it.
    media_type.is_some() || !uri.starts_with("gs://")
}

/// Of one content or of several.
pub(super) fn read_answer(body: &[u8]) -> Vectors<'_> {
    let several = names::get(body, "embeddings").into_iter().flat_map(names::items);
    let all = names::get(body, "embedding").into_iter().chain(several);
    let usage = names::get(body, "usageMetadata");
    Vectors {
        vectors: all.filter_map(|one| names::get(one, "values")).collect(),
        usage: usage.and_then(|usage| UsageMeter::default().gemini(usage)),
    }
}

pub(super) fn write_one(vectors: &[&[u8]], usage: Option<Usage>) -> Bytes {
    let values = vectors.first().copied().unwrap_or(b"[]");
    written(usage, |body| body.object("embedding", |one| one.raw("values", values)))
}

pub(super) fn write_several(vectors: &[&[u8]], usage: Option<Usage>) -> Bytes {
    written(usage, |body| {
        body.array("embeddings", |items| {
            for vector in vectors {
                items.object(|one| one.raw("values", vector));
            }
        });
    })
}

fn written(usage: Option<Usage>, fill: impl FnOnce(&mut Fields<'_>)) -> Bytes {
    let mut out = BytesMut::with_capacity(write::USUAL_SIZE);
    write::object(&mut out, |body| {
        fill(body);
        if let Some(usage) = usage {
            body.object("usageMetadata", |counts| {
                counts.number("promptTokenCount", usage.input);
                counts.number("totalTokenCount", usage.input);
            });
        }
    });
    out.freeze()
}
