//! OpenAI's responses.

mod answer_reader;
mod answer_writer;
mod content;
mod events;
mod head;
mod input_reader;
mod input_writer;
mod item;
mod items;
mod options_reader;
mod part;
mod plain_input;
mod request_reader;
mod request_writer;
mod tools;

pub(super) use answer_reader::Reader;
pub(super) use answer_writer::Writer;
pub(super) use request_reader::read_request;
pub(super) use request_writer::write_request;

use super::form::Knob;

/// Asks for proofs of thoughts that another request can bring back.
const ENCRYPTED_REASONING: &str = "reasoning.encrypted_content";

/// Asks for probabilities.
const LOGPROBS: &str = "message.output_text.logprobs";

/// What this dialect calls a knob that it has.
pub(super) fn name_of(knob: Knob) -> Option<&'static str> {
    Some(match knob {
        Knob::MaxTokens => "max_output_tokens",
        Knob::Temperature => "temperature",
        Knob::TopP => "top_p",
        Knob::TopLogprobs => "top_logprobs",
        _ => return None,
    })
}
