//! OpenAI's chat completions, with what LiteLLM and its providers add to them.

mod answer_reader;
mod answer_writer;
mod calls;
mod content;
mod delta;
mod request_reader;
mod request_writer;
mod turn_writer;
mod usage;
mod whole;

pub(super) use answer_reader::Reader;
pub(super) use answer_writer::{Writer, call_id};
pub(super) use request_reader::read_request;
pub(super) use request_writer::write_request;
