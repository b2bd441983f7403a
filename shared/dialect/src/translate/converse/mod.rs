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

use std::fmt::Write;

use super::form::Knob;

/// The path of a request to Bedrock: the model's name, or its ARN, is one segment of it.
pub fn bedrock_path(model: &str, action: &str) -> String {
    let mut path = "/model/".to_owned();
    for byte in model.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            path.push(char::from(byte));
        } else {
            // Writing into memory does not fail.
            let _ = write!(path, "%{byte:02X}");
        }
    }
    path + "/" + action
}

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
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_models_name_is_one_segment() {
        assert_eq!(
            bedrock_path("amazon.nova-lite-v1:0", "converse"),
            "/model/amazon.nova-lite-v1%3A0/converse"
        );
        let arn = "arn:aws:bedrock:us-east-1:1:inference-profile/x";
        let path = "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fx/converse-stream";
        assert_eq!(bedrock_path(arn, "converse-stream"), path);
    }
}
