//! Bedrock's `/invoke` of models that embed: each family has a body of its own.

use bytes::{Bytes, BytesMut};

use super::super::json::{get, items};
use super::super::loss::Losses;
use super::super::write::{self, Fields};
use super::answer::Vectors;
use super::form::{self, Input, Knob, Part, Request, Setting, Vocabulary, task_in};
use super::{ONLY_TEXT, Refusal, cohere, one_by_one};
use crate::json::view::whole_number;

/// Models whose bodies look the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Titan for texts, the first.
    Titan,
    /// Titan for texts, from the second on.
    Titan2,
    /// Titan for texts and pictures.
    TitanImage,
    /// Cohere's.
    Cohere,
    /// Nova.
    Nova,
}

impl Family {
    /// By the model's name, whatever stands around it.
    pub fn of(model: &str) -> Option<Self> {
        let found = [
            ("titan-embed-image", Self::TitanImage),
            ("titan-embed-text-v2", Self::Titan2),
            ("titan-embed", Self::Titan),
            ("cohere.embed", Self::Cohere),
        ];
        let by_name = found.iter().find(|(name, _)| model.contains(name)).map(|(_, family)| *family);
        by_name.or_else(|| (model.contains("nova") && model.contains("embed")).then_some(Self::Nova))
    }
}

/// Nova has to be told how long its vectors are, and what for; these are LiteLLM's words where the client has none.
const NOVA_DIMENSIONS: &[u8] = b"3072";
const NOVA_PURPOSE: &str = "GENERIC_INDEX";
const NOVA_SCHEMA: &str = "nova-multimodal-embed-v1";
/// The bodies to send: Cohere takes all inputs at once, Amazon's models one at a time.
pub(super) fn write_requests(
    family: Family,
    request: &Request<'_>,
    losses: &mut Losses,
) -> Result<Vec<Bytes>, Refusal> {
    if family == Family::Cohere {
        return Ok(vec![cohere::write_request(request, None, losses)?]);
    }
    one_by_one(request)?;
    report(family, request, losses);
    let one = |input| match family {
        Family::Nova => write_nova(input, request),
        _ => write_titan(family, input, request),
    };
    request.inputs.iter().map(one).collect()
}

/// What a family has no member for.
fn report(family: Family, request: &Request<'_>, losses: &mut Losses) {
    for Setting { knob, name, .. } in &request.settings {
        let is_taken = match knob {
            Knob::Dimensions => family != Family::Titan,
            Knob::Normalize => family == Family::Titan2,
            Knob::Truncate => family == Family::Nova,
            Knob::Task => family == Family::Nova && purpose(request).is_some(),
            Knob::User | Knob::Title | Knob::AutoTruncate | Knob::Encoding => false,
        };
        match knob {
            _ if is_taken => {}
            Knob::User | Knob::Task => losses.aside(name, ""),
            _ => losses.asked(name, ""),
        }
    }
}

fn written(fill: impl FnOnce(&mut Fields<'_>)) -> Bytes {
    let mut out = BytesMut::with_capacity(write::USUAL_SIZE);
    write::object(&mut out, fill);
    out.freeze()
}

fn write_titan(family: Family, input: &Input<'_>, request: &Request<'_>) -> Result<Bytes, Refusal> {
    let dimensions = request.setting(Knob::Dimensions);
    let (text, picture) = match family {
        Family::TitanImage => text_and_picture(input)?,
        _ => (Some(input.text().ok_or(ONLY_TEXT)?.into_owned()), None),
    };
    Ok(written(|body| {
        if let Some(text) = text {
            body.text("inputText", &text);
        }
        if let Some(picture) = picture {
            body.text("inputImage", picture);
        }
        match (family, dimensions) {
            (Family::Titan2, Some(dimensions)) => body.raw("dimensions", dimensions.value),
            (Family::TitanImage, Some(dimensions)) => {
                body.object("embeddingConfig", |config| {
                    config.raw("outputEmbeddingLength", dimensions.value)
                });
            }
            _ => {}
        }
        if let (Family::Titan2, Some(normalize)) = (family, request.setting(Knob::Normalize)) {
            body.raw("normalize", normalize.value);
        }
    }))
}

/// A text, a picture, or one of each.
fn text_and_picture<'i>(input: &'i Input<'_>) -> Result<(Option<String>, Option<&'i str>), Refusal> {
    let (mut text, mut picture) = (None, None);
    for part in &input.parts {
        match part {
            Part::Text(said) if text.is_none() => text = Some(said.clone().into_owned()),
            Part::Media { media_type, data } if picture.is_none() && media_type.starts_with("image/") => {
                picture = Some(&**data);
            }
            _ => return Err(Refusal::Content("this model takes a text, a picture, or one of each.")),
        }
    }
    Ok((text, picture))
}

/// What the vectors are for, in Nova's words.
fn purpose(request: &Request<'_>) -> Option<String> {
    task_in(&request.text(Knob::Task)?, Vocabulary::Nova).map(str::to_owned)
}

fn write_nova(input: &Input<'_>, request: &Request<'_>) -> Result<Bytes, Refusal> {
    let [part] = &*input.parts else {
        return Err(Refusal::Content("this model takes one text or file for each vector."));
    };
    let media = match part {
        Part::Text(_) => None,
        Part::Media { media_type, data } => {
            let (kind, format) = media_type.split_once('/').unwrap_or_default();
            let is_known = matches!(kind, "image" | "audio" | "video");
            let format = if format == "jpg" { "jpeg" } else { format };
            Some((kind, format, data)).filter(|_| is_known).map(Some).ok_or(NOT_NOVAS)?
        }
        Part::Uri { .. } => return Err(NOT_NOVAS),
    };
    let truncate = request.text(Knob::Truncate);
    let dimensions = request.setting(Knob::Dimensions).map_or(NOVA_DIMENSIONS, |setting| setting.value);
    Ok(written(|body| {
        body.text("schemaVersion", NOVA_SCHEMA);
        body.text("taskType", "SINGLE_EMBEDDING");
        body.object("singleEmbeddingParams", |params| {
            params.text("embeddingPurpose", purpose(request).as_deref().unwrap_or(NOVA_PURPOSE));
            params.raw("embeddingDimension", dimensions);
            match (part, media) {
                (_, Some((kind, format, data))) => params.object(kind, |media| {
                    media.text("format", format);
                    media.object("source", |source| source.text("bytes", data));
                }),
                (Part::Text(text), None) => params.object("text", |object| {
                    object.text("truncationMode", truncate.as_deref().unwrap_or("END"));
                    object.text("value", text);
                }),
                _ => {}
            }
        });
    }))
}

const NOT_NOVAS: Refusal =
    Refusal::Content("this model takes text, and pictures, sound and video as `data:` URLs.");

/// The shapes are so different that the family need not be known.
pub(super) fn read_answer(body: &[u8]) -> Vectors<'_> {
    let usage = get(body, "inputTextTokenCount").and_then(whole_number).map(form::input);
    if let Some(vector) = get(body, "embedding") {
        return Vectors { vectors: vec![vector], usage };
    }
    let embeddings = get(body, "embeddings").unwrap_or_default();
    let of_nova = items(embeddings).map(|one| get(one, "embedding")).collect::<Option<Vec<_>>>();
    let vectors = match of_nova {
        Some(vectors) if !vectors.is_empty() => vectors,
        _ => cohere::read_vectors(embeddings),
    };
    Vectors { vectors, usage }
}
