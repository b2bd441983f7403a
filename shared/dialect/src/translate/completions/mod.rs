//! OpenAI's older completions: a prompt and the text that follows it. Clients speak it, no provider is asked in it.

mod answer_writer;
mod logprobs;
mod request_reader;

pub(super) use answer_writer::Writer;
pub(super) use request_reader::read_request;

use super::form::Knob;

/// What this dialect calls a knob that it has. Its `logprobs` is a number, and read apart.
pub(super) fn name_of(knob: Knob) -> Option<&'static str> {
    Some(match knob {
        Knob::MaxTokens => "max_tokens",
        Knob::Temperature => "temperature",
        Knob::TopP => "top_p",
        Knob::Seed => "seed",
        Knob::FrequencyPenalty => "frequency_penalty",
        Knob::PresencePenalty => "presence_penalty",
        Knob::LogitBias => "logit_bias",
        Knob::Choices => "n",
        _ => return None,
    })
}
