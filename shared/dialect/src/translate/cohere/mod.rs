//! Cohere's chat, version 2. Providers are asked in it, no client asks us in it.

mod answer_reader;
mod citations;
mod logprobs;
mod options_writer;
mod request_writer;
mod turn_writer;

pub(super) use answer_reader::Reader;
pub(super) use request_writer::write_request;

use super::form::Knob;

/// What Cohere alone has. LiteLLM takes it from chat clients by these names.
pub(super) const OWN: [&str; 4] = ["documents", "citation_options", "safety_mode", "priority"];

/// What this dialect calls a knob that it has.
pub(super) fn name_of(knob: Knob) -> Option<&'static str> {
    Some(match knob {
        Knob::MaxTokens => "max_tokens",
        Knob::Temperature => "temperature",
        Knob::TopP => "p",
        Knob::TopK => "k",
        Knob::Seed => "seed",
        Knob::FrequencyPenalty => "frequency_penalty",
        Knob::PresencePenalty => "presence_penalty",
        Knob::Logprobs => "logprobs",
        _ => return None,
    })
}
