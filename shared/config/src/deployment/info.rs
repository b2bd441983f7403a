//! `model_info`.

use bulkhead_model::PicoUsd;

use super::cooling::Cooling;
use super::prices;
use crate::check;
use crate::field::{Cx, Field, Fields};
use crate::suggest;
use crate::table::{self, Section};

#[derive(Clone, Default)]
pub(super) struct Info {
    pub(super) id: Option<String>,
    pub(super) mode: Option<String>,
    pub(super) base_model: Option<String>,
    pub(super) access_groups: Vec<String>,
    pub(super) max_input_tokens: Option<u64>,
    pub(super) max_output_tokens: Option<u64>,
    pub(super) cooling: Cooling,
    pub(super) prices: Vec<(String, PicoUsd)>,
}

/// LiteLLM's modes that this version serves.
const SERVED: &[&str] = &["chat", "completion", "embedding", "responses"];

/// And the others.
const NOT_SERVED: &[&str] = &[
    "audio_speech",
    "audio_transcription",
    "batch",
    "evaluation",
    "extraction",
    "guardrail",
    "image_edit",
    "image_generation",
    "moderation",
    "ocr",
    "realtime",
    "rerank",
    "search",
    "vector_store",
    "video_generation",
];

impl Info {
    pub(super) fn read(fields: &Fields<'_>, cx: &mut Cx<'_>) -> Self {
        check::names(fields, Section::ModelInfo, cx, unknown);
        Self {
            id: fields.get("id").and_then(|field| super::printable(&field, "gpt-4o-eu", cx)),
            mode: fields.get("mode").and_then(|field| mode(&field, cx)),
            base_model: fields.get("base_model").and_then(|field| field.text(cx, "gpt-4o")),
            access_groups: fields
                .get("access_groups")
                .map(|field| field.texts(cx, "beta"))
                .unwrap_or_default(),
            max_input_tokens: fields.get("max_input_tokens").and_then(|field| field.whole(cx, "128000")),
            max_output_tokens: fields.get("max_output_tokens").and_then(|field| field.whole(cx, "16384")),
            cooling: Cooling::read(fields, cx),
            prices: prices::read(fields, cx),
        }
    }
}

/// LiteLLM keeps whatever stands in `model_info`, so an unknown key is a mistake only if it looks like one.
fn unknown(field: &Field<'_>, cx: &mut Cx<'_>) {
    if table::price(field.name()).is_some() {
        return;
    }
    let honoured = Section::ModelInfo.names().filter(|(_, class)| *class == table::Class::Honoured);
    match suggest::nearest(field.name(), honoured.map(|(name, _)| name)) {
        Some(_) => check::unknown(field, Section::ModelInfo, cx),
        None => {
            let topic = format!("model_info.{}", field.name());
            let what = "has no meaning here and is not shown to clients";
            cx.report.warn_once(topic, field.place, &field.path, what, "nothing; model_info is free-form");
        }
    }
}

fn mode(field: &Field<'_>, cx: &mut Cx<'_>) -> Option<String> {
    let mode = field.text(cx, "chat")?;
    if NOT_SERVED.contains(&mode.as_str()) {
        field.warn(
            cx,
            format!("models of mode `{mode}` are not served by this version"),
            suggest::listed(served()),
        );
    } else if !SERVED.contains(&mode.as_str()) {
        let near = suggest::nearest(&mode, served().chain(NOT_SERVED.iter().copied()));
        let what = format!("there is no mode `{mode}`{}", suggest::question(near));
        field.error(cx, what, format!("mode: one of {}", suggest::listed(served())));
        return None;
    }
    Some(mode)
}

fn served() -> impl Iterator<Item = &'static str> {
    SERVED.iter().copied()
}
