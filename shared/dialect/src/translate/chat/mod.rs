//! OpenAI's chat completions, with what LiteLLM and its providers add to them.

mod answer_reader;
mod answer_writer;
mod calls;
mod content;
mod delta;
mod delta_writer;
mod request_reader;
mod request_writer;
mod signature;
mod turn_writer;
mod usage;
mod whole;

pub(super) use answer_reader::Reader;
pub(super) use answer_writer::{Writer, write_failure};
pub(super) use content::read_url;
pub(super) use delta_writer::call_id;
pub(super) use request_reader::read_request;
pub(super) use request_writer::write_request;
pub(super) use request_writer::{effort_name, write_tier, write_user};
pub(crate) use signature::{SEPARATOR as SIGNED_ID, unsigned_id};
pub(super) use turn_writer::{data_url, is_film};
pub(super) use usage::write_usage;

use super::form::Knob;

/// What this dialect calls a knob that it has.
pub(super) fn name_of(knob: Knob) -> Option<&'static str> {
    Some(match knob {
        Knob::MaxTokens => "max_tokens",
        Knob::Temperature => "temperature",
        Knob::TopP => "top_p",
        Knob::Seed => "seed",
        Knob::FrequencyPenalty => "frequency_penalty",
        Knob::PresencePenalty => "presence_penalty",
        Knob::LogitBias => "logit_bias",
        Knob::Logprobs => "logprobs",
        Knob::TopLogprobs => "top_logprobs",
        Knob::Choices => "n",
        Knob::Verbosity => "verbosity",
        Knob::Modalities => "modalities",
        Knob::Audio => "audio",
        Knob::Prediction => "prediction",
        Knob::WebSearch => "web_search_options",
        _ => return None,
    })
}
