//! Google's generateContent, the same in the Gemini API and in Vertex.

mod answer_reader;
mod answer_writer;
mod calls;
mod candidate;
mod config;
mod content;
mod grounding;
mod logprobs;
mod media;
pub(super) mod names;
mod openapi;
mod options_writer;
mod partial;
mod request_reader;
mod request_writer;
mod schema;
mod turn_writer;
mod usage;

pub(super) use answer_reader::Reader;
pub(super) use answer_writer::Writer;
pub(super) use media::{of_url, standard};
pub(super) use names::get;
pub(super) use openapi::with_json_schemas;
pub(super) use request_reader::read_request;
pub(super) use request_writer::write_request;

use super::form::Knob;

/// What this dialect calls a knob that it has with the same values as others.
pub(super) fn name_of(knob: Knob) -> Option<&'static str> {
    Some(match knob {
        Knob::MaxTokens => "maxOutputTokens",
        Knob::Temperature => "temperature",
        Knob::TopP => "topP",
        Knob::TopK => "topK",
        Knob::Seed => "seed",
        Knob::FrequencyPenalty => "frequencyPenalty",
        Knob::PresencePenalty => "presencePenalty",
        Knob::Logprobs => "responseLogprobs",
        Knob::TopLogprobs => "logprobs",
        Knob::Choices => "candidateCount",
        Knob::SafetySettings => "safetySettings",
        Knob::CachedContent => "cachedContent",
        _ => return None,
    })
}
