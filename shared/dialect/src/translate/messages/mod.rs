//! Anthropic's messages.

mod answer_reader;
mod answer_writer;
mod block_writer;
mod cache;
mod content;
mod open;
mod options_writer;
mod request_reader;
mod request_writer;
mod schema;
mod usage;

pub(super) use answer_reader::Reader;
pub(super) use answer_writer::Writer;
pub(super) use block_writer::write_input;
pub(super) use cache::{read_cache, write_cache};
pub(super) use options_writer::Thinking;
pub(super) use request_reader::{read_request, read_thinking};
pub(super) use request_writer::{ANY_OBJECT, write_parameters, write_request};
pub(super) use schema::write_schema;

/// LiteLLM's name of the tool whose input is the output.
pub(super) const OUTPUT_TOOL: &str = "json_tool_call";

use super::form::Knob;

/// What this dialect calls a knob that it has.
pub(super) fn name_of(knob: Knob) -> Option<&'static str> {
    Some(match knob {
        Knob::MaxTokens => "max_tokens",
        Knob::Temperature => "temperature",
        Knob::TopP => "top_p",
        Knob::TopK => "top_k",
        _ => return None,
    })
}
