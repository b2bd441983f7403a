//! Counts of Ollama's own chat, which stand on the top level of the last piece.

use bulkhead_model::Usage;

use crate::json::view::{members, part, whole_number};

/// Reads the counts. Ollama leaves out the one of a prompt that it had cached whole. `None` when nothing is counted.
pub(super) fn read(answer: &[u8]) -> Option<Usage> {
    let (mut input, mut output) = (None, None);
    for (name, range) in members(answer) {
        match name {
            b"prompt_eval_count" => input = whole_number(part(answer, range)),
            b"eval_count" => output = whole_number(part(answer, range)),
            _ => {}
        }
    }
    (input.is_some() || output.is_some()).then(|| Usage {
        input: input.unwrap_or(0),
        output: output.unwrap_or(0),
        ..Usage::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read() {
        let answer = br#"{"done":true,"prompt_eval_count":26,"prompt_eval_duration":1,"eval_count":298}"#;
        assert_eq!(read(answer), Some(Usage { input: 26, output: 298, ..Usage::default() }));
        assert_eq!(read(br#"{"eval_count":2}"#), Some(Usage { output: 2, ..Usage::default() }));
        assert_eq!(read(br#"{"done":true}"#), None);
    }
}
