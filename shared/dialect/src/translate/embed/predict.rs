//! Vertex' `:predict` of models that embed texts.

use bytes::{Bytes, BytesMut};

use super::super::json::{get, items};
use super::super::loss::Losses;
use super::super::write;
use super::answer::Vectors;
use super::form::{self, Input, Knob, Request, Setting, Vocabulary, task_in};
use super::{ONLY_TEXT, Refusal};
use crate::json::view::{part, path, whole_number};

/// Writes a request. The model's name stands in the path.
pub(super) fn write_request(request: &Request<'_>, losses: &mut Losses) -> Result<Bytes, Refusal> {
    let texts = request.inputs.iter().map(Input::text).collect::<Option<Vec<_>>>().ok_or(ONLY_TEXT)?;
    let task = request.text(Knob::Task);
    let task = task.as_deref().and_then(|task| task_in(task, Vocabulary::Google));
    let title = request.setting(Knob::Title);
    let mut out = BytesMut::with_capacity(request.text_bytes() + write::USUAL_SIZE);
    write::object(&mut out, |body| {
        body.array("instances", |items| {
            for text in &texts {
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
            for Setting { knob, name, value } in &request.settings {
                match knob {
                    Knob::Dimensions => parameters.raw("outputDimensionality", value),
                    Knob::AutoTruncate => parameters.raw("autoTruncate", value),
                    Knob::User => losses.aside(name, ""),
                    Knob::Truncate | Knob::Normalize | Knob::Encoding => losses.asked(name, ""),
                    Knob::Task | Knob::Title => {}
                }
            }
        });
    });
    Ok(out.freeze())
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
