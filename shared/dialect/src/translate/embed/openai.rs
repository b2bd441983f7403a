//! OpenAI's `/v1/embeddings`, with what LiteLLM adds to it.

use std::borrow::Cow;

use bulkhead_model::Usage;
use bytes::{Bytes, BytesMut};

use super::super::json::{fields, get, get_text, items, text};
use super::super::loss::Losses;
use super::super::write;
use super::super::{AnswerOptions, TranslateError};
use super::answer::{Vectors, write_base64};
use super::form::{Input, Knob, Part, Request, Setting, invalid};
use super::{ONLY_TEXT, Refusal};
use crate::json::view::whole_number;
use crate::usage::Reported;

/// Forms of vectors that Cohere has beside floats.
const ENCODINGS: [&str; 4] = ["int8", "uint8", "binary", "ubinary"];

pub(super) fn read_request<'a>(body: &'a [u8], losses: &mut Losses) -> Result<Request<'a>, TranslateError> {
    let mut request = Request::default();
    for (name, value) in fields(body) {
        let knob = match &*name {
            "model" => {
                request.model = Some(text(value).ok_or_else(|| invalid(&name))?);
                continue;
            }
            "input" => {
                request.inputs = read_inputs(value)?;
                continue;
            }
            "encoding_format" => {
                read_encoding(name, value, &mut request, losses)?;
                continue;
            }
            "embedding_types" => {
                let mut types = items(value);
                match (types.next(), types.next()) {
                    (Some(one), None) => read_encoding(name, one, &mut request, losses)?,
                    _ => losses.asked(&name, ""),
                }
                continue;
            }
            "dimensions" => Knob::Dimensions,
            "input_type" | "task_type" | "taskType" => Knob::Task,
            "title" => Knob::Title,
            "truncate" => Knob::Truncate,
            "auto_truncate" | "autoTruncate" => Knob::AutoTruncate,
            "normalize" => Knob::Normalize,
            "user" => Knob::User,
            _ => {
                losses.asked(&name, "");
                continue;
            }
        };
        request.say(Setting { knob, name, value }.check()?, losses);
    }
    if request.inputs.is_empty() {
        return Err(invalid("input"));
    }
    Ok(request)
}

fn read_encoding<'a>(
    name: Cow<'a, str>,
    value: &'a [u8],
    request: &mut Request<'a>,
    losses: &mut Losses,
) -> Result<(), TranslateError> {
    match text(value).as_deref() {
        Some("float") => {}
        Some("base64") => request.base64 = true,
        Some(other) if ENCODINGS.contains(&other) => {
            request.say(Setting { knob: Knob::Encoding, name, value }, losses);
        }
        _ => return Err(invalid(&name)),
    }
    Ok(())
}

/// One text, or a list; what is in a list within it becomes one vector.
fn read_inputs(value: &[u8]) -> Result<Vec<Input<'_>>, TranslateError> {
    if let Some(text) = text(value) {
        return Ok(vec![Input { parts: vec![read_text(text)] }]);
    }
    items(value).map(read_input).collect()
}

fn read_input(value: &[u8]) -> Result<Input<'_>, TranslateError> {
    let one = std::iter::once(value).filter(|value| !value.starts_with(b"["));
    let parts = items(value).chain(one).map(read_part).collect::<Result<Vec<_>, _>>()?;
    match parts.is_empty() {
        true => Err(invalid("input")),
        false => Ok(Input { parts }),
    }
}

fn read_part(value: &[u8]) -> Result<Part<'_>, TranslateError> {
    if let Some(text) = text(value) {
        return Ok(read_text(text));
    }
    if whole_number(value).is_some() {
        let what = "this provider takes text, not tokens. Send strings.";
        return Err(TranslateError::Refused { name: "input", what });
    }
    let file = get(value, "file").ok_or_else(|| invalid("input"))?;
    match (get_text(file, "file_data"), get_text(file, "file_id")) {
        (Some(data), None) => match read_text(data) {
            Part::Media { media_type, data } => {
                Ok(Part::Media { media_type: get_text(file, "format").unwrap_or(media_type), data })
            }
            Part::Text(_) | Part::Uri { .. } => Err(invalid("file_data")),
        },
        (None, Some(uri)) => Ok(Part::Uri { media_type: get_text(file, "format"), uri }),
        _ => Err(invalid("input")),
    }
}

/// A `data:` URL is what is in it, as with LiteLLM.
fn read_text(text: Cow<'_, str>) -> Part<'_> {
    let media = |text: &str| {
        let (head, data) = text.strip_prefix("data:")?.split_once(',')?;
        let media_type = head.strip_suffix(";base64")?;
        let media_type = media_type.split(';').next().unwrap_or_default();
        Some((media_type.to_owned(), data.to_owned()))
    };
    match media(&text) {
        Some((media_type, data)) => Part::Media { media_type: media_type.into(), data: data.into() },
        None => Part::Text(text),
    }
}

/// What the vectors are for is not asked by models of this dialect: each has one vector for a text.
pub(super) fn write_request(
    request: &Request<'_>,
    model: &str,
    losses: &mut Losses,
) -> Result<Bytes, Refusal> {
    let texts = request.inputs.iter().map(Input::text).collect::<Option<Vec<_>>>().ok_or(ONLY_TEXT)?;
    let mut out = BytesMut::with_capacity(request.text_bytes() + write::USUAL_SIZE);
    write::object(&mut out, |body| {
        body.text("model", model);
        body.array("input", |items| texts.iter().for_each(|text| items.text(text)));
        for Setting { knob, name, value } in &request.settings {
            match knob {
                Knob::Dimensions => body.raw("dimensions", value),
                Knob::User => body.raw("user", value),
                Knob::Task => losses.aside(name, ""),
                Knob::Title | Knob::Truncate | Knob::AutoTruncate | Knob::Normalize | Knob::Encoding => {
                    losses.asked(name, "")
                }
            }
        }
    });
    Ok(out.freeze())
}

/// Vectors in the order of their indices.
pub(super) fn read_answer(body: &[u8]) -> Vectors<'_> {
    let data = get(body, "data").unwrap_or_default();
    let numbered = items(data).enumerate().filter_map(|(at, item)| {
        let index = get(item, "index").and_then(whole_number).and_then(|index| usize::try_from(index).ok());
        Some((index.unwrap_or(at), get(item, "embedding")?))
    });
    let mut numbered: Vec<_> = numbered.collect();
    numbered.sort_by_key(|(index, _)| *index);
    let mut reported = Reported::default();
    for (name, value) in fields(body) {
        reported.take(name.as_bytes(), value);
    }
    Vectors {
        vectors: numbered.into_iter().map(|(_, vector)| vector).collect(),
        usage: reported.usage(bulkhead_model::Endpoint::Embeddings),
    }
}

pub(super) fn write_answer(
    vectors: &[&[u8]],
    base64: bool,
    usage: Usage,
    options: &AnswerOptions,
) -> Result<Bytes, TranslateError> {
    let size = vectors.iter().map(|vector| vector.len()).sum::<usize>();
    let mut out = BytesMut::with_capacity(size + write::USUAL_SIZE);
    let mut is_numbers = true;
    write::object(&mut out, |body| {
        body.text("object", "list");
        body.array("data", |items| {
            for (index, vector) in (0..).zip(vectors) {
                items.object(|item| {
                    item.text("object", "embedding");
                    item.number("index", index);
                    match base64 {
                        true => is_numbers &= write_base64(vector, item.value("embedding")).is_some(),
                        false => item.raw("embedding", vector),
                    }
                });
            }
        });
        if let Some(model) = &options.shown_model {
            body.text("model", model);
        }
        body.object("usage", |counts| {
            counts.number("prompt_tokens", usage.input);
            counts.number("total_tokens", usage.input);
        });
    });
    if is_numbers { Ok(out.freeze()) } else { Err(TranslateError::NoAnswer) }
}
