//! Amazon Bedrock's Converse and ConverseStream. The model, and whether the answer is a stream, is in the path.

mod answer_reader;
mod answer_writer;
mod cache;
mod citations;
mod content;
mod documents;
mod model_fields;
mod open;
mod part_writer;
mod request_reader;
mod request_writer;
mod tools_writer;
mod usage;

pub(super) use answer_reader::Reader;
pub(super) use answer_writer::Writer;
pub(super) use request_reader::{read_request, read_schema};
pub(super) use request_writer::write_request;

use super::form::Knob;

/// What this dialect calls a knob that it has.
pub(super) fn name_of(knob: Knob) -> Option<&'static str> {
    Some(match knob {
        Knob::MaxTokens => "maxTokens",
        Knob::Temperature => "temperature",
        Knob::TopP => "topP",
        // One of the model's own.
        Knob::TopK => "top_k",
        Knob::Guardrail => "guardrailConfig",
        Knob::Performance => "performanceConfig",
        Knob::Seed
        | Knob::FrequencyPenalty
        | Knob::PresencePenalty
        | Knob::LogitBias
        | Knob::Logprobs
        | Knob::TopLogprobs
        | Knob::Choices
        | Knob::Verbosity
        | Knob::Modalities
        | Knob::Audio
        | Knob::Prediction
        | Knob::WebSearch => return None,
    })
}
