//! Vertex' `:predict` of models that embed texts.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};

use super::super::json::{get, items};
use super::super::loss::Losses;
use super::super::write;
use super::answer::Vectors;
use super::form::{self, Input, Knob, Request, Setting, Vocabulary, task_in};
use super::{ONLY_TEXT, Refusal, one_by_one};
use crate::json::view::{part, path, whole_number};

/// The bodies to send: Gemini's models take one text at a time, those before them all at once. The model's name stands in
/// the path.
pub(super) fn write_requests(
    request: &Request<'_>,
    model: &str,
    losses: &mut Losses,
) -> Result<Vec<Bytes>, Refusal> {
    let texts = request.inputs.iter().map(Input::text).collect::<Option<Vec<_>>>().ok_or(ONLY_TEXT)?;
    for Setting { knob, name, .. } in &request.settings {
        match knob {
            Knob::User => losses.aside(name, ""),
            Knob::Truncate | Knob::Normalize | Knob::Encoding => losses.asked(name, ""),
            Knob::Dimensions | Knob::AutoTruncate | Knob::Task | Knob::Title => {}
        }
    }
    if model.contains("gemini") {
        one_by_one(request)?;
        return Ok(texts.chunks(1).map(|text| write_request(text, request)).collect());
    }
    Ok(vec![write_request(&texts, request)])
}

fn write_request(texts: &[Cow<'_, str>], request: &Request<'_>) -> Bytes {
    let task = request.text(Knob::Task);
    let task = task.as_deref().and_then(|task| task_in(task, Vocabulary::Google));
    let title = request.setting(Knob::Title);
    let size = texts.iter().map(|text| text.len()).sum::<usize>();
    let mut out = BytesMut::with_capacity(size + write::USUAL_SIZE);
    write::object(&mut out, |body| {
        body.array("instances", |items| {
            for text in texts {
                items.object(|instance| {
                    instance.text("content", text);
                    if let Some(task) = task {
                        instance.text("task_type", task);
                    }
                    if let Some(title) = title {
                        instance.raw("title", title.value);
                    }
                });
            }
        });
        body.object("parameters", |parameters| {
            for Setting { knob, value, .. } in &request.settings {
                match knob {
                    Knob::Dimensions => parameters.raw("outputDimensionality", value),
                    Knob::AutoTruncate => parameters.raw("autoTruncate", value),
                    _ => {}
                }
            }
        });
    });
    out.freeze()
}

/// Tokens are counted for each text.
pub(super) fn read_answer(body: &[u8]) -> Vectors<'_> {
    let mut read = Vectors::default();
    for prediction in items(get(body, "predictions").unwrap_or_default()) {
        let find = |names: &[&str]| path(prediction, names).map(|range| part(prediction, range));
        read.vectors.extend(find(&["embeddings", "values"]));
        if let Some(tokens) = find(&["embeddings", "statistics", "token_count"]).and_then(whole_number) {
            let before = read.usage.map_or(0, |usage| usage.input);
            read.usage = Some(form::input(before.saturating_add(tokens)));
        }
    }
    read
}
